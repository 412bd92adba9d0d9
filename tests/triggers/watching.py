"""Runs event triggers as a triggerer does, and changes keys while they run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers import change_trigger
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from airflow_provider_objectstore.triggers.change_trigger import ChangeTrigger
from tests.triggers.waiting import answers, revived

GET, LIST = "anypoint.get_key", "anypoint.list_keys"


INTERVAL = 0.02


class State(dict[str, Any]):
    """What Airflow 3.3 gives an event trigger, in memory; values go through JSON as they do there."""

    broken: str | None = None

    async def aget(self, key: str, default: Any = None) -> Any:
        await self._do("aget")
        return json.loads(self[key]) if key in self else default

    async def aset(self, key: str, value: Any) -> None:
        await self._do("aset")
        self[key] = json.dumps(value)

    async def _do(self, what: str) -> None:
        await asyncio.sleep(0)
        if self.broken == what:
            raise RuntimeError("the state store is away")


class Watch:
    """A trigger that runs, and what it has fired."""

    def __init__(self, polls: Callable[[], int]) -> None:
        self.fired: list[dict[str, Any]] = []
        self._polls = polls

    async def collect(self, trigger: ChangeTrigger) -> None:
        async for event in trigger.run():
            self.fired.append(json.loads(json.dumps(event.payload)))

    def keys(self) -> list[str]:
        """The keys of the events since the last call."""
        fired, self.fired = self.fired, []
        return [key for payload in fired for key in payload["keys"]]

    async def snapshots(self, number: int = 2) -> None:
        """Wait until so many polls have begun, so that a whole one lies in between."""
        start = self._polls()
        await until(lambda: self._polls() >= start + number, 30)


def watch_of_keys(emulator: Emulator) -> Watch:
    """A watch of keys; each poll must list."""
    return Watch(lambda: sum(answers(emulator, LIST).values()))


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "not so in time"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def watching(
    emulator: Emulator, state: State | None = None, snapshots: int = 2, **key_filter: Any
) -> AsyncIterator[Watch]:
    """Run a trigger in the block, as a triggerer starts it; ``snapshots`` are taken first."""
    async with running(event_trigger(**key_filter), watch_of_keys(emulator), state, snapshots) as watch:
        yield watch


@asynccontextmanager
async def running(
    trigger: ChangeTrigger, watch: Watch, state: State | None = None, snapshots: int = 2
) -> AsyncIterator[Watch]:
    """Run a trigger in the block, as a triggerer starts it; ``snapshots`` are taken first."""
    trigger = revived(trigger)  # type: ignore[arg-type, assignment]
    trigger.asset_state_store = state  # type: ignore[assignment]
    task = asyncio.create_task(watch.collect(trigger))
    try:
        await watch.snapshots(snapshots)
        yield watch
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def event_trigger(**settings: Any) -> AnypointKeyEventTrigger:
    return AnypointKeyEventTrigger(**{"store_id": "s", "partition": "p", "poke_interval": INTERVAL, **settings})


class Keys:
    """Writes and deletes, off the loop."""

    def __init__(self, hook: AnypointObjectStoreHook) -> None:
        self._hook = hook

    async def put(self, key: str, value: Any = "v", **more: Any) -> None:
        await asyncio.to_thread(self._hook.put_key, "s", "p", key, value, **more)

    async def put_many(self, keys: list[str], value: Any = "v") -> None:
        written = await asyncio.to_thread(self._hook.put_many, "s", "p", dict.fromkeys(keys, value))
        written.raise_failed()

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._hook.delete_key, "s", "p", key)


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events may follow each other at once."""
    monkeypatch.setattr(change_trigger, "EVENT_DISTANCE", 0)


@pytest.fixture
def keys(emulator: Emulator) -> Keys:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return Keys(hook)
