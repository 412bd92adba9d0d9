from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.conftest import connect
from tests.triggers.waiting import answers
from tests.triggers.watching import GET, LIST, Keys, until, watching

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 400},
        {"kind": "reset_before"},
        {"kind": "garbage"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
@pytest.mark.parametrize("operation", [LIST, GET])
async def test_errors_end_nothing(
    emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture, fault: dict[str, Any], operation: str
) -> None:
    await keys.put_many(["a", "b"])
    async with watching(emulator) as watch:
        emulator.faults([{"operation": operation, **fault}])
        await until(lambda: len(re.findall("Could not poll store s, partition p|cannot be read", caplog.text)) >= 3)
        await keys.put("b", "changed")
        assert watch.keys() == []
        emulator.faults([])
        await watch.snapshots()
        assert watch.keys() == ["b"]
    levels = {record.levelno for record in caplog.records if re.search("Could not poll|cannot be read", record.message)}
    assert levels == {logging.ERROR if fault.get("status") in (400, 401, 403) else logging.WARNING}
    assert "emulator-secret" not in caplog.text


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_errors_are_no_hot_loop(emulator: Emulator, keys: Keys, status: int) -> None:
    emulator.faults([{"operation": GET, "kind": "status", "status": status}])
    async with watching(emulator, snapshots=0, keys="a", poke_interval=0.2):
        started = time.monotonic()
        await until(lambda: sum(answers(emulator, GET).values()) >= 4)
        snapshots = 1 + (time.monotonic() - started) / 0.2
    requests = sum(answers(emulator, GET).values())
    assert requests <= 2 * (snapshots + 1), "each poll sends one request, and one more where that may help"


async def test_waits_for_a_connection(
    emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", '{"conn_type": "anypoint"}')
    async with watching(emulator, snapshots=0) as watch:
        await until(lambda: "organization_id" in caplog.text)
        assert sum(answers(emulator, LIST).values()) == 0
        connect(monkeypatch, emulator)
        await watch.snapshots()
        await keys.put("a")
        await watch.snapshots()
        assert watch.keys() == ["a"]


class TestUnreadable:
    """Nothing fires for a key that cannot be read: its known state is kept."""

    def unreadable(self, emulator: Emulator) -> None:
        emulator.faults([{"operation": GET, "kind": "garbage"}])

    async def test_a_key_that_was_known(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        async with watching(emulator) as watch:
            self.unreadable(emulator)
            await watch.snapshots(4)
            assert watch.keys() == []
            emulator.faults([])
            await watch.snapshots(4)
            assert watch.keys() == [], "it is as it was"
            await keys.put("a", "changed")
            await watch.snapshots(4)
            assert watch.keys() == ["a"]

    async def test_a_key_that_was_there_at_the_first_poll(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        self.unreadable(emulator)
        async with watching(emulator) as watch:
            await keys.put("b")
            await watch.snapshots(4)
            emulator.faults([])
            await watch.snapshots(4)
            assert watch.keys() == ["b"], "a was there before, b appeared"

    async def test_other_keys_still_fire(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        async with watching(emulator) as watch:
            emulator.faults([{"operation": GET, "kind": "garbage", "share": 0.5}])
            await keys.put("b")
            await until(lambda: watch.fired)
            assert watch.keys() == ["b"]

    async def test_many_in_a_row_end_the_poll(self, emulator: Emulator, keys: Keys, caplog: Any) -> None:
        await keys.put_many([f"k{number}" for number in range(30)])
        self.unreadable(emulator)
        async with watching(emulator, snapshots=0):
            await until(lambda: "Could not poll" in caplog.text)
        assert caplog.text.count("This key cannot be read") < 30

    async def test_a_store_that_goes_and_comes_again(
        self, emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture
    ) -> None:
        await keys.put("a")
        hook = AnypointObjectStoreHook()
        async with watching(emulator) as watch:
            await asyncio.to_thread(hook.delete_store, "s")
            await watch.snapshots(6)
            await asyncio.to_thread(hook.create_store, "s")
            await keys.put("a")
            await watch.snapshots(4)
            assert watch.keys() == [], "it is as it was known"
        warnings = [
            record.getMessage() for record in caplog.records if "The store itself is missing" in record.getMessage()
        ]
        assert len(warnings) == 1, warnings

    async def test_a_store_that_comes_with_its_first_key(self, emulator: Emulator) -> None:
        hook = AnypointObjectStoreHook()
        async with watching(emulator) as watch:
            await asyncio.to_thread(hook.create_store, "s")
            await Keys(hook).put("a")
            await watch.snapshots(4)
            assert watch.keys() == ["a"], "it was missing in the first poll"

    async def test_a_partition_that_goes_and_comes_again(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        async with watching(emulator) as watch:
            await keys.delete("a")
            await watch.snapshots(4)
            await keys.put("a")
            await watch.snapshots(4)
            assert watch.keys() == ["a"]
