"""What the service and the machine see of the waits, sampled in a thread."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

EVERY = 0.2
LOOK, TOKEN = "anypoint.key_exists", "accounts.token"


@dataclass(frozen=True)
class Sample:
    """One moment: requests so far, connections that stand, workers that hold a task."""

    at: float
    looks: int
    tokens: int
    connections: int
    workers: int


class Samples:
    """
    Samples five times a second as long as the ``with`` block.

    :param url: of the emulator.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[Sample] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            connections = established(int(self._url.rpartition(":")[2]))  # before our own request
            with urllib.request.urlopen(f"{self._url}/_emulator/requests") as answer:
                asked = json.load(answer)["by_operation"]
            counts = [sum(asked.get(operation, {}).values()) for operation in (LOOK, TOKEN)]
            self._all.append(Sample(time.time(), counts[0], counts[1], connections, busy_workers()))

    def between(self, start: float, end: float) -> Span:
        """The samples of a time."""
        return Span([sample for sample in list(self._all) if start <= sample.at <= end])


class Span:
    """Samples of some time, summed up."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples
        first, last = samples[0], samples[-1]
        self.seconds = last.at - first.at
        self.looks = last.looks - first.looks
        self.tokens = last.tokens - first.tokens
        self.connections = max(sample.connections for sample in samples)
        self.rate = self.looks / self.seconds

    @property
    def peak_rate(self) -> float:
        """Looks a second in the worst window of at least a second."""
        rates = [
            (end.looks - start.looks) / (end.at - start.at)
            for start in self._samples
            for end in [next((s for s in self._samples if s.at >= start.at + 1), None)]
            if end
        ]
        return max(rates, default=0.0)

    @property
    def worker_seconds(self) -> float:
        """How long the executor's workers held a task, summed up over them."""
        pairs = zip(self._samples, self._samples[1:], strict=False)
        return sum((after.at - before.at) * after.workers for before, after in pairs)


def established(port: int) -> int:
    """Connections that stand to a port of 127.0.0.1."""
    local, standing = f"0100007F:{port:04X}", "01"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(fields[1] == local and fields[3] == standing for fields in lines)


def busy_workers() -> int:
    """Processes of the LocalExecutor that hold a task, in an Airflow that this process started."""
    sessions = {child.pid for child in psutil.Process().children()}
    workers = {pid: (parent, title) for pid, parent, title in _workers(sessions)}
    # The process that a worker forks for a task bears its title until it has one of its own.
    return sum("<idle>" not in title for parent, title in workers.values() if parent not in workers)


def _workers(sessions: set[int]) -> Iterator[tuple[int, int, str]]:
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) in sessions:
                title = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                if title.startswith("airflow worker --"):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
                    yield pid, int(stat.split()[1]), title
