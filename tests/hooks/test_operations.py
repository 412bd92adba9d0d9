"""The hooks' methods, each over real HTTP; what is behind them is tested in both colours under transport/."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.values import Entry
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    ConfigurationError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    ResourceFailedError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook


@pytest.fixture
def stores(emulator: Emulator) -> AnypointObjectStoreHook:
    """The hook, with a store ``s``."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook


@pytest.fixture
def buckets(emulator: Emulator) -> CivoObjectStoreHook:
    return CivoObjectStoreHook()


SURFACE = {
    AnypointObjectStoreHook: """list_stores get_store store_exists create_store update_store delete_store
        list_partitions partition_exists get_partition delete_partition list_keys key_exists get_key put_key
        delete_key alter_number get_many put_many delete_many acknowledge extend_confirmation reject list_regions
        test_connection partition client async_client""",
    CivoObjectStoreHook: """list_object_stores get_object_store find_object_store create_object_store
        update_object_store delete_object_store get_object_store_stats list_credentials get_credential
        find_credential create_credential update_credential delete_credential credential_inventory list_regions
        get_quota s3_options test_connection client async_client""",
}


@pytest.mark.parametrize("kind", SURFACE)
def test_the_surface_is_whole_and_documented(kind: type[Any]) -> None:
    for name in SURFACE[kind].split():
        assert inspect.getdoc(getattr(kind, name)), name


def test_stores(stores: AnypointObjectStoreHook) -> None:
    made = stores.create_store("t", default_ttl="PT1H", encrypted=False, attributes={"maximumEntries": 5})
    assert (made.store_id, made.default_ttl_seconds, made.encrypted) == ("t", 3600, False)
    assert stores.update_store("t", default_ttl=60).default_ttl_seconds == 60
    assert stores.store_exists("t")
    assert [store.store_id for store in stores.list_stores("t")] == ["t"]
    stores.delete_store("t")
    assert not stores.store_exists("t")
    with pytest.raises(NotFoundError):
        stores.update_store("t", default_ttl=60)


def test_listings_are_lazy(stores: AnypointObjectStoreHook, emulator: Emulator) -> None:
    for i in range(60):
        stores.put_key("s", "p", f"k{i:02}", i)
    keys = stores.list_keys("s", "p")
    assert isinstance(keys, Iterator)
    assert "anypoint.list_keys" not in emulator.requests()["by_operation"]
    assert next(keys) == "k00"
    assert emulator.requests()["by_operation"]["anypoint.list_keys"] == {"200": 1}
    assert len(list(keys)) == 59
    assert emulator.requests()["by_operation"]["anypoint.list_keys"] == {"200": 3}


@pytest.mark.parametrize(
    ("value", "value_type"),
    [
        ("text", "STRING"),
        (b"\x00\xff", "BINARY"),
        (7, "NUMBER"),
        (0.1, "NUMBER"),
        (Decimal("0.10000000000000000001"), "NUMBER"),
    ],
)
def test_values(value: Any, value_type: str, stores: AnypointObjectStoreHook) -> None:
    stores.put_key("s", "p", "k", value, metadata={"m": 1}, index=0)
    assert stores.get_key("s", "p", "k") == Entry("k", value, value_type, {"m": 1}, 0, None)
    assert [entry.value for entry in stores.get_partition("s", "p", "body")] == [value]
    assert [entry.value for entry in stores.get_partition("s", "p", "metadata")] == [None]


def test_numbers_and_confirmations(stores: AnypointObjectStoreHook) -> None:
    stores.put_key("s", "p", "n", 40)
    stores.alter_number("s", "p", "n", {"operation": "add", "value": 2})
    held = stores.get_key("s", "p", "n", confirmable=True)
    assert held.value == 42
    assert held.confirmation_id
    stores.extend_confirmation("s", "p", "n", held.confirmation_id, "PT5M")
    stores.acknowledge("s", "p", "n", held.confirmation_id)
    with pytest.raises(NotFoundError):
        stores.reject("s", "p", "n", held.confirmation_id)


def test_many_at_once(stores: AnypointObjectStoreHook, emulator: Emulator) -> None:
    assert not stores.put_many("s", "p", {f"k{i}": i for i in range(100)}).failed
    read = stores.get_many("s", "p", ["k1", "k99", "missing"])
    assert {key: entry.value for key, entry in read.succeeded.items()} == {"k1": 1, "k99": 99}
    assert isinstance(read.failed["missing"], NotFoundError)
    with pytest.raises(ObjectStoreError, match=r"1 of 3 calls failed: .*missing"):
        read.raise_failed()
    assert len(stores.delete_many("s", "p", (f"k{i}" for i in range(100))).succeeded) == 100
    assert not stores.partition_exists("s", "p")
    with pytest.raises(InvalidArgumentError):
        stores.put_many("s", "p", {"fine": 1, "not|fine": 2})
    assert emulator.requests()["by_operation"]["anypoint.put_key"] == {"200": 100}


def test_many_at_once_from_an_event_loop(stores: AnypointObjectStoreHook) -> None:
    async def main() -> Any:
        return stores.put_many("s", "p", {"a": 1, "b": 2})

    assert len(asyncio.run(main()).succeeded) == 2


def test_object_stores_and_credentials(buckets: CivoObjectStoreHook) -> None:
    mine = buckets.create_credential("mine")
    assert mine.access_key_id
    assert mine.secret_access_key
    first = buckets.create_object_store("first", 1000, mine.access_key_id)
    second = buckets.create_object_store("second")
    assert buckets.find_object_store("first") == buckets.find_object_store(first.id)
    assert buckets.find_object_store("firs") is None
    assert buckets.find_credential("mine") == buckets.find_credential(mine.id)
    assert buckets.find_credential(mine.access_key_id) == buckets.find_credential("mine")

    buckets.update_object_store(second.id, access_key_id=mine.access_key_id)
    uses = {use.credential.name: use for use in buckets.credential_inventory()}
    assert uses.pop("mine").shared
    assert all(use.orphan for use in uses.values())  # the one that came with the second store
    with pytest.raises(ObjectStoreError, match=r"mine|owns|used"):
        buckets.delete_credential(mine.id)

    assert buckets.update_credential(mine.id, suspended=True).suspended
    for store in (first, second):
        buckets.delete_object_store(store.id)
    buckets.delete_credential(mine.id)
    assert buckets.get_quota().objectstore_gb_usage == 0


def test_a_failed_credential_is_said(buckets: CivoObjectStoreHook, emulator: Emulator) -> None:
    keys = {"access_key_id": "", "secret_access_key_id": ""}
    body = {"id": "1", "name": "mine", **keys, "status": "failed"}
    pending = {**body, "status": "pending"}
    emulator.faults(
        [
            {"operation": "civo.create_credential", "kind": "status", "status": 200, "body": pending},
            {"operation": "civo.get_credential", "kind": "status", "status": 200, "body": body},
        ]
    )
    with pytest.raises(ResourceFailedError, match="credential mine"):
        buckets.create_credential("mine")


def test_both_clients(stores: AnypointObjectStoreHook) -> None:
    with stores.client() as client:
        assert client.send(anypoint.get_store("s")).store_id == "s"

    async def main() -> str:
        async with stores.async_client() as client:
            return (await client.send(anypoint.get_store("s"))).store_id

    assert asyncio.run(main()) == "s"


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a_rotated_connection_works_without_a_restart(
    colour: str, stores: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = json.loads(os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"])
    bearer = {**good, "password": "an-old-token", "extra": {**good["extra"], "auth": "bearer"}}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(bearer))
    hook = AnypointObjectStoreHook()

    if colour == "blocking":
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
        assert [it.store_id for it in found] == ["s"] * 8
        assert (old.clients, new.clients) == (1, 1)  # the old one may have requests under way
    assert (old.clients, new.clients) == (0, 0)
    assert (old.session, new.session) == (None, None)


def test_overrides_of_the_connection(emulator: Emulator) -> None:
    hook = AnypointObjectStoreHook(organization_id="other/org", environment_id="other-env")
    with pytest.raises(ObjectStoreError):
        list(hook.list_stores())
    with hook.client() as client:
        assert client._state.target.roots["environment"].endswith("/organizations/other%2Forg/environments/other-env")
    with pytest.raises(ObjectStoreError, match="region_unavailable"):
        list(CivoObjectStoreHook(region="MARS1").list_object_stores())
    assert CivoObjectStoreHook(region="nyc1").test_connection() == (
        True,
        "Connected; the first page of object stores has 0",
    )


def test_test_connection(stores: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stores.test_connection() == (True, "Connected; the first page of stores has 1")
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({"conn_type": "civo"}))
    worked, said = CivoObjectStoreHook().test_connection()
    assert not worked
    assert (
        said == "connection 'civo_default' cannot be used: password (the API key) is missing; extra region is missing"
    )
    with pytest.raises(ConfigurationError):
        list(CivoObjectStoreHook().list_object_stores())


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
