"""
The page "Object stores" in Airflow's API server: 100 stores, 10,000 keys, 100 buckets behind the emulator.

Prints the seconds, on 127.0.0.1 and to the last byte, of the first paint (the page with its style and script) and of
each card: when nothing is kept (another connection to the same service each time), and again at once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_provider_objectstore.emulator import Emulator, Settings
from benchmarks.timing import table
from tests.publishers.servers import ApiServer

STORES, KEYS, BUCKETS = 100, 10_000, 100
FRAGMENT = {"X-Objectstore-Fragment": "1"}
VIEWS = {
    "first 25 stores": "stores/{mule}",
    "partitions of a store": "partitions/{mule}?store=store-000",
    "25 of 10,000 keys": "keys/{mule}?store=store-000&partition=big&list=yes",
    "25 of them by a prefix": "keys/{mule}?store=store-000&partition=big&list=yes&prefix=key-09",
    "a value": "value/{mule}?store=store-000&partition=big&key=key-00001",
    "requests of 14 days": "requests/{mule}",
    "a page of buckets with their use": "buckets/{civo}",
    "100 credentials": "credentials/{civo}",
}


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    settings = Settings(quota_gb=1_000_000)
    with tempfile.TemporaryDirectory() as folder, Emulator(settings) as emulator, ApiServer(Path(folder)) as server:
        fill(emulator)
        connect(server, emulator, rounds)
        measure(server, rounds)


def fill(emulator: Emulator) -> None:
    """Write stores, keys and buckets."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    for conn_id, connection in emulator.connections().items():
        fast = {**connection["extra"], "requests_per_second": 100_000}
        os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps({**connection, "extra": fast})
    hook, account = AnypointObjectStoreHook(), CivoObjectStoreHook()
    for number in range(STORES):
        hook.create_store(f"store-{number:03}")
        hook.put_key(f"store-{number:03}", "p", "k", "v")
    for number in range(BUCKETS):
        account.create_object_store(f"bucket-{number:03}")
    for number in range(KEYS):
        hook.put_key("store-000", "big", f"key-{number:05}", "v" * 100)


def connect(server: ApiServer, emulator: Emulator, rounds: int) -> None:
    """Store a connection to each service for each round, at the pace that a connection has by itself."""
    known = emulator.connections()
    for number in range(rounds + 1):
        for name, conn_id in (("mule", "anypoint_default"), ("civo", "civo_default")):
            extra = {name: value for name, value in known[conn_id]["extra"].items() if name != "requests_per_second"}
            body = {**known[conn_id], "connection_id": f"{name}{number}", "extra": json.dumps(extra)}
            server.call("POST", "/connections", json=body)


def measure(server: ApiServer, rounds: int) -> None:
    """Measure and print a table. The first round, which imports and builds, has a column of its own."""
    session = requests.Session()
    session.cookies.set("_token", server.token)
    page = f"{server.url}/object-stores"

    def get(path: str, headers: dict[str, str] | None = None) -> str:
        response = session.get(f"{page}/{path}", headers=headers, timeout=60)
        response.raise_for_status()
        assert 'class="error"' not in response.text, response.text
        return response.text

    def paint() -> None:
        for path in ("", "static/page.css", "static/page.js"):
            get(path)

    rows = [("first paint", [seconds(paint) for _ in range(rounds + 1)], [seconds(paint) for _ in range(rounds)])]
    for title, path in VIEWS.items():
        fresh, again = [], []
        for number in range(rounds + 1):
            address = path.format(mule=f"mule{number}", civo=f"civo{number}")
            fresh.append(seconds(lambda address=address: get(address, FRAGMENT)))
            again.append(seconds(lambda address=address: get(address, FRAGMENT)))
        rows.append((title, fresh, again))
    table(
        f"{STORES} stores, {KEYS:,} keys, {BUCKETS} buckets",
        ("", "the first of all", "fresh", "again at once"),
        *(
            (title, f"{fresh[0]:.3f} s", f"{statistics.median(fresh[1:]):.3f} s", f"{statistics.median(again):.3f} s")
            for title, fresh, again in rows
        ),
    )


def seconds(function: Callable[[], object]) -> float:
    """Return how long a function takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
