"""What many waits on one event loop cost: look-ups, masks, sessions and connections, which they share, and memory."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from airflow.providers.common.compat import connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_objectstore.compat import triggerer
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks import shared_lookups
from airflow_provider_objectstore.transport import async_client
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger
from tests.transport.drivers import count

WAITS = 100
BATCHES = 4
MAX_BYTES = 8 * 1024
"""Of one wait, without what a trigger costs that has nothing to do with this package."""


class PlainTrigger(BaseTrigger):
    """Waits for a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "tests.triggers.test_waits_cost.PlainTrigger", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while not Path(self.path).exists():
            await asyncio.sleep(3600)
        yield TriggerEvent(None)


def ours(number: int) -> BaseTrigger:
    place = {"anypoint_conn_id": "anypoint_default", "store_id": "s", "partition": "p"}
    return AnypointKeyTrigger(keys=f"k{number}", poke_interval=3600, **place)


async def start(triggers: list[BaseTrigger], polled: Callable[[], int], expected: int) -> list[asyncio.Task[None]]:
    """Start waits. Return their tasks when all have polled and sleep."""

    async def wait(trigger: BaseTrigger) -> None:
        async for _ in trigger.run():
            raise AssertionError("it does not exist")

    tasks = [asyncio.create_task(wait(trigger)) for trigger in triggers]
    while polled() < expected:
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks)
    await asyncio.sleep(0.1)
    return tasks


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_waits_share_look_up_masks_session_token_and_connections(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: Counter[str] = Counter()

    def counted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def counting(*arguments: Any, **named: Any) -> Any:
            done[name] += 1
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, counting)

    async def wait() -> None:
        await end(await start([ours(number) for number in range(WAITS)], polls, WAITS))

    def polls() -> int:
        return count(emulator, "anypoint.key_exists")

    monkeypatch.setattr(shared_lookups, "SHARED_SECONDS", 60)  # a busy machine needs more than a second
    counted(connection, "get_async_connection")
    counted(triggerer, "amask_secret")
    counted(async_client._AsyncState, "_new_session")
    counted(aiohttp.TCPConnector, "_create_connection")
    asyncio.run(asyncio.wait_for(wait(), 120))
    assert polls() == WAITS
    assert count(emulator, "accounts.token") == 1
    assert done["get_async_connection"] == 1
    assert done["amask_secret"] == 2  # the client secret, the token
    assert done["_new_session"] == 1
    assert done["_create_connection"] <= async_client.MAX_CONNECTIONS


def test_memory_of_a_wait(emulator: Emulator) -> None:
    async def bytes_of(make: Callable[[int], BaseTrigger], polled: Callable[[], int]) -> float:
        tasks = await start([make(number) for number in range(WAITS)], polled, WAITS)  # what all share
        grown = []
        for batch in range(1, BATCHES):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            numbers = range(batch * WAITS, (batch + 1) * WAITS)
            tasks += await start([make(number) for number in numbers], polled, (batch + 1) * WAITS)
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
        await end(tasks)
        return min(grown) / WAITS  # a batch that polls faster than those before opens connections, which all share

    async def compare() -> tuple[float, float]:
        plain = await bytes_of(lambda number: PlainTrigger(f"/nonexistent/{number}"), lambda: BATCHES * WAITS)
        return plain, await bytes_of(ours, lambda: count(emulator, "anypoint.key_exists"))

    tracemalloc.start()
    try:
        plain, own = asyncio.run(asyncio.wait_for(compare(), 240))
    finally:
        tracemalloc.stop()
    assert 500 < plain < own < plain + MAX_BYTES
