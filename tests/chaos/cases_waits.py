"""Every sensor and every trigger under faults."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
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
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger
from tests.chaos.case import SYNC, case
from tests.chaos.run import FEW_ATTEMPTS, Outcome, Run, quick_retries
from tests.chaos.world import BUCKET, KEYS, OBJECTS, Anypoint, Civo
from tests.triggers.waiting import run as run_task
from tests.triggers.watching import State

IN_TIME, SHORT, LATER = 20.0, 0.5, 0.2
"""Seconds: a time-out that nothing reaches, one that an absent object reaches, and when an object appears."""
WATCH_SECONDS = 15
"""How long a watcher may take to begin, and to see its changes."""
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


@dataclass(frozen=True)
class Waiting:
    """
    What a sensor waits for.

    :param there: its arguments for what is there.
    :param absent: … for what never is.
    :param later: … for what appears.
    :param appear: lets it appear.
    :param names: what an error must name.
    :param during: what surrounds the waits.
    """

    there: dict[str, Any]
    absent: dict[str, Any]
    later: dict[str, Any]
    appear: Callable[[], object]
    names: tuple[str, ...] = ()
    during: AbstractContextManager[Any] = field(default_factory=nullcontext)


def waits(title: str, sensor: Callable[..., Any], world: Callable[[Run], Waiting], *covers: str) -> None:
    """Register the waits of a sensor: for what is there, for what is not, and for what appears."""

    def act(run: Run, mode: dict[str, Any]) -> None:
        waiting = world(run)
        with waiting.during:
            outcome = _wait(run, sensor, IN_TIME, *waiting.names, **waiting.there, **mode)
            run.check("wait ends right", _found(outcome), outcome)
            outcome = _wait(run, sensor, SHORT, *waiting.names, **waiting.absent, **mode)
            run.check("wait ends right", not outcome.ok, outcome)
            timer = threading.Timer(LATER, waiting.appear)
            timer.start()
            outcome = _wait(run, sensor, IN_TIME, *waiting.names, **waiting.later, **mode)
            timer.join()
            run.check("wait ends right", _found(outcome), outcome)

    for name, mode in MODES.items():
        case(*covers, forms=SYNC, weight=3, intensity=0.6, name=f"{title}_{name}")(
            lambda run, mode=mode: act(run, mode)
        )


def _keys(run: Run) -> Waiting:
    anypoint = Anypoint(run)
    address = {"store_id": "orders", "partition": "eu"}
    keys = [{**address, "keys": keys} for keys in (["key-0", "key-1"], ["key-0", "nowhere"], ["key-0", "later"])]
    return Waiting(*keys, lambda: anypoint.put("eu", "later", "x"), ("orders", "eu"))


def _partitions(run: Run) -> Waiting:
    anypoint = Anypoint(run)
    partitions = [{"store_id": "orders", "partition": name} for name in ("eu", "nowhere", "later")]
    return Waiting(*partitions, lambda: anypoint.put("later", "k", "x"), ("orders",))


def _object_stores(run: Run) -> Waiting:
    civo = Civo(run)
    stores = [{"object_store": name} for name in (BUCKET, "nowhere", "later")]
    names = (f"{BUCKET}|{civo.id}|nowhere|later|object store",)
    return Waiting(*stores, lambda: civo.add_store("later", civo.owner), names)


waits("key_sensor", AnypointKeySensor, _keys, "AnypointKeySensor", "AnypointKeyTrigger")
waits("partition_sensor", AnypointPartitionSensor, _partitions, "AnypointPartitionSensor", "AnypointPartitionTrigger")
waits("object_store_sensor", CivoObjectStoreSensor, _object_stores, "CivoObjectStoreSensor", "CivoObjectStoreTrigger")


async def _until(condition: Callable[[], object], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)


def _watch(
    run: Run, trigger: Any, change: Callable[[], object], changed: set[str], there: set[str], *names: str
) -> None:
    """
    Watch while something changes: each change fires once and nothing else fires, whatever a listing seems to say.

    :param change: makes the changes.
    :param changed: the keys that it changes.
    :param there: the keys that were there before.
    """
    fired: list[str] = []

    async def collect() -> None:
        async for event in trigger.run():
            fired.extend(event.payload["keys"])

    async def watch() -> None:
        trigger.asset_state_store = state = State()
        task = asyncio.create_task(collect())
        await _until(lambda: state or task.done(), WATCH_SECONDS)
        await asyncio.to_thread(change)
        await _until(lambda: changed <= set(fired) or task.done(), WATCH_SECONDS)
        await asyncio.sleep(0.3)
        ended = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if ended and not task.cancelled() and (error := task.exception()):
            raise error

    outcome = run.call(lambda: asyncio.run(watch()), *names, allowed=(AirflowException,), seconds=2 * WATCH_SECONDS)
    if outcome.ok:
        run.check("wait ends right", sorted(fired) == sorted(changed), sorted(fired))
    else:
        run.check("wait ends right", not set(fired) - changed - there and len(fired) <= 2, sorted(fired))


@case("AnypointKeyEventTrigger", forms=SYNC, weight=4)
def event_trigger(run: Run) -> None:
    """Changed keys of a partition."""
    anypoint = Anypoint(run)

    def change() -> None:
        anypoint.put("eu", "key-1", "changed")
        anypoint.put("eu", "later", "new")

    trigger = AnypointKeyEventTrigger(store_id="orders", partition="eu", poke_interval=0.02)
    _watch(run, trigger, change, {"key-1", "later"}, set(KEYS), "orders", "eu")


@case("CivoObjectEventTrigger", forms=SYNC, weight=4, intensity=0.6)
def bucket_trigger(run: Run) -> None:
    """Changed objects of a bucket."""
    civo = Civo(run, objects=True)

    def change() -> None:
        s3 = civo.s3()
        for key in ("top", "later"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"changed")

    trigger = CivoObjectEventTrigger(BUCKET, poke_interval=0.02)
    _watch(run, trigger, change, {"top", "later"}, set(OBJECTS), BUCKET)
