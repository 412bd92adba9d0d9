"""
How much is used, once a day: requests to Object Store v2, object stores of Civo, and room before one is full.

The numbers go to XCom and to gauges of Airflow's metrics.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator

BUCKET = "seattle-weather"  # of example_checkpoint

with DAG(
    dag_id="example_usage",
    description="Usage of both services",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=2)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    AnypointUsageOperator(task_id="requests", monthly_allowance=26_000_000)
    use = CivoUsageOperator(task_id="use")
    use >> CivoGrowObjectStoreOperator(task_id="room", object_store=BUCKET, share=0.8, limit_gb=2000)
