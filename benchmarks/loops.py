"""
Waits on an event loop, watched from inside.

``python benchmarks/loops.py ours|http WAITS SECONDS POKE_INTERVAL`` runs so many on a bare loop for
``benchmarks/waiting.py``, which also starts :class:`Probe` in a triggerer, among the waits.
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

TICK = 0.01
STORES = "/api/v1/organizations/emulator-org/environments/emulator-env/stores"
WAIT = "waiting"
"""How the names of the DAGs with the many waits begin."""


async def watch(note: Callable[[dict[str, float]], object]) -> None:
    """
    Sleep 10 ms, again and again.

    :param note: is told once a second: the time, by how much the latest wake-up was too late, the process' memory
        and processor time, how many waits it holds, and how many of ours have their connection and look.
    """
    from airflow_provider_objectstore.transport import asynchronous

    process, loop = psutil.Process(), asyncio.get_running_loop()
    while True:
        started, stall = time.monotonic(), 0.0
        while time.monotonic() < started + 1:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            stall = max(stall, time.monotonic() - before - TICK)
        note(
            {
                "at": time.time(),
                "stall": stall,
                "memory": process.memory_info().rss,
                "cpu": time.process_time(),
                "waits": sum(task.get_name().startswith(WAIT) for task in asyncio.all_tasks()),
                "looking": sum(state.clients for state in asynchronous._states.get(loop, {}).values()),
            }
        )


class Probe(BaseTrigger):
    """Watches the loop of the triggerer that it runs in, and never fires."""

    def __init__(self, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "benchmarks.loops.Probe", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        with Path(self.path).open("w", buffering=1) as file:
            await watch(lambda moment: file.write(json.dumps(moment) + "\n"))
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]


class ProbeTask(BaseOperator):
    """Starts the probe, without a worker."""

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="benchmarks.loops.Probe",
            trigger_kwargs={"path": path},
            next_method="execute",
            timeout=timedelta(hours=1),
        )


def ours(key: str, poke_interval: float) -> BaseTrigger:
    """Our wait for a key."""
    from airflow_provider_objectstore.triggers.waits import KeysTrigger

    return KeysTrigger(
        anypoint_conn_id="anypoint_default", store_id="bench", partition="p", keys=key, poke_interval=poke_interval
    )


def http(key: str, poke_interval: float) -> BaseTrigger:
    """The http provider's wait for the same; its connection brings the token."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    endpoint = f"{STORES}/bench/partitions/p/keys/{key}?confirmable=false"
    return HttpSensorTrigger(endpoint=endpoint, method="HEAD", poke_interval=poke_interval)


async def run(kind: str, waits: int, seconds: float, poke_interval: float) -> list[dict[str, float]]:
    """Wait in vain, so many at a time; return what the watch noted."""
    make = {"ours": ours, "http": http}[kind]

    async def wait(number: int) -> None:
        async for _ in make(f"k{number}", poke_interval).run():
            raise AssertionError("there is no such key")

    moments: list[dict[str, float]] = []
    watching = asyncio.create_task(watch(moments.append))
    first = asyncio.create_task(wait(0))
    await asyncio.sleep(3)  # everything is imported, and the one wait is there already
    tasks = [asyncio.create_task(wait(number), name=f"{WAIT} {number}") for number in range(waits)]
    await asyncio.sleep(seconds)
    for task in (watching, first, *tasks):
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(watching, first, *tasks, return_exceptions=True)
    return moments


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))))
