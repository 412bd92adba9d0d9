"""Tasks of a DAG publish and use a connection; they reach Airflow's database only as every task does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.publishers.servers import PASSWORDS, ApiServer

pytestmark = pytest.mark.airflow

DAG_FILE = """
from airflow.sdk import DAG, task
from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator
from airflow_provider_objectstore.publishers import AirflowConnectionPublisher

with DAG("publishing", schedule=None) as dag:
    publishers = [AirflowConnectionPublisher("s3_from_task", "airflow_api")]
    create = CivoCreateCredentialOperator(task_id="create", name="team", publishers=publishers)

    @task
    def read():
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        return S3Hook("s3_from_task").list_keys("photos") or []

    create >> read()

if __name__ == "__main__":
    run = dag.test()
    print("ended", run.state)
"""


def test_published_in_one_task_and_used_in_the_next(airflow: ApiServer, emulator: Emulator, tmp_path: Path) -> None:
    hook = CivoObjectStoreHook()
    owner = hook.create_credential("team")
    hook.create_object_store("photos", access_key_id=owner.access_key_id)
    (tmp_path / "publishing.py").write_text(DAG_FILE)
    api = {"conn_type": "http", "host": airflow.url, "login": "admin", "password": PASSWORDS["admin"]}
    environment = {
        **airflow.environment,
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
        "AIRFLOW_CONN_AIRFLOW_API": json.dumps(api),
        "AIRFLOW_CONN_CIVO_DEFAULT": os.environ["AIRFLOW_CONN_CIVO_DEFAULT"],
    }
    environment.pop("_AIRFLOW_PROCESS_CONTEXT", None)
    command = [sys.executable, str(tmp_path / "publishing.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    shown = ran.stdout + ran.stderr
    assert "ended success" in shown, shown[-4000:]
    assert "Created connection 's3_from_task'" in shown
    assert owner.secret_access_key not in shown
    assert PASSWORDS["admin"] not in shown
