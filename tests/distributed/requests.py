"""How many requests a service gets per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from airflow_provider_objectstore.emulator import Emulator


class Rate:
    """
    Counts requests while a ``with`` block runs.

    :param service: the service.
    :param counted: which operations count, by their names.
    """

    def __init__(self, service: Emulator, counted: Callable[[str], bool]) -> None:
        self._service = service
        self._counted = counted
        self._samples: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def highest(self, seconds: float) -> float:
        """Return the highest rate over any such time, in requests per second."""
        highest = 0.0
        for start, before in self._samples:
            later = next((sample for sample in self._samples if sample[0] >= start + seconds), None)
            if later:
                highest = max(highest, (later[1] - before) / (later[0] - start))
        return highest

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            by_operation = self._service.requests()["by_operation"]
            total = sum(sum(by.values()) for name, by in by_operation.items() if self._counted(name))
            self._samples.append((time.monotonic(), total))
