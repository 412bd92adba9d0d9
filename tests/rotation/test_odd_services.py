"""Rotations where a service is odd, or somebody changes something in between: right in the end, or an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConflictError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.policy import SID
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget
from airflow_provider_objectstore.rotation.verify import AccessDenied, Bucket
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    RecordingPublisher,
    assert_unchanged,
    create_late_store,
    find_problems,
    has_access,
    largest_policy,
    published_keys,
    read_everything,
    read_policies,
    resume,
    rotate,
    rotation_id_of_run,
    rotation_task,
    run_context,
    s3_client,
    start_grace_period,
    unreadable_objects,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]
Answer = Callable[[Bucket, str, Any], Any]


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """S3's answers by bucket and method: ``answer`` gets the real one and returns what is seen, or raises."""
    send = Bucket.request

    def request(self: Bucket, method: str, **arguments: Any) -> Any:
        return answer(self, method, lambda: send(self, method, **arguments))

    with mock.patch.object(Bucket, "request", request):
        yield


def everything_readable(hook: CivoObjectStoreHook) -> bool:
    return not any(unreadable_objects(hook.s3_options(name)) for name in STORES)


@pytest.mark.parametrize("shown", ["no owner", "the bucket's owner"])
def test_a_service_that_moves_only_the_bucket_and_hides_it(
    shown: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    def hide(bucket: Bucket, method: str, send: Callable[[], Any]) -> Any:
        found = send()
        if method == "list_objects_v2" and isinstance(found, dict):
            for entry in found.get("Contents", ()):
                entry["Owner"] = {} if shown == "no owner" else {"ID": bucket.user_id}
        return found

    configure_emulator(owner_change="bucket")
    with answering(hide):
        assert rotate(strategy="overlap", settle_timeout=0.3)["owners"] == [CREDENTIAL]
    for name in STORES:
        assert not unreadable_objects(replace(hook.s3_options(name), **_published()))
    assert everything_readable(hook)


def test_replace_after_a_begun_overlap(
    before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(owner_change="bucket")
    start_grace_period(strategy="overlap")
    with pytest.raises(OwnerChangeUnsupportedError):
        rotate(strategy="replace", settle_timeout=0.3)
    for name in STORES:
        assert not unreadable_objects(replace(hook.s3_options(name), **_published()))


class TestARetiredCredential:
    def test_stays_refused(self, before: Before, hook: CivoObjectStoreHook) -> None:
        rotate(1, "overlap", retire="keep")
        finish = start_grace_period(2, "overlap", retire="keep")
        assert [has_access(old) for old in before] == [False, False]
        finish()
        assert [has_access(old) for old in before] == [False, False]

    def test_stays_refused_after_an_undo(self, before: Before, hook: CivoObjectStoreHook) -> None:
        rotate(1, "overlap", retire="keep")
        state = read_everything(hook)
        with answering(_fail("put_object")), pytest.raises(ObjectStoreError, match="503"):
            rotate(2, "overlap", settle_timeout=0.1)
        assert read_everything(hook) == state
        assert read_policies(hook) == dict.fromkeys(STORES)
        assert [has_access(old) for old in before] == [False, False]


class TestAutoAfterItHasReplaced:
    def test_without_policies(self, before: Before, hook: CivoObjectStoreHook, no_policies: None) -> None:
        publisher = RecordingPublisher(OSError("no room"))
        with pytest.raises(ObjectStoreError, match="consumers of reports are refused"):
            rotate(strategy="auto", publishers=[publisher])
        assert rotate(strategy="auto", publishers=[publisher])["gap_seconds"] is None
        rotate(2, strategy="auto")
        assert find_problems(hook, before, "replace", 2) == []

    def test_with_policies(self, before: Before, hook: CivoObjectStoreHook) -> None:
        full = json.dumps(largest_policy(STORES[1]))
        s3_client(before[1]).put_bucket_policy(Bucket=STORES[1], Policy=full)
        publisher = RecordingPublisher(OSError("no room"))
        with pytest.raises(ObjectStoreError, match="consumers of reports are refused"):
            rotate(strategy="auto", publishers=[publisher])
        assert rotate(strategy="auto", publishers=[publisher])["gap_seconds"] is None, "there was a gap"


@pytest.mark.parametrize("code", ["503 SlowDown", "QuotaExceeded"])
def test_what_fails_for_the_moment_takes_no_strategy_with_a_gap(
    code: str, before: Before, hook: CivoObjectStoreHook
) -> None:
    state = read_everything(hook)
    with answering(_fail("put_object", code)), pytest.raises(ObjectStoreError, match=code):
        rotate(strategy="auto", settle_timeout=0.1)
    assert_unchanged(hook, before, state)
    assert rotate(strategy="auto")["strategy"] == "overlap"


def test_once_it_is_published_no_other_strategy_is_taken(before: Before, hook: CivoObjectStoreHook) -> None:
    def refuse(bucket: Bucket, method: str, send: Callable[[], Any]) -> Any:
        return AccessDenied("AccessDenied") if method == "put_object" else send()

    finish = start_grace_period(strategy="auto")
    with answering(refuse), pytest.raises(ObjectStoreError, match="refused"):
        rotate(strategy="auto", settle_timeout=0.1)
    assert all(has_access(replace(old, **_published())) and has_access(old) for old in before)
    assert finish()["strategy"] == "overlap"


class TestPoliciesOfOddServices:
    def test_that_accept_and_ignore(self, before: Before, hook: CivoObjectStoreHook) -> None:
        def ignore(bucket: Bucket, method: str, send: Callable[[], Any]) -> Any:
            return {} if method == "put_bucket_policy" else send()

        with answering(ignore):
            assert rotate(strategy="auto", settle_timeout=0.2)["strategy"] == "replace"
        assert find_problems(hook, before, "replace") == []

    def test_that_write_a_list_of_one_as_a_text(self, before: Before, hook: CivoObjectStoreHook) -> None:
        def normalize(bucket: Bucket, method: str, send: Callable[[], Any]) -> Any:
            found = send()
            if method == "get_bucket_policy" and isinstance(found, dict):
                policy = json.loads(found["Policy"])
                for statement in policy["Statement"]:
                    users = statement["Principal"]["AWS"]
                    statement["Principal"]["AWS"] = users[0] if len(users) == 1 else users[::-1]
                    statement["Action"] = [statement["Action"]]
                found = {**found, "Policy": json.dumps(policy)}
            return found

        with answering(normalize):
            assert rotate(strategy="auto", settle_timeout=0.2)["strategy"] == "overlap"
        assert find_problems(hook, before, "overlap") == []

    @pytest.mark.parametrize(
        "changed",
        [{"Action": "s3:GetObject"}, {"Effect": "Deny"}, {"Principal": "*"}, {"Condition": {"Bool": {"a": "b"}}}],
        ids=str,
    )
    def test_our_statement_that_a_person_has_changed(
        self, changed: dict[str, Any], before: Before, hook: CivoObjectStoreHook
    ) -> None:
        ours = {
            "Sid": SID,
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam:::user/analyst"]},
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{STORES[0]}", f"arn:aws:s3:::{STORES[0]}/*"],
        }
        text = json.dumps({"Version": "2012-10-17", "Statement": [{**ours, **changed}]})

        def show(bucket: Bucket, method: str, send: Callable[[], Any]) -> Any:
            return {"Policy": text} if (method, bucket.name) == ("get_bucket_policy", STORES[0]) else send()

        state = read_everything(hook)
        with answering(show), pytest.raises(ConflictError, match="somebody has changed the statement"):
            rotate(strategy="auto")
        assert_unchanged(hook, before, state)


def test_a_change_of_owner_that_is_rejected(
    before: Before, hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(*args: Any, **kwargs: Any) -> None:
        raise ApiError("owners cannot be changed", status=422)

    monkeypatch.setattr(CivoObjectStoreHook, "update_object_store", reject)
    result = rotate(strategy="auto")
    assert (result["strategy"], result["owners"], result["retired"]) == ("overlap", [CREDENTIAL], [])
    assert all(has_access(replace(old, **_published())) for old in before)


class TestStoresThatChangeHands:
    def test_to_another_lineage_in_the_grace_period(self, before: Before, hook: CivoObjectStoreHook) -> None:
        other = hook.create_credential("other")
        task = rotation_task("overlap", object_store=STORES[0], grace_period=60)
        with pytest.raises(TaskDeferred) as caught:
            task.execute(run_context(1))
        hook.update_object_store(hook.require_object_store(STORES[0]).id, access_key_id=other.access_key_id)
        state = read_everything(hook)
        with pytest.raises(ConflictError, match="belongs to other since"):
            resume(task, caught.value)
        assert read_everything(hook) == state
        assert has_access(hook.s3_options(STORES[0]))

    def test_all_while_publishing(self, before: Before, hook: CivoObjectStoreHook) -> None:
        other = hook.create_credential("other")

        class Thief(RecordingPublisher):
            def publish(self, credential: S3Options) -> None:
                super().publish(credential)
                for store in list(hook.list_object_stores()):
                    hook.update_object_store(store.id, access_key_id=other.access_key_id)

        with pytest.raises(ObjectStoreError, match="all its stores have got another owner"):
            rotate(strategy="overlap", publishers=[Thief()])
        assert CREDENTIAL in [credential.name for credential in hook.list_credentials()]

    def test_one_that_is_created_at_the_end(self, before: Before, hook: CivoObjectStoreHook) -> None:
        wait = Bucket.wait_until_objects_belong_to
        created: list[S3Options] = []

        def create_and_wait(bucket: Bucket, user_id: str) -> None:
            wait(bucket, user_id)
            if not created:
                created.append(create_late_store(hook, before[0].access_key_id))

        with (
            mock.patch.object(Bucket, "wait_until_objects_belong_to", create_and_wait),
            pytest.raises(ObjectStoreError, match="run this task again"),
        ):
            rotate(strategy="overlap")
        result = rotate(strategy="overlap")
        assert result["owners"] == [result["credential"]["name"]]
        assert "late" in result["stores"]
        assert len(list(hook.list_credentials())) == 1


def test_no_outage_is_too_short_for_a_limit_of_zero(before: Before, hook: CivoObjectStoreHook) -> None:
    rotation = Rotation(
        hook, RotationTarget(CREDENTIAL), rotation_id_of_run(1), "replace", [PUBLISHER], max_outage=0, settle_timeout=1
    )
    state = rotation.refresh()
    rotation._seconds_per_request = 0.000_001
    with pytest.raises(ObjectStoreError, match="Nothing was changed"):
        rotation.switch(state)


def test_what_prepare_returns_must_publish(before: Before, hook: CivoObjectStoreHook) -> None:
    class Odd(RecordingPublisher):
        def prepare(self) -> Any:
            return True

    state = read_everything(hook)
    with pytest.raises(ObjectStoreError, match=r"prepare\(\) returned a bool"):
        rotate(strategy="replace", publishers=[Odd()])
    assert_unchanged(hook, before, state)


def _fail(failing: str, code: str = "503 SlowDown") -> Answer:
    def answer(bucket: Bucket, method: str, send: Callable[[], Any]) -> Any:
        if method == failing:
            raise ObjectStoreError(f"{bucket}: {code}")
        return send()

    return answer


def _published() -> dict[str, Any]:
    keys = published_keys()
    return {name: keys[name] for name in ("access_key_id", "secret_access_key")}
