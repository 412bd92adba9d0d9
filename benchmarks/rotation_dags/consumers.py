"""Rotations, and consumers that read through the published connection at the same time."""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.publishers import AirflowConnectionPublisher

BUCKET = "bench"
CONNECTION = "s3_bench"
POOL, SLOTS = "s3_consumers", 4
PUBLISHERS = [AirflowConnectionPublisher(CONNECTION, "airflow_api")]
GRACE_SECONDS = 2


def read(seconds: float, *, look_up_each_time: bool) -> dict[str, Any]:
    """List the bucket and read an object repeatedly; return how often, and when that failed."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.exceptions import ClientError

    reads, failed = 0, []
    deadline = time.time() + seconds
    s3 = S3Hook(CONNECTION)
    while time.time() < deadline:
        if look_up_each_time:
            s3 = S3Hook(CONNECTION)
        started = time.time()
        try:
            s3.read_key(s3.list_keys(BUCKET)[0], BUCKET)
        except ClientError:
            failed.append(started)
        reads += 1
        time.sleep(0.05)
    return {"reads": reads, "failed": failed}


with DAG("rotate", schedule=None, params={"strategy": "overlap"}):
    CivoRotateCredentialOperator(
        task_id="rotate",
        object_store=BUCKET,
        strategy="{{ params.strategy }}",
        publishers=PUBLISHERS,
        grace_period=GRACE_SECONDS,
    )

with DAG("consumers", schedule=None, params={"seconds": 18}):

    @task
    def consumer(params: dict[str, Any]) -> dict[str, Any]:
        """Look the connection up for each read."""
        return read(params["seconds"], look_up_each_time=True)

    consumer()

with DAG("rotate_in_pool", schedule=None):
    common: dict[str, Any] = {"object_store": BUCKET, "strategy": "replace", "publishers": PUBLISHERS}
    switch = CivoRotateCredentialOperator(
        task_id="switch", retire="keep", pool=POOL, pool_slots=SLOTS, priority_weight=100, **common
    )
    switch >> CivoRotateCredentialOperator(task_id="retire", grace_period=GRACE_SECONDS, **common)

with DAG("consumers_in_pool", schedule=None):

    @task(pool=POOL)
    def read_some(number: int) -> dict[str, Any]:
        """Read for two seconds."""
        return read(2, look_up_each_time=False)

    waves = [read_some.override(task_id=f"wave_{wave}").expand(number=list(range(8))) for wave in (1, 2, 3)]
    waves[0] >> waves[1] >> waves[2]
