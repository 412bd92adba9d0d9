"""Credentials that the service reports as failed, in every week after the one in which they failed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.emulator import MotoS3
from airflow_provider_objectstore.exceptions import ObjectStoreError, ResourceFailedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.names import name_for
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    STORES,
    RecordingPublisher,
    assert_unchanged,
    find_problems,
    find_problems_under_kept_owner,
    has_access,
    read_everything,
    rotate,
    rotation_id_of_run,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]
STRATEGIES = ["auto", "overlap", "replace"]


class FailingS3:
    """S3 that cannot create users, while ``failing`` is set: the service reports their credentials as failed."""

    def __init__(self, backend: MotoS3, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing = True
        put_user = backend.put_user

        def fail(*args: Any) -> None:
            if self.failing:
                raise OSError("no room for users")
            put_user(*args)

        monkeypatch.setattr(backend, "put_user", fail)


@pytest.fixture
def s3(before: Before, moto_backend: MotoS3, monkeypatch: pytest.MonkeyPatch) -> FailingS3:
    return FailingS3(moto_backend, monkeypatch)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_one_of_this_rotation_is_undone(
    strategy: str, before: Before, s3: FailingS3, hook: CivoObjectStoreHook
) -> None:
    state = read_everything(hook)
    for _ in range(2):
        with pytest.raises(ResourceFailedError, match=rf"{CREDENTIAL}-r.* has failed"):
            rotate(strategy=strategy)
        assert_unchanged(hook, before, state)
    s3.failing = False
    rotate(strategy=strategy)
    assert find_problems(hook, before, "overlap" if strategy == "auto" else strategy) == []


def leave_failed(hook: CivoObjectStoreHook, s3: FailingS3, week: int = 1) -> str:
    """Leave the failed credential of a week's rotation, as one that was killed does; return its name."""
    name = name_for(CREDENTIAL, rotation_id_of_run(week))
    s3.failing = True
    with pytest.raises(ResourceFailedError):
        hook.create_credential(name)
    s3.failing = False
    return name


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_that_was_left_stops_no_rotation(
    strategy: str, before: Before, s3: FailingS3, hook: CivoObjectStoreHook
) -> None:
    failed = leave_failed(hook, s3)
    result = rotate(2, strategy)
    assert sorted(one["name"] for one in result["retired"]) == [CREDENTIAL, failed]
    assert find_problems(hook, before, result["strategy"], 2) == []


@pytest.mark.parametrize(("retire", "left"), [("suspend", [False, True]), ("keep", [False, False])])
def test_one_that_is_not_deleted_stops_no_rotation_either(
    retire: str, left: list[bool], before: Before, s3: FailingS3, hook: CivoObjectStoreHook
) -> None:
    """The service cannot suspend what it has failed to create."""
    failed = leave_failed(hook, s3)
    rotate(2, "auto", retire=retire)
    assert [hook.require_credential(name).suspended for name in (failed, CREDENTIAL)] == left
    rotate(3, "auto")
    assert find_problems(hook, before, "overlap", 3) == []


def test_one_that_was_left_where_the_owner_is_kept(
    before: Before, s3: FailingS3, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(owner_change="ignored")
    leave_failed(hook, s3)
    for week in (2, 3):
        assert rotate(week, "auto")["strategy"] == "overlap"
        assert find_problems_under_kept_owner(hook, before[0], [], week) == []


def test_stores_are_not_given_back_to_one(before: Before, s3: FailingS3, hook: CivoObjectStoreHook) -> None:
    """A killed try has transferred a store, and the next one cannot go on."""

    class Locked(RecordingPublisher):
        def prepare(self) -> None:
            raise OSError("the shelf is locked")

    publishers = [Locked()]
    leave_failed(hook, s3)
    new = hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(2, publishers=publishers)))
    hook.update_object_store(hook.require_object_store(STORES[0]).id, access_key_id=new.access_key_id)
    with pytest.raises(ObjectStoreError, match="the shelf is locked"):
        rotate(2, publishers=publishers)
    assert {hook.s3_options(name).access_key_id for name in STORES} == {before[0].access_key_id}
    assert all(map(has_access, before))
