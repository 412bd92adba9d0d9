"""
A backup of an Object Store v2 store in a Civo bucket, and its restore into another store.

The folder of a backup is named after its run. The last task compares the restored store with the first one.

Needs the extras: ``pip install airflow-provider-objectstore[s3] vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator

STORE = "energy"
RESTORED = "energy-restored"
BUCKET = "backups"

with DAG(
    dag_id="example_backup",
    description="Backs a store up into a bucket and restores it",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    create_bucket = CivoCreateObjectStoreOperator(
        task_id="create_bucket", name=BUCKET, poke_interval=1, deferrable=True
    )
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl="P30D")
    create_other = AnypointCreateStoreOperator(task_id="create_other", store_id=RESTORED, default_ttl="P30D")

    @task
    def write() -> int:
        """Write Iowa's electricity generation: one partition for each source, one key for each year."""
        import csv
        from collections import defaultdict
        from pathlib import Path

        from vega_datasets import local_data

        sources: dict[str, dict[str, int]] = defaultdict(dict)
        for row in csv.DictReader(Path(local_data.iowa_electricity.filepath).read_text().splitlines()):
            sources[row["source"]][row["year"]] = int(row["net_generation"])
        for source, years in sources.items():
            AnypointObjectStoreHook().put_many(STORE, source, years).raise_failed()
        return sum(map(len, sources.values()))

    # [START backup]
    folder = f"civo://civo_default@{BUCKET}/{STORE}/{{{{ run_id }}}}"
    backup = AnypointExportOperator(task_id="backup", store_id=STORE, path=folder)
    restore = AnypointImportOperator(task_id="restore", store_id=RESTORED, path=folder, if_exists="overwrite")
    # [END backup]

    @task
    def verify() -> int:
        """Compare the stores, value by value."""
        hook, values = AnypointObjectStoreHook(), 0
        names = list(hook.list_partitions(STORE))
        if names != list(hook.list_partitions(RESTORED)):
            raise ValueError("the stores differ in their partitions")
        for name in names:
            original, restored = dict(hook.partition(STORE, name)), dict(hook.partition(RESTORED, name))
            if original != restored:
                raise ValueError(f"the stores differ in partition {name}")
            values += len(original)
        print(f"{values} values in {len(names)} partitions are restored")
        return values

    create_store >> write() >> backup
    create_bucket >> backup
    [backup, create_other] >> restore >> verify()
