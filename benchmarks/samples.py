"""Sample requests, connections and workers in a thread while waits run."""

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

INTERVAL = 0.2
POLL, TOKEN = "anypoint.key_exists", "accounts.token"


@dataclass(frozen=True)
class Sample:
    """At one moment: requests so far, open connections, workers that run a task."""

    at: float
    polls: int
    tokens: int
    connections: int
    workers: int


class Samples:
    """
    Take samples five times a second until the ``with`` block ends.

    :param url: the emulator's URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._samples: list[Sample] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            connections = established(int(self._url.rpartition(":")[2]))  # before this thread's own request
            with urllib.request.urlopen(f"{self._url}/_emulator/requests") as response:
                by_operation = json.load(response)["by_operation"]
            counts = [sum(by_operation.get(operation, {}).values()) for operation in (POLL, TOKEN)]
            self._samples.append(Sample(time.time(), counts[0], counts[1], connections, busy_workers()))

    def between(self, start: float, end: float) -> Span:
        """Return the samples between two times, in seconds since the epoch."""
        return Span([sample for sample in list(self._samples) if start <= sample.at <= end])


class Span:
    """A summary of samples."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples
        first, last = samples[0], samples[-1]
        self.seconds = last.at - first.at
        self.polls = last.polls - first.polls
        self.tokens = last.tokens - first.tokens
        self.connections = max(sample.connections for sample in samples)
        self.rate = self.polls / self.seconds

    @property
    def peak_rate(self) -> float:
        """Polls a second in the busiest window of at least a second."""
        rates = [
            (end.polls - start.polls) / (end.at - start.at)
            for start in self._samples
            for end in [next((s for s in self._samples if s.at >= start.at + 1), None)]
            if end
        ]
        return max(rates, default=0.0)

    @property
    def worker_seconds(self) -> float:
        """Sum of the seconds for which each of the executor's workers ran a task."""
        pairs = zip(self._samples, self._samples[1:], strict=False)
        return sum((after.at - before.at) * after.workers for before, after in pairs)


def established(port: int) -> int:
    """Return the number of open connections to a port of 127.0.0.1."""
    local, established_state = f"0100007F:{port:04X}", "01"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(fields[1] == local and fields[3] == established_state for fields in lines)


def busy_workers() -> int:
    """Return the number of LocalExecutor processes that run a task, in an Airflow that this process started."""
    sessions = {child.pid for child in psutil.Process().children()}
    workers = {pid: (parent, title) for pid, parent, title in _workers(sessions)}
    # The process that a worker forks for a task has the worker's title until it sets its own.
    return sum("<idle>" not in title for parent, title in workers.values() if parent not in workers)


def _workers(sessions: set[int]) -> Iterator[tuple[int, int, str]]:
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) in sessions:
                title = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                if title.startswith("airflow worker --"):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
                    yield pid, int(stat.split()[1]), title
