"""No secret shows: not in logs at their most talkative, nor in representations, errors, triggers or results."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
from dataclasses import asdict
from typing import Any

import boto3
import pytest

from airflow_provider_objectstore.api import anypoint, anypoint_access, civo
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.transport.policy import RetryPolicy
from airflow_provider_objectstore.triggers.waits import KeysTrigger, ObjectStoreTrigger

STATIC = {"emulator-secret", "emulator-key", "my-own-s3-secret", "proxy-pass"}


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


def test_no_secret_shows(emulator: Emulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.DEBUG)
    shown = Shown()

    stores, buckets = AnypointObjectStoreHook(), CivoObjectStoreHook()
    shown.add(stores, stores.create_store("s"), stores.test_connection())
    stores.put_key("s", "p", "k", "v")
    with stores.client() as client:
        token = client._state.usable_token(None)
        shown.add(client, client._state.target, client._state.target.request(anypoint.get_store("s"), "GET", token))
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
    options = buckets.s3_options("bucket")
    boto3.client("s3", **options).put_object(Bucket="bucket", Key="k", Body=b"v")
    shown.add(options, asdict(store))
    secrets = STATIC | {token, options.secret_access_key}

    for trigger in (
        KeysTrigger(anypoint_conn_id="anypoint_default", store_id="s", partition="p", keys=["k"]),
        ObjectStoreTrigger(civo_conn_id="civo_default", object_store="bucket"),
    ):
        shown.add(trigger.serialize(), [event.payload for event in asyncio.run(collect(trigger))])

    for status in (400, 401, 403, 404, 500, 302):
        body = {"message": f"you sent {token} and emulator-secret", "reason": "key emulator-key"}
        emulator.faults([{"operation": "*", "kind": "status", "status": status, "body": body}])
        for hook in (AnypointObjectStoreHook(), CivoObjectStoreHook()):
            object.__setattr__(hook._client._state.target, "retry", RetryPolicy(attempts=2, first_wait=0.01))
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


async def collect(trigger: Any) -> list[Any]:
    return [event async for event in trigger.run()]
