"""Airflow's own backends, configured as its docs say, on both filesystems, through the real scheduler."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from dev.server import Airflow
from tests.conftest import ALL, connect
from tests.features import STATE_STORES

pytestmark = [pytest.mark.airflow, pytest.mark.long]

DAGS = Path(__file__).parent / "dags"
STATE = "airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend"
BASES = {
    "osv2": "osv2://anypoint_default@airflow/backends",
    "civo": "civo://civo_default@airflow/backends",
}


@dataclass
class Setting:
    """
    An Airflow.

    :param airflow: what runs.
    :param xcoms: the filesystem of its XComs, and of the paths in its tasks.
    :param states: the filesystem of its states.
    """

    airflow: Airflow
    xcoms: str
    states: str

    def files(self, below: str) -> list[str]:
        """What the store holds below a path, beneath the base."""
        kind = self.states if below.startswith("state/") else self.xcoms
        fs = fsspec.filesystem(kind, skip_instance_cache=True)
        prefix = f"{BASES[kind].partition('@')[2]}/"
        return [path.removeprefix(prefix) for path in fs.find(prefix + below)]


def configuration(xcoms: str, states: str) -> dict[str, str]:
    return {
        "CORE__XCOM_BACKEND": "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend",
        "COMMON_IO__XCOM_OBJECTSTORAGE_PATH": f"{BASES[xcoms]}/xcom",
        "COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "1000",
        "COMMON_IO__XCOM_OBJECTSTORAGE_COMPRESSION": "gzip" if xcoms == "osv2" else "",
        "WORKERS__STATE_STORE_BACKEND": STATE,
        "COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH": f"{BASES[states]}/state",
        "STATE_STORE__CLEAR_ON_SUCCESS": str(states == "civo"),
        "LOGGING__REMOTE_LOGGING": "True",
        "LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://airflow/logs",
        "LOGGING__REMOTE_LOG_CONN_ID": "civo_logs",
        "LOGGING__DELETE_LOCAL_LOGS": "True",
    }


@pytest.fixture(
    scope="module", params=[("osv2", "civo"), ("civo", "osv2")] if ALL else [("osv2", "civo")], ids="-".join
)
def setting(
    request: pytest.FixtureRequest, services: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setting]:
    services.reset()
    with pytest.MonkeyPatch.context() as monkeypatch:
        connect(monkeypatch, services)
        xcoms, states = request.param
        monkeypatch.setenv("TEST_BASE", BASES[xcoms])
        AnypointObjectStoreHook().create_store("airflow")
        hook = CivoObjectStoreHook()
        created = hook.create_object_store("airflow")
        while not hook.get_object_store(created.id).ready:
            time.sleep(0.05)
        arguments = tmp_path_factory.mktemp("airflow"), DAGS, services.connections()
        with Airflow(*arguments, configuration=configuration(xcoms, states)) as airflow:
            aws = hook.s3_options("airflow").aws_connection()
            published = {"connection_id": "civo_logs", **aws, "extra": json.dumps(aws["extra"])}
            airflow.call("POST", "/connections", json=published)
            yield Setting(airflow, xcoms, states)


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r}"
        time.sleep(0.3)
    return value


def run(airflow: Airflow, dag_id: str) -> None:
    """Run a DAG; all of its tasks must succeed."""
    until(lambda: dag_id in {dag["dag_id"] for dag in airflow.call("GET", "/dags")["dags"]})
    airflow.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
    airflow.call("POST", f"/dags/{dag_id}/dagRuns", json={"dag_run_id": "a+b:c", "logical_date": None})
    path = f"/dags/{dag_id}/dagRuns/a+b:c"
    until(lambda: airflow.call("GET", path)["state"] in ("success", "failed"))
    found = airflow.call("GET", f"{path}/taskInstances")["task_instances"]
    states = {(task["task_id"], task["map_index"]): task["state"] for task in found}
    assert set(states.values()) == {"success"}, (states, airflow.component_logs(30))


def test_large_xcoms_lie_in_the_store(setting: Setting) -> None:
    run(setting.airflow, "xcoms")
    large = setting.files("xcom/xcoms/a+b:c/large")
    assert len(large) == 1
    assert large[0].endswith(".gz" if setting.xcoms == "osv2" else "")
    assert setting.files("xcom/xcoms/a+b:c/small") == []
    assert setting.files("mapped") == [f"mapped/{number} %2F.txt" for number in range(3)]


@pytest.mark.skipif(not STATE_STORES, reason="state stores came with Airflow 3.3")
def test_states_lie_in_the_store(setting: Setting) -> None:
    run(setting.airflow, "states")
    left = set(setting.files("state/states"))
    of_the_asset = setting.files("state/assets")
    assert [path.rpartition("/")[2] for path in of_the_asset] == ["left"]
    place, behind = (f"state/states/a%2Bb%3Ac/{path}" for path in ("killed/-1/place", "of_the_task/-1/left"))
    assert left == (set() if setting.states == "civo" else {place, behind})  # there they are cleared on success


def test_logs_lie_in_the_bucket(setting: Setting) -> None:
    client: Any = boto3.client("s3", **CivoObjectStoreHook().s3_options("airflow"))

    def logs() -> Any:
        return client.list_objects_v2(Bucket="airflow", Prefix="logs/dag_id=xcoms/").get("Contents", ())

    until(lambda: len(logs()) == 8, 60)  # they are written after a task has ended
    path = "/dags/xcoms/dagRuns/a+b:c/taskInstances/pulled/logs/1"
    answer = setting.airflow.call("GET", path, headers={"Accept": "application/json"})
    assert any("s3://airflow/logs/dag_id=xcoms" in str(line) for line in answer["content"])
    assert any("Done. Returned value was: None" in str(line) for line in answer["content"])
