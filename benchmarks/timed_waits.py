"""
Waits that note when they were created, when they polled first and when they fired: ours, and a plain one.

The plain one has nothing to do with a provider. What it costs is Airflow's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import field
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent

from airflow_provider_objectstore.api.call import Flow
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger

moments: dict[str, list[float]] = {"created": [], "polled": [], "fired": []}
"""When the waits of this process were created, had polled once, and fired, in seconds since the epoch."""


def note(moment: str) -> None:
    """Note that a wait has come to a moment."""
    moments[moment].append(time.time())


class TimedKeyTrigger(AnypointKeyTrigger):
    """Our wait for a key."""

    _polled: bool = field(default=False, init=False)

    def poll_once(self) -> Flow[list[str] | None]:
        result = yield from super().poll_once()
        if not self._polled:
            self._polled = True
            note("polled")
        return result

    async def run(self) -> AsyncIterator[TriggerEvent]:
        note("created")
        async for event in super().run():
            note("fired")
            yield event


class TimedKeySensor(AnypointKeySensor):
    """Our sensor, with that wait."""

    def build_trigger(self, **common: Any) -> TimedKeyTrigger:
        return TimedKeyTrigger(**super().build_trigger(**common).serialize()[1])


class PlainTrigger(BaseTrigger):
    """Waits for a file."""

    def __init__(self, path: str, poke_interval: float, end_from_trigger: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path
        self.poke_interval = poke_interval
        self.end_from_trigger = end_from_trigger

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {name: getattr(self, name) for name in ("path", "poke_interval", "end_from_trigger")}
        return "benchmarks.timed_waits.PlainTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        note("created")
        polls = 0
        while not Path(self.path).exists():
            polls += 1
            if polls == 1:
                note("polled")
            await asyncio.sleep(self.poke_interval)
        note("fired")
        yield TaskSuccessEvent() if self.end_from_trigger else TriggerEvent(None)  # type: ignore[no-untyped-call]


class PlainTask(BaseOperator):
    """Starts that wait in the triggerer, without a worker."""

    def __init__(self, *, path: str, poke_interval: float, end_from_trigger: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        classpath, arguments = PlainTrigger(path, poke_interval, end_from_trigger).serialize()
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=classpath,
            trigger_kwargs=arguments,
            next_method="execute_complete",
            timeout=timedelta(hours=1),
        )

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """End the task on a worker."""
