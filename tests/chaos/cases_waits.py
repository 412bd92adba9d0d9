"""Every sensor and every trigger under faults."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
)

from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor, AnypointPartitionSensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from tests.chaos.case import SYNC, case
from tests.chaos.run import FEW_ATTEMPTS, Outcome, Run, quick_retries
from tests.chaos.world import BUCKET, KEYS, Anypoint, Civo
from tests.triggers.waiting import run as run_task
from tests.triggers.watching import State

IN_TIME, SHORT, LATER = 20.0, 0.5, 0.2
"""Seconds: a time-out that nothing reaches, one that an absent object reaches, and when an object appears."""
MODES: dict[str, dict[str, Any]] = {"poke": {"deferrable": False}, "deferred": {"deferrable": True}}
TIMEOUTS = (AirflowSensorTimeout,)


def _wait(run: Run, sensor: Callable[..., Any], timeout: float, *names: str, **settings: Any) -> Outcome:
    with DAG("waiting", schedule=None, start_date=datetime(2026, 1, 1)):
        task = sensor(task_id="wait", poke_interval=0.02, timeout=timeout, **settings)
    allowed = (*TIMEOUTS, AirflowFailException)
    with quick_retries(**FEW_ATTEMPTS):
        outcome = run.call(lambda: run_task(task), allowed=allowed, seconds=timeout)
    if not outcome.ok and not isinstance(outcome.error, TIMEOUTS):
        run.check_names(outcome.error, *names)
    return outcome


def _found(outcome: Outcome) -> bool:
    """Whether a wait found its object, or an error that cannot pass ended it, such as a token refused twice."""
    return outcome.ok or isinstance(outcome.error, AirflowFailException)


def _waits(
    title: str, sensor: Callable[..., Any], world: Callable[[Run], Any], appear: Callable[[Any], None], *covers: str
) -> None:
    """Register the waits of a sensor: for what is there, for what is not, and for what appears."""

    def act(run: Run, mode: dict[str, Any]) -> None:
        there, absent, later, names = world(run)
        outcome = _wait(run, sensor, IN_TIME, *names, **there, **mode)
        run.check("wait ends right", _found(outcome), outcome)
        outcome = _wait(run, sensor, SHORT, *names, **absent, **mode)
        run.check("wait ends right", not outcome.ok, outcome)
        timer = threading.Timer(LATER, appear, [later])
        timer.start()
        outcome = _wait(run, sensor, IN_TIME, *names, **later, **mode)
        timer.join()
        run.check("wait ends right", _found(outcome), outcome)

    for name, mode in MODES.items():
        case(*covers, forms=SYNC, weight=3, intensity=0.6, name=f"{title}_{name}")(
            lambda run, mode=mode: act(run, mode)
        )


_worlds: dict[str, Any] = {}


def _keys(run: Run) -> Any:
    _worlds["anypoint"] = Anypoint(run)
    address = {"store_id": "orders", "partition": "eu"}
    keys = [{**address, "keys": keys} for keys in (["key-0", "key-1"], ["key-0", "nowhere"], ["key-0", "later"])]
    return (*keys, ("orders", "eu"))


def _partitions(run: Run) -> Any:
    _worlds["anypoint"] = Anypoint(run)
    return (*({"store_id": "orders", "partition": name} for name in ("eu", "nowhere", "later")), ("orders",))


def _object_stores(run: Run) -> Any:
    _worlds["civo"] = civo = Civo(run)
    return (
        *({"object_store": name} for name in (BUCKET, "nowhere", "later")),
        (f"{BUCKET}|{civo.id}|nowhere|later|object store",),
    )


_waits(
    "key_sensor",
    AnypointKeySensor,
    _keys,
    lambda later: _worlds["anypoint"].put("eu", "later", "x"),
    "AnypointKeySensor",
    "AnypointKeyTrigger",
)
_waits(
    "partition_sensor",
    AnypointPartitionSensor,
    _partitions,
    lambda later: _worlds["anypoint"].put("later", "k", "x"),
    "AnypointPartitionSensor",
    "AnypointPartitionTrigger",
)
_waits(
    "object_store_sensor",
    CivoObjectStoreSensor,
    _object_stores,
    lambda later: _worlds["civo"].add_store("later", _worlds["civo"].owner),
    "CivoObjectStoreSensor",
    "CivoObjectStoreTrigger",
)


@case("AnypointKeyEventTrigger", forms=SYNC, weight=4)
def event_trigger(run: Run) -> None:
    """Each change fires once, and nothing else fires, whatever a listing seems to say."""
    anypoint = Anypoint(run)
    fired: list[str] = []

    async def collect(trigger: AnypointKeyEventTrigger) -> None:
        async for event in trigger.run():
            fired.extend(event.payload["keys"])

    async def until(condition: Callable[[], object], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.01)

    async def watch() -> list[str]:
        trigger = AnypointKeyEventTrigger(store_id="orders", partition="eu", poke_interval=0.02)
        trigger.asset_state_store = state = State()  # type: ignore[assignment]
        task = asyncio.create_task(collect(trigger))
        await until(lambda: state or task.done(), 10)
        anypoint.put("eu", "key-1", "changed")
        anypoint.put("eu", "later", "new")
        await until(lambda: {"key-1", "later"} <= set(fired) or task.done(), 10)
        await asyncio.sleep(0.3)
        ended = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if ended and not task.cancelled() and (error := task.exception()):
            raise error
        return fired

    outcome = run.call(lambda: asyncio.run(watch()), "orders", "eu", allowed=(AirflowException,), seconds=20)
    if outcome.ok:
        run.check("wait ends right", sorted(fired) == ["key-1", "later"], sorted(fired))
    else:
        run.check("wait ends right", not set(fired) - {"key-1", "later", *KEYS} and len(fired) <= 2, sorted(fired))
