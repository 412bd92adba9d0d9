"""A person approves or rejects a purge, by the request that Airflow's UI sends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev.runs import DONE, Run
from dev.server import Airflow

pytestmark = [pytest.mark.airflow, pytest.mark.long]

EXAMPLE = Path(__file__).parents[2] / "example_dags/example_approval.py"
DAYS = [f"day-2015-12-{day}" for day in range(22, 32)]
DELETE = "anypoint.delete_partition"


def answer(airflow: Airflow, number: int, option: str) -> dict[str, str]:
    """
    Run the DAG, answer once it asks, and return the states of its tasks.

    A scheduler takes a task for lost that goes on before it has seen its worker end. People are slower than that; this
    waits for two of its heartbeats.
    """
    run = Run(airflow, "example_approval", number)
    run.start()
    detail = f"{run._path}/taskInstances/approve/-1/hitlDetails"
    heartbeats: set[str] = set()
    deadline = time.monotonic() + 240
    while run.state not in DONE:
        assert time.monotonic() < deadline, run.failures()
        states = {task.name: task.state for task in run.refresh()}
        if states["approve"] in ("deferred", "awaiting_input"):
            asked: dict[str, Any] = airflow.call("GET", detail)
            heartbeats.add(airflow.call("GET", "/monitor/health")["scheduler"]["latest_scheduler_heartbeat"])
            if not asked["response_received"] and len(heartbeats) > 2:
                assert asked["subject"] == "Delete 3 partitions of the store approved-weather?"
                assert asked["body"] == ", ".join(DAYS[:3])
                airflow.call("PATCH", detail, json={"chosen_options": [option], "params_input": {}})
        time.sleep(0.5)
    assert run.state == "success", run.failures()
    return {task.name: task.state for task in run.refresh()}


def test_only_what_was_approved_is_deleted(emulator: Emulator, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / EXAMPLE.name).write_text(EXAMPLE.read_text())

    def partitions() -> list[str]:
        return list(AnypointObjectStoreHook().list_partitions("approved-weather"))

    with Airflow(tmp_path / "airflow", dags, emulator.connections()) as airflow:
        assert answer(airflow, 1, "Reject")["purge"] == "skipped"
        assert partitions() == DAYS
        assert DELETE not in emulator.requests()["by_operation"]
        assert answer(airflow, 2, "Approve")["purge"] == "success"
        assert partitions() == DAYS[3:]
        assert emulator.requests()["by_operation"][DELETE] == {"204": 3}
