"""
What waiting costs: a thousand waits in a triggerer, the http provider's waits, and the workers that each mode occupies.

``python benchmarks/waiting.py [--part a|b|c|d] [--dags 20] [--waits 50] [--seconds 40]`` prints Markdown tables and
asserts nothing (Linux, Airflow 3.3; about 20 minutes). The emulator and everything measured run in their own
processes on 127.0.0.1. Compare figures within one run, not across machines.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Self

from benchmarks.emulator import prepare, send, serving
from benchmarks.event_loop_bench import RESUMED, STORES, WAIT
from benchmarks.samples import Samples
from benchmarks.timing import table
from dev.server import Airflow

HERE = Path(__file__).parent
RATE, POKE = 200, 10
"""Part a: the connection's requests a second, and seconds between two polls of one wait."""
LOOP_RATE, LOOP_POKE = 1000, 5
"""The same for part b, where the rate is no limit, so that both providers poll equally often."""
TASKS, WAIT_SECONDS, SLOTS = 20, 10.0, 8
"""Part c: tasks in each mode, seconds that each waits, parallel workers."""


def until(condition: Callable[[], Any], seconds: float = 300) -> float:
    """Wait until the condition holds. Return the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"Given up after {seconds:.0f} s")
        time.sleep(0.3)
    return time.time()


class Service:
    """The emulator with its samples, and Airflow connections to it."""

    def __init__(self, url: str, samples: Samples) -> None:
        self.url = url
        self.samples = samples
        self._token = prepare(url)

    def put(self, keys: Iterable[str]) -> None:
        """Store keys."""
        for key in keys:
            path = f"{STORES}/bench/partitions/p/keys/{key}?confirmable=false"
            send("PUT", self.url + path, {"stringValue": "x"}, self._token)

    def connections(self, requests_per_second: int) -> dict[str, Any]:
        """Return connections for both providers by id."""
        extra = {"organization_id": "emulator-org", "environment_id": "emulator-env"}
        ours = {"conn_type": "anypoint", "host": self.url, "login": "emulator-client", "password": "emulator-secret"}
        bearer = {"Authorization": f"Bearer {self._token}"}
        return {
            "anypoint_default": {**ours, "extra": {**extra, "requests_per_second": requests_per_second}},
            "http_default": {"conn_type": "http", "host": self.url, "extra": bearer},
        }


class Triggerer(Airflow):
    """An Airflow with the benchmark's DAGs and capacity for all waits."""

    def __init__(self, folder: Path, service: Service, options: argparse.Namespace, kinds: str = "") -> None:
        super().__init__(folder, HERE / "waiting_dags", {})
        self._connection = service.connections(RATE)["anypoint_default"]
        self._probe = self.home / "probe.jsonl"
        self.files = self.home / "files"
        self.environment |= {
            "PYTHONPATH": str(HERE.parent),
            "BENCHMARK_DAGS": str(options.dags),
            "BENCHMARK_WAITS": str(options.waits),
            "BENCHMARK_POKE": str(POKE),
            "BENCHMARK_TASKS": str(TASKS),
            "BENCHMARK_KINDS": kinds,
            "BENCHMARK_PROBE": str(self._probe),
            "BENCHMARK_FILES": str(self.files),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
            "AIRFLOW__TRIGGERER__CAPACITY": "2000",
            "AIRFLOW__CORE__PARALLELISM": str(SLOTS),
        }

    def __enter__(self) -> Self:
        super().__enter__()
        self.files.mkdir()
        # In the database: a connection of the environment costs the triggerer less.
        extra = json.dumps(self._connection["extra"])
        body = {**self._connection, "extra": extra, "connection_id": "anypoint_default"}
        self.call("POST", "/connections", json=body)
        return self

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        self.check()
        return super().call(method, path, **arguments)

    def start(self, *dag_ids: str) -> None:
        """Run each DAG once."""
        limit = {"limit": 1000}
        until(lambda: set(dag_ids) <= {dag["dag_id"] for dag in self.call("GET", "/dags", params=limit)["dags"]})
        for dag_id in dag_ids:
            self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
            self.call("POST", f"/dags/{dag_id}/dagRuns", json={"dag_run_id": "run", "logical_date": None})

    def count(self, state: str, dag_id: str = "~") -> int:
        """Return how many tasks are in a state."""
        where = f"/dags/{dag_id}/dagRuns/~/taskInstances"
        total: int = self.call("GET", where, params={"state": state, "limit": 1})["total_entries"]
        return total

    def done(self, dag_id: str) -> bool:
        """Return whether a DAG's only run has ended."""
        run = self.call("GET", f"/dags/{dag_id}/dagRuns/run")
        return run["state"] in ("success", "failed")

    def loop_samples(self) -> list[dict[str, float]]:
        """Return what the probe in the triggerer has measured."""
        return [json.loads(line) for line in self._probe.read_text().splitlines()] if self._probe.exists() else []

    def worker_logs(self) -> int:
        """Return how many logs a worker wrote."""
        logs = (self.home / "logs").rglob("attempt=*.log")
        return sum(".trigger." not in log.name for log in logs)  # a triggerer's log is named after the worker's


def wait_in_triggerer(
    service: Service, options: argparse.Namespace, folder: Path, kind: str
) -> tuple[dict[str, str], list[tuple[str, object]]]:
    """Run many waits of a kind in a triggerer. Return what can be compared, and more about it."""
    dags = [f"{WAIT}_{kind}_{number}" for number in range(options.dags)]
    names = [f"{dag}.t{number}" for dag in dags for number in range(options.waits)]
    count = len(names)
    with Triggerer(folder, service, options, kind) as airflow:
        airflow.start("probe")
        until(airflow.loop_samples)
        empty = time.time() + 5  # it has just imported modules
        time.sleep(15)
        began = time.time()
        airflow.start(*dags)
        until(lambda: airflow.loop_samples()[-1]["polled_count"] >= count, 600)
        steady = time.time() + POKE
        time.sleep(POKE + options.seconds)
        put = time.time()
        if kind.startswith("ours"):
            service.put(names)
        else:
            for name in names:
                (airflow.files / name).touch()
        stored = time.time()
        ended = until(lambda: airflow.count("success") + airflow.count("failed") >= count, 1200)
        time.sleep(1.5)  # the last samples
        samples = airflow.loop_samples()
        logs, failed = airflow.worker_logs(), airflow.count("failed")

    def between(start: float, end: float, measurement: str) -> list[float]:
        return [sample[measurement] for sample in samples if start <= sample["at"] - 1 and sample["at"] <= end]

    def stalls(start: float, end: float) -> str:
        seconds = between(start, end, "stall")
        return f"{max(seconds) * 1000:.0f} ms (median of the seconds: {median(seconds) * 1000:.0f} ms)"

    def used(start: float, end: float, measurement: str) -> float:
        values = between(start, end, measurement)
        return values[-1] - values[0]

    last = samples[-1]
    created, polled, fired = (last[f"{moment}_last"] for moment in ("created", "polled", "fired"))
    before, after = between(empty, began, "memory"), between(steady, put, "memory")
    figures = {
        "last wait created, after the DAGs were started": f"{created - began:.1f} s",
        "its first poll or another's, after that": f"{polled - created:.1f} s",
        "last event, after the last key": f"{fired - stored:.1f} s",
        "last task's success, after the last event": f"{ended - fired:.1f} s",
        "processor time of the loop until all had polled": f"{used(began, polled + 2, 'cpu'):.1f} s",
        "of the triggerer's other process": f"{used(began, polled + 2, 'parent_cpu'):.1f} s",
        "processor time of the loop while all waited": f"{used(steady, put, 'cpu') / (put - steady):.1%}",
        "processor time of the loop from the first key to the end": f"{used(put, ended + 1, 'cpu'):.1f} s",
        "of the triggerer's other process, likewise": f"{used(put, ended + 1, 'parent_cpu'):.1f} s",
        "memory per wait": memory_per_wait(before, after, count),
        "longest stall of the loop, empty triggerer": stalls(empty, began),
        "longest stall while the waits were created": stalls(began, created + 1),
        "longest stall while all waited": stalls(steady, put),
        "longest stall while all ended": stalls(put, ended),
        "put of all keys": f"{stored - put:.1f} s",
        "tasks that failed": str(failed),
    }
    whole, waiting = service.samples.between(began, ended + 1), service.samples.between(steady, put)
    return figures, [
        (f"polls (HEAD) from the start to the end, {whole.seconds:.0f} s", f"{whole.polls:,}"),
        (f"polls while all waited, {waiting.seconds:.0f} s", f"{waiting.polls:,} = {waiting.rate:.0f} a second"),
        ("most polls in a second while all waited", f"{waiting.peak_rate:.0f}"),
        ("most polls in a second, starting and ending included", f"{whole.peak_rate:.0f}"),
        ("token requests", whole.tokens),
        ("most connections to the service", whole.connections),
        ("worker-seconds; logs that a worker wrote", f"{whole.worker_seconds:.1f}; {logs}"),
    ]


def many_waits(service: Service, options: argparse.Namespace, folder: Path, end: str = "") -> None:
    """Part a: many waits in a triggerer, plain ones and ours."""
    plain, _ = wait_in_triggerer(service, options, folder, f"plain{end}")
    ours, more = wait_in_triggerer(service, options, folder, f"ours{end}")
    where = "ending on a worker" if end else "ending in the triggerer"
    table(
        f"{options.dags * options.waits:,} waits in a triggerer, {where} ({options.dags} DAGs of {options.waits}), "
        f"a poll every {POKE} s, requests_per_second={RATE}",
        ("", "plain trigger", "ours", "ratio"),
        *((name, value, ours[name], ratio(ours[name], value)) for name, value in plain.items()),
    )
    table("More about ours", ("", "figure"), *more)


def resumed_waits(service: Service, options: argparse.Namespace, folder: Path) -> None:
    """Part d: fewer waits, which end on a worker."""
    fewer = argparse.Namespace(**{**vars(options), "dags": 2})
    many_waits(service, fewer, folder, RESUMED)


def ratio(ours: str, plain: str) -> str:
    """Return the ratio of two figures that begin with a number."""
    numbers = [float(re.split(r"[ %]", text)[0]) for text in (ours, plain)]
    return f"{numbers[0] / numbers[1]:.2f}" if numbers[1] else ""


def memory_per_wait(before: list[float], after: list[float], count: int) -> str:
    """Return the memory per wait as text."""
    return f"{(max(after) - max(before)) / count / 1024:.1f} KiB ({max(before) / 2**20:.0f} MiB without)"


def compare_with_http(service: Service, options: argparse.Namespace, folder: Path) -> None:
    """Part b: waits on a bare event loop: plain ones, ours and the http provider's."""
    count = options.dags * options.waits
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "PYTHONPATH": str(HERE.parent),
        **{
            f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(connection)
            for conn_id, connection in service.connections(LOOP_RATE).items()
        },
    }
    columns = []
    for kind in ("plain", "ours", "http"):
        began = time.time()
        arguments = [kind, str(count), str(options.seconds), str(LOOP_POKE)]
        result = subprocess.run(
            [sys.executable, str(HERE / "event_loop_bench.py"), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        samples = json.loads(result.stdout.splitlines()[-1])
        span = service.samples.between(began, time.time())
        idle = [sample for sample in samples if not sample["waits"]]
        busy = samples[len(idle) :]
        later_stalls = [sample["stall"] * 1000 for sample in busy[LOOP_POKE + 1 :]]
        before, after = ([sample["memory"] for sample in part] for part in (idle, busy))
        cpu = busy[-1]["cpu"] - idle[-1]["cpu"]
        columns.append(
            (
                f"{span.polls:,}",
                f"{span.peak_rate:.0f}",
                str(span.tokens) if kind != "http" else "none: it needs an existing token",
                str(span.connections),
                f"{max(sample['stall'] for sample in busy[: LOOP_POKE + 1]) * 1000:.0f} ms",
                f"{max(later_stalls):.0f} ms (median of the seconds: {median(later_stalls):.0f} ms)",
                f"{cpu:.1f} s",
                f"{cpu / span.polls * 1000:.2f} ms" if span.polls else "",
                memory_per_wait(before, after, count),
            )
        )
    names = (
        "polls (HEAD)",
        "most polls in a second",
        "token requests",
        "most connections at a time",
        "longest stall at the start",
        "longest stall afterwards",
        "processor time",
        "processor time per poll",
        "memory per wait, at most",
    )
    http = f"http provider {importlib.metadata.version('apache-airflow-providers-http')}"
    table(
        f"{count:,} waits on a bare loop for {options.seconds:.0f} s, a poll every {LOOP_POKE} s, "
        f"requests_per_second={LOOP_RATE}",
        ("", "plain trigger", "ours", http),
        *zip(names, *columns, strict=True),
    )


def worker_seconds(service: Service, options: argparse.Namespace, folder: Path) -> None:
    """Part c: worker-seconds of each mode."""
    rows = []
    with Triggerer(folder, service, options) as airflow:
        for mode in ("poke", "reschedule", "deferrable", "no_worker"):
            began = time.time()
            airflow.start(mode)
            first_seen: dict[str, float] = {}
            finished: set[str] = set()  # tasks whose keys are stored
            while len(finished) < TASKS:
                time.sleep(0.3)
                where = f"/dags/{mode}/dagRuns/run/taskInstances"
                for task in airflow.call("GET", where, params={"limit": TASKS})["task_instances"]:
                    name = task["task_id"]
                    if task["state"] in ("running", "up_for_reschedule", "deferred"):
                        first_seen.setdefault(name, time.time())
                    if name not in finished and time.time() > first_seen.get(name, float("inf")) + WAIT_SECONDS:
                        finished.add(name)
                        service.put([f"{mode}.{name}"])
            ended = until(partial(airflow.done, mode))
            time.sleep(1.5)
            held = service.samples.between(began, time.time()).worker_seconds
            failed = airflow.count("failed", mode)
            each = held / TASKS
            took = f"{ended - began:.0f} s"
            rows.append((mode, f"{held:.0f} s", f"{each:.1f} s", f"{each * 1000:,.0f} s", took, failed))
    table(
        f"Worker-seconds of {TASKS} tasks, each waits {WAIT_SECONDS:.0f} s or more, a poll every 5 s, {SLOTS} workers",
        ("mode", "held", "per task", "1,000 tasks (scaled, not measured)", "took", "failed"),
        *rows,
    )


PARTS = {"a": many_waits, "b": compare_with_http, "c": worker_seconds, "d": resumed_waits}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be repeated")
    parser.add_argument("--dags", type=int, default=20)
    parser.add_argument("--waits", type=int, default=50, help="in each DAG")
    parser.add_argument("--seconds", type=float, default=40, help="of waiting, in parts a and b")
    options = parser.parse_args()
    if options.seconds < 10:
        parser.error("--seconds: at least 10, two polls of part b")
    version = importlib.metadata.version("apache-airflow-core")
    if tuple(map(int, version.split(".")[:2])) < (3, 3):
        sys.exit(f"This needs Airflow 3.3, where tasks can start in the triggerer; installed is {version}")
    names = ("apache-airflow-core", "aiohttp", "uvicorn")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n", flush=True)
    for part in options.part or PARTS:
        module = ("-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3", "none")
        with tempfile.TemporaryDirectory() as folder, serving(*module) as (url, _), Samples(url) as samples:
            PARTS[part](Service(url, samples), options, Path(folder))


if __name__ == "__main__":
    main()
