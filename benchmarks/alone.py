"""
What is measured in a process of its own.

``python -m benchmarks.alone purge`` empties a partition of the store that ``AIRFLOW_CONN_ANYPOINT_DEFAULT`` leads to,
``python -m benchmarks.alone import ours|http`` imports operators and sensors; each prints one JSON object.
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
    *(f"airflow_provider_objectstore.operators.{it}" for it in ("anypoint", "civo", "purge", "rotation", "transfer")),
    *(f"airflow_provider_objectstore.sensors.{it}" for it in ("anypoint", "civo")),
]
HTTP = ["airflow.providers.http.operators.http", "airflow.providers.http.sensors.http"]


def peak() -> int:
    """Most memory that this process had resident, in bytes; ``getrusage`` would tell the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def quiet() -> None:
    """Keep Airflow's log out of the tables."""
    import structlog
    from airflow.providers.common.compat.sdk import BaseOperator  # noqa: F401  it sets logging up

    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def purge() -> dict[str, Any]:
    """Purge, and tell what it took."""
    from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

    quiet()
    quiet()
    operator = AnypointPurgePartitionsOperator(task_id="purge", store_id="bench", partitions="p", key_prefix="k")
    begun, used = time.perf_counter(), time.process_time()
    done = operator.execute({})
    return {**done, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - used, "peak": peak()}


def imports(modules: list[str]) -> dict[str, Any]:
    """Import modules where a DAG file has imported the usual names."""
    sdk = importlib.import_module("airflow.sdk")
    for name in ("DAG", "BaseOperator", "BaseSensorOperator", "task"):
        getattr(sdk, name)
    before, begun, used = len(sys.modules), time.perf_counter(), time.process_time()
    for module in modules:
        importlib.import_module(module)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    return {"seconds": seconds, "cpu": cpu, "modules": len(sys.modules) - before}


if __name__ == "__main__":
    what, *of = sys.argv[1:]
    print(json.dumps(purge() if what == "purge" else imports(OURS if of == ["ours"] else HTTP)))
