"""
A store of Object Store v2 moves to another name, and one of its partitions to a Civo bucket as files.

A real move goes to another region or environment: give the copy a ``target_region``, ``target_environment_id`` or
``target_conn_id``. The last task compares both stores and the files, and then deletes the first store.

Needs the extras: ``pip install airflow-provider-objectstore[s3] vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator

STORE = "prices"
MOVED = "prices-moved"
BUCKET = "price-files"

with DAG(
    dag_id="example_moving",
    description="Copies a store to another name, and a partition to a bucket",
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
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl="P20D")

    @task
    def write() -> None:
        """Write share prices: one partition for each company, one key for each year."""
        import csv
        import json
        from collections import defaultdict
        from pathlib import Path

        from vega_datasets import local_data

        companies: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for row in csv.DictReader(Path(local_data.stocks.filepath).read_text().splitlines()):
            companies[row["symbol"]][row["date"][-4:]][row["date"]] = float(row["price"])
        for company, years in companies.items():
            values = {year: json.dumps(prices) for year, prices in years.items()}
            AnypointObjectStoreHook().put_many(STORE, company, values).raise_failed()

    # [START move]
    copy = AnypointCopyStoreOperator(task_id="copy", source=STORE, target=MOVED)
    files = SyncFolderOperator(
        task_id="files",
        source=f"osv2://anypoint_default@{MOVED}/AAPL",
        target=f"civo://civo_default@{BUCKET}/prices/AAPL",
        delete=True,
    )
    # [END move]

    @task
    def finish() -> None:
        """Compare the stores and the files, then delete the first store."""
        from airflow.sdk import ObjectStoragePath

        hook, values = AnypointObjectStoreHook(), 0
        for name in hook.list_partitions(STORE):
            original = dict(hook.partition(STORE, name))
            if original != dict(hook.partition(MOVED, name)):
                raise ValueError(f"the stores differ in partition {name}")
            values += len(original)
        folder = ObjectStoragePath(f"civo://civo_default@{BUCKET}/prices/AAPL")
        written = {path.name: path.read_text() for path in folder.iterdir()}
        if written != dict(hook.partition(MOVED, "AAPL")):
            raise ValueError("the files differ from the partition")
        hook.delete_store(STORE)
        print(f"{values} values are moved, {len(written)} of them are files as well")

    create_store >> write() >> copy
    [copy, create_bucket] >> files >> finish()
