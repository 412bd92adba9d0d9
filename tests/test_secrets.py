"""No secret shows: not in logs at their most talkative, nor in representations, errors, triggers or results."""

from __future__ import annotations

import asyncio
import base64
import copy
import html
import json
import logging
import pickle
import traceback
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from airflow.sdk.bases.xcom import BaseXCom

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.anypoint.values import Entry
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook, CredentialUse
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.operators.civo_usage import CivoUsageOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher
from airflow_provider_objectstore.transport import Client
from airflow_provider_objectstore.transport.retry import RetryPolicy
from airflow_provider_objectstore.triggers.conditions import (
    AnypointKeyTrigger,
    CivoObjectStoreTrigger,
    CivoUsageTrigger,
)

IN_BASE64 = base64.b64encode(b"app:emulator-secret").decode()
STATIC = {"emulator-secret", "emulator-key", "my-own-s3-secret", "proxy-pass", "emulator%2dsecret", IN_BASE64}


def escaped(text: str) -> str:
    """A text as it is, percent-encoded and escaped for JSON; the answer's JSON escapes the last once more."""
    return " ".join((text, text.replace("-", "%2d"), "".join(f"\\u{ord(character):04x}" for character in text)))


class Shown:
    """Collects everything that somebody could read."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, *things: Any) -> None:
        for thing in things:
            self.texts += [repr(thing), str(thing)]

    def error(self, error: BaseException) -> None:
        self.add(error)
        self.texts.append("".join(traceback.format_exception(error)))
        self.texts.append(repr(pickle.loads(pickle.dumps(error)).__dict__))


@pytest.mark.slow
def test_no_secret_shows(emulator: Emulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.DEBUG)
    shown = Shown()

    stores, buckets = AnypointObjectStoreHook(), CivoObjectStoreHook()
    shown.add(stores, stores.create_store("s"), stores.test_connection())
    stores.put_key("s", "p", "k", "v")
    with stores.client() as client:
        token = client._state.usable_token(None)
        connection = client._state.connection
        shown.add(client, connection, connection.request(anypoint.get_store("s"), "GET", token))
    shown.add(anypoint_access.connected_app_token("emulator-client", "emulator-secret"))
    assert token

    store = buckets.create_object_store("bucket")
    made = buckets.create_credential("mine", access_key_id="MINE", secret_access_key="my-own-s3-secret")
    assert made.secret_access_key == "my-own-s3-secret"
    shown.add(buckets, store, made, buckets.credential_inventory(), buckets.list_credentials())
    shown.add(civo.create_credential("x", secret_access_key="my-own-s3-secret"), buckets.test_connection())
    operator = CivoCreateObjectStoreOperator(task_id="create", name="bucket", poke_interval=0.1)
    result = operator.execute({})  # type: ignore[typeddict-item]
    shown.add(operator, json.dumps(result))
    shown.add(json.dumps(CivoUsageOperator(task_id="use").execute({})))  # type: ignore[typeddict-item]
    options = buckets.s3_options("bucket")
    boto3.client("s3", **options).put_object(Bucket="bucket", Key="k", Body=b"v")
    shown.add(options, asdict(store))
    secrets = STATIC | {token, options.secret_access_key}

    for trigger in (
        AnypointKeyTrigger(anypoint_conn_id="anypoint_default", store_id="s", partition="p", keys=["k"]),
        CivoObjectStoreTrigger(civo_conn_id="civo_default", object_store="bucket"),
        CivoUsageTrigger(civo_conn_id="civo_default", share=1e-9),
    ):
        shown.add(trigger.serialize(), [event.payload for event in asyncio.run(collect(trigger))])

    for status in (400, 401, 403, 404, 500, 302):
        body = {
            "message": f"you sent {escaped(token)} and {escaped('emulator-secret')}, Basic {IN_BASE64}",
            "reason": f"key {escaped('emulator-key')}",
            "code": "emulator-key",
        }
        fault = {"kind": "status", "status": status, "body": body}
        own = {"anypoint.*": token, "accounts.*": "emulator-secret", "civo.*": "emulator-key"}
        emulator.faults(
            [
                {**fault, "operation": name, "headers": {"x-request-id": has, "location": f"https://{has}.example/"}}
                for name, has in own.items()
            ]
        )
        for hook in (AnypointObjectStoreHook(), CivoObjectStoreHook()):
            object.__setattr__(hook._client._state.connection, "retry", RetryPolicy(attempts=2, initial_wait=0.01))
            with pytest.raises(ObjectStoreError) as caught:
                list(hook.list_stores() if isinstance(hook, AnypointObjectStoreHook) else hook.list_object_stores())
            shown.error(caught.value)
    emulator.faults([])

    for conn_id, wrong in {
        "anypoint_default": {"conn_type": "anypoint", "password": "emulator-secret"},
        "civo_default": {
            "conn_type": "civo",
            "password": "emulator-key\n",
            "extra": {"proxy": "socks5://user:proxy-pass@127.0.0.1", "verify": "/nowhere"},
        },
    }.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(wrong))
        hook = AnypointObjectStoreHook() if conn_id.startswith("anypoint") else CivoObjectStoreHook()
        with pytest.raises(ObjectStoreError) as caught:
            hook._client  # noqa: B018
        shown.error(caught.value)

    shown.add(*(record.getMessage() for record in caplog.records), caplog.text)
    assert any("trying again" in text.lower() for text in shown.texts), (
        "nothing was logged: the scan would prove nothing"
    )
    leaks = {secret: [text for text in shown.texts if secret in text][:2] for secret in secrets}
    assert not any(leaks.values()), leaks


# ---- new secrets ---------------------------------------------------------------------------------


class TestANewSecretIsKnownBeforeItIsSent:
    """To Airflow's masker, and to what takes secrets out of errors: the service may answer with what it was sent."""

    SECRET = "anEntirelyNewSecret0123456789abcdefghij"

    def calls(self) -> list[Any]:
        return [
            civo.create_credential("mine", access_key_id="MINE", secret_access_key=self.SECRET),
            civo.update_credential("7", access_key_id="MINE", secret_access_key=self.SECRET),
        ]

    def test_to_the_masker(self, emulator: Emulator) -> None:
        for call in self.calls():
            known: list[str] = []

            class WatchRegistry(Client):
                masked = known

                def _exchange(self, *arguments: Any) -> Any:
                    assert TestANewSecretIsKnownBeforeItIsSent.SECRET in self.masked
                    return super()._exchange(*arguments)

            with suppress(ObjectStoreError):
                WatchRegistry(CivoObjectStoreHook().resolve(), mask=known.append).send(call)
            assert known == [self.SECRET]

    def test_without_one_nothing_is_masked(self) -> None:
        assert civo.create_credential("mine").secrets == ()
        assert civo.update_credential("7", suspended=True).secrets == ()

    @pytest.mark.parametrize("status", [400, 409, 422, 500])
    @pytest.mark.slow
    def test_to_what_scrubs(self, status: int, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        shown = Shown()
        body = {"code": "internal", "reason": f"could not process {self.SECRET}", "details": self.SECRET}
        emulator.faults([{"operation": "civo.*", "kind": "status", "status": status, "body": body}])
        hook = CivoObjectStoreHook()
        object.__setattr__(hook._client._state.connection, "retry", RetryPolicy(attempts=2, initial_wait=0.01))
        for call in self.calls():
            shown.add(call)
            with pytest.raises(ObjectStoreError, match=r"could not process \*\*\*") as caught:
                hook.send(call)
            shown.error(caught.value)
        assert [text for text in [*shown.texts, caplog.text] if self.SECRET in text] == []

    def test_one_that_is_published_as_a_key(self, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        shown = Shown()
        publisher = AnypointKeyPublisher("s", "p", "k")
        options = S3Options("bucket", "https://s3.test", "MINE", self.SECRET, "lon1")
        body = {"message": f"cannot take {self.SECRET}"}
        emulator.faults([{"operation": "anypoint.*", "kind": "status", "status": 400, "body": body}])
        for act in (publisher.publish, publisher.verify):
            with pytest.raises(ObjectStoreError, match=r"cannot take \*\*\*") as caught:
                act(options)
            shown.error(caught.value)
        assert [text for text in [*shown.texts, caplog.text] if self.SECRET in text] == []


# ---- XCom ----------------------------------------------------------------------------------------

OPTIONS = S3Options("bucket", "https://s3.test", "MINE", "my-own-s3-secret", "lon1")
CREDENTIAL = Credential("7", "mine", "MINE", "my-own-s3-secret")
KEPT_OUT = [
    (OPTIONS, r"S3Options .* call CivoObjectStoreHook\.s3_options with it in the task that needs it"),
    (CREDENTIAL, r"Credential .* it holds a secret\. Return its name or id"),
    (CredentialUse(CREDENTIAL, ("bucket",)), "CredentialUse .* Return names, ids and access keys"),
    (Entry("k", b"v", "BINARY"), "Entry .* return its value, as base64 if that is bytes, or use AnypointGetKeyOp"),
]
INSIDE = [lambda it: it, lambda it: [it], lambda it: {"a": (1, it)}, lambda it: {"a": [it]}]


@pytest.mark.parametrize(("secret", "said"), KEPT_OUT, ids=lambda it: type(it).__name__)
class TestXCom:
    @pytest.mark.parametrize("inside", INSIDE)
    def test_refuses_it_wherever_it_is(self, secret: Any, said: str, inside: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=f"must not return {said}") as caught:
            BaseXCom.serialize_value(inside(secret))
        assert "my-own-s3-secret" not in str(caught.value)

    def test_everything_else_takes_it(self, secret: Any, said: str) -> None:
        for again in (pickle.loads(pickle.dumps(secret)), copy.deepcopy(secret), copy.copy(secret), replace(secret)):
            assert again == secret
            assert type(again) is type(secret)
        assert "my-own-s3-secret" not in repr(secret)
        if isinstance(secret, Credential | CredentialUse | Entry):
            assert not hasattr(secret, "__dict__")


ARGUMENTS = {
    "s3fs": OPTIONS.s3fs(),
    "s3fs copied": {**OPTIONS.s3fs(), "anon": False},
    "s3fs merged": OPTIONS.s3fs() | {"anon": False},
    "connection": OPTIONS.aws_connection(),
    "connection copied": dict(OPTIONS.aws_connection()),
    "connection unpickled": pickle.loads(pickle.dumps(OPTIONS.aws_connection())),
    "connection deeply copied": copy.deepcopy(OPTIONS.aws_connection()),
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
class TestArgumentsAsDicts:
    @pytest.mark.parametrize("inside", INSIDE)
    def test_go_into_no_xcom(self, arguments: dict[str, Any], inside: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="the arguments of an S3 client into XCom: it holds a secret"):
            BaseXCom.serialize_value(inside(arguments))

    def test_are_plain_for_all_else(self, arguments: dict[str, Any]) -> None:
        for again in (pickle.loads(pickle.dumps(arguments)), copy.deepcopy(arguments), {**arguments}):
            assert again == arguments
        text = json.dumps(arguments)
        assert json.loads(text) == arguments
        assert json.dumps(arguments, indent=1) == json.dumps(json.loads(text), indent=1)
        assert "config_kwargs" in arguments or "extra" in arguments
        assert "nothing" not in arguments


def test_clients_take_these_dicts() -> None:
    from airflow.sdk import Connection
    from botocore.config import Config

    s3fs = pytest.importorskip("s3fs")
    files = s3fs.S3FileSystem(**OPTIONS.s3fs(), skip_instance_cache=True)
    assert (files.key, files.secret) == ("MINE", "my-own-s3-secret")
    assert Config(**OPTIONS.s3fs()["config_kwargs"]).signature_version == "s3v4"
    given = OPTIONS.aws_connection()
    connection = Connection(conn_id="c", **{**given, "extra": json.dumps(given["extra"])})
    assert (connection.password, connection.extra_dejson) == ("my-own-s3-secret", given["extra"])


@pytest.mark.parametrize("arguments", [dict(OPTIONS), {**OPTIONS}, [dict(OPTIONS)]], ids=range(3))
def test_the_arguments_of_a_client_go_into_no_xcom(arguments: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="the arguments of an S3 client into XCom: it holds a secret"):
        BaseXCom.serialize_value(arguments)
    assert pickle.loads(pickle.dumps(arguments)) is not None
    merged = OPTIONS["config"].merge(OPTIONS["config"])
    assert (merged.signature_version, merged.s3) == ("s3v4", {"addressing_style": "path"})


async def collect(trigger: Any) -> list[Any]:
    return [event async for event in trigger.run()]


AWKWARD = 'ab/cd+ef"gh\\ij=klmnop&qrs'
ECHOES = {
    "JSON": lambda text: json.dumps({"reason": f"bad key {text}"}),
    "JSON with escaped slashes": lambda text: json.dumps({"reason": f"bad key {text}"}).replace("/", "\\/"),
    "JSON in escapes": lambda text: '{"reason": "bad ' + "".join(f"\\u{ord(c):04x}" for c in text) + '"}',
    "percent-encoded": lambda text: json.dumps({"reason": quote(text, safe="")}),
    "a header": lambda text: f"Authorization: Bearer {text}",
    "base64": lambda text: json.dumps({"reason": base64.b64encode(text.encode()).decode()}),
    "HTML": lambda text: f"<p>{html.escape(text)}</p>",
    "at the message's end": lambda text: json.dumps({"reason": "x" * (500 - len(text) // 2) + text}),
    "at the page's end": lambda text: "x" * (500 - len(text) // 2) + text,
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.slow
def test_a_service_that_repeats_the_key(
    echo: str, status: int, emulator: Emulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = emulator.connections()["civo_default"]
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "password": AWKWARD}))
    emulator.faults([{"operation": "*", "kind": "status", "status": status, "body": ECHOES[echo](AWKWARD)}])
    hook = CivoObjectStoreHook()
    object.__setattr__(hook._client._state.connection, "retry", RetryPolicy(attempts=2, initial_wait=0.01))
    with pytest.raises(ObjectStoreError) as caught:
        hook.get_quota()
    shown = f"{caught.value} {caught.value!r} {caplog.text}"
    assert "***" in shown or "end" in echo
    for secret in (AWKWARD, AWKWARD[:12], quote(AWKWARD, safe=""), base64.b64encode(AWKWARD.encode()).decode()):
        assert secret not in shown
