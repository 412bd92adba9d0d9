"""
Waits, events, bulk work, files and failures, again and again: nothing that the process holds grows.

``make soak`` runs ten minutes; ``SOAK_SECONDS`` and ``SOAK_SEED`` change that.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_objectstore.hooks import connections
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.transport import ResolvedConnection
from airflow_provider_objectstore.transport.client import MAX_STATES
from airflow_provider_objectstore.transport.retry import RetryPolicy
from airflow_provider_objectstore.triggers import anypoint
from tests.fs.buckets import create
from tests.soak.measures import measure
from tests.soak.rounds import Rounds

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
WARM_UP_ROUNDS = MAX_STATES // 4 + 1
"""Fills what is bounded: each round makes four connections."""
MORE = 4
"""By how much a count may be higher at the end: connections that stay open for a while."""
MORE_MIB = 24
"""By how much the RSS may be higher."""


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both services in a process of their own, as the default connections, and two connections that fail."""
    command = [sys.executable, "-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3-port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        socket.create_server(("127.0.0.1", 0), backlog=1000) as silent,
    ):
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if found := re.match(r"export (AIRFLOW_CONN_\w+)=(.*)", line):
                    connection = json.loads(shlex.split(found[2])[0])
                    connection["extra"]["requests_per_second"] = 100_000
                    monkeypatch.setenv(found[1], json.dumps(connection))
                    if "ANYPOINT" in found[1]:
                        refused = {**connection, "host": "http://127.0.0.1:1"}
                        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_REFUSED", json.dumps(refused))
                        never = {**connection, "host": f"http://127.0.0.1:{silent.getsockname()[1]}"}
                        never["extra"] = {**connection["extra"], "timeout": 0.2}
                        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_SILENT", json.dumps(never))
                if "AIRFLOW_CONN_CIVO" in line:
                    break
            yield
        finally:
            server.terminate()


def test_nothing_grows(connected: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quick = partial(ResolvedConnection, retry=RetryPolicy(attempts=2, initial_wait=0.001))
    monkeypatch.setattr(connections, "ResolvedConnection", quick)
    monkeypatch.setattr(anypoint, "EVENT_DISTANCE", 0)
    # pytest keeps every log record, with the errors in it.
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    create(CivoObjectStoreHook(), "bucket")
    rounds = Rounds(SEED, tmp_path)
    began = time.monotonic()
    while rounds.number < WARM_UP_ROUNDS or time.monotonic() - began < SECONDS / 10:
        rounds.run()
    first, warm = measure(), rounds.number
    while rounds.number < warm + 2 or time.monotonic() - began < SECONDS:
        rounds.run()
    last = measure()
    print(f"{rounds.number} rounds in {time.monotonic() - began:.0f} s, {warm} of them first; seed {SEED}")
    grown = []
    for name, value in last.items():
        more = value - first.get(name, 0)
        bad = more > (MORE_MIB if name.startswith("RSS") else MORE)
        grown += [name] * bad
        print(f"{name:60} {first.get(name, 0):9.1f} {value:9.1f} {more:+8.1f} {'GROWS' if bad else ''}")
    assert not grown
