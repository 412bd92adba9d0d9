"""Runs event triggers that share their polls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from airflow_provider_objectstore.triggers import shared_stream
from airflow_provider_objectstore.triggers.change_trigger import ChangeTrigger
from tests.triggers.watching import State

ACK_TIMEOUT = 0.2
"""By the manager's own clock, which a test advances; Airflow looks ten times in this time whether it is over."""


class Manager:
    """Runs triggers as a triggerer of Airflow 3.3 does, without its database."""

    def __init__(self) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        self.now = 0.0
        self.streams = SharedStreamManager(ack_timeout=ACK_TIMEOUT, _now=lambda: self.now)
        self.fired: dict[int, list[str]] = {}
        self.unconfirmed: dict[int, list[int]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, trigger: ChangeTrigger, state: State | None = None) -> list[str]:
        number = len(self.tasks)
        trigger.asset_state_store = state  # type: ignore[assignment]
        self.fired[number], self.unconfirmed[number] = [], []
        self.tasks.append(asyncio.create_task(self._run(number, trigger)))
        return self.fired[number]

    async def _run(self, number: int, trigger: ChangeTrigger) -> None:
        key = trigger.shared_stream_key()
        stream = self.streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                self.fired[number].extend(event.payload["keys"])
                persisted = self.streams.bind_pending_event(trigger_id=number, key=key)
                assert persisted is not None
                self.unconfirmed[number].append(persisted)
        finally:
            await self.streams.unsubscribe(number, key)

    def confirm(self, number: int) -> None:
        """Tell, as Airflow does, that the events of a trigger are stored."""
        self.streams.confirm_persisted(self.unconfirmed[number])

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
