"""Waits of every kind, for the test beside this folder."""

from typing import Any

import pendulum
from airflow.sdk import Asset, dag, task

from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator, AnypointPutKeyOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

PLACE = {"store_id": "waits", "partition": "p"}
EARLY = {**PLACE, "poke_interval": 1, "timeout": 60, "start_from_trigger": True, "end_from_trigger": True}


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1), params={"name": "x"})
def waits() -> None:
    """Every wait begins before its key is there."""
    create = AnypointCreateStoreOperator(task_id="create", store_id="waits")

    @task
    def name() -> str:
        return "named"

    named = name()
    no_worker = AnypointKeySensor(
        task_id="no_worker", keys="{{ run_id }}/{{ params.name }}", do_xcom_push=False, **EARLY
    )
    with_outlet = AnypointKeySensor(task_id="with_outlet", keys=["outlet"], outlets=[Asset("waited_for")], **EARLY)
    with_xcom = AnypointKeySensor(task_id="with_xcom", keys="{{ ti.xcom_pull('name') }}", **EARLY)
    mapped = AnypointKeySensor.partial(task_id="mapped", **EARLY).expand(keys=["a", "b", "", "c"])
    put = AnypointPutKeyOperator.partial(task_id="put", value="v", **PLACE).expand(
        key=["{{ run_id }}/{{ params.name }}", "outlet", "named", "a", "b", "c"]
    )

    @task(trigger_rule="all_done")
    def see(found: Any) -> None:
        assert sorted(map(list, found)) == [["a"], ["b"], ["c"]], list(found)

    create >> [no_worker, with_outlet, named, mapped]
    named >> with_xcom
    named >> put
    see(mapped.output)


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1))
def endless() -> None:
    """Waits until a user ends it."""
    AnypointKeySensor(task_id="wait", keys="never", **{**EARLY, "poke_interval": 0.2})


waits()
endless()
