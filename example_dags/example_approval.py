"""
A purge that a person approves.

One task lists the partitions that are old, and a purge with ``dry_run`` counts what it would delete. Then the run
waits: under "Required Actions" in Airflow's UI, somebody reads the plan and approves or rejects it. The purge deletes
the partitions that the plan names, not those that are old by then. After a rejection, or if nobody answers within a
day, nothing is deleted.

The first task writes something to purge: weather records, one partition for each day.

Needs an extra: ``pip install vega_datasets``. Before Airflow 3.3 the waiting takes a triggerer.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator

STORE = "approved-weather"
KEPT_DAYS = 7

with DAG(
    dag_id="example_approval",
    description="Deletes old partitions once somebody has approved it",
    schedule=None,
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

    # [START approval]
    @task
    def old_partitions() -> list[str]:
        """Return all partitions but the newest; without any the run ends here."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        days = sorted(name for name in AnypointObjectStoreHook().list_partitions(STORE) if name.startswith("day-"))
        if len(days) <= KEPT_DAYS:
            raise AirflowSkipException(f"{len(days)} partitions, none of them is old")
        return days[:-KEPT_DAYS]

    old = old_partitions()
    plan = AnypointPurgePartitionsOperator(task_id="plan", store_id=STORE, partitions=old, dry_run=True)
    approve = ApprovalOperator(
        task_id="approve",
        subject=f"Delete {{{{ ti.xcom_pull('plan')['partitions'] }}}} partitions of the store {STORE}?",
        body="{{ ti.xcom_pull('old_partitions') | join(', ') }}",
        response_timeout=timedelta(days=1),
    )
    purge = AnypointPurgePartitionsOperator(task_id="purge", store_id=STORE, partitions=old)
    plan >> approve >> purge
    # [END approval]

    create_store >> write() >> old
