"""Sensors in a real Airflow with scheduler and triggerer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev.server import Airflow
from tests.features import START_FROM_TRIGGER
from tests.triggers.waiting import answers

pytestmark = pytest.mark.airflow

DAGS = Path(__file__).parent / "dags"
RUN = "test"


@pytest.fixture(scope="module")
def airflow(services: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with Airflow(tmp_path_factory.mktemp("airflow"), DAGS, services.connections()) as running:
        yield running


def until(condition: Callable[[], Any], seconds: float = 90) -> Any:
    """The first true value of the condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r}"
        time.sleep(0.3)
    return value


def start(airflow: Airflow, dag_id: str) -> None:
    until(lambda: dag_id in {dag["dag_id"] for dag in airflow.call("GET", "/dags")["dags"]})
    airflow.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
    airflow.call("POST", f"/dags/{dag_id}/dagRuns", json={"dag_run_id": RUN, "logical_date": None})


def states(airflow: Airflow, dag_id: str) -> dict[tuple[str, int], str]:
    found = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{RUN}/taskInstances")["task_instances"]
    return {(instance["task_id"], instance["map_index"]): instance["state"] for instance in found}


def log(airflow: Airflow, dag_id: str, task_id: str, map_index: int = -1) -> str:
    found = airflow.call(
        "GET",
        f"/dags/{dag_id}/dagRuns/{RUN}/taskInstances/{task_id}/logs/1",
        params={"map_index": map_index, "full_content": True},
        headers={"Accept": "application/json"},
    )
    return "\n".join(f"{line['event']} {line.get('error_detail', '')}" for line in found["content"])


ON_WORKER = "DAG bundles loaded"


def test_waits_of_every_kind(airflow: Airflow, emulator: Emulator) -> None:
    start(airflow, "waits")
    waiting = {("no_worker", -1), ("with_outlet", -1), ("with_xcom", -1), *(("mapped", index) for index in (0, 1, 3))}
    until(lambda: waiting <= {name for name, state in states(airflow, "waits").items() if state == "deferred"}, 180)
    for key in (f"{RUN}/x", "outlet", "named", "a", "b", "c"):
        AnypointObjectStoreHook().put_key("waits", "p", key, "v")
    until(lambda: airflow.call("GET", f"/dags/waits/dagRuns/{RUN}")["state"] in ("success", "failed"))
    ended = states(airflow, "waits")
    bad = {name for name, state in ended.items() if state != "success"}
    assert bad == {("mapped", 2)}, ended
    assert "keys must not be empty, as '' is" in log(airflow, "waits", "mapped", 2)

    no_worker = log(airflow, "waits", "no_worker")
    assert (ON_WORKER in no_worker) is not START_FROM_TRIGGER
    with_outlet = log(airflow, "waits", "with_outlet")
    assert "Ended on a worker despite end_from_trigger: it has outlets" in with_outlet
    events = airflow.call("GET", "/assets/events", params={"source_dag_id": "waits"})["asset_events"]
    assert [event["source_task_id"] for event in events] == ["with_outlet"]
    reason = "keys is a template that uses ti" if START_FROM_TRIGGER else "that needs Airflow 3.3"
    assert f"despite start_from_trigger: {reason}" in log(airflow, "waits", "with_xcom")
    reason = "it is mapped" if START_FROM_TRIGGER else reason
    assert f"despite start_from_trigger: {reason}" in log(airflow, "waits", "mapped", 0)


def test_user_ends_a_wait(airflow: Airflow, emulator: Emulator) -> None:
    def asked() -> int:
        return sum(answers(emulator, "anypoint.key_exists").values())

    start(airflow, "endless")
    until(lambda: asked() > 5)
    airflow.call("PATCH", f"/dags/endless/dagRuns/{RUN}/taskInstances/wait", json={"new_state": "failed"})
    until(lambda: _still(asked))
    assert states(airflow, "endless") == {("wait", -1): "failed"}


def _still(asked: Callable[[], int]) -> bool:
    before = asked()
    time.sleep(1.5)
    return asked() == before
