"""
Measure an event loop, from inside, while triggers wait on it.

``python benchmarks/event_loop_bench.py ours|http|plain WAITS SECONDS POKE_INTERVAL`` runs waits on a bare event loop
for ``benchmarks/waiting.py``, which also starts :class:`Probe` in a triggerer, next to the waits of
``benchmarks/timed_waits.py``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from airflow.providers.common.compat.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TriggerEvent

from benchmarks.timed_waits import PlainTrigger, moments

TICK = 0.01
STORES = "/api/v1/organizations/emulator-org/environments/emulator-env/stores"
WAIT = "waiting"
"""Prefix of the ids of the DAGs with many waits."""
RESUMED = "_resumed"
"""End of the kind of those that end on a worker."""


async def measure_loop(record: Callable[[dict[str, float]], object]) -> None:
    """
    Sleep 10 ms, again and again, until cancelled.

    :param record: called once a second with the time, by how much the latest wake-up was too late, the process's
        memory and processor time, its parent's processor time, the number of waits, and the moments of
        ``benchmarks/timed_waits.py``.
    """
    process = psutil.Process()
    parent = process.parent()
    assert parent is not None
    while True:
        started, stall = time.monotonic(), 0.0
        while time.monotonic() < started + 1:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            stall = max(stall, time.monotonic() - before - TICK)
        record(
            {
                "at": time.time(),
                "stall": stall,
                "memory": process.memory_info().rss,
                "cpu": time.process_time(),
                "parent_cpu": sum(parent.cpu_times()[:2]),
                "waits": sum(task.get_name().startswith(WAIT) for task in asyncio.all_tasks()),
                **{f"{name}_count": float(len(times)) for name, times in moments.items()},
                **{f"{name}_last": max(times, default=0.0) for name, times in moments.items()},
            }
        )


class Probe(BaseTrigger):
    """Measures the event loop of the triggerer that it runs in, and never fires."""

    def __init__(self, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "benchmarks.event_loop_bench.Probe", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        with Path(self.path).open("w", buffering=1) as file:
            await measure_loop(lambda sample: file.write(json.dumps(sample) + "\n"))
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]


class ProbeTask(BaseOperator):
    """Starts the probe in the triggerer, without a worker."""

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="benchmarks.event_loop_bench.Probe",
            trigger_kwargs={"path": path},
            next_method="execute",
            timeout=timedelta(hours=1),
        )


def ours(key: str, poke_interval: float) -> BaseTrigger:
    """Return our trigger that waits for a key."""
    from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger

    return AnypointKeyTrigger(
        anypoint_conn_id="anypoint_default", store_id="bench", partition="p", keys=key, poke_interval=poke_interval
    )


def http(key: str, poke_interval: float) -> BaseTrigger:
    """Return the http provider's trigger that waits for the same key. Its connection holds the access token."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    endpoint = f"{STORES}/bench/partitions/p/keys/{key}?confirmable=false"
    return HttpSensorTrigger(endpoint=endpoint, method="HEAD", poke_interval=poke_interval)


def plain(key: str, poke_interval: float) -> BaseTrigger:
    """Return a trigger that has nothing to do with a provider, and waits for a file."""
    return PlainTrigger(path=f"/nonexistent/{key}", poke_interval=poke_interval)


async def run(kind: str, waits: int, seconds: float, poke_interval: float) -> list[dict[str, float]]:
    """Run waits for keys that do not exist, all at a time. Return the measurements of the event loop."""
    make_trigger = {"ours": ours, "http": http, "plain": plain}[kind]

    async def wait(number: int) -> None:
        async for _ in make_trigger(f"k{number}", poke_interval).run():
            raise AssertionError("there is no such key")

    samples: list[dict[str, float]] = []
    measuring = asyncio.create_task(measure_loop(samples.append))
    first = asyncio.create_task(wait(0))
    await asyncio.sleep(3)  # imports are done and the first wait polls
    tasks = [asyncio.create_task(wait(number), name=f"{WAIT} {number}") for number in range(waits)]
    await asyncio.sleep(seconds)
    for task in (measuring, first, *tasks):
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(measuring, first, *tasks, return_exceptions=True)
    return samples


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))))
