"""
Measurements that need their own process. Each prints one JSON object.

``python -m benchmarks.subprocess_bench purge`` purges a partition in the service of ``AIRFLOW_CONN_ANYPOINT_DEFAULT``.
``python -m benchmarks.subprocess_bench import ours|http`` imports operators and sensors.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

OURS = [
    f"airflow_provider_objectstore.{module}"
    for module in (
        *("operators.anypoint", "operators.civo", "operators.purge", "operators.rotation", "operators.transfer"),
        *("sensors.anypoint", "sensors.civo"),
    )
]
HTTP = ["airflow.providers.http.operators.http", "airflow.providers.http.sensors.http"]


def peak_memory() -> int:
    """Return this process's peak resident memory in bytes. ``getrusage`` would include the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def silence_logs() -> None:
    """Keep Airflow's log out of the tables."""
    import structlog
    from airflow.providers.common.compat.sdk import BaseOperator  # noqa: F401  configures logging

    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def purge() -> dict[str, Any]:
    """Purge, and return the operator's result with seconds, processor time and peak memory."""
    from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

    silence_logs()
    operator = AnypointPurgePartitionsOperator(task_id="purge", store_id="bench", partitions="p", key_prefix="k")
    started, cpu_started = time.perf_counter(), time.process_time()
    result = operator.execute({})
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    return {**result, "seconds": seconds, "cpu": cpu, "peak": peak_memory()}


def imports(modules: list[str]) -> dict[str, Any]:
    """Import modules after the names that any DAG file imports."""
    sdk = importlib.import_module("airflow.sdk")
    for name in ("DAG", "BaseOperator", "BaseSensorOperator", "task"):
        getattr(sdk, name)
    before, started, cpu_started = len(sys.modules), time.perf_counter(), time.process_time()
    for module in modules:
        importlib.import_module(module)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    return {"seconds": seconds, "cpu": cpu, "modules": len(sys.modules) - before}


if __name__ == "__main__":
    measurement, *provider = sys.argv[1:]
    print(json.dumps(purge() if measurement == "purge" else imports(OURS if provider == ["ours"] else HTTP)))
