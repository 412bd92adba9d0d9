"""Two rotations at once: the same run twice, as a task that was taken for dead, and two runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.standing import Target
from airflow_provider_objectstore.rotation.steps import Rotation, SupersededError
from tests.rotation.conftest import Behave
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    published,
    rotation_task,
    run_of,
    tag_of_run,
    unreadable,
    wrong_with,
)

Before = list[S3Options]
DELAYS = [
    {"operation": operation, "kind": "delay", "seconds": seconds}
    for operation in ("civo.*", "anypoint.*_key")
    for seconds in (0.01, 0.03, 0.08)
]


def together(*runs: Callable[[], Any]) -> list[Any]:
    """Do everything at once; return results or errors in order."""
    found: list[Any] = [None] * len(runs)

    def keep(number: int, run: Callable[[], Any]) -> None:
        try:
            found[number] = run()
        except ObjectStoreError as error:
            found[number] = error

    threads = [threading.Thread(target=keep, args=each) for each in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def rotate(week: int, strategy: str, pause: float = 0, **arguments: Any) -> Callable[[], Any]:
    def run() -> Any:
        threading.Event().wait(pause)
        task = rotation_task(strategy, **{"credential": CREDENTIAL, "settle_timeout": 1, **arguments})
        return task.execute(run_of(week))

    return run


def unusable(hook: CivoObjectStoreHook) -> list[str]:
    """Return what consumers of the published credential cannot do."""
    held = published()
    wrong = []
    for name in STORES:
        options = hook.s3_options(name)
        if (held["access_key_id"], held["secret_access_key"]) != (options.access_key_id, options.secret_access_key):
            wrong.append(f"{held['access_key_id']} is published and {options.access_key_id} owns {name}")
        wrong += unreadable(options)
    return wrong


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("strategy", ["replace", "in_place", "auto"])
def test_the_same_run_twice(
    strategy: str, seed: int, before: Before, hook: CivoObjectStoreHook, emulator: Emulator, behave: Behave
) -> None:
    if strategy == "auto":
        behave(owner_change="ignored")
    emulator.faults([{**delay, "share": 0.2 + 0.2 * seed} for delay in DELAYS])
    pause = Random(seed).random() * 0.3
    done = together(rotate(1, strategy), rotate(1, strategy, pause))
    emulator.faults([])
    if any(isinstance(it, dict) for it in done):
        assert unusable(hook) == [], done
    for it in done:
        if isinstance(it, ObjectStoreError):  # Airflow runs it again
            rotate(1, strategy)()
    assert wrong_with(hook, before, "replace" if strategy == "replace" else "in_place") == [], done


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("strategy", ["replace", "in_place", "auto"])
def test_two_runs(
    strategy: str, seed: int, before: Before, hook: CivoObjectStoreHook, emulator: Emulator, behave: Behave
) -> None:
    if strategy == "auto":
        behave(owner_change="ignored")
    emulator.faults([{**delay, "share": 0.2 + 0.2 * seed} for delay in DELAYS])
    pause = Random(seed).random() * 0.3
    done = together(rotate(1, strategy), rotate(2, strategy, pause))
    emulator.faults([])
    if isinstance(done[1], dict):
        assert unusable(hook) == [], done
    for week in (2, 1) if isinstance(done[1], ObjectStoreError) else (1,):
        again = rotate(week, strategy)()
        assert again["rotated"] == (week == 2)
    assert wrong_with(hook, before, "replace" if strategy == "replace" else "in_place", 2) == [], done


class Staged(CivoObjectStoreHook):
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


class Waiting:
    """A publisher that does something before it publishes for the first time."""

    def __init__(self, before: Callable[[], Any]) -> None:
        self._before = [before]

    def publish(self, credential: S3Options) -> None:
        if self._before:
            self._before.pop()()
        PUBLISHER.publish(credential)

    def verify(self, credential: S3Options) -> None:
        PUBLISHER.verify(credential)


def in_place(hook: CivoObjectStoreHook, publisher: Publisher = PUBLISHER, week: int = 1) -> dict[str, Any]:
    target = Target(credential=CREDENTIAL)
    return Rotation(hook, target, tag_of_run(week), "in_place", [publisher], patience=1).finish()


class Stages:
    """Both read the old keys; ours are set; theirs are set and they finish; then we go on."""

    def __init__(self) -> None:
        self._ready, self._set, self._done = (threading.Event() for _ in range(3))

    def before_we_set(self) -> None:
        assert self._ready.wait(20)

    def we_have_set(self) -> None:
        self._set.set()
        assert self._done.wait(20)

    def theirs(self, week: int = 1) -> Any:
        def before_they_set() -> None:
            self._ready.set()
            assert self._set.wait(20)

        try:
            return in_place(Staged(update_credential=before_they_set), week=week)
        finally:
            self._done.set()


def test_another_worker_sets_keys_before_ours_are_published(before: Before, hook: CivoObjectStoreHook) -> None:
    stages = Stages()
    ours = Staged(update_credential=stages.before_we_set)
    done = together(lambda: in_place(ours, Waiting(stages.we_have_set)), stages.theirs)
    assert [it["strategy"] for it in done] == ["in_place", "in_place"]
    assert wrong_with(hook, before, "in_place") == []


@pytest.mark.parametrize("week", [1, 2])
def test_another_worker_sets_keys_before_ours_are_read_back(
    week: int, before: Before, hook: CivoObjectStoreHook
) -> None:
    stages = Stages()
    ours = Staged(update_credential=stages.before_we_set, get_credential=stages.we_have_set)
    done = together(lambda: in_place(ours), lambda: stages.theirs(week))
    assert isinstance(done[1], dict)
    assert isinstance(done[0], dict if week == 1 else SupersededError)
    assert unusable(hook) == []
    assert wrong_with(hook, before, "in_place", week) == []


def test_keys_of_another_rotation_are_not_undone(before: Before, hook: CivoObjectStoreHook, behave: Behave) -> None:
    """Ours cannot be proven, because a newer run has set its own."""

    class Overtaken(Staged):
        def s3_options_of(self, credential: Credential, store: ObjectStore | None = None) -> S3Options:
            if credential.access_key_id.startswith("R"):
                self._before.pop("proof", lambda: None)()
            return super().s3_options_of(credential, store)

    with pytest.raises(SupersededError):
        in_place(Overtaken(proof=lambda: in_place(hook, week=2)))
    assert unusable(hook) == []
    assert wrong_with(hook, before, "in_place", 2) == []


def test_a_newer_run_comes_before_ours_switches(before: Before, hook: CivoObjectStoreHook) -> None:
    """What the older one had created is gone, and it says so."""

    class Slow(CivoObjectStoreHook):
        def wait_for_keys(self, credential: Credential) -> Credential:
            rotate(2, "replace")()
            return super().wait_for_keys(credential)

    rotation = Rotation(Slow(), Target(credential=CREDENTIAL), tag_of_run(1), "replace", [PUBLISHER], patience=1)
    with pytest.raises(SupersededError):
        rotation.finish()
    assert wrong_with(hook, before, "replace", 2) == []
