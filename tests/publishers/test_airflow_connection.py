from __future__ import annotations

import json
import logging
import re
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    InvalidArgumentError,
    ObjectStoreError,
    PermissionDeniedError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import AirflowConnectionPublisher
from tests.publishers.conftest import API, Configure
from tests.publishers.servers import PASSWORDS, ApiServer, Gateway
from tests.test_secrets import Shown

pytestmark = pytest.mark.airflow

PUBLISHER = AirflowConnectionPublisher("s3_photos", API)


def stored(airflow: ApiServer, conn_id: str = "s3_photos") -> dict[str, Any]:
    """The connection as Airflow keeps it: from its API, and its secrets from the database."""
    connection = BaseHook.get_connection(conn_id)
    return {
        **airflow.call("GET", f"/connections/{conn_id}"),
        "password": connection.password,
        "extra": connection.extra_dejson,
    }


def create(airflow: ApiServer, **fields: Any) -> None:
    airflow.call("POST", "/connections", json={"connection_id": "s3_photos", "conn_type": "aws", **fields})


def test_create(airflow: ApiServer, credential: S3Options) -> None:
    PUBLISHER.publish(credential)
    PUBLISHER.verify(credential)
    found = stored(airflow)
    assert {name: found[name] for name in ("conn_type", "login", "password", "extra")} == credential.aws_connection()


def test_published_connection_reads_the_bucket(airflow: ApiServer, credential: S3Options) -> None:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.sdk import ObjectStoragePath

    PUBLISHER.publish(credential)
    hook = S3Hook(aws_conn_id="s3_photos")
    hook.load_string("1", key="a/b", bucket_name="photos")
    assert hook.list_keys("photos") == ["a/b"]
    assert ObjectStoragePath("s3://s3_photos@photos/a/b").read_text() == "1"


def test_update_leaves_what_is_not_the_publishers(
    airflow: ApiServer, credential: S3Options, rotated: S3Options
) -> None:
    extra = {
        "service_config": {"s3": {"bucket_name": "photos"}},
        "my_token": "foreign-token",
        "verify": False,
        "endpoint_url": "http://old",
    }
    create(airflow, description="Ours, ask Ann", schema="x", host="h", port=1, login="old", extra=json.dumps(extra))
    PUBLISHER.publish(credential)
    PUBLISHER.publish(rotated)
    PUBLISHER.verify(rotated)
    found = stored(airflow)
    assert found["description"] == "Ours, ask Ann"
    assert (found["schema"], found["host"], found["port"]) == ("x", "h", 1)
    assert (found["login"], found["password"]) == (rotated.access_key_id, rotated.secret_access_key)
    preserved = {"service_config": extra["service_config"], "my_token": "foreign-token"}
    assert found["extra"] == {**rotated.aws_connection()["extra"], **preserved}


def test_publishing_twice_changes_nothing(airflow: ApiServer, credential: S3Options) -> None:
    create(airflow, description="Ours", extra="{}")
    PUBLISHER.publish(credential)
    before = stored(airflow)
    PUBLISHER.publish(credential)
    assert stored(airflow) == before
    assert airflow.call("GET", "/connections")["total_entries"] == 1


def test_connection_of_another_type_is_left(airflow: ApiServer, credential: S3Options) -> None:
    create(airflow, conn_type="postgres", login="ann", password="hers")
    before = stored(airflow)
    with pytest.raises(ConflictError, match="'s3_photos' exists and has the type 'postgres'"):
        PUBLISHER.publish(credential)
    assert stored(airflow) == before


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"role_arn": "arn:aws:iam::1:role/x"}, "extra role_arn"),
        ({"aws_session_token": "old"}, "extra aws_session_token"),
        ({"service_config": {"s3": {"endpoint_url": "http://x"}}}, "extra service_config.s3.endpoint_url"),
    ],
)
def test_connection_that_would_not_use_the_keys_is_left(
    airflow: ApiServer, credential: S3Options, extra: dict[str, Any], named: str
) -> None:
    create(airflow, login="old", extra=json.dumps(extra))
    with pytest.raises(ConflictError, match=re.escape(f"has {named}, which")):
        PUBLISHER.publish(credential)
    assert stored(airflow)["login"] == "old"


def test_token_instead_of_a_password(airflow: ApiServer, credential: S3Options, configure: Configure) -> None:
    configure(airflow.url, login=None, password=airflow.token)
    PUBLISHER.publish(credential)
    PUBLISHER.verify(credential)


def test_host_may_be_a_url(airflow: ApiServer, credential: S3Options, configure: Configure) -> None:
    configure(airflow.url, host=airflow.url, port=None, schema=None)
    PUBLISHER.publish(credential)
    PUBLISHER.verify(credential)


def test_expired_token_is_replaced(gateway: Gateway, credential: S3Options) -> None:
    gateway.faults = {"PATCH": {"status": 401, "body": {"detail": "Token Expired"}}}
    PUBLISHER.publish(credential)
    PUBLISHER.publish(credential)
    PUBLISHER.verify(credential)
    assert gateway.seen.count("POST /auth/token") == 2


def test_all_problems_are_named_at_once(credential: S3Options, configure: Configure) -> None:
    configure("", host=None, schema=None, login=None, password=None, extra={"timeout": "x", "verify": "/none"})
    with pytest.raises(ConfigurationError) as caught:
        PUBLISHER.publish(credential)
    for wrong in ("host is missing", "password", "extra timeout", "extra verify", repr(API)):
        assert wrong in str(caught.value)


@pytest.mark.parametrize("conn_id", ["", ".", "..", "a/b", "ä b", "x" * 201, "a\n"])
def test_impossible_ids(conn_id: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^conn_id must"):
        AirflowConnectionPublisher(conn_id, API)


def test_scheme_is_not_guessed(credential: S3Options, configure: Configure) -> None:
    configure("http://127.0.0.1:9", schema=None)
    with pytest.raises(ConfigurationError, match="schema must be http or https"):
        PUBLISHER.publish(credential)


def failures(
    airflow: ApiServer, gateway: Gateway, configure: Configure
) -> Iterator[tuple[type[ObjectStoreError], str, int | None]]:
    """Makes one fault after the other; yields the error that must follow: its type, words of its text, its status."""
    configure(gateway.url, password="wrong-password")
    yield AuthenticationError, "Check login and password", 401
    configure(gateway.url, login=None, password="wrong-token")
    yield PermissionDeniedError, "or its token is not one of this Airflow's", 403
    configure(gateway.url, login="viewer", password=PASSWORDS["viewer"])
    yield PermissionDeniedError, "permission to read, create and edit connections", 403
    configure(gateway.url)
    for status in (403, 422):
        gateway.faults = {"POST": {"status": status, "body": {"detail": f"you sent {PASSWORDS['admin']}"}}}
        yield AuthenticationError, "could not get a token", status
    gateway.faults = {"GET": {"status": 302}}
    yield ApiError, "redirect", 302
    with Gateway(f"{airflow.url}/nowhere") as elsewhere:
        configure(elsewhere.url)
        yield ApiError, "lead to the API server of Airflow 3", None
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    configure(address)
    yield TransportError, "Check host, port and schema", None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(f"http://127.0.0.1:{silent.getsockname()[1]}", extra={"timeout": 0.2})
        yield TransportError, "timed out", None


def test_failures_name_the_connection_and_hold_no_secret(
    airflow: ApiServer,
    gateway: Gateway,
    credential: S3Options,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = Shown()
    shown.add(PUBLISHER)
    raised = set()
    for kind, words, status in failures(airflow, gateway, configure):
        with pytest.raises(kind) as caught:
            PUBLISHER.publish(credential)
        text = str(caught.value)
        assert (repr(API) in text and "'s3_photos'" in text) or "airflow.token" in text, text
        assert words in text and status in (None, getattr(caught.value, "status", None)), text
        raised.add(type(caught.value))
        shown.error(caught.value)
    assert len(raised) >= 5
    configure(gateway.url)
    gateway.faults = {"GET": {"status": 503, "body": {"detail": credential.secret_access_key}}}
    PUBLISHER.publish(credential)
    other = replace(credential, secret_access_key="another-" + "secret")
    with pytest.raises(ObjectStoreError) as caught:
        PUBLISHER.verify(other)
    shown.error(caught.value)
    shown.add(airflow.call("GET", "/eventLogs?limit=100"))
    shown.add(caplog.text, *(record.getMessage() for record in caplog.records))
    assert any("trying again" in text.lower() for text in shown.texts), "nothing was logged"
    tokens = {"wrong-token", airflow.token.rpartition(".")[0]}
    hidden = {credential.secret_access_key, other.secret_access_key, "wrong-password", *PASSWORDS.values(), *tokens}
    leaks = {secret: [text for text in shown.texts if secret in text][:2] for secret in hidden}
    assert not any(leaks.values()), leaks
    assert not [text for text in shown.texts if re.search(r"eyJ[\w-]{10,}\.eyJ", text)], "a token is shown"


def test_transient_failure_is_retried(gateway: Gateway, credential: S3Options) -> None:
    for method, conn_id in (("POST", "a"), ("GET", "a"), ("POST", "b"), ("PATCH", "b")):  # the first is the login
        publisher = AirflowConnectionPublisher(conn_id, API)
        gateway.faults = {method: {"status": 503}}
        publisher.publish(credential)
        publisher.verify(credential)
        assert not gateway.faults
    assert gateway.seen[:2] == ["POST /auth/token"] * 2


def test_permanent_failure(gateway: Gateway, credential: S3Options) -> None:
    class PermanentFault(dict[str, Any]):
        def pop(self, *_: Any) -> Any:
            return {"status": 503}

    gateway.faults = PermanentFault()
    with pytest.raises(ServerError, match="Look into the log of the API server that connection 'airflow_api'"):
        PUBLISHER.publish(credential)


def test_lost_response_to_a_create(gateway: Gateway, credential: S3Options) -> None:
    PUBLISHER.publish(replace(credential, access_key_id="token is fetched by now"))
    AirflowConnectionPublisher("other", API).publish(credential)
    gateway.seen.clear()
    gateway.faults = {"POST": {"lose": True}}
    AirflowConnectionPublisher("third", API).publish(credential)
    AirflowConnectionPublisher("third", API).verify(credential)
    path = "/api/v2/connections"
    expected = [f"GET {path}/third", f"POST {path}", f"POST {path}", f"GET {path}/third", f"PATCH {path}/third"]
    assert gateway.seen == expected


def test_verify_names_what_differs(airflow: ApiServer, credential: S3Options, rotated: S3Options) -> None:
    with pytest.raises(ObjectStoreError, match="neither tasks nor connection 'airflow_api' find it"):
        PUBLISHER.verify(credential)
    PUBLISHER.publish(credential)
    for other, named in (
        (rotated, "login, password"),
        (replace(credential, secret_access_key="x"), "password"),
        (replace(credential, endpoint_url="http://other"), "endpoint_url"),
    ):
        with pytest.raises(ObjectStoreError, match=f"with another {named}, from a secrets backend"):
            PUBLISHER.verify(other)


def test_verify_takes_no_answer_for_no_absence(
    airflow: ApiServer, gateway: Gateway, credential: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's SDK says "not found" where the API server could not answer a task."""
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse

    class Supervisor:
        def send(self, message: Any) -> ErrorResponse:
            return ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 500})

    def verify_in_a_task(kind: type[ObjectStoreError], match: str) -> None:
        with monkeypatch.context() as patch:
            patch.delenv("_AIRFLOW_PROCESS_CONTEXT")
            patch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)
            _clear_backends_cache(patch)
            with pytest.raises(kind, match=match) as caught:
                PUBLISHER.verify(credential)
        assert type(caught.value) is kind

    PUBLISHER.publish(credential)
    verify_in_a_task(TransportError, "tasks do not find it: Airflow's API server could not answer")
    gateway.faults = {"GET": {"status": 400}}
    verify_in_a_task(ApiError, r"airflow.get_connection .*400")
    airflow.call("DELETE", "/connections/s3_photos")
    verify_in_a_task(ObjectStoreError, "neither tasks nor connection 'airflow_api' find it")


def test_verify_finds_an_overriding_variable(
    airflow: ApiServer, credential: S3Options, rotated: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    PUBLISHER.publish(credential)
    monkeypatch.setenv("AIRFLOW_CONN_S3_PHOTOS", json.dumps(rotated.aws_connection()))
    with pytest.raises(ObjectStoreError, match="environment variable AIRFLOW_CONN_S3_PHOTOS") as caught:
        PUBLISHER.verify(credential)
    assert rotated.secret_access_key not in str(caught.value)
    monkeypatch.setenv("AIRFLOW_CONN_S3_PHOTOS", json.dumps(credential.aws_connection()))
    PUBLISHER.verify(credential)


def test_verify_finds_an_overriding_secrets_backend(
    airflow: ApiServer,
    credential: S3Options,
    rotated: S3Options,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    PUBLISHER.publish(credential)
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"s3_photos": rotated.aws_connection()}))
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "airflow.secrets.local_filesystem.LocalFilesystemBackend")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps({"connections_file_path": str(file)}))
    _clear_backends_cache(monkeypatch)
    with pytest.raises(ObjectStoreError, match="login, password, from a secrets backend, which takes precedence"):
        PUBLISHER.verify(credential)


def test_verify_names_airflows_cache(
    airflow: ApiServer, credential: S3Options, rotated: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.execution_time.cache import SecretCache

    monkeypatch.setenv("AIRFLOW__SECRETS__USE_CACHE", "True")
    monkeypatch.setattr(SecretCache, "_cache", {})  # as its init(), which starts a process for it
    monkeypatch.setattr(SecretCache, "_ttl", timedelta(minutes=15), raising=False)
    PUBLISHER.publish(credential)
    PUBLISHER.verify(credential)
    PUBLISHER.publish(rotated)
    with pytest.raises(ObjectStoreError, match=r"cache of them \(\[secrets\] use_cache\)"):
        PUBLISHER.verify(rotated)


class TestPrepare:
    PATH = "/api/v2/connections"

    def test_publishing_is_one_request(
        self, gateway: Gateway, credential: S3Options, rotated: S3Options, lookups: Counter[str]
    ) -> None:
        one = f"{self.PATH}/s3_photos"
        for number, (published, write) in enumerate(
            [(credential, f"POST {self.PATH}"), (rotated, f"PATCH {one}"), (credential, f"PATCH {one}")]
        ):
            lookups.clear()
            gateway.seen.clear()
            prepared = PUBLISHER.prepare()
            token = [] if number else ["POST /auth/token"]
            assert gateway.seen == [*token, f"GET {one}", f"PATCH {one}"]
            gateway.seen.clear()
            prepared.publish(published)
            assert gateway.seen == [write]
            assert lookups == {API: 1}
            prepared.verify(published)
            assert lookups == {API: 1, "s3_photos": 1}
            PUBLISHER.verify(published)

    def test_it_changes_nothing(self, airflow: ApiServer) -> None:
        PUBLISHER.prepare()
        assert airflow.call("GET", "/connections")["total_entries"] == 0
        create(airflow, description="Ours", login="old", password="older", schema="x", port=1, extra='{"token": "t"}')
        before = stored(airflow)
        PUBLISHER.prepare()
        assert stored(airflow) == before

    def test_what_was_read_counts_once(self, airflow: ApiServer, credential: S3Options, rotated: S3Options) -> None:
        create(airflow, login="old")
        prepared = PUBLISHER.prepare()
        for published in (credential, rotated, credential):
            prepared.publish(published)
            PUBLISHER.verify(published)
        airflow.call("DELETE", "/connections/s3_photos")
        create(airflow, conn_type="postgres", login="ann")
        before = stored(airflow)
        with pytest.raises(ConflictError, match="'s3_photos' exists and has the type 'postgres'"):
            prepared.publish(credential)
        assert stored(airflow) == before

    def test_update_leaves_what_is_not_the_publishers(self, airflow: ApiServer, credential: S3Options) -> None:
        create(airflow, description="Ours, ask Ann", port=1, login="old", extra='{"my_token": "foreign-token"}')
        PUBLISHER.prepare().publish(credential)
        found = stored(airflow)
        assert (found["description"], found["port"]) == ("Ours, ask Ann", 1)
        assert found["extra"] == {**credential.aws_connection()["extra"], "my_token": "foreign-token"}

    def test_one_who_may_not_edit_connections(
        self, airflow: ApiServer, configure: Configure, gateway: Gateway, credential: S3Options
    ) -> None:
        configure(gateway.url, login="viewer", password=PASSWORDS["viewer"])
        for exists in (False, True):
            if exists:
                create(airflow, login="old")
            with pytest.raises(PermissionDeniedError, match="permission to read, create and edit connections"):
                PUBLISHER.prepare()

    def test_one_who_may_only_read_connections(self, airflow: ApiServer, gateway: Gateway) -> None:
        class Forbidden(dict[str, Any]):
            def pop(self, method: str, default: Any = None) -> Any:
                return {"status": 403, "body": {"detail": "Forbidden"}} if method == "PATCH" else default

        create(airflow, login="old")
        gateway.faults = Forbidden()
        with pytest.raises(PermissionDeniedError, match="permission to read, create and edit connections"):
            PUBLISHER.prepare()

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"conn_type": "postgres"}, "has the type 'postgres', not 'aws'"),
            ({"extra": '{"role_arn": "arn:aws:iam::1:role/x"}'}, "has extra role_arn, which"),
        ],
    )
    def test_connection_that_cannot_be_used_is_refused(
        self, gateway: Gateway, airflow: ApiServer, fields: dict[str, Any], message: str
    ) -> None:
        create(airflow, **{"login": "ann", **fields})
        with pytest.raises(ConflictError, match=message):
            PUBLISHER.prepare()
        assert not [request for request in gateway.seen if request.startswith("PATCH")]

    def test_connection_of_another_type_that_appears_meanwhile_is_left(
        self, airflow: ApiServer, credential: S3Options
    ) -> None:
        prepared = PUBLISHER.prepare()
        create(airflow, conn_type="postgres", login="ann", password="hers")
        before = stored(airflow)
        with pytest.raises(ConflictError, match="'s3_photos' exists and has the type 'postgres'"):
            prepared.publish(credential)
        assert stored(airflow) == before

    def test_connection_whose_type_changes_meanwhile_keeps_the_type(
        self, airflow: ApiServer, credential: S3Options
    ) -> None:
        create(airflow, login="old")
        prepared = PUBLISHER.prepare()
        airflow.call("DELETE", "/connections/s3_photos")
        create(airflow, conn_type="postgres", login="ann")
        with pytest.raises(ConflictError, match=r"'postgres', since it was read: .* overwritten"):
            prepared.publish(credential)
        assert stored(airflow)["conn_type"] == "postgres"

    def test_connection_that_is_deleted_meanwhile_is_created(self, airflow: ApiServer, credential: S3Options) -> None:
        create(airflow, login="old")
        prepared = PUBLISHER.prepare()
        airflow.call("DELETE", "/connections/s3_photos")
        prepared.publish(credential)
        PUBLISHER.verify(credential)

    def test_failures(self, credential: S3Options, configure: Configure) -> None:
        configure("", host=None, schema=None)
        with pytest.raises(ConfigurationError, match="host is missing"):
            PUBLISHER.prepare()
        with socket.create_server(("127.0.0.1", 0)) as gone:
            configure(f"http://127.0.0.1:{gone.getsockname()[1]}")
        with pytest.raises(TransportError, match="Check host, port and schema of connection 'airflow_api'"):
            PUBLISHER.prepare()

    def test_nothing_of_it_stays_in_the_publisher(self, airflow: ApiServer) -> None:
        publisher = AirflowConnectionPublisher("s3_photos", API)
        fields = dict(vars(publisher))
        assert publisher.prepare() is not publisher
        assert vars(publisher) == fields
        assert publisher == PUBLISHER


def _clear_backends_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer Airflow caches the secrets backends."""
    if find_spec("airflow.sdk.configuration"):
        configuration = import_module("airflow.sdk.configuration")
        monkeypatch.setattr(configuration, "_secrets_backend_cache", {}, raising=False)
