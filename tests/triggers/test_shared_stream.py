from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.triggers import shared_stream
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from tests.triggers.watching import GET, LIST, Keys, State, Watch, event_trigger, until


class Manager:
    """Runs triggers as a triggerer of Airflow 3.3 does, without its database."""

    def __init__(self) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        self.streams = SharedStreamManager(log=logging.getLogger("streams"))  # type: ignore[arg-type]
        self.fired: dict[int, list[str]] = {}
        self.unconfirmed: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, trigger: AnypointKeyEventTrigger, state: State | None = None) -> list[str]:
        number = len(self.tasks)
        trigger.asset_state_store = state  # type: ignore[assignment]
        self.fired[number] = []
        self.tasks.append(asyncio.create_task(self._run(number, trigger)))
        return self.fired[number]

    async def _run(self, number: int, trigger: AnypointKeyEventTrigger) -> None:
        key = trigger.shared_stream_key()
        stream = self.streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                self.fired[number].extend(event.payload["keys"])
                persisted = self.streams.bind_pending_event(trigger_id=number, key=key)
                assert persisted is not None
                self.unconfirmed.append(persisted)
        finally:
            await self.streams.unsubscribe(number, key)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow 3.3 shares streams")
    manager = Manager()
    yield manager
    await manager.stop()
    assert not shared_stream._watched


async def test_siblings_share_polls(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch = Watch(emulator)
    await keys.put_many([f"in/{number}" for number in range(9)])
    key_filters: list[dict[str, Any]] = [{}, {"begins_with": "in/"}, {"keys": ["a"]}, {"keys": ["b", "a"]}]
    fired = [manager.start(event_trigger(**key_filter)) for key_filter in key_filters]
    await watch.snapshots(3)
    before = emulator.requests()["by_operation"]
    await watch.snapshots(5)
    after = emulator.requests()["by_operation"]
    listings, reads, missing = (
        after[operation][status] - before[operation][status]
        for operation, status in ((LIST, "200"), (GET, "200"), (GET, "404"))
    )
    assert abs(reads - 9 * listings) <= 9
    assert abs(missing - 2 * listings) <= 2
    for key in ("a", "b", "in/x"):
        await keys.put(key)
        await watch.snapshots(3)
    assert fired == [["a", "b", "in/x"], ["in/x"], ["a"], ["a", "b"]]


async def test_one_that_joins_later_begins_with_its_own_first_poll(
    emulator: Emulator, keys: Keys, manager: Manager
) -> None:
    watch = Watch(emulator)
    manager.start(event_trigger(begins_with="x"))
    await keys.put("old")
    await watch.snapshots()
    late = manager.start(event_trigger(keys=["old", "new"]))
    await watch.snapshots(3)
    await keys.put("new")
    await watch.snapshots(3)
    assert late == ["new"]


async def test_other_settings_share_nothing(manager: Manager) -> None:
    different = [{}, {"region": "eu-west-1"}, {"partition": "q"}, {"store_id": "t"}, {"poke_interval": 9}]
    found = {event_trigger(**settings).shared_stream_key() for settings in different}  # type: ignore[arg-type]
    assert len(found) == len(different)


async def test_state_is_written_after_events_are_stored(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch, state = Watch(emulator), State()
    fired = manager.start(event_trigger(), state)
    await until(lambda: state)
    before = dict(state)
    await keys.put("a")
    await watch.snapshots(4)
    assert fired == ["a"]
    assert state == before, "Airflow has not confirmed yet that the event is stored"
    manager.streams.confirm_persisted(manager.unconfirmed)
    await until(lambda: state != before)
    await manager.stop()
    again = manager.start(event_trigger(), state)
    await watch.snapshots(3)
    assert again == []
