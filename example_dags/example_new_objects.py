"""
Starting a DAG when objects appear in a bucket.

``example_new_objects`` stands for a supplier: it creates a bucket and writes a file for each region. Airflow starts
``example_new_objects_event`` once for all files that appear together.

A watcher works only while its DAG is not paused. Objects that exist at its first poll start nothing.

Needs the extra: ``pip install airflow-provider-objectstore[s3]``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger

BUCKET = "supplier-orders"
REGIONS = ["north", "south", "west"]

with DAG(
    dag_id="example_new_objects",
    description="Writes a file for each region into a bucket",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    create_bucket = CivoCreateObjectStoreOperator(task_id="create_bucket", name=BUCKET, poke_interval=1)

    @task
    def write_files(run_id: str) -> list[str]:
        """Write 10, 20 and 30 orders."""
        import boto3

        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        keys = [f"in/{run_id}/{region}.csv" for region in REGIONS]
        for number, key in enumerate(keys, 1):
            rows = "".join(f"{order},open\n" for order in range(10 * number))
            s3.put_object(Bucket=BUCKET, Key=key, Body=f"order,status\n{rows}".encode())
        return keys

    create_bucket >> write_files()

# [START watch_bucket]
new_orders = Asset(
    "supplier_orders",
    watchers=[
        AssetWatcher(
            name="csv_files",
            trigger=CivoObjectEventTrigger(BUCKET, prefix="in/", suffix=".csv", poke_interval=2),
        )
    ],
)

with DAG(
    dag_id="example_new_objects_event",
    description="Starts when files of a supplier appear or change",
    schedule=[new_orders],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=False,
    tags=["example", "objectstore"],
):

    @task
    def count_orders(triggering_asset_events: Any = None) -> int:
        """Count the orders in the new files; one run of this DAG may be for several events."""
        import boto3

        payloads = [event.extra["payload"] for events in triggering_asset_events.values() for event in events]
        keys = {key for payload in payloads for key in payload["keys"]}
        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        files = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in sorted(keys)]
        orders = sum(len(file.splitlines()) - 1 for file in files)
        print(f"{orders} orders in {len(files)} files")
        return orders

    count_orders()
# [END watch_bucket]
