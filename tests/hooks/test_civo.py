"""The methods of the Civo hook over real HTTP; transport/ tests sync and async clients below them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    ResourceFailedError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook


@pytest.fixture
def buckets(emulator: Emulator) -> CivoObjectStoreHook:
    return CivoObjectStoreHook()


@pytest.mark.smoke
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


@pytest.mark.parametrize(("status", "orphans"), [("creating", []), ("failed", ["mine"])])
def test_no_orphan_while_an_owner_is_unknown(
    buckets: CivoObjectStoreHook, emulator: Emulator, status: str, orphans: list[str]
) -> None:
    buckets.create_credential("mine")
    store = {"id": "1", "name": "new", "max_size_gb": 500, "owner_info": None, "status": status}
    page = {"page": 1, "pages": 1, "items": [store]}
    emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 200, "body": page}])
    assert [use.credential.name for use in buckets.credential_inventory() if use.orphan] == orphans


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


def test_a_credential_that_was_created_and_cannot_be_read_is_named(
    buckets: CivoObjectStoreHook, emulator: Emulator
) -> None:
    emulator.faults([{"operation": "civo.get_credential", "kind": "status", "status": 403}])
    with pytest.raises(PermissionDeniedError, match=r"credential mine \(.+\) was created, but .+ 403") as caught:
        buckets.create_credential("mine")
    assert caught.value.status == 403
    (mine,) = buckets.list_credentials()
    for wait in (buckets.wait_for_keys, buckets.wait_until_ready):
        with pytest.raises(PermissionDeniedError, match=rf"credential mine \({mine.id}\) was created"):
            wait(replace(mine, access_key_id="", status="pending"))


def test_what_is_required_must_exist(buckets: CivoObjectStoreHook) -> None:
    store = buckets.create_object_store("photos")
    assert buckets.require_object_store("photos").id == buckets.require_object_store(store.id).id == store.id
    mine = buckets.create_credential("mine")
    assert buckets.require_credential(mine.access_key_id).id == buckets.require_credential("mine").id == mine.id
    with pytest.raises(NotFoundError, match="no object store with the exact name or id 'photo'") as caught:
        buckets.require_object_store("photo")
    assert caught.value.status == 404
    with pytest.raises(NotFoundError, match="no credential with the exact id, access key or name 'photo'"):
        buckets.require_credential("photo")
