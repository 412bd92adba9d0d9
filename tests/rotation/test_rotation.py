"""The steps of a rotation in order, whichever strategy it takes."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.rotation.conftest import ConfigureEmulator, on_both
from tests.rotation.harness import (
    PUBLISHER,
    STORES,
    STRATEGIES,
    RecordingPublisher,
    assert_unchanged,
    count_changes,
    create_late_store,
    find_problems,
    published_keys,
    read_everything,
    rotate,
    rotation_id_of_run,
    start_grace_period,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


@on_both
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_week_after_week_by_the_same_name(strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
    applied = "overlap" if strategy == "auto" else strategy
    for week in (1, 2):
        result = rotate(week, strategy)
        assert find_problems(hook, before, applied, week) == []
        (new,) = hook.list_credentials()
        assert (result["rotated"], result["strategy"], sorted(result["stores"])) == (True, applied, sorted(STORES))
        assert (result["credential"]["id"], result["published_to"]) == (new.id, [str(PUBLISHER)])
        assert len(result["retired"]) == (applied != "in_place")
        assert (result["gap_seconds"] == 0) if applied == "overlap" else (result["gap_seconds"] > 0)

        state = read_everything(hook)
        again = rotate(week, strategy)
        assert read_everything(hook) == state
        assert again == {**result, "retired": [], "gap_seconds": None}
        before = [hook.s3_options(name) for name in STORES]


@on_both
@pytest.mark.parametrize("strategy", ["replace", "in_place"])
def test_s3_that_lags(
    strategy: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(s3_lag_seconds=1)
    rotate(strategy=strategy, settle_timeout=10)
    assert find_problems(hook, before, strategy) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_s3_that_lags_for_longer_than_the_timeout(
    strategy: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    state = read_everything(hook)
    configure_emulator(s3_lag_seconds=30)
    with pytest.raises(ObjectStoreError, match="is refused"):
        rotate(strategy=strategy, settle_timeout=0.2)
    configure_emulator(s3_lag_seconds=0)
    marker = hook.create_credential("last")  # S3 applies changes in order: this one is the last
    hook.delete_credential(marker.id)
    assert_unchanged(hook, before, state)
    rotate(strategy=strategy)
    assert find_problems(hook, before, "overlap" if strategy == "auto" else strategy) == []


def test_the_old_credential_must_work(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    (owner,) = hook.list_credentials()
    hook.update_credential(owner.id, suspended=True)
    changes = count_changes(emulator)
    for strategy in STRATEGIES:
        with pytest.raises(ObjectStoreError, match=rf"{owner.access_key_id} is refused \(UserSuspended\)"):
            rotate(strategy=strategy)
    assert count_changes(emulator) == changes


def test_an_older_run_does_nothing(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    for strategy in ("replace", "in_place"):
        week = 5 if strategy == "replace" else 6
        rotate(week, strategy)
        state, changes = read_everything(hook), count_changes(emulator)
        for older in STRATEGIES:
            result = rotate(week - 1, older)
            assert result["rotated"] is False
            assert rotation_id_of_run(week).time.isoformat(" ") in result["reason"]
            assert rotation_id_of_run(week - 1).time.isoformat(" ") in result["reason"]
        assert (read_everything(hook), count_changes(emulator)) == (state, changes)


@pytest.mark.parametrize("dry_run", [True, "true"])
def test_dry_run(dry_run: bool | str, before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    state, changes = read_everything(hook), count_changes(emulator)
    (old,) = hook.list_credentials()
    plan = rotate(dry_run=dry_run)
    assert (read_everything(hook), count_changes(emulator)) == (state, changes)
    assert [owner["id"] for owner in plan["owners"]] == [old.id]
    assert [strategy["name"] for strategy in plan["strategies"]] == ["replace"]
    assert sorted(plan["stores"]) == sorted(STORES)
    rotate()
    assert plan["new_name"] == next(hook.list_credentials()).name


def test_a_store_created_with_the_old_credential_during_the_grace_period(
    before: Before, hook: CivoObjectStoreHook
) -> None:
    (old,) = hook.list_credentials()
    finish = start_grace_period()
    create_late_store(hook, old.access_key_id)
    result = finish()
    assert sorted(result["stores"]) == sorted([*STORES, "late"])
    (use,) = hook.credential_inventory()
    assert len(use.stores) == 3
    assert published_keys()["access_key_id"] == use.credential.access_key_id


def test_a_newer_run_during_the_grace_period(before: Before, hook: CivoObjectStoreHook) -> None:
    finish = start_grace_period(1)
    rotate(2)
    state = read_everything(hook)
    result = finish()
    assert result["rotated"] is False
    assert read_everything(hook) == state
    assert find_problems(hook, before, "replace", 2) == []


class TestOneProcess:
    def test_nothing_is_done_twice(self, before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        def reads() -> int:
            counts: dict[str, int] = emulator.requests()["by_operation"].get("civo.list_object_stores", {})
            return sum(counts.values())

        publisher = RecordingPublisher()
        earlier = reads()
        rotate(publishers=[PUBLISHER, publisher])
        assert len(publisher.published) == 1
        moments = "the start", "before the change of owner", "after publishing", "before and", "after the suspension"
        assert reads() - earlier == len(moments)
        assert find_problems(hook, before, "replace") == []

    @pytest.mark.parametrize("strategy", ["replace", "overlap"])
    def test_a_resumed_task_proves_again_what_publishers_have(
        self, strategy: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        publisher = RecordingPublisher()
        finish = start_grace_period(strategy=strategy, publishers=[PUBLISHER, publisher])
        assert len(publisher.published) == 1
        finish()
        assert len(publisher.published) == 1
        assert publisher.verified > 1
        assert find_problems(hook, before, strategy) == []

    @pytest.mark.parametrize("strategy", ["replace", "overlap"])
    def test_a_resumed_task_publishes_again_where_it_is_missing(
        self, strategy: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        publisher = RecordingPublisher()
        finish = start_grace_period(strategy=strategy, publishers=[PUBLISHER, publisher])
        AnypointObjectStoreHook().put_key(PUBLISHER.store_id, PUBLISHER.partition, PUBLISHER.key, "{}")
        kept = publisher.published.pop()
        finish()
        assert publisher.published == [kept]
        assert find_problems(hook, before, strategy) == []

    def test_a_store_that_is_created_while_publishing_is_rotated_too(
        self, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        class CreatingPublisher(RecordingPublisher):
            def publish(self, credential: S3Options) -> None:
                if not self.published:
                    create_late_store(hook, before[0].access_key_id)
                super().publish(credential)

        publisher = CreatingPublisher()
        result = rotate(publishers=[publisher])
        (use,) = hook.credential_inventory()
        assert sorted(use.stores) == sorted(result["stores"]) == sorted([*STORES, "late"])
        assert publisher.published[-1].access_key_id == use.credential.access_key_id
