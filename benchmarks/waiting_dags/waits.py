"""
The DAGs of ``benchmarks/waiting.py``: many waits that need no worker, and the same wait in every mode.

Each waits for its own key, named ``<dag>.<task>``, or for a file of that name.
"""

import os
from itertools import product
from typing import Any

from airflow.sdk import DAG

from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from benchmarks.event_loop_bench import RESUMED, WAIT, ProbeTask
from benchmarks.timed_waits import PlainTask, TimedKeySensor

DAGS, WAITS, POKE_INTERVAL, TASKS = (int(os.environ[f"BENCHMARK_{n}"]) for n in ("DAGS", "WAITS", "POKE", "TASKS"))
NO_WORKER = {"start_from_trigger": True, "end_from_trigger": True, "do_xcom_push": False}
MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
    "no_worker": NO_WORKER,
}


def waits(dag_id: str, count: int, sensor: type[AnypointKeySensor] = AnypointKeySensor, **settings: Any) -> DAG:
    """Return a DAG with parallel waits."""
    with DAG(dag_id, schedule=None, max_active_tasks=1000) as dag:
        for number in range(count):
            sensor(
                task_id=f"t{number}",
                store_id="bench",
                partition="p",
                keys=f"{dag_id}.t{number}",
                timeout=3600,
                retries=0,
                **settings,
            )
    return dag


def plain_waits(dag_id: str, count: int, *, end_from_trigger: bool) -> DAG:
    """Return a DAG with parallel waits that have nothing to do with a provider."""
    with DAG(dag_id, schedule=None, max_active_tasks=1000) as dag:
        for number in range(count):
            PlainTask(
                task_id=f"t{number}",
                path=f"{os.environ['BENCHMARK_FILES']}/{dag_id}.t{number}",
                poke_interval=POKE_INTERVAL,
                end_from_trigger=end_from_trigger,
                do_xcom_push=False,
                retries=0,
            )
    return dag


for kind, number in product(os.environ["BENCHMARK_KINDS"].split(), range(DAGS)):
    dag_id = f"{WAIT}_{kind}_{number}"
    if kind.startswith("ours"):
        end = {"end_from_trigger": not kind.endswith(RESUMED)}
        globals()[dag_id] = waits(dag_id, WAITS, TimedKeySensor, poke_interval=POKE_INTERVAL, **(NO_WORKER | end))
    else:
        globals()[dag_id] = plain_waits(dag_id, WAITS, end_from_trigger=not kind.endswith(RESUMED))
for mode, settings in MODES.items():
    globals()[mode] = waits(mode, TASKS, poke_interval=5, **settings)
with DAG("probe", schedule=None) as probe:
    ProbeTask(task_id="probe", path=os.environ["BENCHMARK_PROBE"])
