"""The requests that the control planes responded to: counted, and the last of them one by one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_objectstore.emulator.clock import Clock
from airflow_provider_objectstore.emulator.operation_names import check_operation

MAX_REQUESTS = 10_000
"""How many requests the log holds."""


class RequestLog:
    """
    What was requested. Queries, headers and bodies are not kept: they may hold secrets.

    :param clock: the clock of the requests' times.
    :param operations: the names of all operations.
    """

    def __init__(self, clock: Clock, operations: Collection[str]) -> None:
        self._clock = clock
        self._operations = operations
        self._counts: Counter[tuple[str, int | str]] = Counter()
        self._requests: deque[tuple[int, float, str, str, str, int | str]] = deque(maxlen=MAX_REQUESTS)
        self.last_id = 0

    def reset(self) -> None:
        """Forget all requests. Later ones continue the numbers."""
        self._counts.clear()
        self._requests.clear()

    def add(self, operation: str, method: str, path: str, status: int | str) -> None:
        """Add a request. ``path`` is as the client sent it, without the query."""
        self.last_id += 1
        self._counts[operation, status] += 1
        self._requests.append((self.last_id, self._clock.time(), operation, method, path, status))

    def counts(self) -> dict[str, Any]:
        """Return how many requests there were, by operation and status."""
        by_operation: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self._counts.items(), key=str):
            by_operation.setdefault(operation, {})[str(status)] = count
        return {"total": self._counts.total(), "by_operation": by_operation}

    def read(self, operation: str, since: int) -> list[dict[str, Any]]:
        """
        Return the last requests, the oldest first.

        :param operation: glob over operation names.
        :param since: the id after which to begin.
        :raises ValueError: if no operation matches, with those that are close.
        """
        check_operation(operation, self._operations)
        return [
            {
                "id": number,
                "time": datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "operation": name,
                "method": method,
                "path": path,
                "status": status,
            }
            for number, time, name, method, path, status in self._requests
            if number > since and fnmatchcase(name, operation)
        ]
