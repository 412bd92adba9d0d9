"""Which lineage a target means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.names import lineage_name, rotation_id_of
from airflow_provider_objectstore.rotation.state import SupersededError
from tests.rotation.harness import (
    CREDENTIAL,
    STORES,
    count_changes,
    create_stores,
    find_problems,
    has_access,
    read_everything,
    rotate,
    unreadable_objects,
)

Before = list[S3Options]


@pytest.mark.parametrize("strategy", ["replace", "in_place"])
@pytest.mark.parametrize("by", ["name", "id", "access key", "store name", "store id"])
@pytest.mark.slow
def test_targets(strategy: str, by: str, before: Before, hook: CivoObjectStoreHook) -> None:
    (owner,) = hook.list_credentials()
    store = hook.find_object_store(STORES[1])
    assert store
    targets: dict[str, dict[str, Any]] = {
        "name": {"credential": owner.name},
        "id": {"credential": owner.id},
        "access key": {"credential": owner.access_key_id},
        "store name": {"object_store": store.name},
        "store id": {"object_store": store.id},
    }
    arguments = targets[by]
    for _ in range(2):  # the same run twice
        rotate(1, strategy, **arguments)
        assert find_problems(hook, before, strategy, 1) == []
    if by == "access key" or (by == "id" and strategy == "replace"):
        state = read_everything(hook)
        with pytest.raises(ObjectStoreError, match="name its object store, or the first credential's name"):
            rotate(2, strategy, **arguments)
        assert read_everything(hook) == state
    else:
        rotate(2, strategy, **arguments)
        assert find_problems(hook, before, strategy, 2) == []


def test_a_target_that_is_not_there(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    changes = count_changes(emulator)
    wrong: list[dict[str, Any]] = [
        {"credential": "nobody"},
        {"credential": CREDENTIAL[:-1]},
        {"object_store": "nothing"},
        {"object_store": STORES[0][:-1]},
    ]
    for arguments in wrong:
        with pytest.raises(ObjectStoreError, match="there is no"):
            rotate(**arguments)
    idle = hook.create_credential("idle")
    with pytest.raises(ObjectStoreError, match="credential idle owns no object store"):
        rotate(credential=idle.name)
    assert count_changes(emulator) == {**changes, "civo.create_credential": {"200": 2}}


@pytest.mark.parametrize("strategy", ["overlap", "replace", "in_place"])
def test_a_credential_that_is_named_like_a_rotation_of_the_future(
    strategy: str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1, minutes=5)).strftime("%Y%m%d%H%M%S")
    for timestamp in (soon, "99999999999999"):
        stray = hook.create_credential(f"{CREDENTIAL}-r{timestamp}-abcdef")
        state, changes = read_everything(hook), count_changes(emulator)
        with pytest.raises(ObjectStoreError, match=f"{stray.name} .*named like a rotation of the future") as caught:
            rotate(strategy=strategy)
        assert not isinstance(caught.value, SupersededError)
        assert (read_everything(hook), count_changes(emulator)) == (state, changes)
        hook.delete_credential(stray.id)
    assert rotate(strategy=strategy)["rotated"]


@pytest.mark.parametrize("strategy", ["overlap", "replace", "in_place"])
def test_a_credential_that_a_person_named_like_a_rotations(
    strategy: str, before: Before, hook: CivoObjectStoreHook, caplog: pytest.LogCaptureFixture
) -> None:
    persons = [hook.create_credential(f"{CREDENTIAL}-r20200101000000-{end}") for end in ("abcdef", "abcdef0123")]
    for week in (1, 2):
        caplog.clear()
        result = rotate(week, strategy=strategy)
        assert result["rotated"]
        assert [shown["id"] for shown in result["look_alikes"]] == [person.id for person in persons]
        assert {person.id for person in persons}.isdisjoint(retired["id"] for retired in result["retired"])
        assert [hook.get_credential(person.id) for person in persons] == persons
        assert all(
            f"{person.name} ({person.id}) is named like one that a rotation made" in caplog.text for person in persons
        )


@pytest.mark.slow
def test_names_with_a_long_beginning_in_common(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    start = "a-name-of-which-the-first-forty-characters-are-shared"
    names = [start[:36] + "-one", start[:36] + "-two", start[:36], f"{start}-{'x' * 9}", start[:35]]
    assert len(names[3]) == 63
    stores = [f"store-{number}" for number in range(len(names))]
    before = [create_stores(hook, name, [store])[0] for name, store in zip(names, stores, strict=True)]
    for week in (1, 2):
        for name, store in zip(names, stores, strict=True):
            result = rotate(week, credential=name)
            assert result["stores"] == [store]
            assert len(result["retired"]) == 1
    found = list(hook.list_credentials())
    assert len(found) == len(names)
    assert {lineage_name(credential.name) for credential in found} == {lineage_name(name) for name in names}
    assert all(len(credential.name) <= 63 and rotation_id_of(credential) for credential in found)
    for options, store in zip(before, stores, strict=True):
        assert unreadable_objects(hook.s3_options(store)) == []
        assert not has_access(options)
