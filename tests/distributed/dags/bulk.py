"""A purge of many partitions, and many waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=2)}

for dag_id, pool, partitions, rate in (("purge", "purge", 50, 10), ("purge_wide", "purge_wide", 24, 5)):
    with DAG(dag_id, schedule=None, default_args=RETRIES):
        AnypointPurgePartitionsOperator.partial(
            task_id="purge", store_id=dag_id, key_prefix="k-", pool=pool, requests_per_second=rate
        ).expand(partitions=[f"p{number:02}" for number in range(partitions)])

NO_WORKER: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True, "do_xcom_push": False}

for part in range(5):
    with DAG(f"waits_{part}", schedule=None, default_args=RETRIES, max_active_tasks=1000):
        for number in range(100):
            AnypointKeySensor(
                task_id=f"w{number:02}",
                store_id="waits",
                partition="p",
                keys=f"{part}-{number:02}",
                poke_interval=20,
                timeout=1800,
                pool="waits",
                **NO_WORKER,
            )
