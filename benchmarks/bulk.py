"""
What bulk work, a hook's call and an import cost, compared with the alternatives.

``python -m benchmarks.bulk [--part deletes] [--rounds 3]`` prints Markdown tables and asserts nothing (Linux). The
emulator runs in its own process on 127.0.0.1. What is compared is measured in turns, and medians count. Compare ratios
within one run, not rates across machines.
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

from benchmarks.baselines import (
    aiohttp_listing,
    aiohttp_workers,
    http_hook,
    requests_session,
    requests_threads,
)
from benchmarks.service import PARTITION, Service, names, service
from benchmarks.storage import make_bucket, services
from benchmarks.subprocess_bench import silence_logs
from benchmarks.timing import Candidate, measure, measure_in_turns, table

LATENCY, WORKERS = 0.02, 64
DELETES, THREAD_DELETES, HOOK_DELETES = 5000, 2000, 300
"""Part deletes: latency in seconds, requests at a time, and how many keys are deleted."""
ALLOWED, CONFIGURED, LIMITED_DELETES = 100, 200, 3000
"""Part limit: the service's requests a second, the connection's, and how many keys are deleted."""
FEW, SOME, MANY = 1_000, 10_000, 100_000
"""Part memory: how many keys are deleted."""
CALLS, VALUES, IMPORTS = 2000, 10_000, 11


def purge(**settings: Any) -> dict[str, Any]:
    """Purge the keys with the operator."""
    from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

    operator = AnypointPurgePartitionsOperator(
        task_id="purge", store_id="bench", partitions="p", key_prefix="k", **settings
    )
    return operator.execute({})


def send_in_bulk(calls: dict[str, Any], concurrency: int) -> None:
    """Send calls with :func:`send_all`."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    AnypointObjectStoreHook().bulk(concurrency=concurrency).send_all(calls).raise_failed()


def deletes(options: argparse.Namespace) -> None:
    """5,000 deletes with a latency of 20 ms."""
    from airflow_provider_objectstore.api.anypoint import delete_key

    with service() as emulator:

        def candidate(count: int, work: Callable[[], object], delayed: str = "anypoint.*") -> Candidate:
            @contextmanager
            def setup() -> Iterator[None]:
                emulator.delay(0)
                emulator.fill(count)
                emulator.delay(LATENCY, delayed)
                yield
                emulator.check_empty()

            return Candidate(count, work, setup)

        requests = {count: emulator.requests("DELETE", count) for count in (DELETES, THREAD_DELETES, HOOK_DELETES)}
        calls = {key: delete_key("bench", "p", key) for key in names(DELETES)}
        keys_url, token = f"{emulator.url}{PARTITION}/keys", emulator.token
        candidates = {
            f"aiohttp, {WORKERS} workers, names known": candidate(
                DELETES, lambda: aiohttp_workers(requests[DELETES], token, WORKERS)
            ),
            "Bulk, names known": candidate(DELETES, lambda: send_in_bulk(calls, WORKERS)),
            "purge operator, listings not delayed": candidate(
                DELETES, lambda: purge(max_concurrency=WORKERS), "anypoint.delete_key"
            ),
            f"aiohttp, {WORKERS} workers and a lister, listings delayed too": candidate(
                DELETES, lambda: aiohttp_listing(keys_url, token, WORKERS)
            ),
            "purge operator, listings delayed too": candidate(DELETES, lambda: purge(max_concurrency=WORKERS)),
            f"requests, 32 threads ({THREAD_DELETES:,} deletes)": candidate(
                THREAD_DELETES, lambda: requests_threads(requests[THREAD_DELETES], token, 32)
            ),
            f"HttpHook in a loop ({HOOK_DELETES} deletes)": candidate(
                HOOK_DELETES, lambda: http_hook(requests[HOOK_DELETES], emulator.url)
            ),
        }
        costs = measure_in_turns(options.rounds, candidates)
    ceiling, *_, hook = (cost.seconds for cost in costs.values())
    goals = {
        "Bulk, names known": "≥ 0.90 of the ceiling",
        "purge operator, listings not delayed": "≥ 0.90, ≥ 40 times",
    }
    table(
        f"{DELETES:,} deletes, latency {LATENCY * 1000:.0f} ms, {WORKERS} at a time (the first is the ceiling)",
        ("", "deletes/s", "of the ceiling", "times the HttpHook", "processor time each", "goal"),
        *(
            (
                name,
                f"{1 / cost.seconds:,.0f}",
                f"{ceiling / cost.seconds:.2f}",
                f"{hook / cost.seconds:.1f}",
                f"{cost.cpu * 1e6:.0f} µs",
                goals.get(name, ""),
            )
            for name, cost in costs.items()
        ),
    )


def limit(options: argparse.Namespace) -> None:
    """Deletes in a service with a rate limit."""
    rows = []
    with service("--requests-per-second", str(ALLOWED), requests_per_second=CONFIGURED) as emulator:
        requests = emulator.requests("DELETE", LIMITED_DELETES)
        for name, work in {
            f"purge operator, connection at {CONFIGURED}/s": purge,
            f"purge operator, set to {ALLOWED}/s by hand": lambda: purge(requests_per_second=ALLOWED),
            "aiohttp, 32 workers, a 429 again after 1 s": lambda: aiohttp_workers(
                requests, emulator.token, 32, retry_after=1
            ),
        }.items():
            fill_slowly(emulator)
            before = totals(emulator)
            seconds = measure(Candidate(1, work)).seconds
            accepted, throttled = (after - was for after, was in zip(totals(emulator), before, strict=True))
            rows.append(
                (
                    name,
                    f"{seconds:.1f} s",
                    f"{accepted / (ALLOWED * seconds):.1%}",
                    f"{accepted / (ALLOWED * seconds + ALLOWED):.1%}",
                    f"{throttled / (accepted + throttled):.2%}",
                    emulator.remaining_keys,
                )
            )
    table(
        f"{LIMITED_DELETES:,} deletes where {ALLOWED} requests a second are allowed and more get a 429",
        ("", "time", f"accepted, of {ALLOWED}/s", "of that and a full bucket", "throttled", "lost"),
        *rows,
        ("goal", "", "≥ 97 %", "", "< 1 %", "0"),
    )


def fill_slowly(emulator: Service) -> None:
    """Store the keys from many client addresses, below the rate limit of each."""
    requests = emulator.requests("PUT", LIMITED_DELETES, b'{"stringValue":"x"}')
    for number, first in enumerate(range(0, LIMITED_DELETES, ALLOWED)):
        part = requests[first : first + ALLOWED]
        aiohttp_workers(part, emulator.token, 8, retry_after=0.1, source=f"127.0.1.{number + 1}")


def totals(emulator: Service) -> tuple[int, int]:
    """Return how many requests were accepted and throttled, without those that filled."""
    counts = {name: by_status for name, by_status in emulator.counts().items() if name.startswith("anypoint.")}
    counts.pop("anypoint.put_key")
    throttled = sum(by_status.get("429", 0) for by_status in counts.values())
    return sum(sum(by_status.values()) for by_status in counts.values()) - throttled, throttled


def memory(options: argparse.Namespace) -> None:
    """Purges of different sizes, each in its own process."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    runs: dict[int, list[dict[str, float]]] = {FEW: [], SOME: [], options.many: []}
    fill_seconds = []

    def fill(count: int) -> None:
        AnypointObjectStoreHook().put_many("bench", "p", dict.fromkeys(names(count), "x")).raise_failed()

    with service() as emulator:
        for count in [*runs, SOME, *([options.many, SOME] if options.rounds > 1 else [])]:
            seconds = measure(Candidate(1, partial(fill, count))).seconds
            if count == options.many:
                fill_seconds.append(seconds)
            runs[count].append(run_in_subprocess("purge"))
            emulator.check_empty()
    peaks = {count: median(run["peak"] for run in measured) / 2**20 for count, measured in runs.items()}
    seconds_each, cpu_each = (
        {count: median(run[name] for run in measured) / count for count, measured in runs.items()}
        for name in ("seconds", "cpu")
    )
    table(
        f"Purges in their own processes, 32 requests at a time; put_many of {options.many:,} keys took "
        f"{median(fill_seconds):.0f} s",
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
                f"{seconds_each[count] * 1e6:.0f} µs",
                f"{seconds_each[count] / seconds_each[SOME]:.2f}",
                f"{cpu_each[count] * 1e6:.0f} µs",
                f"{cpu_each[count] / cpu_each[SOME]:.2f}",
            )
            for count in runs
        ),
        ("goal", "", "≤ +15 MiB", "", "≤ 1.10", "", ""),
    )


def call(options: argparse.Namespace) -> None:
    """Reads of one value, one after the other."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

    with service() as emulator:
        emulator.fill(1)
        hook = AnypointObjectStoreHook()
        request = emulator.requests("GET", 1)[0]

        def ours() -> None:
            for _ in range(CALLS):
                hook.get_key("bench", "p", "k0")

        candidates = {
            "requests.Session.get": Candidate(CALLS, lambda: requests_session(request.url, emulator.token, CALLS)),
            "hook.get_key": Candidate(CALLS, ours),
            "HttpHook.run": Candidate(CALLS // 4, lambda: http_hook([request] * (CALLS // 4), emulator.url)),
        }
        costs = measure_in_turns(max(options.rounds, 5), candidates)
    bare = costs["requests.Session.get"]
    table(
        f"{CALLS:,} reads of one value, one after the other",
        ("", "each", "ratio", "processor time each", "ratio", "goal"),
        *(
            (
                name,
                f"{cost.seconds * 1e6:.0f} µs",
                f"{cost.seconds / bare.seconds:.2f}",
                f"{cost.cpu * 1e6:.0f} µs",
                f"{cost.cpu / bare.cpu:.2f}",
                "≤ 1.15" if name == "hook.get_key" else "",
            )
            for name, cost in costs.items()
        ),
    )


def imports(options: argparse.Namespace) -> None:
    """Imports of all operators and sensors, in new processes."""
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "http": []}
    for _ in range(IMPORTS):
        for provider, measured in runs.items():
            measured.append(run_in_subprocess("import", provider))
    medians = {
        provider: {name: median(run[name] for run in measured) for name in ("seconds", "cpu", "modules")}
        for provider, measured in runs.items()
    }
    rows = []
    http_version = importlib.metadata.version("apache-airflow-providers-http")
    for title, provider in ((f"http provider {http_version}", "http"), ("ours", "ours")):
        cells = []
        for name, value in medians[provider].items():
            cells.append(f"{value:.0f}" if name == "modules" else f"{value * 1e3:.0f} ms")
            cells.append(f"{value / medians['http'][name]:.2f}")
        rows.append((title, *cells, "≤ 0.25" if provider == "ours" else ""))
    table(
        "Import of all operators and sensors after DAG, BaseOperator, BaseSensorOperator and task",
        ("", "time", "ratio", "processor time", "ratio", "modules", "ratio", "goal"),
        *rows,
    )


def transfer(options: argparse.Namespace) -> None:
    """Export and import."""
    from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator

    with services() as url, tempfile.TemporaryDirectory() as folder:
        emulator = Service(url)
        make_bucket()
        emulator.fill(VALUES)
        gets, puts = emulator.requests("GET", VALUES), emulator.requests("PUT", VALUES, b'{"stringValue":"x"}')
        file, bucket = f"file://{folder}", "civo://bench/export"

        def export(path: str) -> None:
            AnypointExportOperator(task_id="export", store_id="bench", path=path).execute({})

        def restore(if_exists: str, path: str) -> None:
            AnypointImportOperator(task_id="import", store_id="bench", path=path, if_exists=if_exists).execute({})

        works = {
            "aiohttp, 32 workers: GET, names known": lambda: aiohttp_workers(gets, emulator.token, 32),
            "export": lambda: export(file),
            "export to a bucket (moto)": lambda: export(bucket),
            "aiohttp, 32 workers: PUT": lambda: aiohttp_workers(puts, emulator.token, 32),
            "import, if_exists=overwrite": lambda: restore("overwrite", file),
            "import, if_exists=overwrite, from a bucket": lambda: restore("overwrite", bucket),
            "import, if_exists=skip (all exist: HEAD)": lambda: restore("skip", file),
        }
        costs = measure_in_turns(options.rounds, {name: Candidate(VALUES, work) for name, work in works.items()})
    get, _, _, put, *_ = (cost.seconds for cost in costs.values())
    table(
        f"{VALUES:,} values to a file or bucket and back, no latency, 32 at a time",
        ("", "values/s", "of the bare loop", "processor time each"),
        *(
            (name, f"{1 / cost.seconds:,.0f}", f"{bare / cost.seconds:.2f}", f"{cost.cpu * 1e6:.0f} µs")
            for (name, cost), bare in zip(costs.items(), (get, get, get, put, put, put, put), strict=True)
        ),
    )


def run_in_subprocess(*arguments: str) -> dict[str, Any]:
    """Run a measurement of :mod:`benchmarks.subprocess_bench`."""
    command = [sys.executable, "-m", "benchmarks.subprocess_bench", *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parent.parent)
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


PARTS = {part.__name__: part for part in (deletes, limit, memory, call, imports, transfer)}


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
    silence_logs()
    for part in options.part or PARTS:
        PARTS[part](options)


if __name__ == "__main__":
    main()
