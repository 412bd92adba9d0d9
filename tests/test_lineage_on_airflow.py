"""Lineage as the OpenLineage provider sends it from a real Airflow: what joins up, and what is in no event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev.runs import DONE, Run
from dev.server import Airflow

pytest.importorskip("airflow.providers.openlineage")
pytestmark = [pytest.mark.airflow, pytest.mark.long]

DAG = """
from airflow.sdk import DAG, Asset, ObjectStoragePath, chain, task
from airflow_provider_objectstore.assets import anypoint_asset, civo_asset
from airflow_provider_objectstore.operators.anypoint import AnypointPutKeyOperator
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator

where = {"organization_id": "emulator-org", "environment_id": "emulator-env", "region": "us-east-1"}
key = anypoint_asset(**where, store_id="s", partition="p", key="k")
folder = civo_asset(region="LON1", bucket="photos", path="exports/s")
ours = {"anypoint_conn_id": "where_keys_are"}

with DAG("moves", schedule=None, is_paused_upon_creation=False, default_args={"retries": 0}):
    create = CivoCreateObjectStoreOperator(
        task_id="create", name="photos", civo_conn_id="where_files_are", deferrable=True, poke_interval=0.1
    )
    put = AnypointPutKeyOperator(
        task_id="put", store_id="s", partition="p", key="k", value="{{ 'secret-value' }}", outlets=[folder], **ours
    )
    path = "civo://where_files_are@photos/exports/s"
    export = AnypointExportOperator(task_id="export", store_id="s", path=path, outlets=[folder], **ours)
    restore = AnypointImportOperator(task_id="import", store_id="t", path=path, partitions=["p"], **ours)

    @task
    def copy():
        value = ObjectStoragePath("osv2://where_keys_are@s/p/k")
        value.copy(ObjectStoragePath("civo://where_files_are@photos/exports/s/copy"))

    @task
    def read_both():
        for path in ("osv2://where_keys_are@s/p/k", "civo://where_files_are@photos/exports/s/copy"):
            with ObjectStoragePath(path).open() as file:
                assert file.read() == "secret-value"

    @task(inlets=[key], outlets=[folder])
    def declare():
        pass

    chain(create, put, export, restore, copy(), read_both(), declare())
"""
KEY = ("osv2://emulator-org.emulator-env.us-east-1", "s/p/k")
STORE, OTHER = (KEY[0], "s"), (KEY[0], "t/p")
BUCKET, FOLDER, COPY = (("civo://LON1", name) for name in ("photos", "photos/exports/s", "photos/exports/s/copy"))


@pytest.fixture
def run(tmp_path: Path, emulator: Emulator) -> Iterator[Run]:
    """The DAG's run, at its end."""
    for store in "st":
        AnypointObjectStoreHook().create_store(store)
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "moves.py").write_text(DAG)
    connections = emulator.connections()
    ids = {
        "where_keys_are": connections["anypoint_default"],
        "where_files_are": connections["civo_default"],
    }
    transport = json.dumps({"type": "file", "log_file_path": str(tmp_path / "events")})
    settings = {"OPENLINEAGE__TRANSPORT": transport, "OPENLINEAGE__DISABLE_SOURCE_CODE": "True"}
    with Airflow(tmp_path / "airflow", dags, ids, configuration=settings) as airflow:
        run = Run(airflow, "moves", 1)
        run.start()
        deadline = time.monotonic() + 240
        while run.state not in DONE and time.monotonic() < deadline:
            time.sleep(1)
            run.refresh()
        assert run.state == "success", (run.failures(), airflow.component_logs())
        yield run


def completed(texts: list[str]) -> dict[str, tuple[set[tuple[str, str]], ...]]:
    """Inputs and outputs of the tasks that have completed, by the events so far."""
    lines = [line for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {
        event["job"]["name"].removeprefix("moves."): tuple(
            {(dataset["namespace"], dataset["name"]) for dataset in event[side]} for side in ("inputs", "outputs")
        )
        for event in events
        if event["eventType"] == "COMPLETE" and event["job"]["name"] != "moves"
    }


def test_what_joins_up(run: Run, tmp_path: Path) -> None:
    texts: list[str] = []
    deadline = time.monotonic() + 60
    while len(completed(texts)) < len(run.refresh()) and time.monotonic() < deadline:
        time.sleep(0.5)  # events are written by a process of their own
        texts = [file.read_text() for file in sorted(tmp_path.glob("events*"))]
    assert completed(texts) == {
        "create": (set(), {BUCKET}),
        "put": (set(), {KEY, FOLDER}),
        "export": ({STORE}, {FOLDER}),
        "import": ({FOLDER}, {OTHER}),
        "copy": ({KEY}, {COPY}),
        "read_both": ({KEY, COPY}, set()),
        "declare": ({KEY}, {FOLDER}),
    }
    for hidden in ("where_keys_are", "where_files_are", "secret-value", "emulator-secret", "emulator-key"):
        assert not [text for text in texts if hidden in text], hidden
