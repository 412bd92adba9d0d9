"""
Measure rotations: what is left when they are killed, what consumers are refused, whether Airflow stores a secret.

``python benchmarks/rotation.py [--part …] [--s3 moto|rgw]`` prints Markdown tables and asserts nothing. The parts:

- ``kills``: rotations are killed at each of their requests and run again.
- ``consumers``: they run while consumers read and write without a pause; with ``--s3 rgw`` over https.
- ``requests``: how many requests they send, for one store and for three.
- ``airflow``: they run on a real Airflow, on SQLite, while tasks read through the published connection. That Airflow's
  database and logs are then searched for secrets.

Services and Airflow are on 127.0.0.1, so there is no network latency.
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import json
import logging
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3

from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.emulator.settings import CIVO_KEY, CLIENT_SECRET
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from benchmarks.rotation_consumers import consumers, requests
from benchmarks.timing import table
from dev.demo import s3_backend
from dev.server import Airflow, AirflowError
from tests.rotation.kill_matrix import SCENARIOS, kill_everywhere

HERE = Path(__file__).parent
BUCKET, CONNECTION = "bench", "s3_bench"  # as in the DAGs
POOL = {"s3_consumers": 4}
STRATEGIES = ("overlap", "replace", "in_place")


def kills(s3: str) -> None:
    """Kill rotations at each of their requests."""
    rows = []
    for scenario in SCENARIOS if s3 == "moto" else [one for one in SCENARIOS if one.policies]:
        matrix = kill_everywhere(s3, scenario)
        problems = {problem for outcome in matrix.outcomes for problem in outcome.problems}
        rows.append(
            (
                scenario,
                len(matrix.requests),
                len(matrix.outcomes),
                sum(outcome.second_kill is not None for outcome in matrix.outcomes),
                sum(outcome.right for outcome in matrix.outcomes),
                "; ".join(sorted(problems)) or "none",
                matrix.ended_before,
            )
        )
    table(
        f"Rotations of a credential with two stores, killed and run again; S3 by {s3}",
        ("strategy", "requests", "killed", "of these twice", "end state right", "problems", "ended before"),
        *rows,
    )


def airflow(s3: str) -> None:
    """Read in tasks while the credential is rotated, then search what Airflow stores."""
    settings = Settings(creating_seconds=1)
    with tempfile.TemporaryDirectory() as folder, Emulator(settings, s3=s3_backend(s3)) as services:
        connections = services.connections()
        del connections["civo_default"]["extra"]["requests_per_second"]  # the default, as users have it
        with Airflow(Path(folder), HERE / "rotation_dags", connections, POOL) as running:
            os.environ.update(running.environment)
            scene = Scene(running)
            table(
                f"Reads of a task that looks the connection up each time, while a credential is rotated; S3 by {s3}",
                ("strategy", "reads", "failed", "first to last failed", "`gap_seconds`"),
                *map(scene.at_any_time, STRATEGIES),
            )
            table(
                "`replace` with consumers in a pool of 4 slots, and the switch taking all of them",
                ("tasks before the switch", "after it", "reads", "failed", "switch waited", "`gap_seconds`"),
                scene.in_the_pool(),
            )
        scene.search()


@dataclass
class Run:
    """A run of one of the DAGs."""

    airflow: Airflow
    dag_id: str
    run_id: str

    def tasks(self) -> list[dict[str, Any]]:
        """Return the task instances."""
        found: list[dict[str, Any]] = self.airflow.call("GET", f"{self._path}/taskInstances", params={"limit": 500})[
            "task_instances"
        ]
        return found

    def wait(self, state: str = "success", task: str = "") -> None:
        """Wait until the tasks whose names begin so are in a state."""
        deadline = time.monotonic() + 120
        while states := {each["state"] for each in self.tasks() if each["task_id"].startswith(task)} - {state}:
            self.airflow.check()
            if time.monotonic() > deadline or "failed" in states:
                raise SystemExit(f"{self.dag_id}: {states}")
            time.sleep(0.3)

    def returned(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield each task instance with what it returned."""
        for task in self.tasks():
            path = f"{self._path}/taskInstances/{task['task_id']}/xcomEntries/return_value"
            value = self.airflow.call("GET", path, params={"map_index": task["map_index"]})["value"]
            yield task, json.loads(value) if isinstance(value, str) else value

    @property
    def _path(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"


class Scene:
    """A bucket with objects, and a connection by which tasks read it."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._secrets = {CIVO_KEY, CLIENT_SECRET, json.loads(os.environ["AIRFLOW_CONN_AIRFLOW_API"])["password"]}
        self._keys: set[str] = set()
        self._civo = CivoObjectStoreHook()
        store = self._civo.create_object_store(BUCKET)
        while not self._civo.get_object_store(store.id).ready:
            time.sleep(0.2)
        options = self._civo.s3_options(BUCKET)
        client = boto3.client("s3", **options)
        for number in range(20):
            client.put_object(Bucket=BUCKET, Key=f"object-{number:02}", Body=b"x" * 1000)
        connection = options.aws_connection()
        body = {"connection_id": CONNECTION, **connection, "extra": json.dumps(connection["extra"])}
        airflow.call("POST", "/connections", json=body)
        while len(airflow.call("GET", "/dags")["dags"]) < 4:
            time.sleep(0.5)
        for dag in airflow.call("GET", "/dags")["dags"]:
            airflow.call("PATCH", f"/dags/{dag['dag_id']}", json={"is_paused": False})

    def at_any_time(self, strategy: str) -> tuple[object, ...]:
        """Rotate while a task reads; return the row."""
        consumer = self._start("consumers")
        consumer.wait("running")
        time.sleep(2)
        rotation = self._start("rotate", strategy=strategy)
        rotation.wait()
        consumer.wait()
        self._note_secrets()
        ((_, result),) = rotation.returned()
        ((_, reads),) = consumer.returned()
        failed = reads["failed"]
        lasted = f"{failed[-1] - failed[0]:.2f} s" if failed else "-"
        return f"`{strategy}`", reads["reads"], len(failed), lasted, f"{result['gap_seconds']:.2f}"

    def in_the_pool(self) -> tuple[object, ...]:
        """Rotate while tasks in the pool read; return the row."""
        consumers = self._start("consumers_in_pool")
        while not any(task["state"] == "running" for task in consumers.tasks()):
            time.sleep(0.1)
        begun = time.time()
        rotation = self._start("rotate_in_pool")
        consumers.wait()
        rotation.wait()
        self._note_secrets()
        done = {task["task_id"]: (_time(task["start_date"]), value) for task, value in rotation.returned()}
        at, value = done["switch"]
        reads = list(consumers.returned())
        before = sum(_time(task["end_date"]) <= at for task, _ in reads)
        failed = sum(len(value["failed"]) for _, value in reads)
        counted = sum(value["reads"] for _, value in reads)
        return before, len(reads) - before, counted, failed, f"{at - begun:.1f} s", f"{value['gap_seconds']:.2f}"

    def search(self) -> None:
        """Search what Airflow has stored for secrets, and for access keys, which must be there."""
        home = self._airflow.home
        database = sqlite3.connect(home / "airflow.db")
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        contents = {name: [_text(row) for row in database.execute(f'select * from "{name}"')] for name in tables}
        places = {
            "metadata database, all tables": [row for rows in contents.values() for row in rows],
            "of these XCom": contents["xcom"],
            "database files, raw": [file.read_text("latin-1") for file in home.glob("airflow.db*")],
            "log files": [
                file.read_text("latin-1")
                for folder in ("logs", "components")
                for file in (home / folder).rglob("*")
                if file.is_file()
            ],
        }
        table(
            f"Search for {len(self._secrets)} secrets: the bucket's before and after each rotation, the API key, the "
            "client secret, the password of Airflow's API; as they are, in JSON, in URLs and in Base64",
            ("where", "rows or files", "bytes", "secrets found", "access keys found, as proof that the search works"),
            *(
                (
                    place,
                    len(texts),
                    f"{sum(map(len, texts)):,}",
                    _found(self._secrets, texts),
                    f"{_found(self._keys, texts)} of {len(self._keys)}",
                )
                for place, texts in places.items()
            ),
        )

    def _start(self, dag_id: str, **conf: Any) -> Run:
        self._note_secrets()
        run = Run(self._airflow, dag_id, f"run-{time.time():.0f}")
        body = {"dag_run_id": run.run_id, "logical_date": None, "conf": conf}
        for last in (False, False, True):
            try:
                self._airflow.call("POST", f"/dags/{dag_id}/dagRuns", json=body)
            except AirflowError:  # SQLite is locked at times
                if last:
                    raise
                time.sleep(0.5)
            else:
                break
        return run

    def _note_secrets(self) -> None:
        for credential in self._civo.list_credentials():
            self._secrets.add(credential.secret_access_key)
            self._keys.add(credential.access_key_id)


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _text(row: Iterable[Any]) -> str:
    return "\n".join(cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in row)


def _found(words: Iterable[str], texts: list[str]) -> int:
    """Return how many of the words are in the texts, in any of their encodings."""
    whole = "\n".join(texts)
    return sum(any(form in whole for form in _encodings(word)) for word in words)


def _encodings(word: str) -> tuple[str, ...]:
    return word, quote(word), json.dumps(word)[1:-1], base64.b64encode(word.encode()).decode()


PARTS = {"kills": kills, "consumers": consumers, "requests": requests, "airflow": airflow}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be repeated")
    parser.add_argument("--s3", choices=("moto", "rgw"), default="moto", help="what holds the buckets")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    names = ("apache-airflow-core", "apache-airflow-providers-amazon", "boto3")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n", flush=True)
    for part in options.part or PARTS:
        PARTS[part](options.s3)


if __name__ == "__main__":
    main()
