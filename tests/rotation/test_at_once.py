"""Two rotations at once: the same run twice, as a task that was taken for dead, and two runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import AnypointKeyPublisher, Publisher
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


# ---- Rotations of one credential with publishers of their own -------------------------------------

EU, US = (AnypointKeyPublisher("keys", "s3", name) for name in STORES)


def of_a_store(number: int, week: int = 1, strategy: str = "replace", **arguments: Any) -> Callable[[], Any]:
    """Rotate the owner of one of the stores, for the consumers of that store."""
    told = {"object_store": STORES[number], "publishers": [(EU, US)[number]], "settle_timeout": 1, **arguments}
    return lambda: rotation_task(strategy, **told).execute(run_of(week))


def consumers_left_out(hook: CivoObjectStoreHook, done: list[Any]) -> list[str]:
    """Return the stores whose task was green, and whose consumers have another key than the owner's."""
    held = AnypointObjectStoreHook().partition("keys", "s3")
    owners = {name: hook.s3_options(name).access_key_id for name in STORES}
    return [
        name
        for name, result in zip(STORES, done, strict=True)
        if isinstance(result, dict) and json.loads(str(held[name]))["access_key_id"] != owners[name]
    ]


class TestTwoTasksOfOneRun:
    SAID = "another task of this run.*rotates the same credential.*Use one task with all its publishers"

    @pytest.mark.parametrize("strategy", ["replace", "in_place"])
    @pytest.mark.parametrize("first", [0, 1])
    def test_one_after_the_other(
        self, first: int, strategy: str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
    ) -> None:
        assert of_a_store(first, strategy=strategy)()["rotated"]
        owners = [hook.s3_options(name).access_key_id for name in STORES]
        for _ in range(2):
            with pytest.raises(ConflictError, match=self.SAID):
                of_a_store(1 - first, strategy=strategy)()
        assert [hook.s3_options(name).access_key_id for name in STORES] == owners
        assert of_a_store(first, strategy=strategy)()["rotated"], "the first may run again"

    @pytest.mark.parametrize("first", [0, 1])
    def test_in_between(self, first: int, before: Before, hook: CivoObjectStoreHook) -> None:
        """The other one comes to its end after this one has looked, and before it switches."""
        done: list[Any] = [None, None]

        class Slow(CivoObjectStoreHook):
            def create_credential(self, *args: Any, **settings: Any) -> Credential:
                done[1 - first] = of_a_store(1 - first)()
                return super().create_credential(*args, **settings)

        target = Target(object_store=STORES[first])
        tag = tag_of_run(1, str(target))
        ours = Rotation(Slow(), target, tag, "replace", [(EU, US)[first]], patience=1)
        with pytest.raises(ConflictError, match=self.SAID):
            ours.finish()
        assert done[1 - first]["rotated"]
        assert consumers_left_out(hook, done) == []
        assert len(list(hook.list_credentials())) == 1

    def test_at_once(self, before: Before, hook: CivoObjectStoreHook) -> None:
        done = together(of_a_store(0), of_a_store(1))
        assert not all(isinstance(it, dict) for it in done)
        assert consumers_left_out(hook, done) == []


class TestANewerRunWithOtherPublishers:
    def test_the_older_one_fails(self, before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        assert of_a_store(0, 2)()["rotated"]
        AnypointObjectStoreHook().put_key("keys", "s3", STORES[1], "{}")
        with pytest.raises(ObjectStoreError, match=r"a newer rotation has made.*does not have it.*publishes nothing"):
            of_a_store(1)()
        assert AnypointObjectStoreHook().partition("keys", "s3")[STORES[1]] == "{}"
        assert of_a_store(0)()["rotated"] is False, "its publisher has the newest"

    def test_one_that_cannot_be_asked(self, before: Before, emulator: Emulator) -> None:
        assert of_a_store(0, 2)()["rotated"]
        emulator.faults([{"operation": "anypoint.get_key", "kind": "status", "status": 500}])
        with pytest.raises(ObjectStoreError, match="cannot be asked whether it has it"):
            of_a_store(0)()
