"""A task that names a credential by its first name, after a rotation has given it another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.operators.civo import (
    CivoCreateCredentialOperator,
    CivoDeleteCredentialOperator,
    CivoUpdateCredentialOperator,
)
from airflow_provider_objectstore.rotation.names import name_for, successors_of
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    RecordingPublisher,
    count_changes,
    has_access,
    published_keys,
    rotate,
    rotation_id_of_run,
    start_grace_period,
    unusable_keys,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


def create(**arguments: Any) -> Any:
    task = CivoCreateCredentialOperator(task_id="create", name=CREDENTIAL, publishers=[PUBLISHER], **arguments)
    return task.execute({})


def names(hook: CivoObjectStoreHook) -> list[str]:
    return [credential.name for credential in hook.list_credentials()]


class TestCreate:
    @pytest.mark.parametrize(
        ("strategy", "retire"),
        [("overlap", "delete"), ("replace", "suspend"), ("overlap", "keep"), ("in_place", "delete")],
    )
    def test_publishes_the_one_that_has_taken_its_place(
        self, strategy: str, retire: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        for week in (1, 2):
            rotate(week, strategy, retire=retire)
            there = names(hook)
            pushed = create()
            assert names(hook) == there, "nothing was created"
            assert unusable_keys(hook) == []
            assert pushed["access_key_id"] == published_keys()["access_key_id"]

    @pytest.mark.parametrize("strategy", ["overlap", "replace"])
    def test_in_the_grace_period_it_publishes_one_that_has_access(
        self, strategy: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        finish = start_grace_period(strategy=strategy)
        create()
        keys = {name: published_keys()[name] for name in ("access_key_id", "secret_access_key")}
        assert all(has_access(replace(old, **keys)) for old in before)
        finish()
        assert unusable_keys(hook) == []

    @pytest.mark.parametrize("owner_change", ["ignored", "bucket"])
    def test_where_the_owner_is_kept_it_publishes_what_consumers_have(
        self, owner_change: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
    ) -> None:
        configure_emulator(owner_change=owner_change)
        for week in (1, 2):
            new = rotate(week, "overlap")["credential"]
            left = hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(week + 2)))  # by a killed run
            published = published_keys()
            assert create()["access_key_id"] == new["access_key_id"]
            assert published_keys() == published
            hook.delete_credential(left.id)

    @pytest.mark.parametrize("stores", [1, 2])
    def test_in_the_grace_period_it_publishes_what_consumers_have(
        self, stores: int, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        for store in list(hook.list_object_stores())[stores:]:
            hook.delete_object_store(store.id)
        start_grace_period(strategy="overlap")
        (new,) = (one for one in hook.list_credentials() if one.name != CREDENTIAL)
        published = published_keys()
        create()
        assert published_keys() == published
        CivoUpdateCredentialOperator(
            task_id="update", credential=new.name, suspended=False, publishers=[PUBLISHER]
        ).execute({})
        assert published_keys() == published
        assert published["access_key_id"] == new.access_key_id

    def test_one_that_has_lost_its_stores_is_not_published_again(
        self, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        rotate(1)
        rotate(2, publishers=[RecordingPublisher()], retire="keep")
        create()
        assert unusable_keys(hook) == []

    def test_a_publisher_that_cannot_be_asked(
        self, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
    ) -> None:
        start_grace_period(strategy="overlap")
        published = published_keys()
        emulator.faults([{"operation": "anypoint.get_key", "kind": "status", "status": 403}])
        with pytest.raises(ObjectStoreError, match=r"cannot be asked whether it has credential .*403"):
            create()
        emulator.faults([])
        assert published_keys() == published

    def test_leaves_what_a_killed_run_has_left(self, before: Before, hook: CivoObjectStoreHook) -> None:
        rotate(1)
        hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(2)))
        create()
        assert unusable_keys(hook) == []

    def test_without_stores_the_newest_that_can_be_used(
        self, hook: CivoObjectStoreHook, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = [hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(week))) for week in (1, 2, 3)]
        hook.update_credential(made[2].id, suspended=True)
        assert create()["name"] == made[1].name
        assert f"{CREDENTIAL} (since a rotation {made[1].name}) already exists, left" in capsys.readouterr().out

    def test_fails_if_it_shall_not_exist(self, before: Before, hook: CivoObjectStoreHook) -> None:
        rotate()
        (new,) = names(hook)
        with pytest.raises(ConflictError, match=rf"{CREDENTIAL} \(since a rotation {new}\) already exists"):
            create(if_exists="fail")
        assert names(hook) == [new]


@pytest.mark.parametrize(
    "task",
    [
        CivoDeleteCredentialOperator(task_id="revoke", credential=CREDENTIAL),
        CivoDeleteCredentialOperator(task_id="revoke", credential=CREDENTIAL, if_missing="fail"),
        CivoUpdateCredentialOperator(task_id="revoke", credential=CREDENTIAL, suspended=True),
    ],
    ids=["delete", "delete, which must exist", "update"],
)
def test_what_is_asked_for_the_one_that_is_gone_fails(
    task: Any, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    rotate()
    (new,) = hook.list_credentials()
    changes = count_changes(emulator)
    with pytest.raises(ConflictError, match=rf"replaced it by {new.name} \(id {new.id}\)"):
        task.execute({})
    assert count_changes(emulator) == changes
    assert has_access(hook.s3_options(STORES[0]))


def test_a_name_that_a_person_gave_counts_for_nothing(hook: CivoObjectStoreHook) -> None:
    alike = hook.create_credential(f"{CREDENTIAL}-r20260302040506-abcdef0123")
    CivoDeleteCredentialOperator(task_id="delete", credential=CREDENTIAL).execute({})
    assert create()["name"] == CREDENTIAL
    assert sorted(names(hook)) == [CREDENTIAL, alike.name]


def test_the_successors_of_a_name_that_a_rotation_gave(hook: CivoObjectStoreHook) -> None:
    """They are those of later rotations."""
    made = [hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(week))) for week in (2, 1, 3)]
    hook.create_credential(name_for("other", rotation_id_of_run(3)))
    there = list(hook.list_credentials())
    assert successors_of(CREDENTIAL, there) == [made[1], made[0], made[2]]
    assert successors_of(made[0].name, there) == [made[2]]
    assert successors_of(made[2].name, there) == []
    assert successors_of(made[2].id, there) == []
