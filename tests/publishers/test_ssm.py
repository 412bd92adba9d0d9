"""What differs from Secrets Manager; requests, failures and logs are the same code, see test_secrets_manager.py."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConflictError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import SsmParameterPublisher

pytestmark = pytest.mark.slow

NAME = "/airflow/connections/s3_photos"
PUBLISHER = SsmParameterPublisher(NAME)
CREDENTIAL = S3Options("photos", "http://127.0.0.1:9", "AKIA", "the-bucket-secret", "lon1", verify=False)
ROTATED = replace(CREDENTIAL, access_key_id="AKIB", secret_access_key="the-next-secret")
KEYS = {"aws_access_key_id": "AKIAAWS", "aws_secret_access_key": "the-aws-secret"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def parameters(url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the Parameter Store that ``aws_default`` leads to, without the parameter."""
    extra = {"endpoint_url": url, "region_name": "eu-west-1", "config_kwargs": {"retries": {"max_attempts": 1}}}
    connection = {"conn_type": "aws", "login": "AKIAAWS", "password": "the-aws-secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    client: Any = boto3.client("ssm", endpoint_url=url, region_name="eu-west-1", **KEYS)
    client.delete_parameters(Names=[NAME])
    return client


def read(parameters: Any, decrypt: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = parameters.get_parameter(Name=NAME, WithDecryption=decrypt)["Parameter"]
    return found


def test_airflows_secrets_backend_resolves_it(parameters: Any, url: str) -> None:
    from airflow.providers.amazon.aws.secrets.systems_manager import SystemsManagerParameterStoreBackend

    PUBLISHER.check()
    prepared = PUBLISHER.prepare()
    prepared.publish(CREDENTIAL)
    prepared.verify(CREDENTIAL)
    backend = SystemsManagerParameterStoreBackend(endpoint_url=url, region_name="eu-west-1", **KEYS)
    found = backend.get_connection("s3_photos")
    wanted = CREDENTIAL.aws_connection()
    assert found is not None
    assert {**wanted, "extra": found.extra_dejson} == wanted
    assert (found.conn_type, found.login, found.password) == ("aws", "AKIA", "the-bucket-secret")


def test_the_howto(parameters: Any, emulator: Emulator) -> None:
    # [START howto_ssm]
    from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator
    from airflow_provider_objectstore.publishers import SsmParameterPublisher

    create = CivoCreateCredentialOperator(
        task_id="create", name="photos", publishers=[SsmParameterPublisher("/airflow/connections/s3_photos")]
    )
    # [END howto_ssm]
    created = create.execute({})
    assert json.loads(read(parameters)["Value"])["login"] == created["access_key_id"]


def test_it_is_encrypted_with_the_given_key(parameters: Any) -> None:
    SsmParameterPublisher(NAME, kms_key_id="alias/mine").publish(CREDENTIAL)
    SsmParameterPublisher(NAME, kms_key_id="alias/mine").publish(ROTATED)
    found = read(parameters, decrypt=False)
    assert (found["Type"], found["Version"]) == ("SecureString", 2)
    assert found["Value"].startswith("kms:alias/mine:"), "moto's form of what is encrypted"


def test_new_version_only_if_it_differs(parameters: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for credential, count in ((CREDENTIAL, 1), (CREDENTIAL, 1), (ROTATED, 2), (ROTATED, 2)):
        PUBLISHER.publish(credential)
        PUBLISHER.verify(credential)
        with caplog.at_level(logging.INFO, "botocore"):  # this test's own request
            assert read(parameters)["Version"] == count
    with pytest.raises(ObjectStoreError, match=f"parameter '{NAME}' does not hold what was published"):
        PUBLISHER.verify(CREDENTIAL)
    assert f"Put a new version of parameter '{NAME}'" in caplog.text
    assert [
        secret for secret in ("the-bucket-secret", "the-next-secret", "the-aws-secret") if secret in caplog.text
    ] == []


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("SecureString", "postgres://ann:hers@db/x", "'postgres', not 'aws'"),
        ("SecureString", "hers", "something else"),
        ("String", "change me", "has the type 'String', not 'SecureString'"),
    ],
)
def test_what_is_something_else_is_left(parameters: Any, kind: str, content: str, reason: str) -> None:
    prepared = PUBLISHER.prepare()
    parameters.put_parameter(Name=NAME, Value=content, Type=kind)
    for publish in (prepared.publish, PUBLISHER.publish):
        with pytest.raises(ConflictError, match=f"parameter '{NAME}' .*{reason}") as caught:
            publish(CREDENTIAL)
        assert "hers" not in str(caught.value)
    assert read(parameters)["Value"] == content


def test_a_placeholder_is_replaced(parameters: Any) -> None:
    parameters.put_parameter(Name=NAME, Value="{}", Type="SecureString")
    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)


def test_failures_name_the_parameter_and_the_connection(parameters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    def refuse(client: Any, operation: str, arguments: Any) -> Any:
        error = {"Code": "ParameterVersionNotFound", "Message": "no"}
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    with pytest.raises(
        ObjectStoreError, match=rf"GetParameter \(parameter '{NAME}' by way of .*'aws_default'"
    ) as caught:
        PUBLISHER.prepare()
    assert not isinstance(caught.value, NotFoundError)
