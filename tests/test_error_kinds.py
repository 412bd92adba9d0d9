"""The same trouble is the same class of error, wherever it comes up."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    TransportError,
)
from airflow_provider_objectstore.fs.civo import get_fs
from airflow_provider_objectstore.fs.s3_responses import call_checked
from airflow_provider_objectstore.hooks import bucket_listing
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.bucket_listing import BucketListing
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.hooks.s3_client import find_contents
from airflow_provider_objectstore.operators.anypoint import (
    AnypointCreateStoreOperator,
    AnypointDeleteStoreOperator,
    AnypointUpdateStoreOperator,
)
from airflow_provider_objectstore.operators.anypoint_keys import AnypointDeleteKeyOperator, AnypointGetKeyOperator
from airflow_provider_objectstore.operators.civo import (
    CivoCreateObjectStoreOperator,
    CivoDeleteCredentialOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateCredentialOperator,
    CivoUpdateObjectStoreOperator,
)
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.publishers import AirflowConnectionPublisher, SecretsManagerPublisher, VaultPublisher
from airflow_provider_objectstore.rotation.verify import Bucket
from tests.hooks.buckets import create
from tests.transport.stub import http, serving

Act = Callable[[], Any]
PLACE = r"\[connection (civo_default, region LON1|anypoint_default, environment emulator-env, region us-east-1)\]$"
OPTIONS = S3Options("photos", "http://127.0.0.1:9", "KEY", "a-secret", "LON1")


def run(kind: type, **fields: Any) -> Any:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    context = {"dag_run": SimpleNamespace(run_after=now, dag_id="d", run_id="r"), "run_id": "r"}
    return kind(task_id="t", **fields).execute(context)


async def list_bucket(bucket: str = "photos") -> None:
    listing = BucketListing(CivoObjectStoreHook(), bucket)
    async with listing.opened():
        await anext(listing.pages())


MISSING_EXTRA: dict[str, tuple[str, Act]] = {
    "options": ("botocore.config", lambda: replace(OPTIONS).boto3()),
    "deletion": ("boto3", lambda: run(CivoDeleteObjectStoreOperator, object_store="photos")),
    "rotation": ("boto3", lambda: run(CivoRotateCredentialOperator, object_store="photos")),
    "listing": ("aiobotocore.session", list_bucket),
    "filesystem": ("s3fs", lambda: get_fs("civo_default")),
}


@pytest.mark.parametrize("name", MISSING_EXTRA)
async def test_a_missing_extra(name: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    create(CivoObjectStoreHook(), "photos")
    module, act = MISSING_EXTRA[name]
    bucket_listing._session.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    for loaded in ("civo_s3fs", "bucket_clients"):
        monkeypatch.delitem(sys.modules, f"airflow_provider_objectstore.fs.{loaded}", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'airflow-provider-objectstore\[s3\]'$"):
        await act() if name == "listing" else act()


NONE: dict[str, Act] = {
    "object store": lambda: CivoObjectStoreHook().require_object_store("none"),
    "object store's id": lambda: CivoObjectStoreHook().get_object_store("none"),
    "credential": lambda: CivoObjectStoreHook().require_credential("none"),
    "options": lambda: CivoObjectStoreHook().s3_options("none"),
    "updated store": lambda: run(CivoUpdateObjectStoreOperator, object_store="none", max_size_gb=500),
    "deleted store": lambda: run(CivoDeleteObjectStoreOperator, object_store="none", if_missing="fail"),
    "grown store": lambda: run(CivoGrowObjectStoreOperator, object_store="none", limit_gb=500),
    "used store": lambda: run(CivoUsageOperator, object_stores="none"),
    "updated credential": lambda: run(CivoUpdateCredentialOperator, credential="none", suspended=True),
    "deleted credential": lambda: run(CivoDeleteCredentialOperator, credential="none", if_missing="fail"),
    "rotated credential": lambda: run(CivoRotateCredentialOperator, credential="none"),
    "rotated store": lambda: run(CivoRotateCredentialOperator, object_store="none"),
    "store": lambda: AnypointObjectStoreHook().get_store("none"),
    "store of a key": lambda: AnypointObjectStoreHook().get_key("none", "p", "k"),
    "key": lambda: AnypointObjectStoreHook().get_key("s", "p", "k"),
    "updated Anypoint store": lambda: run(AnypointUpdateStoreOperator, store_id="none", default_ttl=60),
    "deleted Anypoint store": lambda: run(AnypointDeleteStoreOperator, store_id="none", if_missing="fail"),
    "read key": lambda: run(AnypointGetKeyOperator, store_id="s", partition="p", key="k"),
    "deleted key": lambda: run(AnypointDeleteKeyOperator, store_id="s", partition="p", key="k", if_missing="fail"),
    "purged store": lambda: run(AnypointPurgePartitionsOperator, store_id="none", partitions="p"),
}


@pytest.mark.parametrize("name", NONE)
def test_there_is_none(name: str, emulator: Emulator) -> None:
    AnypointObjectStoreHook().create_store("s")
    with pytest.raises(NotFoundError) as caught:
        NONE[name]()
    assert caught.value.status in (404, None)
    assert re.search(PLACE, str(caught.value))


def test_there_is_no_export(emulator: Emulator, tmp_path: Path) -> None:
    AnypointObjectStoreHook().create_store("s")
    place = f"file://{tmp_path}"
    both = r"\[file:[^,]*, to connection anypoint_default, environment emulator-env, region us-east-1\]$"
    with pytest.raises(NotFoundError, match=rf"there is no .*manifest.*{both}"):
        run(AnypointImportOperator, store_id="s", path=place)
    with pytest.raises(NotFoundError, match=PLACE):
        run(AnypointExportOperator, store_id="none", path=place)


async def test_there_is_no_bucket(emulator: Emulator) -> None:
    with pytest.raises(NotFoundError):
        await list_bucket("none")


DENIED: dict[str, Act] = {
    "Civo": lambda: CivoObjectStoreHook().get_quota(),
    "Anypoint": lambda: AnypointObjectStoreHook().get_store("s"),
    "an operator": lambda: run(CivoDeleteObjectStoreOperator, object_store="photos"),
    "a rotation": lambda: run(CivoRotateCredentialOperator, object_store="photos"),
}


@pytest.mark.parametrize("name", DENIED)
def test_a_service_answers_403(name: str, emulator: Emulator) -> None:
    emulator.faults(
        [{"operation": operation, "kind": "status", "status": 403} for operation in ("civo.*", "*.*_store")]
    )
    with pytest.raises(PermissionDeniedError, match=PLACE):
        DENIED[name]()


async def test_s3_answers_403(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    create(CivoObjectStoreHook(), "photos")
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    connection = emulator.connections()["civo_default"]
    with serving(lambda _: http(body, status="403 Forbidden", kind="application/xml")) as url:
        options = replace(OPTIONS, endpoint_url=url)
        extra = {**connection["extra"], "s3_endpoint": url}
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
        bucket = Bucket(options, settle_timeout=0.01)
        for act in (
            lambda: find_contents(options),
            bucket.sample,
            bucket.wait_until_usable,
            lambda: bucket.user_id,
            lambda: run(CivoDeleteObjectStoreOperator, object_store="photos"),
        ):
            with pytest.raises(PermissionDeniedError, match="AccessDenied"):
                act()
        with pytest.raises(PermissionDeniedError, match="AccessDenied"):
            await list_bucket()


REFUSED_STATES: dict[str, Act] = {
    "store": lambda: run(AnypointCreateStoreOperator, store_id="s", if_exists="fail"),
    "object store": lambda: run(CivoCreateObjectStoreOperator, name="photos", if_exists="fail"),
    "limit": lambda: run(CivoGrowObjectStoreOperator, object_store="photos", limit_gb=500, share=1e-9),
    "nothing to purge": lambda: run(AnypointPurgePartitionsOperator, store_id="s", partitions="none", if_empty="fail"),
    "contents": lambda: run(CivoDeleteObjectStoreOperator, object_store="photos"),
}


@pytest.mark.parametrize("name", REFUSED_STATES)
def test_what_an_operator_finds_says_where(name: str, emulator: Emulator) -> None:
    AnypointObjectStoreHook().create_store("s")
    create(CivoObjectStoreHook(), "photos")
    body = {"size_kb_utilised": 400_000_000, "max_size_kb": 500_000_000, "num_objects": 1}
    emulator.faults([{"operation": "civo.get_object_store_stats", "kind": "status", "status": 200, "body": body}])
    with pytest.raises(ObjectStoreError, match=PLACE):
        REFUSED_STATES[name]()


def shown(error: BaseException) -> list[str]:
    """What a log prints: the error and its causes."""
    chain = [error]
    while following := chain[-1].__cause__ or (not chain[-1].__suppress_context__ and chain[-1].__context__) or None:
        chain.append(following)
    return [f"{type(each).__name__}: {each}" for each in chain]


UNREACHABLE: dict[str, Act] = {
    "key": lambda: run(AnypointGetKeyOperator, store_id="s", partition="p", key="k"),
    "look-up": lambda: run(CivoUpdateObjectStoreOperator, object_store="photos", max_size_gb=500),
    "purge": lambda: run(AnypointPurgePartitionsOperator, store_id="s", include="p*"),
    "rotation": lambda: run(CivoRotateCredentialOperator, object_store="photos"),
    "publisher": lambda: AirflowConnectionPublisher("c", airflow_api_conn_id="api").prepare(),
    "S3": lambda: find_contents(replace(OPTIONS, endpoint_url=os.environ["NOWHERE"])),
}


@pytest.mark.parametrize("name", UNREACHABLE)
def test_an_outage_has_one_cause(
    name: str, emulator: Emulator, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"http://127.0.0.1:{unused_port}"
    monkeypatch.setenv("NOWHERE", nowhere)
    for conn_id, connection in emulator.connections().items():
        extra = {**connection["extra"], "retry_deadline": 0.01}
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**connection, "host": nowhere, "extra": extra})
        )
    api = {"conn_type": "http", "host": nowhere, "password": "a-token", "extra": {"retry_deadline": 0.01}}
    monkeypatch.setenv("AIRFLOW_CONN_API", json.dumps(api))
    with pytest.raises(TransportError) as caught:
        UNREACHABLE[name]()
    first, *causes = shown(caught.value)
    assert len(causes) == 1, causes
    assert causes[0].startswith("ConnectionRefusedError")
    assert str(unused_port) in first


async def s3fs_call(**arguments: Any) -> Any:
    import boto3

    client: Any = boto3.client("s3", **replace(OPTIONS, endpoint_url=os.environ["NOWHERE"]))
    return client.list_objects_v2(**arguments)


LIBRARIES: dict[str, Act] = {
    "S3": UNREACHABLE["S3"],
    "rotation": lambda: Bucket(replace(OPTIONS, endpoint_url=os.environ["NOWHERE"]), 0.01).sample(),
    "listing": lambda: asyncio.run(list_bucket()),
    "filesystem": lambda: asyncio.run(
        call_checked(lambda method, **more: s3fs_call(**more), CivoObjectStoreHook(), "list", Bucket="photos")
    ),
    "Secrets Manager": lambda: SecretsManagerPublisher("c").prepare(),
    "Vault": lambda: VaultPublisher("photos").prepare(),
}
"""Requests of libraries, with nothing to connect to."""


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_the_caller_handles_is_no_cause(
    name: str, emulator: Emulator, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "Vault":
        pytest.importorskip("hvac", reason="the extra hashicorp")
    create(CivoObjectStoreHook(), "photos")
    monkeypatch.setenv("NOWHERE", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    civo = emulator.connections()["civo_default"]
    extra = {**civo["extra"], "s3_endpoint": os.environ["NOWHERE"]}
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**civo, "extra": extra}))
    aws = {"endpoint_url": os.environ["NOWHERE"], "region_name": "eu-west-1"}
    fields = {"conn_type": "aws", "login": "KEY", "password": "a-secret", "extra": aws}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    vault = {"conn_type": "vault", "host": "127.0.0.1", "port": unused_port, "password": "a-token"}
    monkeypatch.setenv("AIRFLOW_CONN_VAULT_DEFAULT", json.dumps(vault))
    handled = ssl.SSLCertVerificationError("certificate verify failed: hunter2")
    handled.__cause__ = handled_cause = ValueError("why")
    try:
        raise handled
    except ssl.SSLCertVerificationError:
        with pytest.raises((TransportError, OSError)) as caught:
            LIBRARIES[name]()
    assert not getattr(caught.value, "permanent", False)
    assert "hunter2" not in str(caught.value)
    assert "ConnectionRefusedError" in f"{caught.value.__cause__!r} {caught.value.__cause__}", caught.value.__cause__
    assert handled.__cause__ is handled_cause


WRONG_TYPE: dict[str, tuple[str, str, Act]] = {
    "Civo": ("anypoint", "civo", lambda: CivoObjectStoreHook("wrong").get_quota()),
    "Anypoint": ("civo", "anypoint", lambda: next(AnypointObjectStoreHook("wrong").list_stores())),
    "Airflow's API": ("civo", "http", lambda: AirflowConnectionPublisher("c", airflow_api_conn_id="wrong").check()),
    "Secrets Manager": ("civo", "aws", lambda: SecretsManagerPublisher("c", aws_conn_id="wrong").check()),
}


@pytest.mark.parametrize("name", WRONG_TYPE)
def test_a_connection_of_another_type(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, needed, act = WRONG_TYPE[name]
    fields = {"conn_type": found, "host": "https://127.0.0.1:9", "password": "a-secret", "schema": "https"}
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps(fields))
    with pytest.raises(ObjectStoreError, match=f"connection 'wrong' is of type '{found}', not '{needed}'"):
        act()
