"""
Read and write in a bucket while ``example_rotation`` replaces its credential. No read fails.

Both tasks know the bucket by the connection that ``example_rotation`` publishes:

- ``look_up_each_time`` looks it up for each read, and has the new credential as soon as that is published. A short
  task does the same when it looks the connection up once.
- ``hold_connection`` looks it up once and works on. The old credential works for the grace period after the new one
  is published, so a task that began earlier must end within it, or look the connection up again.

Run ``example_rotation`` once, so that the connection exists. Then start this DAG, and ``example_rotation`` again with
``days`` = 0: the tasks work until it has run. They have no retries, which would hide a failed read.

Needs the extra ``pip install airflow-provider-objectstore[amazon]``.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import DAG, task

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

BUCKET = "stock-prices"
CONNECTION = "s3_stock_prices"
HOLD_SECONDS = 6  # less than the grace period of example_rotation
PAUSE_SECONDS = 0.1


def read_and_write(hook: S3Hook, result: str, log: dict[str, dict[str, float]]) -> None:
    """Read a file, write its last line to another, and read that. Log the time, by access key."""
    begin = time.time()
    s3 = hook.get_conn()
    price = s3.get_object(Bucket=BUCKET, Key="prices/AAPL.csv")["Body"].read().splitlines()[-1]
    s3.put_object(Bucket=BUCKET, Key=result, Body=price)
    if s3.get_object(Bucket=BUCKET, Key=result)["Body"].read() != price:
        raise ValueError(f"{result} does not hold what was written")
    entry = log.setdefault(hook.conn_config.login, {"first": begin, "reads": 0})
    entry.update(last=begin, reads=entry["reads"] + 1)
    time.sleep(PAUSE_SECONDS)


def rotations(ti: Any) -> int:
    """Return how often ``example_rotation`` has run."""
    count: int = ti.get_dr_count("example_rotation", states=["success", "failed"])
    return count


with DAG(
    dag_id="example_rotation_consumer",
    description="Reads and writes while the credential is replaced",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 0, "execution_timeout": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):

    @task
    def look_up_each_time(ti: Any) -> dict[str, dict[str, float]]:
        """Look the connection up for each read, until a rotation has ended. Return the log."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        log: dict[str, dict[str, float]] = {}
        earlier = rotations(ti)
        while rotations(ti) == earlier:
            read_and_write(S3Hook(CONNECTION), "latest/look_up_each_time", log)
        return log

    @task
    def hold_connection(ti: Any) -> dict[str, dict[str, float]]:
        """Look the connection up once, and use it until the grace period is nearly over. Return the log."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        log: dict[str, dict[str, float]] = {}
        earlier = rotations(ti)
        hook = S3Hook(CONNECTION)
        until = time.time() + HOLD_SECONDS
        published = False
        while rotations(ti) == earlier and not (published and time.time() >= until):
            now = time.time()
            published = S3Hook(CONNECTION).conn_config.login != hook.conn_config.login
            if not published:
                until = now + HOLD_SECONDS  # nothing was published before now
            if time.time() < until:  # else the look-up took too long: look again
                read_and_write(hook, "latest/hold_connection", log)
        return log

    look_up_each_time()
    hold_connection()
