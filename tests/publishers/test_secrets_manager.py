from __future__ import annotations

import json
import logging
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from moto.server import ThreadedMotoServer

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    ConflictError,
    ObjectStoreError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import SecretsManagerPublisher
from tests.publishers.servers import Gateway
from tests.test_secrets import Shown

pytestmark = pytest.mark.slow

NAME = "airflow/connections/s3_photos"
PUBLISHER = SecretsManagerPublisher(NAME)
CREDENTIAL = S3Options("photos", "http://127.0.0.1:9", "AKIA", "the-bucket-secret", "lon1", verify=False)
ROTATED = replace(CREDENTIAL, access_key_id="AKIB", secret_access_key="the-next-secret")


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def connect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    connection = {
        "conn_type": "aws",
        "login": "AKIAAWS",
        "password": "the-aws-secret",
        "extra": {"endpoint_url": url, "region_name": "eu-west-1", "config_kwargs": {"retries": {"max_attempts": 1}}},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


@pytest.fixture
def secrets(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the empty Secrets Manager that ``aws_default`` leads to."""
    connect(monkeypatch, moto_server)
    keys = {"aws_access_key_id": "AKIAAWS", "aws_secret_access_key": "the-aws-secret"}
    client = boto3.client("secretsmanager", endpoint_url=moto_server, region_name="eu-west-1", **keys)
    for secret in client.list_secrets(IncludePlannedDeletion=True)["SecretList"]:
        client.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)
    return client


def versions(secrets: Any) -> int:
    return len(secrets.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True)["Versions"])


def test_the_howto(secrets: Any, emulator: Emulator) -> None:
    # [START howto_secrets_manager]
    from airflow_provider_objectstore.operators.civo import CivoCreateCredentialOperator
    from airflow_provider_objectstore.publishers import SecretsManagerPublisher

    create = CivoCreateCredentialOperator(
        task_id="create", name="photos", publishers=[SecretsManagerPublisher("airflow/connections/s3_photos")]
    )
    # [END howto_secrets_manager]
    created = create.execute({})
    assert json.loads(secrets.get_secret_value(SecretId=NAME)["SecretString"])["login"] == created["access_key_id"]


def test_airflows_secrets_backend_resolves_it(secrets: Any, moto_server: str) -> None:
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)
    keys = {"aws_access_key_id": "AKIAAWS", "aws_secret_access_key": "the-aws-secret"}
    backend = SecretsManagerBackend(endpoint_url=moto_server, region_name="eu-west-1", **keys)
    found = backend.get_connection("s3_photos")
    wanted = CREDENTIAL.aws_connection()
    assert found is not None
    assert {**wanted, "extra": found.extra_dejson} == wanted
    assert (found.conn_type, found.login, found.password) == ("aws", "AKIA", "the-bucket-secret")


def test_new_version_only_if_it_differs(secrets: Any) -> None:
    for credential, count in ((CREDENTIAL, 1), (CREDENTIAL, 1), (ROTATED, 2), (ROTATED, 2)):
        PUBLISHER.publish(credential)
        PUBLISHER.verify(credential)
        assert versions(secrets) == count


@pytest.mark.parametrize("content", ["", " ", "{}", "[]", "null"])
def test_placeholder_is_replaced(secrets: Any, content: str) -> None:
    secrets.create_secret(Name=NAME, **({"SecretString": content} if content else {}))
    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)


@pytest.mark.parametrize("content", ["postgres://ann:hers@db/x", '{"conn_type": "postgres", "password": "hers"}'])
def test_connection_of_another_type_is_left(secrets: Any, content: str) -> None:
    secrets.create_secret(Name=NAME, SecretString=content)
    with pytest.raises(ConflictError, match="'postgres', not 'aws'") as caught:
        PUBLISHER.publish(CREDENTIAL)
    assert "hers" not in str(caught.value)
    assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == content


@pytest.mark.parametrize(
    "content",
    [
        {"SecretBinary": b"\0hers"},
        {"SecretString": '{"username": "ann", "password": "hers", "engine": "postgres"}'},
        {"SecretString": "-----BEGIN PRIVATE KEY-----\nhers"},
        {"SecretString": "hers"},
    ],
    ids=["binary", "JSON", "PEM", "text"],
)
def test_what_is_no_connection_is_left(secrets: Any, content: dict[str, Any]) -> None:
    secrets.create_secret(Name=NAME, **content)
    for use in (PUBLISHER.prepare, lambda: PUBLISHER.publish(CREDENTIAL)):
        with pytest.raises(ConflictError, match="something else") as caught:
            use()
        assert "hers" not in str(caught.value)
    assert secrets.get_secret_value(SecretId=NAME).items() >= content.items()


def test_missing_dependency_names_the_extra(secrets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.amazon.aws.hooks.base_aws", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'airflow-provider-objectstore\[amazon\]'"):
        PUBLISHER.publish(CREDENTIAL)


def test_debug_logs_show_neither_the_old_nor_the_new_content(secrets: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    parsers = logging.getLogger("botocore.parsers")
    secrets.create_secret(Name=NAME, SecretString=json.dumps({"conn_type": "aws", "password": "what-it-held"}))
    foreign = SecretsManagerPublisher("database")
    secrets.create_secret(Name="database", SecretString=json.dumps({"conn_type": "postgres", "password": "its-own"}))
    caplog.clear()
    with pytest.raises(ConflictError):
        foreign.publish(CREDENTIAL)
    PUBLISHER.publish(CREDENTIAL)
    PUBLISHER.verify(CREDENTIAL)
    with pytest.raises(ObjectStoreError):
        PUBLISHER.verify(ROTATED)
    hidden = ("what-it-held", "its-own", "the-bucket-secret", "the-next-secret")
    assert [secret for secret in hidden if secret in caplog.text] == []
    assert "botocore" in caplog.text, "nothing was logged: the scan would prove nothing"
    assert parsers.filters == []
    secrets.get_secret_value(SecretId="database")
    assert "its-own" in caplog.text, "logs of other requests are left as they are"


def test_another_thread_continues_to_log(secrets: Any, caplog: pytest.LogCaptureFixture) -> None:
    from airflow_provider_objectstore.publishers.aws import _without_body_logs

    caplog.set_level(logging.DEBUG)
    secrets.create_secret(Name=NAME, SecretString="somebody-elses")
    caplog.clear()
    with _without_body_logs():
        thread = Thread(target=lambda: secrets.get_secret_value(SecretId=NAME))
        thread.start()
        thread.join()
        assert "somebody-elses" in caplog.text


def test_failures_name_the_secret_and_hold_none(
    secrets: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("airflow_provider_objectstore").setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "airflow_provider_objectstore")
    shown = Shown()
    shown.add(PUBLISHER)
    with pytest.raises(ObjectStoreError, match=f"secret '{NAME}' does not hold what was published") as caught:
        PUBLISHER.verify(CREDENTIAL)
    shown.error(caught.value)
    PUBLISHER.publish(CREDENTIAL)
    with pytest.raises(ObjectStoreError, match="something else writes it too") as caught:
        PUBLISHER.verify(ROTATED)
    shown.error(caught.value)
    secrets.delete_secret(SecretId=NAME)
    with pytest.raises(ObjectStoreError, match=rf"GetSecretValue \(secret '{NAME}' by way of .*'aws_default'"):
        PUBLISHER.publish(ROTATED)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    connect(monkeypatch, address)
    with pytest.raises(TransportError, match="Check that connection's keys, region and endpoint_url") as caught:
        PUBLISHER.publish(CREDENTIAL)
    shown.error(caught.value)
    shown.add(caplog.text)
    assert "Created secret" in caplog.text
    hidden = ("the-bucket-secret", "the-next-secret", "the-aws-secret")
    assert not [text for text in shown.texts for secret in hidden if secret in text]


def test_a_404_of_something_in_between_is_no_absence(
    secrets: Any, moto_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gateway(moto_server) as gateway:
        connect(monkeypatch, gateway.url)
        gateway.faults = {"POST": {"status": 404}}
        with pytest.raises(ServerError, match=rf"GetSecretValue \(secret '{NAME}' .*answered 404"):
            PUBLISHER.verify(CREDENTIAL)


def test_an_address_that_is_none_is_no_absence(secrets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "no address")
    with pytest.raises(ConfigurationError, match=f"{NAME}.*Invalid endpoint: no address"):
        PUBLISHER.verify(CREDENTIAL)


def test_a_file_that_is_missing_is_no_absence(
    secrets: Any, moto_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(f"[profile p]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = {tmp_path}/none\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    extra = {"profile_name": "p", "endpoint_url": moto_server, "region_name": "eu-west-1"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
    with pytest.raises(ConfigurationError, match=f"{NAME}.*No such file.*and the files that it names"):
        PUBLISHER.verify(CREDENTIAL)


class TestPrepare:
    @pytest.fixture
    def requests(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The operations that were requested from AWS."""
        from botocore.client import BaseClient

        found: list[str] = []
        make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def note(client: Any, operation: str, arguments: Any) -> Any:
            found.append(operation)
            return make_api_call(client, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", note)
        return found

    def test_publishing_is_one_request(self, secrets: Any, requests: list[str], lookups: Counter[str]) -> None:
        for credential, write in ((CREDENTIAL, "CreateSecret"), (ROTATED, "PutSecretValue")):
            requests.clear()
            lookups.clear()
            prepared = PUBLISHER.prepare()
            assert requests == ["GetSecretValue"]
            prepared.publish(credential)
            assert requests == ["GetSecretValue", write]
            prepared.verify(credential)
            assert requests == ["GetSecretValue", write, "GetSecretValue"]
            assert lookups == {"aws_default": 1}
            PUBLISHER.verify(credential)
        assert versions(secrets) == 2

    def test_what_is_there_already_is_not_written(self, secrets: Any, requests: list[str]) -> None:
        PUBLISHER.publish(CREDENTIAL)
        requests.clear()
        PUBLISHER.prepare().publish(CREDENTIAL)
        assert requests == ["GetSecretValue"]

    def test_what_was_read_counts_once(self, secrets: Any) -> None:
        PUBLISHER.publish(CREDENTIAL)
        prepared = PUBLISHER.prepare()
        for credential in (ROTATED, CREDENTIAL, CREDENTIAL):
            prepared.publish(credential)
            PUBLISHER.verify(credential)

    def test_connection_of_another_type_is_refused(self, secrets: Any) -> None:
        secrets.create_secret(Name=NAME, SecretString="postgres://ann:hers@db/x")
        with pytest.raises(ConflictError, match="'postgres', not 'aws'"):
            PUBLISHER.prepare()

    def test_connection_of_another_type_that_appears_meanwhile_is_left(self, secrets: Any) -> None:
        prepared = PUBLISHER.prepare()
        secrets.create_secret(Name=NAME, SecretString="postgres://ann:hers@db/x")
        with pytest.raises(ConflictError, match="'postgres', not 'aws'"):
            prepared.publish(CREDENTIAL)
        assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "postgres://ann:hers@db/x"

    def test_what_is_overwritten_meanwhile_can_be_restored(self, secrets: Any) -> None:
        """AWS writes under no condition, so the previous version is all that is left of it."""
        secrets.create_secret(Name=NAME, SecretString="{}")
        prepared = PUBLISHER.prepare()
        secrets.put_secret_value(SecretId=NAME, SecretString="postgres://ann:hers@db/x")
        prepared.publish(CREDENTIAL)
        previous = secrets.get_secret_value(SecretId=NAME, VersionStage="AWSPREVIOUS")
        assert previous["SecretString"] == "postgres://ann:hers@db/x"

    def test_failures(self, secrets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
        for use in (PUBLISHER.prepare, lambda: PUBLISHER.publish(CREDENTIAL), lambda: PUBLISHER.verify(CREDENTIAL)):
            with pytest.raises(
                AirflowNotFoundException, match="cannot publish: Airflow finds no connection 'aws_default'"
            ):
                use()
        with socket.create_server(("127.0.0.1", 0)) as gone:
            connect(monkeypatch, f"http://127.0.0.1:{gone.getsockname()[1]}")
        with pytest.raises(TransportError, match="Check that connection's keys, region and endpoint_url"):
            PUBLISHER.prepare()

    def test_nothing_of_it_stays_in_the_publisher(self, secrets: Any) -> None:
        publisher = SecretsManagerPublisher(NAME)
        fields = dict(vars(publisher))
        assert publisher.prepare() is not publisher
        assert vars(publisher) == fields
        assert publisher == PUBLISHER
