"""
A load that continues where the last run stopped.

It writes the daily weather of Seattle, month by month, into a Civo bucket. The watermark, the last month that is in the
bucket, is a key of an Object Store v2 store, so it survives the run, the worker and Airflow itself. Another task waits
for the key that the load writes at its end; it waits in the triggerer and takes no worker slot.

Needs the extras: ``pip install airflow-provider-objectstore[s3] vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor

BUCKET = "seattle-weather"
STORE = "weather-load"
PARTITION = "checkpoints"

with DAG(
    dag_id="example_checkpoint",
    description="A load that continues where the last run stopped",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    params={"months": Param(24, type="integer", minimum=1, description="How many months one run loads")},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    # [START create_and_wait]
    create_bucket = CivoCreateObjectStoreOperator(task_id="create_bucket", name=BUCKET, size_gb=500, wait=False)
    bucket_ready = CivoObjectStoreSensor(
        task_id="bucket_ready",
        object_store="{{ ti.xcom_pull(task_ids='create_bucket')['id'] }}",
        poke_interval=1,
        timeout=600,
        deferrable=True,
    )
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl="P30D")
    # [END create_and_wait]

    # [START checkpoint]
    @task
    def load(params: dict[str, Any], run_id: str) -> dict[str, Any]:
        """Load the months after the watermark: write each as one object, then set the watermark to it."""
        import csv
        from itertools import groupby
        from pathlib import Path

        import boto3
        from vega_datasets import local_data

        checkpoints = AnypointObjectStoreHook().partition(STORE, PARTITION)
        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))

        watermark = str(checkpoints.get("watermark", ""))
        header, *days = csv.reader(Path(local_data.seattle_weather.filepath).read_text().splitlines())
        months = [(month, list(rows)) for month, rows in groupby(days, lambda day: day[0][:7].replace("/", "-"))]
        due = [(month, rows) for month, rows in months if month > watermark][: params["months"]]
        for month, rows in due:
            body = "\n".join(map(",".join, (header, *rows)))
            s3.put_object(Bucket=BUCKET, Key=f"daily/{month}.csv", Body=body.encode())
            # After a crash between these two lines, the next run writes the same object again.
            checkpoints["watermark"] = month
            print(f"{month}: {len(rows)} days")
        checkpoints[f"done/{run_id}"] = sum(len(rows) for _, rows in due)
        return {"after": watermark or None, "months": len(due), "watermark": str(checkpoints["watermark"])}

    # [END checkpoint]

    # [START wait_for_key]
    load_done = AnypointKeySensor(
        task_id="load_done",
        store_id=STORE,
        partition=PARTITION,
        keys="done/{{ run_id }}",
        poke_interval=1,
        timeout=600,
        deferrable=True,
    )
    # [END wait_for_key]

    @task
    def verify(run_id: str) -> int:
        """Compare the newest object in the bucket with the watermark."""
        import boto3

        checkpoints = AnypointObjectStoreHook().partition(STORE, PARTITION)
        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        objects = s3.list_objects_v2(Bucket=BUCKET, Prefix="daily/")["Contents"]
        newest = max(file["Key"] for file in objects)
        if newest != f"daily/{checkpoints['watermark']}.csv":
            raise ValueError(f"the newest object is {newest}, the watermark {checkpoints['watermark']}")
        print(f"{len(objects)} months in the bucket; this run loaded {checkpoints[f'done/{run_id}']} days")
        return len(objects)

    create_bucket >> bucket_ready
    loaded = load()
    [bucket_ready, create_store] >> loaded
    create_store >> load_done
    [loaded, load_done] >> verify()
