"""Sensors of every kind, for tests/sensors/test_polling_on_airflow.py."""

from typing import Any

import pendulum
from airflow.sdk import Asset, dag, task

from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

PLACE = {"store_id": "waits", "partition": "p"}
FAST = {**PLACE, "poke_interval": 1, "timeout": 240, "start_from_trigger": True, "end_from_trigger": True}


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1), params={"name": "x"})
def waits() -> None:
    """Every sensor waits before the test puts its key."""
    create = AnypointCreateStoreOperator(task_id="create", store_id="waits")

    @task
    def name() -> str:
        return "named"

    named = name()
    no_worker = AnypointKeySensor(
        task_id="no_worker", keys="{{ run_id }}/{{ params.name }}", do_xcom_push=False, **FAST
    )
    with_outlet = AnypointKeySensor(task_id="with_outlet", keys=["outlet"], outlets=[Asset("waited_for")], **FAST)
    with_xcom = AnypointKeySensor(task_id="with_xcom", keys="{{ ti.xcom_pull('name') }}", **FAST)
    mapped = AnypointKeySensor.partial(task_id="mapped", **FAST).expand(keys=["a", "b", "", "c"])

    @task(trigger_rule="all_done")
    def see(found: Any) -> None:
        assert sorted(map(list, found)) == [["a"], ["b"], ["c"]], list(found)

    create >> [no_worker, with_outlet, named, mapped]
    named >> with_xcom
    see(mapped.output)


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1))
def endless() -> None:
    """A sensor that a user must end."""
    AnypointKeySensor(task_id="wait", keys="never", **{**FAST, "poke_interval": 0.2})


waits()
endless()
