"""Measures the triggerer that it runs in. The DAG of ``tests/soak/dags`` starts it there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from airflow.triggers.base import BaseTrigger, TriggerEvent

from tests.soak.memory import memory

INTERVAL = 2.0


class Probe(BaseTrigger):
    """Writes what its process holds, every two seconds, and never fires."""

    def __init__(self, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "tests.soak.probe.Probe", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        process = psutil.Process()
        with Path(self.path).open("a", buffering=1) as file:
            while True:
                sample = memory() | {
                    "at": time.time(),
                    "file descriptors": process.num_fds(),
                    "threads": process.num_threads(),
                    "tasks": len(asyncio.all_tasks()),
                }
                file.write(json.dumps(sample) + "\n")
                await asyncio.sleep(INTERVAL)
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]
