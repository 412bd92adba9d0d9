"""
The smallest DAG: a store, a value, and a task that reads it. The tutorial explains it.

Needs the connection ``anypoint_default`` and no extra.
"""

from __future__ import annotations

# [START first]
import pendulum
from airflow.sdk import DAG

from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.operators.anypoint_keys import AnypointGetKeyOperator, AnypointPutKeyOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

with DAG(dag_id="example_first", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    key = {"store_id": "tutorial", "partition": "runs", "key": "{{ run_id }}"}

    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id="tutorial", default_ttl="P1D")
    write = AnypointPutKeyOperator(task_id="write", **key, value="hello")
    wait = AnypointKeySensor(
        task_id="wait", store_id="tutorial", partition="runs", keys="{{ run_id }}", poke_interval=1
    )
    read = AnypointGetKeyOperator(task_id="read", **key)

    create_store >> write >> wait >> read
# [END first]
