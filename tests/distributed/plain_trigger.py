"""An event trigger that has nothing to do with this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent


class BurstTrigger(BaseEventTrigger):
    """Fires as many events as a file says, and deletes the file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "tests.distributed.plain_trigger.BurstTrigger", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while True:
            if Path(self.path).exists():
                number = int(Path(self.path).read_text())
                Path(self.path).unlink()
                for event in range(number):
                    yield TriggerEvent(event)
            await asyncio.sleep(0.2)
