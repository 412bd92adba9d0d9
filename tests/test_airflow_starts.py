"""Airflow's components start with the installed versions of its dependencies, and run a task of this package."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev.server import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.smoke, pytest.mark.long]

DAG = """
from airflow.sdk import DAG
from airflow_provider_objectstore.operators.anypoint_keys import AnypointPutKeyOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

with DAG("smoke", schedule=None):
    wait = AnypointKeySensor(
        task_id="wait", store_id="s", partition="p", keys="a", poke_interval=0.5, timeout=90, deferrable=True
    )
    wait >> AnypointPutKeyOperator(task_id="put", store_id="s", partition="p", key="b", value=1)
"""


def test_a_deferred_sensor_and_an_operator(emulator: Emulator, tmp_path: Path) -> None:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "smoke.py").write_text(DAG)
    with Airflow(tmp_path / "airflow", dags, emulator.connections()) as airflow:
        deadline = time.monotonic() + 180

        def state(task_id: str) -> str | None:
            assert time.monotonic() < deadline, airflow.component_logs()
            time.sleep(0.3)
            found = airflow.call("GET", "/dags/smoke/dagRuns/test/taskInstances")["task_instances"]
            return next((task["state"] for task in found if task["task_id"] == task_id), None)

        while not airflow.call("GET", "/dags")["dags"]:
            assert time.monotonic() < deadline, airflow.component_logs()
            time.sleep(0.3)
        airflow.call("PATCH", "/dags/smoke", json={"is_paused": False})
        airflow.call("POST", "/dags/smoke/dagRuns", json={"dag_run_id": "test", "logical_date": None})
        while state("wait") != "deferred":
            pass
        hook.put_key("s", "p", "a", "there")
        while (ended := state("put")) not in ("success", "failed", "upstream_failed"):
            pass
    assert ended == "success"
    assert hook.get_key("s", "p", "b").value == 1
