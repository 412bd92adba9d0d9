"""Purging on a real Airflow: kills, mapped tasks with a pool, and metrics."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev.processes import AirflowError
from dev.server import Airflow
from tests.operators.test_purge import DELETE_PARTITION, NAMES, fill, hook
from tests.triggers.waiting import answers

pytestmark = pytest.mark.airflow

__all__ = ["hook"]

DAG = """
from airflow.sdk import DAG
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

with DAG("purges", schedule=None, is_paused_upon_creation=False, default_args={"retries": 0, "store_id": "s"}):
    AnypointPurgePartitionsOperator(
        task_id="killed", partitions=[f"p{number:03}" for number in range(200)], requests_per_second=10
    )
    AnypointPurgePartitionsOperator.partial(
        task_id="mapped", include=None, pool="one", map_index_template="{{ task.partitions }}"
    ).expand(partitions=["a", "b", "c"])
"""


@pytest.fixture
def metrics() -> Iterator[socket.socket]:
    """Where Airflow sends its metrics."""
    with socket.socket(type=socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def counted(metrics: socket.socket) -> Counter[str]:
    """The package's own counters."""
    sums: Counter[str] = Counter()
    while True:
        try:
            sent = metrics.recv(65_536).decode()
        except BlockingIOError:
            return sums
        for name, number in re.findall(r"^airflow\.objectstore\.([\w.]+):(\d+)\|c", sent, re.MULTILINE):
            sums[name] += int(number)


@pytest.fixture
def airflow(tmp_path: Path, emulator: Emulator, metrics: socket.socket) -> Iterator[Airflow]:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "purges.py").write_text(DAG)
    host, port = metrics.getsockname()
    statsd = {"METRICS__STATSD_ON": "True", "METRICS__STATSD_HOST": host, "METRICS__STATSD_PORT": str(port)}
    statsd["METRICS__METRICS_ALLOW_LIST"] = "objectstore"
    with Airflow(tmp_path / "airflow", dags, emulator.connections(), {"one": 1}, configuration=statsd) as airflow:
        yield airflow


def test_on_a_real_airflow(
    airflow: Airflow, hook: AnypointObjectStoreHook, emulator: Emulator, metrics: socket.socket
) -> None:
    fill(hook, 200)
    hook.put_key("s", "a", "k", 1)
    hook.put_key("s", "b", "k", 1)
    instances = "/dags/purges/dagRuns/r/taskInstances"

    def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.3)
        raise AssertionError(airflow.component_logs())

    def started() -> Any:
        try:
            return airflow.call("POST", "/dags/purges/dagRuns", json={"dag_run_id": "r", "logical_date": None})
        except AirflowError:  # the DAG is not there yet
            return None

    until(started)
    until(lambda: answers(emulator, DELETE_PARTITION).get("204", 0) > 10)
    airflow.call("PATCH", f"{instances}/killed", json={"new_state": "failed"})

    def words() -> list[str]:
        headers = {"Accept": "application/json"}
        entries = airflow.call("GET", f"{instances}/killed/logs/1", headers=headers)["content"]
        return [str(entry.get("event")) for entry in entries if str(entry.get("event")).startswith("Round 1: ")]

    (line,) = until(words)
    purged = [name for name in NAMES if name not in set(hook.list_partitions("s"))]
    assert line.startswith(f"Round 1: {len(purged)} partitions deleted")
    assert 5 < len(purged) < 150

    def ended() -> Any:
        run = airflow.call("GET", "/dags/purges/dagRuns/r")
        return run["state"] in ("failed", "success") and airflow.call("GET", instances)["task_instances"]

    found = until(ended)
    assert [instance["state"] for instance in found if instance["task_id"] == "killed"] == ["failed"]
    mapped = sorted(
        (instance for instance in found if instance["task_id"] == "mapped"),
        key=lambda instance: str(instance["start_date"]),
    )
    assert {instance["rendered_map_index"]: instance["state"] for instance in mapped} == dict.fromkeys("abc", "success")
    ends = [instance["end_date"] for instance in mapped]
    assert all(later["start_date"] >= end for later, end in zip(mapped[1:], ends, strict=False)), (
        "one slot, one at a time"
    )
    assert not {"a", "b"} & set(hook.list_partitions("s"))
    assert +counted(metrics) == {"purged.partitions": len(purged) + 2}
