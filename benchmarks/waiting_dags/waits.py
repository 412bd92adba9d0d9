"""
The DAGs of ``benchmarks/waiting.py``: many waits that need no worker, and the same wait in every mode.

Each waits for its own key, named ``<dag>.<task>``.
"""

import os
from typing import Any

from airflow.sdk import DAG

from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from benchmarks.event_loop_bench import WAIT, ProbeTask

DAGS, WAITS, POKE_INTERVAL, TASKS = (int(os.environ[f"BENCHMARK_{n}"]) for n in ("DAGS", "WAITS", "POKE", "TASKS"))
NO_WORKER = {"start_from_trigger": True, "end_from_trigger": True, "do_xcom_push": False}
MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
    "no_worker": NO_WORKER,
}


def waits(dag_id: str, count: int, **settings: Any) -> DAG:
    """Return a DAG with parallel waits."""
    with DAG(dag_id, schedule=None, max_active_tasks=1000) as dag:
        for number in range(count):
            AnypointKeySensor(
                task_id=f"t{number}",
                store_id="bench",
                partition="p",
                keys=f"{dag_id}.t{number}",
                timeout=3600,
                retries=0,
                **settings,
            )
    return dag


for number in range(DAGS):
    dag_id = f"{WAIT}_{number}"
    globals()[dag_id] = waits(dag_id, WAITS, poke_interval=POKE_INTERVAL, **NO_WORKER)
for mode, settings in MODES.items():
    globals()[mode] = waits(mode, TASKS, poke_interval=5, **settings)
with DAG("probe", schedule=None) as probe:
    ProbeTask(task_id="probe", path=os.environ["BENCHMARK_PROBE"])
