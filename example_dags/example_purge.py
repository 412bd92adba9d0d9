"""
A nightly purge.

One task lists the partitions that are a week old or older, and one mapped task deletes each. All tasks that use Object
Store v2 share a pool, so that together they stay below the service's rate limit: the connection limits the requests of
each task, and the pool limits how many tasks run at a time. Create it once:
``airflow pools set object_store_v2 2 "Object Store v2"``.

The first task writes something to purge: weather records, one partition for each day.

Needs an extra: ``pip install vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

STORE = "weather-records"
KEPT_DAYS = 7
POOL = "object_store_v2"

with DAG(
    dag_id="example_purge",
    description="Deletes old partitions every night",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl="P30D")

    @task
    def write() -> None:
        """Write the last ten days of the data set, one partition for each day and one key for each column."""
        import csv
        from pathlib import Path

        from vega_datasets import local_data

        hook = AnypointObjectStoreHook()
        rows = csv.DictReader(Path(local_data.seattle_weather.filepath).read_text().splitlines())
        for row in list(rows)[-10:]:
            day = row["date"].replace("/", "-")
            hook.put_many(STORE, f"day-{day}", {name: str(value) for name, value in row.items()}).raise_failed()

    # [START purge]
    @task(pool=POOL)
    def old_partitions() -> list[str]:
        """Return all partitions but the newest: their names end in the day."""
        days = sorted(name for name in AnypointObjectStoreHook().list_partitions(STORE) if name.startswith("day-"))
        return days[:-KEPT_DAYS]

    old = old_partitions()
    purge = AnypointPurgePartitionsOperator.partial(
        task_id="purge",
        store_id=STORE,
        pool=POOL,
        map_index_template="{{ task.partitions }}",
        execution_timeout=timedelta(hours=1),
    ).expand(partitions=old)
    # [END purge]

    @task
    def report() -> int:
        """Check which partitions are left."""
        left = list(AnypointObjectStoreHook().list_partitions(STORE))
        if len(left) != KEPT_DAYS:
            raise ValueError(f"{left} are left, not {KEPT_DAYS} partitions")
        print(f"{len(left)} partitions are left, from {left[0]}")
        return len(left)

    create_store >> write() >> old
    purge >> report()
