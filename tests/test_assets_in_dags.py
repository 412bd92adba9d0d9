"""Outlets in a real Airflow with its own database: the events of each task, and the DAGs that they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev.database import create_database

pytestmark = pytest.mark.airflow

DAGS = Path(__file__).parent / "dag_with_outlets.py"
AIRFLOW = [sys.executable, "-m", "airflow"]
WHERE = "osv2://emulator-org.emulator-env.us-east-1"

RUN = """
import sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ModuleNotFoundError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag
dag_run = DagBag(dag_folder=sys.argv[1]).dags["writer"].test()
assert dag_run.state == "success", dag_run.state
"""
READ_DATABASE = """
import json
from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
with create_session() as session:
    events = [
        {
            "task": f"{event.source_task_id}[{event.source_map_index}]",
            "name": event.asset.name,
            "uri": event.asset.uri,
            "extra": event.extra,
            "aliases": [alias.name for alias in event.source_aliases],
        }
        for event in session.query(AssetEvent).order_by(AssetEvent.id)
    ]
    started = [run.dag_id for run in session.query(DagRun) if run.run_type.endswith("asset_triggered")]
print("FOUND", json.dumps({"events": events, "started": started}))
"""


@pytest.fixture
def found(tmp_path: Path, emulator: Emulator) -> dict[str, Any]:
    """Airflow's database after the writer and then the scheduler have run."""
    AnypointObjectStoreHook().create_store("s")
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / DAGS.name).write_text(DAGS.read_text())
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # The test only needs the runs to start: their tasks would wait for an API server.
        "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "0",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }

    def run(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed[-4000:]
        assert "emulator-secret" not in printed
        assert "emulator-key" not in printed
        return printed

    create_database(environment)
    run(*AIRFLOW, "dags", "reserialize")
    assert "Pausing task as DEFERRED" in run(sys.executable, "-c", RUN, str(folder))
    run(*AIRFLOW, "scheduler", "--num-runs", "3", "--skip-serve-logs")
    line = next(line for line in run(sys.executable, "-c", READ_DATABASE).splitlines() if line.startswith("FOUND"))
    read: dict[str, Any] = json.loads(line.removeprefix("FOUND"))
    return read


def test_outlets(found: dict[str, Any]) -> None:
    events = {(one["task"], one["name"], *one["aliases"]): (one["uri"], one["extra"]) for one in found["events"]}
    assert len(events) == len(found["events"])
    put = {"operation": "put_key", "store_id": "s", "partition": "p"}
    key, partition, bucket = f"{WHERE}/s/p/a%2Fb", f"{WHERE}/s/p", "civo://LON1/photos"
    (made,) = {extra["id"] for uri, extra in events.values() if uri == bucket and extra}
    created = {"operation": "create_object_store", "name": "photos", "id": made}
    assert events == {
        ("declared[-1]", "watermark"): (key, {**put, "key": "a/b", "value_type": "STRING"}),
        ("declared[-1]", bucket): (bucket, {}),  # declared, but not what this task wrote
        ("declared[-1]", "other"): ("other", {}),
        # Airflow knows this asset by the name that the other task gives it.
        ("aliased[-1]", "watermark", "key"): (key, {**put, "key": "a/b", "value_type": "NUMBER"}),
        ("new[-1]", f"{partition}/new", "new"): (f"{partition}/new", {**put, "key": "new", "value_type": "BINARY"}),
        ("spelled[-1]", f"{partition}/spelled"): (
            f"{partition}/spelled",
            {**put, "key": "spelled", "value_type": "NUMBER"},
        ),
        ("mapped[0]", partition): (partition, {**put, "key": "1", "value_type": "NUMBER"}),
        ("mapped[1]", partition): (partition, {**put, "key": "2", "value_type": "NUMBER"}),
        ("deleted[-1]", f"{partition}/1", "gone"): (
            f"{partition}/1",
            {"operation": "delete_key", "store_id": "s", "partition": "p", "key": "1"},
        ),
        ("deferred[-1]", bucket): (bucket, created),
        ("deferred[-1]", bucket, "bucket"): (bucket, created),
        ("direct[-1]", bucket): (bucket, created),
    }
    assert set(found["started"]) == {"reads_key", "reads_partition", "reads_bucket", "reads_alias"}
