"""The strategy ``overlap``: both credentials work until consumers have the new one."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator import Emulator, MotoS3
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget, SupersededError
from airflow_provider_objectstore.rotation.strategies import StrategyUnsupportedError
from tests.conftest import ALL
from tests.rotation.conftest import RGW, ConfigureEmulator, on_both
from tests.rotation.harness import (
    CREDENTIAL,
    OBJECTS,
    PUBLISHER,
    STORES,
    RecordingPublisher,
    assert_unchanged,
    count_changes,
    create_late_store,
    find_problems,
    find_problems_under_kept_owner,
    has_access,
    largest_policy,
    published_keys,
    read_everything,
    read_policies,
    rotate,
    rotation_id_of_run,
    s3_client,
    start_grace_period,
    unreadable_objects,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


def published(store: str, hook: CivoObjectStoreHook) -> S3Options:
    """Return a store's S3 options with the published keys."""
    keys = published_keys()
    new = next(one for one in hook.list_credentials() if one.access_key_id == keys["access_key_id"])
    return hook.s3_options_of(new, hook.find_object_store(store))


def use(writer: S3Options, reader: S3Options, key: str) -> None:
    """List, write, and read and delete as another credential."""
    s3_client(writer).put_object(Bucket=writer.bucket, Key=key, Body=key.encode())
    listing = s3_client(reader).list_objects_v2(Bucket=reader.bucket)
    assert key in [entry["Key"] for entry in listing["Contents"]]
    assert s3_client(reader).get_object(Bucket=reader.bucket, Key=key)["Body"].read() == key.encode()
    s3_client(reader).delete_object(Bucket=reader.bucket, Key=key)


def put_policy(options: S3Options, *statements: dict[str, Any]) -> Any:
    resources = [f"arn:aws:s3:::{options.bucket}", f"arn:aws:s3:::{options.bucket}/*"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": f"theirs{number}", "Principal": {"AWS": "*"}, "Resource": resources, **statement}
            for number, statement in enumerate(statements)
        ],
    }
    s3_client(options).put_bucket_policy(Bucket=options.bucket, Policy=json.dumps(policy))
    return policy


@on_both
def test_both_work_until_the_grace_period_is_over(before: Before, hook: CivoObjectStoreHook) -> None:
    finish = start_grace_period(strategy="overlap")
    for old in before:
        new = published(str(old.bucket), hook)
        assert new.access_key_id != old.access_key_id
        for writer, reader in ((old, old), (old, new), (new, old), (new, new)):
            use(writer, reader, "during/grace")
        for number, writer in enumerate((old, new)):
            s3_client(writer).put_object(Bucket=old.bucket, Key=f"kept/{number}", Body=b"kept")
    result = finish()
    assert (result["strategy"], result["gap_seconds"]) == ("overlap", 0.0)
    assert result["owners"] == [result["credential"]["name"]]
    for old in before:
        new = hook.s3_options(str(old.bucket))
        for number in range(2):
            assert s3_client(new).get_object(Bucket=new.bucket, Key=f"kept/{number}")["Body"].read() == b"kept"
            s3_client(new).delete_object(Bucket=new.bucket, Key=f"kept/{number}")
        with pytest.raises(ClientError):
            s3_client(old).get_object(Bucket=old.bucket, Key=next(iter(OBJECTS)))
    assert find_problems(hook, before, "overlap") == []


@on_both
def test_the_users_policy_survives(before: Before, hook: CivoObjectStoreHook) -> None:
    theirs = put_policy(before[0], {"Effect": "Allow", "Action": "s3:GetObject"})
    finish = start_grace_period(strategy="overlap")
    during = read_policies(hook)
    assert during[STORES[0]]["Statement"][:1] == theirs["Statement"]
    assert [len(policy["Statement"]) for policy in during.values()] == [2, 1]
    finish()
    assert read_policies(hook) == {STORES[0]: theirs, STORES[1]: None}
    s3_client(hook.s3_options(STORES[0])).delete_bucket_policy(Bucket=STORES[0])
    assert find_problems(hook, before, "overlap") == []


@on_both
def test_one_of_two_buckets_has_no_room_in_its_policy(before: Before, hook: CivoObjectStoreHook) -> None:
    theirs = largest_policy(STORES[1])
    s3_client(before[1]).put_bucket_policy(Bucket=STORES[1], Policy=json.dumps(theirs))
    state = read_everything(hook)
    with pytest.raises(StrategyUnsupportedError, match=STORES[1]):
        rotate(strategy="overlap")
    assert_unchanged(hook, before, state)
    assert read_policies(hook) == {STORES[0]: None, STORES[1]: theirs}
    assert rotate(strategy="auto")["strategy"] == "replace"
    assert read_policies(hook) == {STORES[0]: None, STORES[1]: theirs}
    s3_client(hook.s3_options(STORES[1])).delete_bucket_policy(Bucket=STORES[1])
    assert find_problems(hook, before, "replace") == []


@on_both
@pytest.mark.parametrize("owner_change", ["ignored", "bucket"])
def test_owners_that_do_not_change(
    owner_change: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(owner_change=owner_change)
    refused: Before = []
    for week in (1, 2, 3):
        finish = start_grace_period(week, "auto", settle_timeout=0.3)
        assert not [options for options in refused if not has_access(options)], "they work during the grace period"
        consumer = published(STORES[0], hook)
        result = finish()
        assert (result["strategy"], result["gap_seconds"]) == ("overlap", 0.0)
        assert result["owners"] == [CREDENTIAL]
        assert find_problems_under_kept_owner(hook, before[0], refused, week) == []
        assert len(result["retired"]) == len(refused)
        use(before[0], consumer, "a/new")
        use(consumer, before[0], "a/new")
        refused = [consumer]


@on_both
def test_what_a_retired_consumer_wrote_stays_readable(
    before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(owner_change="ignored")
    rotate(1, "auto")
    first = published(STORES[0], hook)
    s3_client(first).put_object(Bucket=first.bucket, Key="by/first", Body=b"1")
    rotate(2, "auto")
    second = published(STORES[0], hook)
    assert s3_client(second).get_object(Bucket=second.bucket, Key="by/first")["Body"].read() == b"1"
    rotate(3, "in_place")
    owner = hook.s3_options(STORES[0])
    assert published_keys()["access_key_id"] == owner.access_key_id
    assert s3_client(owner).get_object(Bucket=owner.bucket, Key="by/first")["Body"].read() == b"1"
    assert [has_access(options) for options in (first, second, before[0])] == [False, False, False]
    assert [credential.name for credential in hook.list_credentials()] == [CREDENTIAL]


@on_both
@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject"])
def test_a_policy_that_shuts_the_new_one_out(action: str, before: Before, hook: CivoObjectStoreHook) -> None:
    theirs = put_policy(before[1], {"Effect": "Deny", "Action": action, "Resource": f"arn:aws:s3:::{STORES[1]}/.a*"})
    state = read_everything(hook)
    with pytest.raises(StrategyUnsupportedError, match="does not give credential"):
        rotate(strategy="overlap", settle_timeout=0.2)
    s3 = s3_client(before[1])
    s3.delete_bucket_policy(Bucket=STORES[1])
    s3.delete_object(Bucket=STORES[1], Key=".airflow-rotation")  # which nobody may delete with one of the policies
    put_policy(before[1], {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{STORES[1]}/.a*"})
    assert_unchanged(hook, before, state)
    theirs = read_policies(hook)[STORES[1]]
    result = rotate(strategy="auto", settle_timeout=0.2)
    assert result["strategy"] == "replace"
    assert result["gap_seconds"] > 0
    assert read_policies(hook) == {STORES[0]: None, STORES[1]: theirs}
    s3_client(hook.s3_options(STORES[1])).delete_bucket_policy(Bucket=STORES[1])
    assert find_problems(hook, before, "replace") == []


def test_what_another_may_not_delete_is_deleted_by_the_owner(before: Before, hook: CivoObjectStoreHook) -> None:
    """A policy allows only the owner to delete: the object that the new one wrote is gone afterwards."""

    class Shutting(CivoObjectStoreHook):
        def wait_until_ready(self, credential: Credential) -> Credential:
            arn = f"arn:aws:iam:::user/{credential.id}"
            put_policy(before[0], {"Effect": "Deny", "Action": "s3:DeleteObject", "Principal": {"AWS": [arn]}})
            return super().wait_until_ready(credential)

    rotation = Rotation(
        Shutting(), RotationTarget(CREDENTIAL), rotation_id_of_run(1), "overlap", [PUBLISHER], settle_timeout=0.2
    )
    state = read_everything(hook)
    with pytest.raises(StrategyUnsupportedError):
        rotation.finish()
    assert_unchanged(hook, before, state)
    assert len(read_policies(hook)[STORES[0]]["Statement"]) == 1


class TestWithoutPolicies:
    def test_auto_replaces(self, before: Before, hook: CivoObjectStoreHook, no_policies: None) -> None:
        assert rotate(strategy="auto")["strategy"] == "replace"
        assert find_problems(hook, before, "replace") == []

    @pytest.mark.parametrize("arguments", [{"strategy": "overlap"}, {"strategy": "auto", "max_outage": 0}], ids=str)
    def test_nothing_is_changed(
        self,
        arguments: dict[str, Any],
        before: Before,
        hook: CivoObjectStoreHook,
        emulator: Emulator,
        no_policies: None,
    ) -> None:
        changes = count_changes(emulator)
        with pytest.raises(StrategyUnsupportedError, match="NotImplemented"):
            rotate(**arguments)
        assert count_changes(emulator) == changes

    def test_max_outage_and_a_strategy_with_a_gap(
        self, before: Before, hook: CivoObjectStoreHook, emulator: Emulator
    ) -> None:
        changes = count_changes(emulator)
        with pytest.raises(ObjectStoreError, match=r"max_outage=0 s\. Nothing was changed"):
            rotate(strategy="replace", max_outage=0)
        assert count_changes(emulator) == changes
        assert rotate(strategy="auto", max_outage=0)["gap_seconds"] == 0.0


def test_dry_run(before: Before, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    state, changes = read_everything(hook), count_changes(emulator)
    plan = rotate(strategy="auto", dry_run=True)
    assert [one["name"] for one in plan["strategies"]] == ["overlap", "replace", "in_place"]
    assert plan["strategies"][0]["expected_outage"] == 0
    assert (read_everything(hook), count_changes(emulator)) == (state, changes)
    assert set(read_policies(hook).values()) == {None}


def test_a_publisher_that_fails(before: Before, hook: CivoObjectStoreHook) -> None:
    """The credential is kept, as the publisher may have it all the same; both work, and the next try finishes."""
    publisher = RecordingPublisher(OSError("no room"))
    with pytest.raises(ObjectStoreError, match=f"Consumers of {CREDENTIAL} are not affected"):
        rotate(strategy="overlap", publishers=[PUBLISHER, publisher])
    assert [unreadable_objects(options) for options in before] == [[], []]
    rotate(strategy="overlap", publishers=[PUBLISHER, publisher])
    assert len(publisher.published) == 1
    assert find_problems(hook, before, "overlap") == []


def test_s3_that_lags(before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator) -> None:
    """The policy gives access until S3 has changed the owner."""
    configure_emulator(s3_lag_seconds=1)
    consumer = Consumer(hook)
    publisher = RecordingPublisher()
    publisher.publish = consumer.take  # type: ignore[method-assign]
    publisher.verify = lambda credential: None  # type: ignore[method-assign]
    with consumer:
        rotate(strategy="overlap", settle_timeout=10, publishers=[PUBLISHER, publisher])
    assert consumer.failures == []
    assert find_problems(hook, before, "overlap") == []


class Consumer:
    """Reads, writes and deletes in a thread, with the keys that were published last."""

    def __init__(self, hook: CivoObjectStoreHook) -> None:
        self._options = [hook.s3_options(name) for name in STORES]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.failures: list[Exception] = []
        self.operations = 0

    def take(self, credential: S3Options) -> None:
        keys = {"access_key_id": credential.access_key_id, "secret_access_key": credential.secret_access_key}
        self._options = [replace(options, **keys) for options in self._options]

    def _run(self) -> None:
        while not self._end.wait(0.005):
            for options in self._options:
                try:
                    use(options, options, "consumer/k")
                    s3_client(options).get_object(Bucket=options.bucket, Key="a/first")["Body"].read()
                except Exception as error:
                    self.failures.append(error)
                self.operations += 5

    def __enter__(self) -> Consumer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.mark.parametrize(
    ("backend", "owner_change"),
    [
        ("moto", "whole"),
        ("moto", "ignored"),
        ("moto", "bucket"),
        pytest.param("rgw", "whole", marks=RGW),
        *([pytest.param("rgw", "ignored", marks=RGW), pytest.param("rgw", "bucket", marks=RGW)] if ALL else []),
    ],
)
def test_a_consumer_notices_nothing(
    owner_change: str, before: Before, hook: CivoObjectStoreHook, configure_emulator: ConfigureEmulator
) -> None:
    configure_emulator(owner_change=owner_change)
    consumer = Consumer(hook)
    publisher = RecordingPublisher()
    publisher.publish = consumer.take  # type: ignore[method-assign]
    publisher.verify = lambda credential: None  # type: ignore[method-assign]
    with consumer:
        for week in (1, 2):
            finish = start_grace_period(week, "overlap", publishers=[PUBLISHER, publisher], settle_timeout=2)
            threading.Event().wait(0.3)
            finish()
    assert consumer.failures == []
    assert consumer.operations > 20


def test_a_store_that_is_created_while_publishing(before: Before, hook: CivoObjectStoreHook) -> None:
    class Creating(RecordingPublisher):
        def publish(self, credential: S3Options) -> None:
            if not self.published:
                create_late_store(hook, before[0].access_key_id)
            super().publish(credential)

    result = rotate(strategy="overlap", publishers=[PUBLISHER, Creating()])
    assert sorted(result["stores"]) == sorted([*STORES, "late"])
    (owner,) = hook.credential_inventory()
    assert len(owner.stores) == 3
    assert not has_access(before[0], "late")


class TestAnotherRotation:
    @staticmethod
    def rotation(publisher: Any, week: int = 1) -> Rotation:
        return Rotation(
            CivoObjectStoreHook(),
            RotationTarget(CREDENTIAL),
            rotation_id_of_run(week),
            "overlap",
            [publisher],
            settle_timeout=1,
        )

    @staticmethod
    def interrupted(during: Callable[[], Any]) -> Any:
        class Publisher(RecordingPublisher):
            def publish(self, credential: S3Options) -> None:
                if not self.published:
                    self.published.append(credential)
                    during()
                PUBLISHER.publish(credential)

            def verify(self, credential: S3Options) -> None:
                PUBLISHER.verify(credential)

        return Publisher()

    def test_a_newer_one_ends_while_this_one_publishes(self, before: Before, hook: CivoObjectStoreHook) -> None:
        """This one has overwritten the newer key, and publishes it again."""
        rotation = self.rotation(self.interrupted(lambda: rotate(2, "overlap")))
        with pytest.raises(SupersededError):
            rotation.finish()
        assert find_problems(hook, before, "overlap", 2) == []

    def test_a_newer_one_is_in_its_grace_period(self, before: Before, hook: CivoObjectStoreHook) -> None:
        finish: list[Callable[[], Any]] = []
        rotation = self.rotation(self.interrupted(lambda: finish.append(start_grace_period(2, "overlap"))))
        with pytest.raises(SupersededError):
            rotation.finish()
        new = published(STORES[0], hook)
        (newest,) = (one for one in hook.list_credentials() if one.name == name_for(CREDENTIAL, rotation_id_of_run(2)))
        assert new.access_key_id == newest.access_key_id
        assert unreadable_objects(new) == []
        finish[0]()
        assert find_problems(hook, before, "overlap", 2) == []

    def test_a_newer_one_begins_while_this_one_completes(self, before: Before, hook: CivoObjectStoreHook) -> None:
        """What this one removes from the policies is its own: the newer one's consumers keep access."""
        rotation = self.rotation(PUBLISHER)
        switched = rotation.switch(rotation.refresh())
        finish = start_grace_period(2, "overlap")
        with pytest.raises(SupersededError):
            rotation.finish(switched)
        assert [unreadable_objects(published(name, hook)) for name in STORES] == [[], []]
        finish()
        assert find_problems(hook, before, "overlap", 2) == []


@pytest.mark.parametrize("owner_change", ["whole", "bucket", "ignored"])
def test_a_leftover_that_s3_refuses_stops_no_rotation(
    owner_change: str,
    before: Before,
    hook: CivoObjectStoreHook,
    moto_backend: MotoS3,
    configure_emulator: ConfigureEmulator,
) -> None:
    """A killed run has left it, and S3 has lost its user; it is retired with the others."""
    configure_emulator(owner_change=owner_change)
    left = hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(1)))
    moto_backend.delete_user(left.id)
    theirs = put_policy(before[0], {"Effect": "Allow", "Action": "s3:GetObject"})
    for week in (2, 3):
        rotate(week, "overlap", settle_timeout=0.3)
        assert read_policies(hook)[STORES[0]]["Statement"][:1] == theirs["Statement"]
    s3 = s3_client(hook.s3_options(STORES[0]))
    if owner_change == "whole":
        s3.delete_bucket_policy(Bucket=STORES[0])
        assert find_problems(hook, before, "overlap", 3) == []
    else:
        assert len(list(hook.list_credentials())) == 2


def test_no_secret_is_shown(
    before: Before, hook: CivoObjectStoreHook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("boto3", "botocore", "urllib3"):
        caplog.set_level(logging.INFO, name)
    finish = start_grace_period(strategy="overlap")
    secrets = {credential.secret_access_key for credential in hook.list_credentials()}
    assert len(secrets) == 2
    shown = repr(finish()) + caplog.text + "".join(capfd.readouterr()) + repr(read_policies(hook))
    assert [secret for secret in secrets if secret in shown] == []
