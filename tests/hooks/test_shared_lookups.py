"""What starts together looks a connection up once."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from airflow.providers.common.compat import connection

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks import shared_lookups
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from airflow_provider_objectstore.hooks.shared_lookups import share_lookup


class LookUp:
    """Takes a moment, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.calls = 0
        self._failures = failures

    async def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(0.01)
        if number <= self._failures:
            raise LookupError(number)
        return number


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    monkeypatch.setattr(shared_lookups, "SHARED_SECONDS", 60)
    yield 60


def test_what_starts_together_looks_up_once() -> None:
    async def many() -> list[int]:
        return await asyncio.gather(*(share_lookup("a", look_up) for _ in range(1000)))

    look_up = LookUp()
    assert asyncio.run(many()) == [1] * 1000
    assert look_up.calls == 1


def test_all_that_wait_for_a_slow_look_up_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def many() -> list[int]:
        return await asyncio.gather(*(share_lookup("a", look_up) for _ in range(100)))

    look_up = LookUp()
    monkeypatch.setattr(shared_lookups, "SHARED_SECONDS", 0.001)  # shorter than the look-up, as in a busy triggerer
    assert set(asyncio.run(many())) <= {1, 2}
    assert look_up.calls <= 2


def test_each_loop_and_each_key_has_its_own() -> None:
    async def two() -> list[int]:
        return [await share_lookup(key, look_up) for key in ("a", "b", "a")]

    look_up = LookUp()
    assert asyncio.run(two()) == [1, 2, 1]
    assert asyncio.run(two()) == [3, 4, 3]


def test_what_starts_later_looks_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def later() -> list[int]:
        return [await share_lookup("a", look_up) for _ in range(3)]

    look_up = LookUp()
    monkeypatch.setattr(shared_lookups, "SHARED_SECONDS", 0)
    assert asyncio.run(later()) == [1, 2, 3]


def test_an_error_is_not_shared() -> None:
    async def many() -> list[int | BaseException]:
        return await asyncio.gather(*(share_lookup("a", look_up) for _ in range(5)), return_exceptions=True)

    look_up = LookUp(failures=2)
    first, second, *others = asyncio.run(many())
    assert isinstance(first, LookupError)
    assert isinstance(second, LookupError)
    assert others == [3, 3, 3]


def test_one_that_is_cancelled_does_not_stop_the_others() -> None:
    async def many() -> list[int]:
        first, *others = [asyncio.create_task(share_lookup("a", look_up)) for _ in range(5)]
        await asyncio.sleep(0.005)
        first.cancel()
        return await asyncio.gather(*others)

    look_up = LookUp()
    assert asyncio.run(many()) == [2] * 4


def test_neither_loops_nor_results_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class Result:
        pass

    async def look_up() -> Result:
        return Result()

    async def use() -> tuple[weakref.ref[object], weakref.ref[object]]:
        results = await asyncio.gather(*(share_lookup("a", look_up) for _ in range(10)))
        monkeypatch.setattr(shared_lookups, "SHARED_SECONDS", 0)
        await share_lookup("b", look_up)
        return weakref.ref(results[0]), weakref.ref(asyncio.get_running_loop())

    result, loop = asyncio.run(use())
    gc.collect()
    assert result() is None
    assert loop() is None


@pytest.mark.parametrize(
    ("hooks", "lookups"),
    [
        ([CivoObjectStoreHook() for _ in range(100)], 1),
        ([AnypointObjectStoreHook(), AnypointObjectStoreHook(environment_id="other")] * 2, 2),
        ([CivoObjectStoreHook(), CivoObjectStoreHook(region="FRA1"), AnypointObjectStoreHook()], 3),
    ],
    ids=["one connection", "two environments", "two services and regions"],
)
def test_clients_that_are_opened_together(
    hooks: list[ObjectStoreHook], lookups: int, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_all() -> list[str]:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(hook.async_client()) for hook in hooks]
            return [client._connection.labels["region"] for client in clients]

    found: list[str] = []
    look_up = connection.get_async_connection

    async def count(conn_id: str, hook: Any = None) -> Any:
        found.append(conn_id)
        return await look_up(conn_id, hook)

    monkeypatch.setattr(connection, "get_async_connection", count)
    regions = asyncio.run(open_all())
    assert len(found) == lookups
    for hook, region in zip(hooks, regions, strict=True):
        assert region == (getattr(hook, "region", None) or region)
