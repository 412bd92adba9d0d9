"""What both hooks share: clients, connection look-ups, imports."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ObjectStoreError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from tests.conftest import connect

SURFACE = {
    AnypointObjectStoreHook: """list_stores get_store store_exists create_store update_store delete_store
        list_partitions partition_exists get_partition delete_partition list_keys key_exists get_key put_key
        delete_key alter_number get_many put_many delete_many acknowledge extend_confirmation reject list_regions
        test_connection partition client async_client""",
    CivoObjectStoreHook: """list_object_stores get_object_store find_object_store create_object_store
        update_object_store delete_object_store get_object_store_stats list_credentials get_credential
        find_credential create_credential update_credential delete_credential credential_inventory list_regions
        get_quota s3_options require_object_store require_credential test_connection client async_client""",
}


@pytest.mark.parametrize("kind", SURFACE)
def test_the_surface_is_whole_and_documented(kind: type[Any]) -> None:
    for name in SURFACE[kind].split():
        assert inspect.getdoc(getattr(kind, name)), name


def test_both_clients(stores: AnypointObjectStoreHook) -> None:
    with stores.client() as client:
        assert client.send(anypoint.get_store("s")).store_id == "s"

    async def main() -> str:
        async with stores.async_client() as client:
            return (await client.send(anypoint.get_store("s"))).store_id

    assert asyncio.run(main()) == "s"


@pytest.mark.parametrize("client", ["sync", "async"])
def test_a_rotated_connection_works_without_a_restart(
    client: str, stores: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = json.loads(os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"])
    bearer = {**good, "password": "an-old-token", "extra": {**good["extra"], "auth": "bearer"}}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(bearer))
    hook = AnypointObjectStoreHook()

    if client == "sync":
        with pytest.raises(AuthenticationError):
            hook.get_store("s")
        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(good))
        assert hook.get_store("s").store_id == "s"
        return

    async def main() -> str:
        async with hook.async_client() as client:
            with pytest.raises(AuthenticationError):
                await client.send(anypoint.get_store("s"))
            monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(good))
            return (await client.send(anypoint.get_store("s"))).store_id

    assert asyncio.run(main()) == "s"


@pytest.mark.parametrize("client", ["sync", "async"])
def test_a_connection_that_was_edited_to_lead_elsewhere_is_not_followed(
    client: str, stores: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = json.loads(os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"])
    old = {**good, "password": "an-old-token", "extra": {**good["extra"], "auth": "bearer"}}
    elsewhere = {**good, "extra": {**good["extra"], "environment_id": "another"}}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(old))
    hook = AnypointObjectStoreHook()
    message = r"edited meanwhile and leads elsewhere: start again.*environment emulator-env"

    async def main() -> None:
        async with hook.async_client() as opened:
            monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(elsewhere))
            await opened.send(anypoint.get_store("s"))

    with hook.client() as opened, pytest.raises(AuthenticationError, match=message):
        if client == "async":
            asyncio.run(main())
        else:
            monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(elsewhere))
            opened.send(anypoint.get_store("s"))


async def _open_async(hook: AnypointObjectStoreHook) -> None:
    async with hook.async_client() as client:
        await client.send(anypoint.delete_partition("s", "p"))


def _open_sync(hook: AnypointObjectStoreHook) -> None:
    with hook.client() as client:
        client.send(anypoint.delete_partition("s", "p"))


def _refused(hook: AnypointObjectStoreHook) -> None:
    client = hook._new_client(replace(hook.last_connection, bearer="an-old-token", token_call=None))
    client.send(anypoint.delete_partition("s", "p"))


LOOKS_AGAIN: dict[str, Callable[[AnypointObjectStoreHook], Any]] = {
    "bulk": lambda hook: hook.delete_many("s", "p", ["a"]),
    "client": _open_sync,
    "async client": lambda hook: asyncio.run(_open_async(hook)),
    "resolve": lambda hook: hook.resolve(),
    "aresolve": lambda hook: asyncio.run(hook.aresolve()),
    "refused credentials": _refused,
}


@pytest.mark.parametrize("look", LOOKS_AGAIN.values(), ids=LOOKS_AGAIN)
def test_one_hook_works_in_one_place(
    look: Callable[[AnypointObjectStoreHook], Any],
    stores: AnypointObjectStoreHook,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder that is moved would be copied in the one place, and deleted in the other."""
    with Emulator(Settings()) as other:
        for place in (other, emulator):
            connect(monkeypatch, place)
            hook = AnypointObjectStoreHook()
            if place is other:
                hook.create_store("s")
            hook.put_key("s", "p", "a", place.url)
        connect(monkeypatch, other)
        for _ in "12":
            with pytest.raises(AuthenticationError, match=r"edited meanwhile and leads elsewhere.*anypoint_default"):
                look(hook)
        assert hook.get_key("s", "p", "a").value == emulator.url, "where it was, also after the error"
        assert AnypointObjectStoreHook().get_key("s", "p", "a").value == other.url, "a new one goes where it leads"
        connect(monkeypatch, emulator, requests_per_second=99_999)
        hook.delete_many("s", "p", ["a"]).raise_failed()
        assert hook.last_connection.requests_per_second == 99_999
        connect(monkeypatch, other)
        assert AnypointObjectStoreHook().key_exists("s", "p", "a")


async def test_many_calls_that_are_refused_together_leave_no_session_open(
    stores: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = json.loads(os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"])
    bearer = {**good, "password": "an-old-token", "extra": {**good["extra"], "auth": "bearer"}}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(bearer))
    async with AnypointObjectStoreHook().async_client() as client:
        old = client._state
        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(good))
        found = await asyncio.gather(*(client.send(anypoint.get_store("s")) for _ in range(8)))
        new = client._state
        assert [store.store_id for store in found] == ["s"] * 8
        assert (old.clients, new.clients) == (1, 1)  # the old one may have requests under way
    assert (old.clients, new.clients) == (0, 0)
    assert (old.session, new.session) == (None, None)


def test_overrides_of_the_connection(emulator: Emulator) -> None:
    hook = AnypointObjectStoreHook(organization_id="other/org", environment_id="other-env")
    with pytest.raises(ObjectStoreError):
        list(hook.list_stores())
    with hook.client() as client:
        assert client._state.connection.base_urls["environment"].endswith(
            "/organizations/other%2Forg/environments/other-env"
        )
    with pytest.raises(ObjectStoreError, match="region_unavailable"):
        list(CivoObjectStoreHook(region="MARS1").list_object_stores())
    assert CivoObjectStoreHook(region="nyc1").test_connection() == (
        True,
        "Connected (connection civo_default, region nyc1). The first page of object stores has 0",
    )


def test_test_connection(stores: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "connection anypoint_default, environment emulator-env, region us-east-1"
    assert stores.test_connection() == (True, f"Connected ({where}). The first page of stores has 1")
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({"conn_type": "civo"}))
    worked, said = CivoObjectStoreHook().test_connection()
    assert not worked
    assert (
        said == "connection 'civo_default' cannot be used: password (the API key) is missing; extra region is missing"
    )
    with pytest.raises(ConfigurationError):
        list(CivoObjectStoreHook().list_object_stores())


def test_airflows_command_line_shows_where_a_test_failed(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.cli.simple_table import AirflowConsole

    wrong = {**emulator.connections()["civo_default"], "password": "of-another-account"}
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps(wrong))
    worked, said = CivoObjectStoreHook("wrong").test_connection()
    assert not worked
    assert said.endswith(" (connection wrong, region LON1)")
    console = AirflowConsole()
    with console.capture() as printed:
        console.print(said)
    assert " ".join(printed.get().split()) == said


@pytest.mark.slow
def test_nothing_heavy_is_imported_with_a_dag() -> None:
    modules = [
        "operators.anypoint",
        "operators.civo",
        "sensors.anypoint",
        "sensors.civo",
        "hooks.anypoint",
        "hooks.civo",
    ]
    imports = "; ".join(f"import airflow_provider_objectstore.{module}" for module in modules)
    code = f"import sys; import airflow.sdk; before = set(sys.modules); {imports}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"aiohttp", "requests", "tenacity", "boto3", "botocore", "uvicorn", "moto"} & set(done.stdout.split())
    assert not heavy


def test_one_look_up_serves_requests_assets_and_s3(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    get_connection = ObjectStoreHook.get_connection

    def look_up(conn_id: str) -> Any:
        looked_up.append(conn_id)
        return get_connection(conn_id)

    monkeypatch.setattr(ObjectStoreHook, "get_connection", staticmethod(look_up))
    hook = AnypointObjectStoreHook()
    assert hook.asset("s", "p", "k").uri == "osv2://emulator-org.emulator-env.us-east-1/s/p/k"
    hook.create_store("s")
    hook.put_key("s", "p", "k", 1)
    assert looked_up == ["anypoint_default"]

    civo = CivoObjectStoreHook()
    civo.create_object_store("photos", access_key_id=civo.create_credential("mine").access_key_id)
    assert civo.s3_options("photos").bucket == "photos"
    assert civo.asset("photos").uri == "civo://LON1/photos"
    assert looked_up == ["anypoint_default", "civo_default"]


def test_get_conn_is_the_client_that_the_methods_use(emulator: Emulator) -> None:
    from airflow_provider_objectstore.api.anypoint import list_stores

    hook = AnypointObjectStoreHook()
    assert hook.get_conn().send(list_stores()).items == ()
    assert hook.get_conn() is hook.get_conn() is hook._client


@pytest.mark.parametrize(
    "reason",
    ["no [red], [of [many]] [kinds", "[a [/b] c]", "[link=[x]] y", "\\[bold] z", "plain [1, 2] http://[::1]:80"],
)
def test_airflows_command_line_shows_all_of_an_error(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.cli.simple_table import AirflowConsole

    def refuse(*_: object, **__: object) -> None:
        raise ObjectStoreError(reason)

    monkeypatch.setattr(CivoObjectStoreHook, "client", refuse)
    worked, said = CivoObjectStoreHook().test_connection()
    console = AirflowConsole()
    with console.capture() as printed:
        console.print(said)
    words = re.findall(r"[\w:]+", reason)
    assert (worked, re.findall(r"[\w:]+", printed.get())) == (False, words)
