"""The strategy ``in_place``: the owner gets new keys, while other workers and runs change them too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget, SupersededError
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    find_problems,
    rotation_id_of_run,
    run_together,
    unusable_keys,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


class StagedHook(CivoObjectStoreHook):
    """
    A hook that does something before certain requests.

    :param before: what to do, by the method's name; each once.
    """

    def __init__(self, **before: Callable[[], Any]) -> None:
        super().__init__()
        self._before = before

    def update_credential(self, id: str, **changed: Any) -> Credential:
        self._before.pop("update_credential", lambda: None)()
        return super().update_credential(id, **changed)

    def get_credential(self, id: str) -> Credential:
        self._before.pop("get_credential", lambda: None)()
        return super().get_credential(id)


class StagedPublisher:
    """A publisher that does something before it publishes for the first time."""

    def __init__(self, before: Callable[[], Any]) -> None:
        self._before = [before]

    def publish(self, credential: S3Options) -> None:
        if self._before:
            self._before.pop()()
        PUBLISHER.publish(credential)

    def verify(self, credential: S3Options) -> None:
        PUBLISHER.verify(credential)


def rotate_in_place(hook: CivoObjectStoreHook, publisher: Publisher = PUBLISHER, week: int = 1) -> dict[str, Any]:
    target = RotationTarget(credential=CREDENTIAL)
    return Rotation(hook, target, rotation_id_of_run(week), "in_place", [publisher], settle_timeout=1).finish()


class Stages:
    """Two workers: both read the old keys; ours are set; theirs are set and they finish; then we continue."""

    def __init__(self) -> None:
        self._both_read, self._ours_set, self._theirs_done = (threading.Event() for _ in range(3))

    def before_ours_are_set(self) -> None:
        assert self._both_read.wait(20)

    def after_ours_are_set(self) -> None:
        self._ours_set.set()
        assert self._theirs_done.wait(20)

    def run_theirs(self, week: int = 1) -> Any:
        def before_theirs_are_set() -> None:
            self._both_read.set()
            assert self._ours_set.wait(20)

        try:
            return rotate_in_place(StagedHook(update_credential=before_theirs_are_set), week=week)
        finally:
            self._theirs_done.set()


def test_another_worker_sets_keys_before_ours_are_published(before: Before, hook: CivoObjectStoreHook) -> None:
    stages = Stages()
    ours = StagedHook(update_credential=stages.before_ours_are_set)
    results = run_together(lambda: rotate_in_place(ours, StagedPublisher(stages.after_ours_are_set)), stages.run_theirs)
    assert [result["strategy"] for result in results] == ["in_place", "in_place"]
    assert find_problems(hook, before, "in_place") == []


@pytest.mark.parametrize("week", [1, 2])
def test_another_worker_sets_keys_before_ours_are_read_back(
    week: int, before: Before, hook: CivoObjectStoreHook
) -> None:
    stages = Stages()
    ours = StagedHook(update_credential=stages.before_ours_are_set, get_credential=stages.after_ours_are_set)
    results = run_together(lambda: rotate_in_place(ours), lambda: stages.run_theirs(week))
    assert isinstance(results[1], dict)
    assert isinstance(results[0], dict if week == 1 else SupersededError)
    assert unusable_keys(hook) == []
    assert find_problems(hook, before, "in_place", week) == []


def test_keys_of_another_rotation_are_not_undone(
    before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    """Our keys have no access, because a newer run has set its own."""

    class OvertakenHook(StagedHook):
        def s3_options_of(self, credential: Credential, store: ObjectStore | None = None) -> S3Options:
            if credential.access_key_id.startswith("R"):
                self._before.pop("before_proof", lambda: None)()
            return super().s3_options_of(credential, store)

    with pytest.raises(SupersededError):
        rotate_in_place(OvertakenHook(before_proof=lambda: rotate_in_place(hook, week=2)))
    assert unusable_keys(hook) == []
    assert find_problems(hook, before, "in_place", 2) == []


def test_keys_that_are_taken_back_after_the_last_proof(before: Before, hook: CivoObjectStoreHook) -> None:
    """By another worker on the same run, which has failed and undoes its change late: S3 may lag behind that."""
    old = hook.require_credential(CREDENTIAL)
    target = RotationTarget(credential=CREDENTIAL)
    rotation = Rotation(hook, target, rotation_id_of_run(1), "in_place", [PUBLISHER], settle_timeout=1)
    switched = rotation.switch(rotation.refresh())
    hook.update_credential(old.id, access_key_id=old.access_key_id, secret_access_key=old.secret_access_key)
    with pytest.raises(ObjectStoreError, match="other keys meanwhile"):
        rotation.finish(switched)
    assert rotate_in_place(hook)["strategy"] == "in_place"
    assert find_problems(hook, before, "in_place") == []
