"""
Loads a batch of orders.

A Mule application writes a batch into a partition of the store ``orders``, one key for each order, and at the end a key
of the partition ``complete``. This DAG waits for that key, writes the batch into a bucket as one file, and empties the
partition. What was loaded is a checkpoint: if emptying the partition fails, the next run does not load the batch again.
A batch's name is used once.
"""

from __future__ import annotations

# [START dag]
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

STORE = "orders"
BUCKET = "reports"

with DAG(
    dag_id="orders",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    max_active_runs=1,
    params={"batch": Param(type="string", minLength=1, description="The batch, such as 2026-11-26")},
) as dag:
    wait = AnypointKeySensor(
        task_id="wait",
        store_id=STORE,
        partition="complete",
        keys="{{ params.batch }}",
        poke_interval=1,
        timeout=timedelta(hours=6).total_seconds(),
        deferrable=True,
    )

    @task
    def load(params: dict[str, str]) -> int:
        """Write the batch into the bucket, then the checkpoint. Return how many orders there were."""
        import boto3

        batch = params["batch"]
        hook = AnypointObjectStoreHook()
        loaded = hook.partition(STORE, "loaded")
        if loaded.get(batch) is not None:
            return 0
        orders = dict(hook.partition(STORE, batch))
        lines = [f"{order},{amount}" for order, amount in sorted(orders.items())]
        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        s3.put_object(Bucket=BUCKET, Key=f"{batch}.csv", Body="\n".join(lines).encode())
        # After a crash between these two lines, the next run writes the same file again.
        loaded[batch] = len(orders)
        return len(orders)

    empty = AnypointPurgePartitionsOperator(task_id="empty", store_id=STORE, partitions=["{{ params.batch }}"])

    wait >> load() >> empty
# [END dag]
