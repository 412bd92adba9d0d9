"""The strategy ``replace``: a new credential becomes the owner of the stores."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import OwnerChangeUnsupportedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget, SupersededError
from tests.rotation.conftest import ConfigureEmulator, on_both
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    assert_unchanged,
    create_late_store,
    create_stores,
    find_problems,
    published_keys,
    read_everything,
    rotate,
    rotation_id_of_run,
    s3_client,
    start_grace_period,
    unreadable_objects,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


@on_both
@pytest.mark.parametrize(("owner_change", "reason"), [("ignored", "its owner is still"), ("bucket", "a/first")])
def test_owners_that_do_not_change(
    owner_change: str, reason: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(owner_change=owner_change)
    state = read_everything(hook)
    with pytest.raises(OwnerChangeUnsupportedError, match=reason) as caught:
        rotate(settle_timeout=0.2)
    assert STORES[0] in str(caught.value)
    assert_unchanged(hook, before, state)


@pytest.mark.parametrize("owner_change", ["ignored", "bucket"])
def test_where_neither_owners_change_nor_policies_are_supported(
    owner_change: str,
    before: Before,
    hook: CivoObjectStoreHook,
    configure_emulator: ConfigureEmulator,
    no_policies: None,
) -> None:
    configure_emulator(owner_change=owner_change)
    assert rotate(strategy="auto", settle_timeout=0.2)["strategy"] == "in_place"
    assert find_problems(hook, before, "in_place") == []
    rotate(2, strategy="auto", settle_timeout=0.2)
    assert find_problems(hook, before, "in_place", 2) == []


def test_keys_that_arrive_late(
    before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(creating_seconds=0.7)
    rotate()
    assert find_problems(hook, before, "replace") == []


def test_what_is_published_is_not_undone(hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator) -> None:
    """If a late store cannot be transferred, the others keep the new owner."""
    create_stores(hook, CREDENTIAL, ["first"])
    (old,) = hook.list_credentials()
    finish = start_grace_period(settle_timeout=0.2)
    new = published_keys()["access_key_id"]
    create_late_store(hook, old.access_key_id)
    configure_emulator(owner_change="bucket")
    with pytest.raises(OwnerChangeUnsupportedError, match="late"):
        finish()
    assert published_keys()["access_key_id"] == new == hook.s3_options("first").access_key_id
    assert unreadable_objects(hook.s3_options("first")) == []
    given_back = hook.s3_options("late")
    assert given_back.access_key_id == old.access_key_id
    assert s3_client(given_back).get_object(Bucket="late", Key="k")["Body"].read() == b"1"


def test_a_newer_run_comes_before_the_change_of_owner(before: Before, hook: CivoObjectStoreHook) -> None:
    """The newer run deletes what the older one created, and the older one ends with an error that says so."""

    class Slow(CivoObjectStoreHook):
        def wait_for_keys(self, credential: Credential) -> Credential:
            rotate(2, settle_timeout=1)
            return super().wait_for_keys(credential)

    rotation = Rotation(
        Slow(), RotationTarget(credential=CREDENTIAL), rotation_id_of_run(1), "replace", [PUBLISHER], settle_timeout=1
    )
    with pytest.raises(SupersededError):
        rotation.finish()
    assert find_problems(hook, before, "replace", 2) == []
