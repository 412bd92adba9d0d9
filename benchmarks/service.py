"""The emulator in its own process, as the service of a benchmark."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

from benchmarks.baselines import Request, aiohttp_workers
from benchmarks.emulator import KEY, STORES, prepare, send, serving

PARTITION = f"{STORES}/bench/partitions/p"


class Service:
    """The emulator. The environment has connections to it for both providers."""

    def __init__(self, url: str, requests_per_second: float = 100_000) -> None:
        self.url = url
        self.token = prepare(url)
        send("DELETE", f"{url}{KEY}?confirmable=false", {}, self.token)
        login = {"login": "emulator-client", "password": "emulator-secret"}
        extra: dict[str, Any] = {"organization_id": "emulator-org", "environment_id": "emulator-env"}
        extra["requests_per_second"] = requests_per_second
        connections = {
            "ANYPOINT": {"conn_type": "anypoint", "host": url, **login, "extra": extra},
            "HTTP": {"conn_type": "http", "host": url, "extra": {"Authorization": f"Bearer {self.token}"}},
        }
        for name, connection in connections.items():
            os.environ[f"AIRFLOW_CONN_{name}_DEFAULT"] = json.dumps(connection)

    def requests(self, method: str, count: int, body: bytes | None = None) -> list[Request]:
        """Return a request for each key."""
        keys = f"{self.url}{PARTITION}/keys"
        return [Request(method, f"{keys}/{key}?confirmable=false", body) for key in names(count)]

    def fill(self, count: int, source: str = "127.0.0.2") -> None:
        """Store keys, from a client address that has its own rate limit."""
        aiohttp_workers(self.requests("PUT", count, b'{"stringValue":"x"}'), self.token, 32, source=source)

    def delay(self, seconds: float, operation: str = "anypoint.*") -> None:
        """Delay the service's responses; 0 for no delay."""
        fault = {"operation": operation, "kind": "delay", "seconds": seconds}
        send("POST", f"{self.url}/_emulator/faults", [fault] if seconds else [])

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of requests by operation and status."""
        with urlopen(f"{self.url}/_emulator/requests") as response:
            counts: dict[str, dict[str, int]] = json.load(response)["by_operation"]
        return counts

    @property
    def remaining_keys(self) -> int:
        """How many keys exist: those that were put minus those that were deleted."""
        put, deleted = (self.counts().get(f"anypoint.{verb}_key", {}) for verb in ("put", "delete"))
        return sum(put.get(status, 0) for status in ("200", "201", "204")) - deleted.get("204", 0)

    def check_empty(self) -> None:
        """Stop if keys remain."""
        if self.remaining_keys:
            sys.exit(f"{self.remaining_keys} keys remain: the comparison is invalid")


def names(count: int) -> list[str]:
    """Return the names of this many keys."""
    return [f"k{number}" for number in range(count)]


@contextmanager
def service(*options: str, **settings: Any) -> Iterator[Service]:
    """Run an emulator."""
    with serving("-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3", "none", *options) as (url, _):
        yield Service(url, **settings)
