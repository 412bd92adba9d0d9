"""The code blocks of docs/publishers.md that are not in the tests of a publisher."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator
from airflow_provider_objectstore.publishers import AirflowConnectionPublisher, AnypointKeyPublisher, Publisher
from tests.publishers.servers import ApiServer

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs/publishers.md"
CREDENTIAL = S3Options("photos", "http://127.0.0.1:9", "AKIA", "the-bucket-secret", "lon1")
ROTATED = S3Options("photos", "http://127.0.0.1:9", "AKIB", "the-next-secret", "lon1")


def publish_and_rotate(publisher: Publisher) -> None:
    assert isinstance(publisher, Publisher)
    for credential in (CREDENTIAL, CREDENTIAL, ROTATED):
        publisher.publish(credential)
        publisher.verify(credential)
    with pytest.raises(ValueError, match="does not hold the credential"):
        publisher.verify(CREDENTIAL)


def test_several_publishers(airflow: ApiServer, emulator: Emulator) -> None:
    AnypointObjectStoreHook().create_store("mule")

    # [START howto_publishers]
    from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator
    from airflow_provider_objectstore.publishers import AirflowConnectionPublisher, AnypointKeyPublisher

    credential = CivoCreateCredentialOperator(
        task_id="credential",
        name="reports",
        publishers=[
            AirflowConnectionPublisher("s3_reports", airflow_api_conn_id="airflow_api"),
            AnypointKeyPublisher("mule", partition="credentials", key="s3"),
        ],
    )
    # [END howto_publishers]
    result = credential.execute({})
    assert set(result) == {"id", "name", "access_key_id"}
    key = json.loads(str(AnypointObjectStoreHook().get_key("mule", "credentials", "s3").value))
    connection = airflow.call("GET", "/connections/s3_reports")
    assert connection["login"] == key["access_key_id"] == result["access_key_id"]


def test_custom(tmp_path: Path) -> None:
    (block,) = (code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class " in code)
    defined: dict[str, Any] = {"__name__": __name__}
    exec(block, defined)
    publish_and_rotate(defined["FilePublisher"](str(tmp_path / "credential")))
    assert (tmp_path / "credential").stat().st_mode & 0o777 == 0o600


def test_dag_can_be_serialized() -> None:
    from airflow.serialization import serialized_objects

    publishers = [AirflowConnectionPublisher("c", "api"), AnypointKeyPublisher("s", "p", "k")]
    with DAG("docs", schedule=None) as dag:
        CivoCreateCredentialOperator(task_id="credential", name="a", publishers=publishers)
        CivoCreateCredentialOperator.partial(task_id="mapped", publishers=publishers).expand(name=["a", "b"])
    name = "DagSerialization" if hasattr(serialized_objects, "DagSerialization") else "SerializedDAG"
    serializer = getattr(serialized_objects, name)
    stored = json.dumps(serializer.to_dict(dag))
    assert "AirflowConnectionPublisher(conn_id='c', airflow_api_conn_id='api')" in stored
    assert set(serializer.from_dict(json.loads(stored)).task_ids) == {"credential", "mapped"}
