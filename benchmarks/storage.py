"""
What task state and XComs cost on ``osv2://`` and ``civo://``, compared with ``s3://`` of the amazon provider.

``python benchmarks/storage.py [--values 200] [--rounds 3]`` prints Markdown tables: of Airflow's own backends of
common.io, and of small reads beside obstore, s3fs and boto3. ``civo://`` and ``s3://`` use the same bucket and keys on
the same moto. The services run in their own process on 127.0.0.1. All are measured in turns; the median of all calls
counts. The times are those of moto and the emulator, which respond at once: compare times within one run. The numbers
of requests hold for any service.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BASES = {
    "osv2": "osv2://anypoint_default@bench/p",
    "civo": "civo://civo_default@bench/p",
    "s3": "s3://aws_bench@bench/p",
}
SIZES = {"100 B": 100, "100 KB": 100_000}
_s3_calls: Counter[str] = Counter()


@contextmanager
def services() -> Iterator[str]:
    """Run the emulator with moto and set the environment variables of its connections. Yield its URL."""
    command = [sys.executable, "-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = ""
            for line in process.stdout:
                url = url or line.strip().rpartition(" ")[2]
                if variable := re.match(r"export (\w+)='(.*)'", line):
                    connection = json.loads(variable[2])
                    connection["extra"]["requests_per_second"] = 100_000  # pacing is not measured here
                    os.environ[variable[1]] = json.dumps(connection)
                    if variable[1].startswith("AIRFLOW_CONN_CIVO"):
                        break
            yield url
        finally:
            process.terminate()


def prepare() -> None:
    """Create the store, the bucket and an ``aws`` connection to the bucket."""
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    AnypointObjectStoreHook().create_store("bench")
    make_bucket()
    os.environ["AIRFLOW_CONN_AWS_BENCH"] = json.dumps(CivoObjectStoreHook().s3_options("bench").aws_connection())


def make_bucket() -> None:
    """Create the bucket and wait until it is ready."""
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

    civo = CivoObjectStoreHook()
    created = civo.create_object_store("bench")
    while not civo.get_object_store(created.id).ready:
        time.sleep(0.1)


def count_s3_calls() -> None:
    """Count the S3 calls of s3fs, through either filesystem."""
    from aiobotocore.client import AioBaseClient

    make_api_call = AioBaseClient._make_api_call

    async def counted(self: Any, operation_name: str, api_params: Any) -> Any:
        _s3_calls[operation_name] += 1
        return await make_api_call(self, operation_name, api_params)

    AioBaseClient._make_api_call = counted


def requests(url: str) -> Counter[str]:
    """Return the number of requests to the services so far by operation, without token requests."""
    with urllib.request.urlopen(f"{url}/_emulator/requests") as response:
        by_operation = json.load(response)["by_operation"]
    return _s3_calls + Counter(
        {
            name.partition(".")[2]: sum(by_status.values())
            for name, by_status in by_operation.items()
            if "token" not in name
        }
    )


def backends(scheme: str) -> tuple[Any, Any]:
    """Return the state and the XCom backend, configured for a filesystem."""
    from airflow.providers.common.io.state_store import backend as state
    from airflow.providers.common.io.xcom import backend as xcom

    os.environ["AIRFLOW__COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH"] = f"{BASES[scheme]}/state"
    os.environ["AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH"] = f"{BASES[scheme]}/xcom"
    os.environ["AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD"] = "0"
    for module in (state, xcom):
        for function in ("_get_base_path", "_get_threshold", "_get_compression"):
            getattr(module, function).cache_clear()
    return state.StateStoreObjectStorageBackend(), xcom.XComObjectStorageBackend


def steps(scheme: str, size: int) -> dict[str, Callable[[int], Any]]:
    """Return what is measured, in this order. Each step takes the number of the value."""
    from airflow.sdk.execution_time.comms import XComResult
    from airflow.sdk.state import TaskScope

    state, xcom = backends(scheme)
    text = json.dumps("x" * size)
    scope = TaskScope("dag", "manual__2026-11-21T05:30:06+00:00", "task")
    pushed: dict[int, Any] = {}

    def push(number: int) -> None:
        pushed[number] = xcom.serialize_value(
            "x" * size, key="k", dag_id="dag", run_id="manual__2026-11-21T05:30:06+00:00", task_id="task"
        )

    def pull(number: int) -> None:
        value = xcom.deserialize_value(XComResult(key="k", value=pushed[number]))
        assert len(value) == size, value

    def get(number: int) -> None:
        assert state.get(scope, f"key-{number}") == text

    return {
        "state set": lambda number: state.set(scope, f"key-{number}", text),
        "state get": get,
        "state delete": lambda number: state.delete(scope, f"key-{number}"),
        "XCom push": push,
        "XCom pull": pull,
    }


def main() -> None:
    """Measure and print the tables."""
    from small_reads import measure

    parser = argparse.ArgumentParser()
    parser.add_argument("--values", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with services() as url:
        prepare()
        count_s3_calls()
        times: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        request_counts: dict[tuple[str, str], Counter[str]] = {}
        for turn in range(options.rounds + 1):
            for scheme in BASES:
                for name, size in SIZES.items():
                    for step, function in steps(scheme, size).items():
                        before = requests(url)
                        for number in range(options.values):
                            start = time.perf_counter()
                            function(number)
                            if turn:  # the first turn opens connections and finds the keys
                                times[step, name, scheme].append(time.perf_counter() - start)
                        request_counts[step, scheme] = requests(url) - before
        report(times, request_counts, options.values)
        measure(options.values, options.rounds)


def report(
    times: dict[tuple[str, str, str], list[float]], request_counts: dict[tuple[str, str], Counter[str]], values: int
) -> None:
    """Print the machine, the times and the requests."""
    names = ("apache-airflow", "apache-airflow-providers-common-io", "apache-airflow-providers-amazon", "s3fs", "moto")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n")
    print("| | " + " | ".join(f"{scheme}, ms" for scheme in BASES) + " | osv2 / s3 | civo / s3 |\n|" + "---|" * 6)
    for step in dict.fromkeys(step for step, _, _ in times):
        for name in SIZES:
            medians = {scheme: statistics.median(times[step, name, scheme]) * 1000 for scheme in BASES}
            ratios = " | ".join(f"{medians[scheme] / medians['s3']:.2f}" for scheme in ("osv2", "civo"))
            print(
                f"| {step}, {name} | "
                + " | ".join(f"{milliseconds:.2f}" for milliseconds in medians.values())
                + f" | {ratios} |"
            )
    print("\n| requests for each | " + " | ".join(BASES) + " |\n|" + "---|" * 4)
    for step in dict.fromkeys(step for step, _ in request_counts):
        cells = (
            ", ".join(f"{name} {count / values:g}" for name, count in request_counts[step, scheme].items())
            for scheme in BASES
        )
        print(f"| {step} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
