"""
What consumers wait for while a rotation has changed the keys and has not published them yet: requests, and their time.

``python benchmarks/publishing.py [--latency 0.1] [--rounds 3]`` prints a Markdown table and asserts nothing (in half a
minute). A credential with one store is rotated and published as a key of Object Store v2. Services are on 127.0.0.1;
each response is held back by the latency. Each rotation runs in a process of its own, as a task does, without a token
or an open connection from before.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.metadata
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from unittest import mock

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from benchmarks.timing import table
from tests.rotation.harness import PUBLISHER, connection_variables, create_stores, rotate

STRATEGIES = "replace", "in_place"
SERVICES = "Civo", "S3", "publisher"


@dataclass
class Sent:
    """A request. Both control planes are on one port, S3 is on another."""

    host: str
    method: str
    url: str
    begun: float
    ended: float = 0.0

    @property
    def is_to_civo(self) -> bool:
        """Whether it is a request to Civo's API."""
        return "/v2/objectstore" in self.url

    @property
    def service(self) -> str:
        """Which of the services on the control planes' port it goes to."""
        return "Civo" if self.is_to_civo else "publisher"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.1, help="seconds by which each response is held back")
    parser.add_argument("--rounds", type=int, default=3, help="rotations by each strategy; the median counts")
    parser.add_argument("--rotation", nargs=2, metavar=("STRATEGY", "WEEK"), help="run one rotation, print its figures")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.rotation:
        strategy, week = options.rotation
        print(json.dumps(measure(strategy, int(week), options.latency)))
        return
    names = ("apache-airflow-core", "boto3", "requests")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n", flush=True)
    with Emulator(Settings(creating_seconds=0), s3=MotoS3()) as emulator:
        os.environ.update(connection_variables(emulator))
        AnypointObjectStoreHook().create_store(PUBLISHER.store_id)
        create_stores(CivoObjectStoreHook(), stores=["reports"])
        found: dict[str, list[dict[str, Any]]] = {strategy: [] for strategy in STRATEGIES}
        for week in range(options.rounds):
            for number, strategy in enumerate(STRATEGIES):
                order = ["--rotation", strategy, str(2 * week + number), "--latency", str(options.latency)]
                output = subprocess.check_output([sys.executable, __file__, *order], text=True)
                found[strategy].append(json.loads(output.splitlines()[-1]))
    table(
        f"From the change of keys to the end of publishing, each response {options.latency * 1000:.0f} ms late",
        ("strategy", "`gap_seconds`", "requests", *(f"to {service}" for service in SERVICES), "in this order"),
        *(row(strategy, rounds) for strategy, rounds in found.items()),
    )


def row(strategy: str, rounds: list[dict[str, Any]]) -> tuple[object, ...]:
    """Return a row of the table."""
    gap = statistics.median(one["gap"] for one in rounds)
    requests = rounds[-1]["requests"]
    by_service = Counter(service for service, _ in requests)
    order = ", ".join(f"{service} {method}" for service, method in requests)
    return strategy, f"{gap:.2f}", len(requests), *(by_service[service] for service in SERVICES), order


def measure(strategy: str, week: int, latency: float) -> dict[str, Any]:
    """Run one rotation; return its gap in seconds, and the requests in it as pairs of service and method."""
    send, receive = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse
    sent: list[Sent] = []

    def send_noted(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        sent.append(Sent(f"{connection.host}:{connection.port}", method, url, time.monotonic()))
        send(connection, method, url, *args, **kwargs)

    def receive_late(connection: Any) -> Any:
        response = receive(connection)
        time.sleep(latency)
        sent[-1].ended = time.monotonic()
        return response

    with (
        mock.patch.object(http.client.HTTPConnection, "putrequest", send_noted),
        mock.patch.object(http.client.HTTPConnection, "getresponse", receive_late),
    ):
        gap = rotate(week, strategy)["gap_seconds"]
    change = next(one for one in sent if one.method in ("PUT", "PATCH") and one.is_to_civo)
    return {
        "gap": gap,
        "requests": [
            (one.service if one.host == change.host else "S3", one.method)
            for one in sent
            if change.begun <= one.begun and one.ended <= change.begun + gap
        ],
    }


if __name__ == "__main__":
    main()
