"""
What bulk work, a hook's call and an import cost, beside what one would use instead.

``python -m benchmarks.bulk [--part deletes] [--rounds 3]`` prints Markdown tables and asserts nothing (Linux). The
emulator runs in a process of its own on 127.0.0.1. What is compared runs in turns, and medians count: ratios hold
within one run, rates do not compare across machines.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

from benchmarks.alone import quiet
from benchmarks.emulator import KEY, STORES, prepare, send, serving
from benchmarks.laps import Lap, cost, in_turns, table
from benchmarks.peers import Request, aiohttp_listing, aiohttp_workers, http_hook, requests_session, requests_threads
from benchmarks.storage import make_bucket, services

PARTITION = f"{STORES}/bench/partitions/p"
LATENCY, WORKERS, DELETES, OF_THREADS, OF_HOOK = 0.02, 64, 5000, 2000, 300
"""Part deletes: seconds, requests at a time, and how many each kind deletes."""
ALLOWED, WANTED, LIMITED = 100, 200, 3000
"""Part limit: the service's rate, the connection's, keys."""
FEW, SOME, MANY = 1_000, 10_000, 100_000
"""Part memory: keys."""
CALLS, VALUES, IMPORTS = 2000, 10_000, 11


class Service:
    """The emulator, and connections of both kinds that lead there."""

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
        """One for each key."""
        keys = f"{self.url}{PARTITION}/keys"
        return [Request(method, f"{keys}/{key}?confirmable=false", body) for key in names(count)]

    def fill(self, count: int, source: str = "127.0.0.2") -> None:
        """Store keys, from an address whose budget nothing else needs."""
        aiohttp_workers(self.requests("PUT", count, b'{"stringValue":"x"}'), self.token, 32, source=source)

    def late(self, seconds: float, operation: str = "anypoint.*") -> None:
        """Let the service take its time; 0 for none."""
        fault = {"operation": operation, "kind": "delay", "seconds": seconds}
        send("POST", f"{self.url}/_emulator/faults", [fault] if seconds else [])

    def answers(self) -> dict[str, dict[str, int]]:
        """How many by operation and status."""
        with urlopen(f"{self.url}/_emulator/requests") as answer:
            counts: dict[str, dict[str, int]] = json.load(answer)["by_operation"]
        return counts

    @property
    def left(self) -> int:
        """How many keys there are, as the service counts what was put and what was deleted."""
        put, deleted = (self.answers().get(f"anypoint.{it}_key", {}) for it in ("put", "delete"))
        return sum(put.get(status, 0) for status in ("200", "201", "204")) - deleted.get("204", 0)

    def check_empty(self) -> None:
        """Stop if not everything was deleted."""
        if self.left:
            sys.exit(f"{self.left} keys are left: the comparison is void")


def names(count: int) -> list[str]:
    return [f"k{number}" for number in range(count)]


@contextmanager
def service(*options: str, **settings: Any) -> Iterator[Service]:
    """Run one."""
    with serving("-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3", "none", *options) as (url, _):
        yield Service(url, **settings)


def purge(**settings: Any) -> dict[str, Any]:
    """Purge the keys."""
    from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

    operator = AnypointPurgePartitionsOperator(
        task_id="purge", store_id="bench", partitions="p", key_prefix="k", **settings
    )
    return operator.execute({})


def carry(calls: dict[str, Any], concurrency: int) -> None:
    """Carry calls whose names are known."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.bulk import carry_all

    carry_all(AnypointObjectStoreHook()._resolve(), calls, concurrency).raise_failed()


def deletes(options: argparse.Namespace) -> None:
    """5,000 deletes at 20 ms."""
    from airflow_provider_objectstore.api.anypoint import delete_key

    with service() as it:

        def lap(count: int, work: Callable[[], object], operation: str = "anypoint.*") -> Lap:
            @contextmanager
            def around() -> Iterator[None]:
                it.late(0)
                it.fill(count)
                it.late(LATENCY, operation)
                yield
                it.check_empty()

            return Lap(count, work, around)

        some = {count: it.requests("DELETE", count) for count in (DELETES, OF_THREADS, OF_HOOK)}
        calls = {key: delete_key("bench", "p", key) for key in names(DELETES)}
        laps = {
            f"aiohttp, {WORKERS} workers, names known": lap(
                DELETES, lambda: aiohttp_workers(some[DELETES], it.token, WORKERS)
            ),
            "Bulk, names known": lap(DELETES, lambda: carry(calls, WORKERS)),
            "purge operator, listings answer at once": lap(
                DELETES, lambda: purge(max_concurrency=WORKERS), "anypoint.delete_key"
            ),
            f"aiohttp, {WORKERS} workers and a lister, listings late too": lap(
                DELETES, lambda: aiohttp_listing(f"{it.url}{PARTITION}/keys", it.token, WORKERS)
            ),
            "purge operator, listings late too": lap(DELETES, lambda: purge(max_concurrency=WORKERS)),
            f"requests, 32 threads ({OF_THREADS:,} deletes)": lap(
                OF_THREADS, lambda: requests_threads(some[OF_THREADS], it.token, 32)
            ),
            f"HttpHook in a loop ({OF_HOOK} deletes)": lap(OF_HOOK, lambda: http_hook(some[OF_HOOK], it.url)),
        }
        costs = in_turns(options.rounds, laps)
    ceiling, *_, hook = (it.seconds for it in costs.values())
    goals = {
        "Bulk, names known": "≥ 0.90 of the ceiling",
        "purge operator, listings answer at once": "≥ 0.90, ≥ 40 times",
    }
    table(
        f"{DELETES:,} deletes, answered after {LATENCY * 1000:.0f} ms, {WORKERS} at a time (the first is the ceiling)",
        ("", "deletes/s", "of the ceiling", "times the HttpHook", "processor time each", "goal"),
        *(
            (
                name,
                f"{1 / it.seconds:,.0f}",
                f"{ceiling / it.seconds:.2f}",
                f"{hook / it.seconds:.1f}",
                f"{it.cpu * 1e6:.0f} µs",
                goals.get(name, ""),
            )
            for name, it in costs.items()
        ),
    )


def limit(options: argparse.Namespace) -> None:
    """A service that says 429."""
    rows = []
    with service("--requests-per-second", str(ALLOWED), requests_per_second=WANTED) as it:
        wanted = it.requests("DELETE", LIMITED)
        for name, work in {
            f"purge operator, connection at {WANTED}/s": purge,
            f"purge operator, set to {ALLOWED}/s by hand": lambda: purge(requests_per_second=ALLOWED),
            "aiohttp, 32 workers, a 429 again after 1 s": lambda: aiohttp_workers(wanted, it.token, 32, again_after=1),
        }.items():
            fill_slowly(it)
            before = totals(it)
            seconds = cost(Lap(1, work)).seconds
            taken, refused = (after - was for after, was in zip(totals(it), before, strict=True))
            rows.append(
                (
                    name,
                    f"{seconds:.1f} s",
                    f"{taken / (ALLOWED * seconds):.1%}",
                    f"{taken / (ALLOWED * seconds + ALLOWED):.1%}",
                    f"{refused / (taken + refused):.2%}",
                    it.left,
                )
            )
    table(
        f"{LIMITED:,} deletes where {ALLOWED} requests a second are allowed and more are answered 429",
        ("", "took", f"taken, of {ALLOWED}/s", "of that and a full bucket", "refused", "lost"),
        *rows,
        ("goal", "", "≥ 97 %", "", "< 1 %", "0"),
    )


def fill_slowly(it: Service) -> None:
    """Fill a service that counts requests by address: from others, and no more from each than is allowed."""
    wanted = it.requests("PUT", LIMITED, b'{"stringValue":"x"}')
    for number, first in enumerate(range(0, LIMITED, ALLOWED)):
        part = wanted[first : first + ALLOWED]
        aiohttp_workers(part, it.token, 8, again_after=0.1, source=f"127.0.1.{number + 1}")


def totals(it: Service) -> tuple[int, int]:
    """Requests taken and refused, without those that filled."""
    counts = [by for operation, by in it.answers().items() if operation.startswith("anypoint.")]
    puts = it.answers()["anypoint.put_key"]
    refused = sum(by.get("429", 0) for by in counts) - puts.get("429", 0)
    return sum(sum(by.values()) for by in counts) - sum(puts.values()) - refused, refused


def memory(options: argparse.Namespace) -> None:
    """Purges of different sizes, each in a process of its own."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    found: dict[int, list[dict[str, float]]] = {FEW: [], SOME: [], options.many: []}
    filling = []

    def fill(count: int) -> None:
        AnypointObjectStoreHook().put_many("bench", "p", dict.fromkeys(names(count), "x")).raise_failed()

    with service() as it:
        for count in [*found, SOME, *([options.many, SOME] if options.rounds > 1 else [])]:
            filled = cost(Lap(1, partial(fill, count)))
            filling += [filled.seconds] if count == options.many else []
            found[count].append(alone("purge"))
            it.check_empty()
    peaks = {count: median(run["peak"] for run in runs) / 2**20 for count, runs in found.items()}
    each, used = (
        {count: median(run[what] for run in runs) / count for count, runs in found.items()}
        for what in ("seconds", "cpu")
    )
    table(
        f"Purges in processes of their own, 32 requests at a time; put_many of {options.many:,} keys took "
        f"{median(filling):.0f} s",
        (
            "keys",
            "peak memory",
            f"over {FEW:,}",
            "time per key",
            f"of {SOME:,}",
            "processor time per key",
            f"of {SOME:,}",
        ),
        *(
            (
                f"{count:,}",
                f"{peaks[count]:.1f} MiB",
                f"{peaks[count] - peaks[FEW]:+.1f} MiB",
                f"{each[count] * 1e6:.0f} µs",
                f"{each[count] / each[SOME]:.2f}",
                f"{used[count] * 1e6:.0f} µs",
                f"{used[count] / used[SOME]:.2f}",
            )
            for count in found
        ),
        ("goal", "", "≤ +15 MiB", "", "≤ 1.10", "", ""),
    )


def call(options: argparse.Namespace) -> None:
    """One value, again and again."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    with service() as it:
        it.fill(1)
        hook = AnypointObjectStoreHook()
        wanted = it.requests("GET", 1)[0]

        def ours() -> None:
            for _ in range(CALLS):
                hook.get_key("bench", "p", "k0")

        laps = {
            "requests.Session.get": Lap(CALLS, lambda: requests_session(wanted.url, it.token, CALLS)),
            "hook.get_key": Lap(CALLS, ours),
            "HttpHook.run": Lap(CALLS // 4, lambda: http_hook([wanted] * (CALLS // 4), it.url)),
        }
        costs = in_turns(max(options.rounds, 5), laps)
    bare = costs["requests.Session.get"]
    table(
        f"{CALLS:,} reads of one value, one after the other",
        ("", "each", "ratio", "processor time each", "ratio", "goal"),
        *(
            (
                name,
                f"{it.seconds * 1e6:.0f} µs",
                f"{it.seconds / bare.seconds:.2f}",
                f"{it.cpu * 1e6:.0f} µs",
                f"{it.cpu / bare.cpu:.2f}",
                "≤ 1.15" if name == "hook.get_key" else "",
            )
            for name, it in costs.items()
        ),
    )


def imports(options: argparse.Namespace) -> None:
    """All operators and sensors, in fresh processes."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "http": []}
    for _ in range(IMPORTS):
        for kind, results in found.items():
            results.append(alone("import", kind))
    http = f"http provider {importlib.metadata.version('apache-airflow-providers-http')}"
    rows = []
    for name, kind in ((http, "http"), ("ours", "ours")):
        shown = []
        for what in ("seconds", "cpu", "modules"):
            ours, theirs = (median(it[what] for it in found[of]) for of in (kind, "http"))
            shown += [f"{ours:.0f}" if what == "modules" else f"{ours * 1e3:.0f} ms", f"{ours / theirs:.2f}"]
        rows.append((name, *shown, "≤ 0.25" if kind == "ours" else ""))
    table(
        "Import of all operators and sensors, where DAG, BaseOperator, BaseSensorOperator and task are imported",
        ("", "time", "ratio", "processor time", "ratio", "modules", "ratio", "goal"),
        *rows,
    )


def transfer(options: argparse.Namespace) -> None:
    """Export and import."""
    from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator

    with services() as url, tempfile.TemporaryDirectory() as folder:
        it = Service(url)
        make_bucket()
        it.fill(VALUES)
        gets, puts = it.requests("GET", VALUES), it.requests("PUT", VALUES, b'{"stringValue":"x"}')
        file, bucket = f"file://{folder}", "civo://bench/export"

        def exports(path: str) -> None:
            AnypointExportOperator(task_id="export", store_id="bench", path=path).execute({})

        def fetches(if_exists: str, path: str) -> None:
            AnypointImportOperator(task_id="import", store_id="bench", path=path, if_exists=if_exists).execute({})

        laps = {
            "aiohttp, 32 workers: GET, names known": lambda: aiohttp_workers(gets, it.token, 32),
            "export": lambda: exports(file),
            "export to a bucket (moto)": lambda: exports(bucket),
            "aiohttp, 32 workers: PUT": lambda: aiohttp_workers(puts, it.token, 32),
            "import, if_exists=overwrite": lambda: fetches("overwrite", file),
            "import, if_exists=overwrite, from a bucket": lambda: fetches("overwrite", bucket),
            "import, if_exists=skip (all are there: HEAD)": lambda: fetches("skip", file),
        }
        costs = in_turns(options.rounds, {name: Lap(VALUES, work) for name, work in laps.items()})
    get, _, _, put, *_ = (it.seconds for it in costs.values())
    table(
        f"{VALUES:,} values to a file or bucket and back, no latency, 32 at a time",
        ("", "values/s", "of the bare loop", "processor time each"),
        *(
            (name, f"{1 / it.seconds:,.0f}", f"{bare / it.seconds:.2f}", f"{it.cpu * 1e6:.0f} µs")
            for (name, it), bare in zip(costs.items(), (get, get, get, put, put, put, put), strict=True)
        ),
    )


def alone(*arguments: str) -> dict[str, Any]:
    """Run something in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.alone", *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parent.parent)
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told


PARTS = {it.__name__: it for it in (deletes, limit, memory, call, imports, transfer)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=MANY, help="keys of the largest purge")
    options = parser.parse_args()
    packages = ("apache-airflow-core", "apache-airflow-providers-http", "aiohttp", "requests", "uvicorn")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n", flush=True)
    quiet()
    for part in options.part or PARTS:
        PARTS[part](options)


if __name__ == "__main__":
    main()
