"""Two rotations at once: the same run twice (a task that Airflow took for dead), two runs, two tasks of one run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import AnypointKeyPublisher
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    PUBLISHER,
    STORES,
    RecordingPublisher,
    find_problems,
    find_problems_under_kept_owner,
    has_access,
    read_everything,
    resume,
    rotate,
    rotation_id_of_run,
    rotation_task,
    run_context,
    run_together,
    start_grace_period,
    unusable_keys,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]
DELAYS = [
    {"operation": operation, "kind": "delay", "seconds": seconds}
    for operation in ("civo.*", "anypoint.*_key")
    for seconds in (0.01, 0.03, 0.08)
]
EU, US = (AnypointKeyPublisher("keys", "s3", name) for name in STORES)


def rotation_of(week: int, strategy: str, pause: float = 0) -> Callable[[], Any]:
    """Return a function that waits and executes the task of that week."""

    def run() -> Any:
        threading.Event().wait(pause)
        return rotate(week, strategy, settle_timeout=1)

    return run


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("strategy", ["replace", "in_place", "overlap"])
def test_the_same_run_twice(
    strategy: str,
    seed: int,
    before: Before,
    hook: CivoObjectStoreHook,
    emulator: Emulator,
) -> None:
    emulator.faults([{**delay, "share": 0.2 + 0.2 * seed} for delay in DELAYS])
    pause = Random(seed).random() * 0.3
    results = run_together(rotation_of(1, strategy), rotation_of(1, strategy, pause))
    emulator.faults([])
    if any(isinstance(result, dict) for result in results):
        assert unusable_keys(hook) == [], results
    for result in results:
        if isinstance(result, ObjectStoreError):  # Airflow retries it
            rotation_of(1, strategy)()
    assert find_problems(hook, before, strategy) == [], results


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("strategy", ["replace", "in_place", "overlap"])
def test_two_runs(
    strategy: str,
    seed: int,
    before: Before,
    hook: CivoObjectStoreHook,
    emulator: Emulator,
) -> None:
    emulator.faults([{**delay, "share": 0.2 + 0.2 * seed} for delay in DELAYS])
    pause = Random(seed).random() * 0.3
    results = run_together(rotation_of(1, strategy), rotation_of(2, strategy, pause))
    emulator.faults([])
    if isinstance(results[1], dict):
        assert unusable_keys(hook) == [], results
    for week in (2, 1) if isinstance(results[1], ObjectStoreError) else (1,):
        again = rotation_of(week, strategy)()
        assert again["rotated"] == (week == 2)
    assert find_problems(hook, before, strategy, 2) == [], results


@pytest.mark.usefixtures("no_policies")
class TestWhereNothingButInPlaceWorks:
    @pytest.mark.parametrize("seed", range(2))
    @pytest.mark.parametrize("runs", [(1, 1), (1, 2)])
    def test_at_once(
        self,
        runs: tuple[int, int],
        seed: int,
        before: Before,
        hook: CivoObjectStoreHook,
        emulator: Emulator,
        configure_emulator: ConfigureEmulator,
    ) -> None:
        configure_emulator(owner_change="ignored")
        results = run_twice(runs, "auto", seed, emulator)
        last = runs[1]
        if isinstance(results[1], dict):
            assert unusable_keys(hook) == [], results
        else:
            rotation_of(last, "auto")()
        if runs[0] == last and isinstance(results[0], ObjectStoreError):
            rotation_of(last, "auto")()
        assert find_problems(hook, before, "in_place", last) == [], results


class TestWhereOwnersAreKept:
    @pytest.mark.parametrize("seed", range(2))
    @pytest.mark.parametrize("runs", [(1, 1), (1, 2)])
    def test_at_once(
        self,
        runs: tuple[int, int],
        seed: int,
        before: Before,
        hook: CivoObjectStoreHook,
        emulator: Emulator,
        configure_emulator: ConfigureEmulator,
    ) -> None:
        configure_emulator(owner_change="ignored")
        results = run_twice(runs, "auto", seed, emulator)
        last = runs[1]
        assert not isinstance(results[1], dict) or results[1]["strategy"] == "overlap"
        for week, result in reversed(list(zip(runs, results, strict=True))):
            if isinstance(result, ObjectStoreError):
                rotation_of(week, "auto")()
        assert find_problems_under_kept_owner(hook, before[0], [], last) == [], results


def run_twice(runs: tuple[int, int], strategy: str, seed: int, emulator: Emulator) -> list[Any]:
    """Run the rotations of two weeks at once, while services are slow at random."""
    emulator.faults([{**delay, "share": 0.2 + 0.2 * seed} for delay in DELAYS])
    pause = Random(seed).random() * 0.3
    results = run_together(rotation_of(runs[0], strategy), rotation_of(runs[1], strategy, pause))
    emulator.faults([])
    return results


def rotation_of_store(number: int, week: int = 1, strategy: str = "replace", **arguments: Any) -> Callable[[], Any]:
    """Return a function that rotates the owner of one of the stores, for the consumers of that store."""
    arguments = {"object_store": STORES[number], "publishers": [(EU, US)[number]], "settle_timeout": 1, **arguments}
    return lambda: rotation_task(strategy, **arguments).execute(run_context(week))


def stores_with_other_keys(hook: CivoObjectStoreHook, results: list[Any]) -> list[str]:
    """Return the stores whose task succeeded and whose consumers have another key than the owner's."""
    published = AnypointObjectStoreHook().partition("keys", "s3")
    owners = {name: hook.s3_options(name).access_key_id for name in STORES}
    return [
        name
        for name, result in zip(STORES, results, strict=True)
        if isinstance(result, dict) and json.loads(str(published[name]))["access_key_id"] != owners[name]
    ]


class TestTwoTasksOfOneRun:
    MESSAGE = "another task of this run.*rotates the same credential.*Use one task with all its publishers"

    @pytest.mark.parametrize("strategy", ["replace", "in_place"])
    @pytest.mark.parametrize("first", [0, 1])
    def test_one_after_the_other(
        self, first: int, strategy: str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
    ) -> None:
        assert rotation_of_store(first, strategy=strategy)()["rotated"]
        owners = [hook.s3_options(name).access_key_id for name in STORES]
        for _ in range(2):
            with pytest.raises(ConflictError, match=self.MESSAGE):
                rotation_of_store(1 - first, strategy=strategy)()
        assert [hook.s3_options(name).access_key_id for name in STORES] == owners
        assert rotation_of_store(first, strategy=strategy)()["rotated"], "the first may run again"

    @pytest.mark.parametrize("first", [0, 1])
    def test_one_during_the_other(self, first: int, before: Before, hook: CivoObjectStoreHook) -> None:
        """The other one runs to its end after this one has read the state, and before it creates a credential."""
        results: list[Any] = [None, None]

        class Slow(CivoObjectStoreHook):
            def create_credential(self, *args: Any, **settings: Any) -> Credential:
                results[1 - first] = rotation_of_store(1 - first)()
                return super().create_credential(*args, **settings)

        target = RotationTarget(object_store=STORES[first])
        rotation_id = rotation_id_of_run(1, str(target))
        ours = Rotation(Slow(), target, rotation_id, "replace", [(EU, US)[first]], settle_timeout=1)
        with pytest.raises(ConflictError, match=self.MESSAGE):
            ours.finish()
        assert results[1 - first]["rotated"]
        assert stores_with_other_keys(hook, results) == []
        assert len(list(hook.list_credentials())) == 1

    def test_at_once(self, before: Before, hook: CivoObjectStoreHook) -> None:
        results = run_together(rotation_of_store(0), rotation_of_store(1))
        assert not all(isinstance(result, dict) for result in results)
        assert stores_with_other_keys(hook, results) == []


class TestTwoTasksOfOneRunWithTheSameTarget:
    @pytest.mark.parametrize("strategy", ["overlap", "replace", "in_place"])
    def test_with_other_publishers(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        assert rotate(strategy=strategy, publishers=[EU])["rotated"]
        state, consumers = read_everything(hook), RecordingPublisher()
        for publishers in ([US], [EU, consumers], []):
            with pytest.raises(ConflictError, match=TestTwoTasksOfOneRun.MESSAGE):
                rotate(strategy=strategy, publishers=publishers)
        assert read_everything(hook) == state
        assert consumers.published == []
        assert rotate(strategy=strategy, publishers=[EU])["rotated"], "the first may run again"

    @pytest.mark.parametrize("strategy", ["overlap", "replace"])
    def test_with_other_publishers_in_the_grace_period(
        self, strategy: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        finish = start_grace_period(1, strategy)
        state = read_everything(hook)
        with pytest.raises(ConflictError, match=TestTwoTasksOfOneRun.MESSAGE):
            rotate(strategy=strategy, publishers=[EU])
        assert read_everything(hook) == state
        finish()
        assert find_problems(hook, before, strategy) == []

    def test_with_the_same_publishers(self, before: Before, hook: CivoObjectStoreHook) -> None:
        """Switching and retiring may be two tasks. In which order they publish is up to them."""

        class Unnamed:
            def publish(self, credential: S3Options) -> None: ...

            def verify(self, credential: S3Options) -> None: ...

        switched = rotate(retire="keep", publishers=[EU, US, PUBLISHER, Unnamed()])
        retired = rotate(publishers=[Unnamed(), PUBLISHER, US, EU])
        assert retired["credential"] == switched["credential"]
        assert find_problems(hook, before, "replace") == []


class TestPublishersThatAreChangedInBetween:
    @pytest.mark.parametrize("strategy", ["overlap", "replace", "in_place"])
    def test_a_new_run_takes_over(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        broken = RecordingPublisher(OSError("no room"))
        with pytest.raises(ObjectStoreError, match="no room"):
            rotate(strategy=strategy, publishers=[broken])
        with pytest.raises(ConflictError, match="before its publishers were changed, trigger a new run"):
            rotate(strategy=strategy)
        assert rotate(2, strategy)["rotated"]
        assert find_problems(hook, before, strategy, 2) == []

    @pytest.mark.parametrize("strategy", ["overlap", "replace"])
    def test_in_the_grace_period(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        """The task goes on with its rotation: it publishes to the added one before the old credential is retired."""
        task = rotation_task(strategy, credential="reports", grace_period=60)
        with pytest.raises(TaskDeferred) as caught:
            task.execute(run_context())
        added = RecordingPublisher()
        edited = rotation_task(strategy, credential="reports", grace_period=60, publishers=[PUBLISHER, added])
        resume(edited, caught.value)
        assert has_access(added.published[-1], STORES[0])
        assert find_problems(hook, before, strategy) == []


class TestANewerRunWithOtherPublishers:
    def test_the_older_one_fails(self, before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        assert rotation_of_store(0, 2)()["rotated"]
        AnypointObjectStoreHook().put_key("keys", "s3", STORES[1], "{}")
        with pytest.raises(ObjectStoreError, match=r"a newer rotation has made.*does not have it.*publishes nothing"):
            rotation_of_store(1)()
        assert AnypointObjectStoreHook().partition("keys", "s3")[STORES[1]] == "{}"
        assert rotation_of_store(0)()["rotated"] is False, "its publisher has the newest credential"

    @pytest.mark.parametrize("status", [403, 429, 500])
    def test_a_publisher_that_cannot_be_asked(self, status: int, before: Before, emulator: Emulator) -> None:
        assert rotation_of_store(0, 2)()["rotated"]
        emulator.faults([{"operation": "anypoint.get_key", "kind": "status", "status": status}])
        with pytest.raises(ObjectStoreError, match="cannot be asked whether it has it"):
            rotation_of_store(0)()
