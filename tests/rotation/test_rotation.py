"""What a rotation does, and what it leaves behind when a service does not go along."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, TaskDeferred

from airflow_provider_objectstore.api.rotation_names import base_of, tag_of
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.standing import Target
from tests.rotation.conftest import Behave, on_both
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    furnish,
    let_in,
    published,
    rotation_task,
    run_of,
    s3_client,
    tag_of_run,
    unreadable,
    wrong_with,
)

STRATEGIES = ["replace", "in_place", "auto"]
Before = list[S3Options]


def rotate(week: int = 1, strategy: str = "replace", **arguments: Any) -> dict[str, Any]:
    """Run the task of that week."""
    if "object_store" not in arguments:
        arguments = {"credential": CREDENTIAL, **arguments}
    done: dict[str, Any] = rotation_task(strategy, **arguments).execute(run_of(week))
    return done


def standing(hook: CivoObjectStoreHook) -> Any:
    """Everything that a rotation can change."""
    return list(hook.list_credentials()), list(hook.list_object_stores()), published()


def changes(emulator: Emulator) -> dict[str, Any]:
    """What was asked for and is not just a look."""
    asked: dict[str, Any] = emulator.requests()["by_operation"]
    return {name: n for name, n in asked.items() if not name.split(".")[1].startswith(("list_", "get_", "token"))}


def assert_untouched(hook: CivoObjectStoreHook, before: Before, state: Any) -> None:
    """All is as it was, on S3 too."""
    assert standing(hook) == state
    assert [unreadable(options) for options in before] == [[], []]


@on_both
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_week_after_week_by_the_same_name(strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
    made = "in_place" if strategy == "in_place" else "replace"
    for week in (1, 2):
        done = rotate(week, strategy)
        assert wrong_with(hook, before, made, week) == []
        (new,) = hook.list_credentials()
        assert (done["rotated"], done["strategy"], sorted(done["stores"])) == (True, made, sorted(STORES))
        assert (done["credential"]["id"], done["published_to"]) == (new.id, [str(PUBLISHER)])
        assert len(done["retired"]) == (made == "replace")
        assert done["gap_seconds"] > 0

        state = standing(hook)
        again = rotate(week, strategy)
        assert standing(hook) == state
        assert again == {**done, "retired": [], "gap_seconds": None}
        before = [hook.s3_options(name) for name in STORES]


@pytest.mark.parametrize("strategy", ["replace", "in_place"])
@pytest.mark.parametrize("by", ["name", "id", "access key", "store name", "store id"])
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
    given = targets[by]
    target = str(Target(**given))
    for _ in range(2):  # the same run twice
        rotate(1, strategy, **given)
        assert wrong_with(hook, before, strategy, 1, target) == []
    if by == "access key" or (by == "id" and strategy == "replace"):
        state = standing(hook)
        with pytest.raises(ObjectStoreError, match="name its object store, or the first credential's name"):
            rotate(2, strategy, **given)
        assert standing(hook) == state
    else:
        rotate(2, strategy, **given)
        assert wrong_with(hook, before, strategy, 2, target) == []


def test_a_target_that_is_not_there(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    made = changes(emulator)
    wrong: list[dict[str, Any]] = [
        {"credential": "nobody"},
        {"credential": CREDENTIAL[:-1]},
        {"object_store": "nothing"},
        {"object_store": STORES[0][:-1]},
    ]
    for given in wrong:
        with pytest.raises(ObjectStoreError, match="there is no"):
            rotate(**given)
    idle = hook.create_credential("idle")
    with pytest.raises(ObjectStoreError, match="credential idle owns no object store"):
        rotate(credential=idle.name)
    assert changes(emulator) == {**made, "civo.create_credential": {"200": 2}}


@on_both
@pytest.mark.parametrize(("owner_change", "said"), [("ignored", "its owner is still"), ("bucket", "a/first")])
def test_owners_that_do_not_change(
    owner_change: str, said: str, before: Before, hook: CivoObjectStoreHook, behave: Behave
) -> None:
    behave(owner_change=owner_change)
    state = standing(hook)
    with pytest.raises(OwnerChangeUnsupportedError, match=said) as caught:
        rotate(settle_timeout=0.2)
    assert STORES[0] in str(caught.value)
    assert_untouched(hook, before, state)

    assert rotate(strategy="auto", settle_timeout=0.2)["strategy"] == "in_place"
    assert wrong_with(hook, before, "in_place") == []
    rotate(2, strategy="auto", settle_timeout=0.2)
    assert wrong_with(hook, before, "in_place", 2) == []


@on_both
@pytest.mark.parametrize("strategy", ["replace", "in_place"])
def test_s3_that_lags(strategy: str, before: Before, hook: CivoObjectStoreHook, behave: Behave) -> None:
    behave(s3_lag_seconds=1)
    rotate(strategy=strategy, settle_timeout=10)
    assert wrong_with(hook, before, strategy) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_s3_that_lags_for_longer_than_is_waited(
    strategy: str, before: Before, hook: CivoObjectStoreHook, behave: Behave
) -> None:
    state = standing(hook)
    behave(s3_lag_seconds=30)
    with pytest.raises(ObjectStoreError, match="is refused"):
        rotate(strategy=strategy, settle_timeout=0.2)
    behave(s3_lag_seconds=0)
    marker = hook.create_credential("last")  # comes after everything else that S3 was to be told
    hook.delete_credential(marker.id)
    assert_untouched(hook, before, state)
    rotate(strategy=strategy)
    assert wrong_with(hook, before, "in_place" if strategy == "in_place" else "replace") == []


def test_keys_that_arrive_late(before: Before, hook: CivoObjectStoreHook, behave: Behave) -> None:
    behave(creating_seconds=0.7)
    rotate()
    assert wrong_with(hook, before, "replace") == []


def test_the_old_one_must_work(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    (owner,) = hook.list_credentials()
    hook.update_credential(owner.id, suspended=True)
    made = changes(emulator)
    for strategy in STRATEGIES:
        with pytest.raises(ObjectStoreError, match=rf"{owner.access_key_id} is refused \(UserSuspended\)"):
            rotate(strategy=strategy)
    assert changes(emulator) == made


@pytest.mark.parametrize("retire", ["delete", "suspend"])
def test_a_service_that_does_not_suspend(
    retire: str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    emulator.faults([{"operation": "civo.update_credential", "kind": "status", "status": 400}])
    if retire == "delete":
        rotate(retire=retire)
        assert wrong_with(hook, before, "replace", 1) == []
        return
    with pytest.raises(ObjectStoreError, match="400"):
        rotate(retire=retire)


@pytest.mark.parametrize("retire", ["delete", "suspend", "keep"])
def test_retirement(retire: str, before: Before, hook: CivoObjectStoreHook) -> None:
    (old,) = hook.list_credentials()
    done = rotate(retire=retire)
    assert [it["id"] for it in done["retired"]] == [old.id]
    left = [it for it in hook.list_credentials() if it.id == old.id]
    assert [it.suspended for it in left] == {"delete": [], "suspend": [True], "keep": [False]}[retire]
    assert not any(let_in(options) for options in before)
    state = standing(hook)
    rotate(retire=retire)
    assert standing(hook) == state
    # Another week: what was left is gone with it.
    rotate(2)
    assert wrong_with(hook, before, "replace", 2) == []


def test_an_older_run_does_nothing(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    for strategy in ("replace", "in_place"):
        week = 5 if strategy == "replace" else 6
        rotate(week, strategy)
        state, made = standing(hook), changes(emulator)
        for older in STRATEGIES:
            done = rotate(week - 1, older)
            assert done["rotated"] is False
            assert tag_of_run(week).time.isoformat(" ") in done["reason"]
            assert tag_of_run(week - 1).time.isoformat(" ") in done["reason"]
        assert (standing(hook), changes(emulator)) == (state, made)


@pytest.mark.parametrize("dry_run", [True, "true"])
def test_dry_run(dry_run: bool | str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    state, made = standing(hook), changes(emulator)
    (owner,) = hook.list_credentials()
    plan = rotate(dry_run=dry_run)
    assert (standing(hook), changes(emulator)) == (state, made)
    assert [it["id"] for it in plan["owners"]] == [owner.id]
    assert sorted(plan["stores"]) == sorted(STORES)
    rotate()
    assert plan["new_name"] == next(hook.list_credentials()).name


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "swap"},
        {"retire": "burn"},
        {"dry_run": "perhaps"},
        {"credential": None},
        {"credential": ""},
        {"object_store": ""},
        {"credential": CREDENTIAL, "object_store": STORES[0]},
        {"grace_period": -1},
        {"grace_period": "1 day"},
        {"grace_period": True},
        {"settle_timeout": "long"},
        {"settle_timeout": -1},
    ],
    ids=str,
)
def test_bad_arguments(wrong: dict[str, Any], emulator: Emulator) -> None:
    asked = emulator.requests()["total"]
    with pytest.raises(InvalidArgumentError):
        rotate(**{"strategy": "replace", **wrong})
    assert emulator.requests()["total"] == asked


def test_names_with_a_long_beginning_in_common(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    start = "a-name-of-which-the-first-forty-characters-are-shared"
    names = [start[:40] + "-one", start[:40] + "-two", start[:40], f"{start}-{'x' * 9}", start[:39]]
    assert len(names[3]) == 63
    stores = [f"store-{number}" for number in range(len(names))]
    before = [furnish(hook, name, [store])[0] for name, store in zip(names, stores, strict=True)]
    for week in (1, 2):
        for name, store in zip(names, stores, strict=True):
            done = rotate(week, credential=name)
            assert done["stores"] == [store]
            assert len(done["retired"]) == 1
    found = list(hook.list_credentials())
    assert len(found) == len(names)
    assert {base_of(it.name) for it in found} == {base_of(name) for name in names}
    assert all(len(it.name) <= 63 and tag_of(it) for it in found)
    for options, store in zip(before, stores, strict=True):
        assert unreadable(hook.s3_options(store)) == []
        assert not let_in(options)


# Publishers


class Kept:
    """
    A publisher that keeps what it gets.

    :param problems: what its next calls raise; None for no problem.
    """

    def __init__(self, *problems: BaseException | None) -> None:
        self.problems = list(problems)
        self.holds: S3Options | None = None

    def publish(self, credential: S3Options) -> None:
        problem = self.problems.pop(0) if self.problems else None
        if problem:
            raise problem
        self.holds = credential

    def verify(self, credential: S3Options) -> None:
        if credential != self.holds:
            raise ObjectStoreError("it holds something else")

    def __str__(self) -> str:
        return "a shelf"


@pytest.mark.parametrize("strategy", ["replace", "in_place"])
@pytest.mark.parametrize("problem", [ObjectStoreError("no shelf"), OSError("no shelf"), AirflowTaskTimeout("no shelf")])
def test_a_publisher_that_fails_once(
    strategy: str, problem: BaseException, before: Before, hook: CivoObjectStoreHook
) -> None:
    shelf = Kept(problem)
    (old,) = hook.list_credentials()
    with pytest.raises((ObjectStoreError, AirflowTaskTimeout), match="no shelf") as caught:
        rotate(strategy=strategy, publishers=[PUBLISHER, shelf])
    state = list(hook.list_credentials())
    assert old.id in [it.id for it in state]
    (use,) = (it for it in hook.credential_inventory() if it.stores)
    assert published()["access_key_id"] == use.credential.access_key_id
    if isinstance(caught.value, ObjectStoreError):
        assert "could not be published to a shelf" in str(caught.value)
        assert [it.name for it in state if not re.search(rf" {it.name} ", str(caught.value))] == []
    done = rotate(strategy=strategy, publishers=[PUBLISHER, shelf])
    assert done["gap_seconds"] is None
    assert wrong_with(hook, before, strategy) == []
    assert shelf.holds is not None
    assert shelf.holds.access_key_id == done["credential"]["access_key_id"]
    assert let_in(shelf.holds, STORES[0])


def test_a_publisher_that_always_fails(before: Before, hook: CivoObjectStoreHook) -> None:
    shelf = Kept(*[ObjectStoreError("no shelf")] * 9)
    for _ in range(3):
        with pytest.raises(ObjectStoreError, match="no shelf"):
            rotate(publishers=[shelf])
        uses = hook.credential_inventory()
        assert sorted(len(it.stores) for it in uses) == [0, 2]
        assert not any(it.credential.suspended for it in uses)


def test_a_publisher_that_tells_the_secret(before: Before, hook: CivoObjectStoreHook) -> None:
    class Chatty(Kept):
        def publish(self, credential: S3Options) -> None:
            raise OSError(f"cannot write {credential.secret_access_key}")

    with pytest.raises(ObjectStoreError) as caught:
        rotate(publishers=[Chatty()])
    for credential in hook.list_credentials():
        assert credential.secret_access_key not in str(caught.value)


def test_what_a_publisher_gets(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    furnish(hook, "one", ["only"])
    furnish(hook, "two", STORES)
    shelf = Kept()
    rotate(credential="one", publishers=[shelf])
    assert shelf.holds
    assert shelf.holds.bucket == "only"
    rotate(credential="two", publishers=[shelf])
    assert shelf.holds.bucket is None


# The grace period


def begin(week: int = 1, strategy: str = "replace", **arguments: Any) -> Callable[[], dict[str, Any]]:
    """Run a task into its grace period; return what ends that."""
    task = rotation_task(strategy, **{"credential": CREDENTIAL, "grace_period": 60, **arguments})
    with pytest.raises(TaskDeferred) as caught:
        task.execute(run_of(week))
    deferred = caught.value
    arguments = deferred.kwargs or {}
    return lambda: task.resume_execution(deferred.method_name, {**arguments, "event": None}, run_of(week))


def late(hook: CivoObjectStoreHook, access_key_id: str) -> None:
    """Create one more store, with an object."""
    store = hook.create_object_store("late", access_key_id=access_key_id)
    while not hook.get_object_store(store.id).ready:
        time.sleep(0.02)
    s3_client(hook.s3_options("late")).put_object(Bucket="late", Key="k", Body=b"1")


def test_a_store_created_with_the_old_one_during_the_grace_period(before: Before, hook: CivoObjectStoreHook) -> None:
    (old,) = hook.list_credentials()
    finish = begin()
    late(hook, old.access_key_id)
    done = finish()
    assert sorted(done["stores"]) == sorted([*STORES, "late"])
    (use,) = hook.credential_inventory()
    assert len(use.stores) == 3
    assert published()["access_key_id"] == use.credential.access_key_id


def test_what_is_published_is_not_undone(hook: CivoObjectStoreHook, behave: Behave) -> None:
    """A store that comes later, and cannot be switched, does not take the others back."""
    furnish(hook, CREDENTIAL, ["first"])
    (old,) = hook.list_credentials()
    finish = begin(settle_timeout=0.2)
    new = published()["access_key_id"]
    late(hook, old.access_key_id)
    behave(owner_change="bucket")
    with pytest.raises(OwnerChangeUnsupportedError, match="late"):
        finish()
    assert published()["access_key_id"] == new == hook.s3_options("first").access_key_id
    assert unreadable(hook.s3_options("first")) == []
    given_back = hook.s3_options("late")
    assert given_back.access_key_id == old.access_key_id
    assert s3_client(given_back).get_object(Bucket="late", Key="k")["Body"].read() == b"1"


def test_a_newer_run_during_the_grace_period(before: Before, hook: CivoObjectStoreHook) -> None:
    finish = begin(1)
    rotate(2)
    state = standing(hook)
    done = finish()
    assert done["rotated"] is False
    assert standing(hook) == state
    assert wrong_with(hook, before, "replace", 2) == []
