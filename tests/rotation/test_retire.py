"""What happens to the credential that was replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConflictError,
    ObjectStoreError,
    PermissionDeniedError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    create_late_store,
    find_problems,
    has_access,
    published_keys,
    read_everything,
    rotate,
    rotation_id_of_run,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


@pytest.mark.parametrize("retire", ["delete", "suspend"])
def test_a_service_that_does_not_suspend(
    retire: str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    emulator.faults([{"operation": "civo.update_credential", "kind": "status", "status": 400}])
    if retire == "delete":
        rotate(retire=retire)
        assert find_problems(hook, before, "replace", 1) == []
        return
    with pytest.raises(ObjectStoreError, match="400"):
        rotate(retire=retire)


@pytest.mark.parametrize("retire", ["delete", "suspend", "keep"])
def test_retirement(retire: str, before: Before, hook: CivoObjectStoreHook) -> None:
    (old,) = hook.list_credentials()
    result = rotate(retire=retire)
    assert [retired["id"] for retired in result["retired"]] == [old.id]
    suspended = [credential.suspended for credential in hook.list_credentials() if credential.id == old.id]
    assert suspended == {"delete": [], "suspend": [True], "keep": [False]}[retire]
    assert not any(has_access(options) for options in before)
    state = read_everything(hook)
    rotate(retire=retire)
    assert read_everything(hook) == state
    # The next week deletes what was left.
    rotate(2)
    assert find_problems(hook, before, "replace", 2) == []


def require_old(hook: CivoObjectStoreHook) -> Credential:
    """Return the first credential."""
    return hook.require_credential(CREDENTIAL)


def find_problems_with_late_store(hook: CivoObjectStoreHook) -> list[str]:
    """Return what is not right after a rotation that has found the late store too."""
    owners = {name: hook.s3_options(name) for name in (*STORES, "late")}
    problems = [f"{name} is refused" for name, options in owners.items() if not has_access(options)]
    if {options.access_key_id for options in owners.values()} != {published_keys()["access_key_id"]}:
        problems.append("another key is published")
    return problems


@pytest.mark.parametrize("retire", ["delete", "suspend"])
class TestAStoreThatAnotherDagCreatesWithTheOldCredential:
    @pytest.mark.parametrize("strategy", ["replace", "auto"])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_at_the_moment_of_the_suspension(
        self,
        moment: str,
        strategy: str,
        retire: str,
        before: Before,
        hook: CivoObjectStoreHook,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        update = CivoObjectStoreHook.update_credential

        def update_and_create(self: CivoObjectStoreHook, id: str, **changes: Any) -> Credential:
            if changes == {"suspended": True} and moment == "before":
                create_late_store(hook, before[0].access_key_id)
            found = update(self, id, **changes)
            if changes == {"suspended": True} and moment == "after":  # a suspended credential could write no object
                hook.create_object_store("late", access_key_id=before[0].access_key_id)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(CivoObjectStoreHook, "update_credential", update_and_create)
            with pytest.raises(ConflictError, match=f"{CREDENTIAL} is not retired, and not suspended: .*owns late"):
                rotate(strategy=strategy, retire=retire)
        assert not require_old(hook).suspended
        assert has_access(hook.s3_options("late"))
        assert [one["name"] for one in rotate(strategy=strategy, retire=retire)["retired"]] == [CREDENTIAL]
        assert find_problems_with_late_store(hook) == []

    def test_after_the_last_reading(self, retire: str, before: Before, hook: CivoObjectStoreHook) -> None:
        arguments = RotationTarget(CREDENTIAL), rotation_id_of_run(1), "replace", [PUBLISHER]
        rotation = Rotation(hook, *arguments, retire=retire, settle_timeout=5)
        switched = rotation.switch(rotation.refresh())
        create_late_store(hook, before[0].access_key_id)
        with pytest.raises(ConflictError, match=f"{CREDENTIAL} owns late since it was replaced"):
            rotation.finish(switched)
        assert not require_old(hook).suspended
        rotate(retire=retire)
        assert find_problems_with_late_store(hook) == []

    @pytest.mark.parametrize("strategy", ["replace", "overlap", "auto"])
    @pytest.mark.parametrize("week", [1, 2])
    def test_and_the_run_was_killed_before_it_noticed(
        self, week: int, strategy: str, retire: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        rotate(1, strategy, retire="keep")
        create_late_store(hook, before[0].access_key_id)
        hook.update_credential(require_old(hook).id, suspended=True)
        rotate(week, strategy, retire=retire)
        assert find_problems_with_late_store(hook) == []
        found = [
            one.suspended for one in hook.list_credentials() if one.access_key_id != published_keys()["access_key_id"]
        ]
        assert all(found)
        assert len(found) == (0 if retire == "delete" else week)


class TestAStoreWhoseOwnerTheServiceDoesNotTell:
    @staticmethod
    def hide_owner(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
        list_stores = CivoObjectStoreHook.list_object_stores
        hidden = {"owner_access_key_id": None, "owner_name": None, "owner_credential_id": None, "status": status}

        def list_without_owner(self: CivoObjectStoreHook) -> list[ObjectStore]:
            return [replace(store, **hidden) if store.name == STORES[1] else store for store in list_stores(self)]

        monkeypatch.setattr(CivoObjectStoreHook, "list_object_stores", list_without_owner)

    @pytest.mark.parametrize("strategy", ["replace", "overlap"])
    @pytest.mark.parametrize("retire", ["delete", "suspend"])
    def test_while_it_is_created(
        self,
        retire: str,
        strategy: str,
        before: Before,
        hook: CivoObjectStoreHook,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patch:
            self.hide_owner(patch, "creating")
            with pytest.raises(ConflictError, match=f"does not tell who owns {STORES[1]}.*run this task again"):
                rotate(strategy=strategy, retire=retire)
        assert not require_old(hook).suspended
        assert has_access(before[1])
        rotate(strategy=strategy)
        assert find_problems(hook, before, strategy) == []

    def test_one_that_has_failed_holds_nothing_up(
        self, before: Before, hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook.update_object_store(
            hook.require_object_store(STORES[1]).id, access_key_id=hook.create_credential("other").access_key_id
        )
        self.hide_owner(monkeypatch, "failed")
        assert [one["name"] for one in rotate()["retired"]] == [CREDENTIAL]


class TestADeletionThatIsRefused:
    @pytest.fixture
    def refuse(self, emulator: Emulator) -> Callable[[int], None]:
        def refuse(status: int) -> None:
            emulator.faults([{"operation": "civo.delete_credential", "kind": "status", "status": status}])

        return refuse

    @pytest.mark.parametrize("status", [409, 403])
    def test_it_works_as_before(
        self, status: int, before: Before, hook: CivoObjectStoreHook, refuse: Callable[[int], None]
    ) -> None:
        refuse(status)
        with pytest.raises(ApiError, match=rf"^credential {CREDENTIAL} is not retired, and not suspended: .*{status}"):
            rotate()
        assert not require_old(hook).suspended

    @pytest.mark.parametrize(
        ("status", "kind", "suspended"), [(403, PermissionDeniedError, True), (409, ConflictError, False)]
    )
    def test_one_that_was_suspended_before(
        self,
        status: int,
        kind: type[ApiError],
        suspended: bool,
        before: Before,
        hook: CivoObjectStoreHook,
        refuse: Callable[[int], None],
    ) -> None:
        """Only a conflict tells that it is needed."""
        rotate(retire="suspend")
        refuse(status)
        with pytest.raises(kind):
            rotate(2)
        assert require_old(hook).suspended == suspended

    def test_and_the_suspension_cannot_be_ended(
        self,
        before: Before,
        hook: CivoObjectStoreHook,
        refuse: Callable[[int], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        update = CivoObjectStoreHook.update_credential

        def fail(self: CivoObjectStoreHook, id: str, **changes: Any) -> Credential:
            if changes == {"suspended": False}:
                raise PermissionDeniedError("not allowed", status=403)
            return update(self, id, **changes)

        refuse(409)
        monkeypatch.setattr(CivoObjectStoreHook, "update_credential", fail)
        with pytest.raises(ConflictError, match=r"stays suspended \(not allowed.*CivoUpdateCredentialOperator: .*409"):
            rotate()


def test_a_deletion_whose_response_is_lost(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([{"operation": "civo.delete_credential", "kind": "reset_after"}])
    assert [one["name"] for one in rotate()["retired"]] == [CREDENTIAL]
    assert find_problems(hook, before, "replace") == []


class TestASuspendedOwner:
    def test_that_the_service_keeps_is_somebody_elses_decision(
        self, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
    ) -> None:
        configure_emulator(owner_change="ignored")
        rotate(1, "auto")
        hook.update_credential(require_old(hook).id, suspended=True)
        with pytest.raises(ObjectStoreError, match="UserSuspended"):
            rotate(2, "auto", settle_timeout=0.2)
        assert require_old(hook).suspended
