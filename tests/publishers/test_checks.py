"""A wrong publisher is refused before there is a credential to publish."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError, is_permanent
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator, CivoUpdateCredentialOperator
from airflow_provider_objectstore.publishers import (
    AirflowConnectionPublisher,
    AnypointKeyPublisher,
    Publisher,
    SecretsManagerPublisher,
    SsmParameterPublisher,
    VaultPublisher,
)

Make = Callable[[Any], Publisher]
FIELDS: dict[str, Make] = {
    "conn_id": lambda value: AirflowConnectionPublisher(value, "airflow_api"),
    "airflow_api_conn_id": lambda value: AirflowConnectionPublisher("s3", value),
    "store_id": lambda value: AnypointKeyPublisher(value, "p", "k"),
    "partition": lambda value: AnypointKeyPublisher("s", value, "k"),
    "key": lambda value: AnypointKeyPublisher("s", "p", value),
    "anypoint_conn_id": lambda value: AnypointKeyPublisher("s", "p", "k", value),
    "region": lambda value: AnypointKeyPublisher("s", "p", "k", region=value),
    "secret_id": lambda value: SecretsManagerPublisher(value),
    "parameter": lambda value: SsmParameterPublisher(value),
    "kms_key_id": lambda value: SsmParameterPublisher("p", kms_key_id=value),
    "path": lambda value: VaultPublisher(value),
    "vault_conn_id": lambda value: VaultPublisher("p", value),
    "aws_conn_id": lambda value: SecretsManagerPublisher("s", value),
}
MISSING = [
    AirflowConnectionPublisher("s3", "not_there"),
    AnypointKeyPublisher("s", "p", "k", "not_there"),
    SecretsManagerPublisher("s", "not_there"),
    SsmParameterPublisher("/p", "not_there"),
]


@pytest.mark.parametrize("name", FIELDS)
class TestFields:
    @pytest.mark.parametrize("value", ["{{ params.p }}", "shop-{{ ds }}", "{% if x %}a{% endif %}"])
    def test_templates_are_refused(self, name: str, value: str) -> None:
        with pytest.raises(InvalidArgumentError, match=f"^{name} of .*Publisher is .*publishers are not templated"):
            FIELDS[name](value)

    def test_outputs_of_tasks_are_refused(self, name: str) -> None:
        from airflow.sdk import DAG, BaseOperator

        with DAG("d", schedule=None):
            output = BaseOperator(task_id="t").output
        with pytest.raises(InvalidArgumentError, match=f"^{name} of .*publishers are not templated"):
            FIELDS[name](output)

    @pytest.mark.parametrize("value", ["", " ", 5, None])
    def test_no_name(self, name: str, value: Any) -> None:
        if value is None and name in ("region", "aws_conn_id", "kms_key_id"):
            assert FIELDS[name](None)
            return
        with pytest.raises(InvalidArgumentError, match=f"^{name} must"):
            FIELDS[name](value)


@pytest.mark.parametrize("publisher", MISSING, ids=lambda publisher: type(publisher).__name__)
class TestAMissingConnection:
    MESSAGE = "Publisher.* cannot publish: Airflow finds no connection 'not_there'"

    def test_nothing_is_created(self, publisher: Publisher, emulator: Emulator) -> None:
        task = CivoCreateCredentialOperator(task_id="t", name="mine", publishers=[publisher])
        with pytest.raises(AirflowNotFoundException, match=self.MESSAGE) as caught:
            task.execute({})  # type: ignore[typeddict-item]
        assert not is_permanent(caught.value), "an API server that does not answer looks the same"
        assert list(CivoObjectStoreHook().list_credentials()) == []

    def test_nothing_is_changed(self, publisher: Publisher, emulator: Emulator) -> None:
        hook = CivoObjectStoreHook()
        hook.create_credential("mine")
        task = CivoUpdateCredentialOperator(task_id="t", credential="mine", suspended=True, publishers=[publisher])
        with pytest.raises(AirflowNotFoundException, match=self.MESSAGE):
            task.execute({})  # type: ignore[typeddict-item]
        assert [credential.suspended for credential in hook.list_credentials()] == [False]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (
            lambda: SsmParameterPublisher("airflow/connections/s3"),
            "parameter: .* is no name of a parameter.* before each part",
        ),
        (lambda: SsmParameterPublisher("arn:aws:ssm:eu-west-1:1:parameter/a"), "an ARN cannot be written to"),
        (lambda: SsmParameterPublisher("/airflow//s3"), "is no name of a parameter"),
        (lambda: SsmParameterPublisher("/airflow/s3/"), "is no name of a parameter"),
        (lambda: SecretsManagerPublisher("airflow/connections/my s3"), "secret_id: .* is no name or ARN"),
    ],
)
def test_names_that_aws_has_not(make: Callable[[], Publisher], named: str) -> None:
    """AWS would say so after the credential was created."""
    with pytest.raises(InvalidArgumentError, match=named):
        make()


def test_names_that_aws_has() -> None:
    SsmParameterPublisher("/airflow/connections/s3_a.b-c")
    SsmParameterPublisher("s3")
    SecretsManagerPublisher("airflow/connections/s3_a+b=c.d@e-f")
    SecretsManagerPublisher("arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/s3-AbCdEf")


@pytest.mark.parametrize(("mount", "path"), [(None, "secret/data/connections/s3"), ("kv", "/kv/data/s3")])
def test_the_path_of_vaults_api_is_not_the_one_in_the_engine(
    mount: str | None, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be published where no consumer looks, and be found there."""
    pytest.importorskip("airflow.providers.hashicorp", reason="installed on the newest Airflow only")
    connection = {"conn_type": "vault", "host": "127.0.0.1", "port": 9, "password": "a-token", "schema": mount}
    monkeypatch.setenv("AIRFLOW_CONN_VAULT_DEFAULT", json.dumps(connection))
    with pytest.raises(
        ConfigurationError, match=f"cannot publish: the path is .*Leave '{mount or 'secret'}/data/' out"
    ):
        VaultPublisher(path).check()
    VaultPublisher("connections/data/s3").check()
    VaultPublisher("data/s3").check()


def test_a_wrong_connection_is_refused_first(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps({"conn_type": "http", "password": "a-token"}))
    task = CivoCreateCredentialOperator(
        task_id="t", name="mine", publishers=[AirflowConnectionPublisher("s3", "airflow_api")]
    )
    with pytest.raises(ConfigurationError, match="'airflow_api': host is missing"):
        task.execute({})  # type: ignore[typeddict-item]
    assert list(CivoObjectStoreHook().list_credentials()) == []


def test_valid_publishers_pass_without_a_request(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    api = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": 9, "password": "a-token"}
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(api))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    AirflowConnectionPublisher("s3", "airflow_api").check()
    AnypointKeyPublisher("s", "p", "k").check()
    SecretsManagerPublisher("s").check()
    SecretsManagerPublisher("s", None).check()
    SsmParameterPublisher("/p").check()
    SsmParameterPublisher("/p", None).check()
