"""Which credential publishers get, and what a publisher that fails leaves behind."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowNotFoundException,
    AirflowTaskTimeout,
    BaseHook,
)

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConfigurationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    ServerError,
    StoreNotFoundError,
    TransportError,
    UnreadableValueError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.publish import _is_unclear
from airflow_provider_objectstore.rotation.verify import Bucket
from airflow_provider_objectstore.transport import client as sync_client
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    RecordingPublisher,
    assert_unchanged,
    create_stores,
    find_problems,
    has_access,
    published_keys,
    read_everything,
    read_policies,
    rotate,
    rotation_id_of_run,
    start_grace_period,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


@pytest.mark.parametrize("strategy", ["replace", "in_place"])
@pytest.mark.parametrize("problem", [ObjectStoreError("no shelf"), OSError("no shelf"), AirflowTaskTimeout("no shelf")])
def test_a_publisher_that_fails_once(
    strategy: str, problem: BaseException, before: Before, hook: CivoObjectStoreHook
) -> None:
    publisher = RecordingPublisher(problem)
    (old,) = hook.list_credentials()
    with pytest.raises((ObjectStoreError, AirflowTaskTimeout), match="no shelf") as caught:
        rotate(strategy=strategy, publishers=[PUBLISHER, publisher])
    credentials = list(hook.list_credentials())
    assert old.id in [credential.id for credential in credentials]
    (use,) = (use for use in hook.credential_inventory() if use.stores)
    assert published_keys()["access_key_id"] == use.credential.access_key_id
    if isinstance(caught.value, ObjectStoreError):
        assert "could not be published to a shelf" in str(caught.value)
        names = [credential.name for credential in credentials]
        assert [name for name in names if not re.search(rf" {name} ", str(caught.value))] == []
    result = rotate(strategy=strategy, publishers=[PUBLISHER, publisher])
    assert result["gap_seconds"] is None
    assert find_problems(hook, before, strategy) == []
    (published,) = publisher.published
    assert published.access_key_id == result["credential"]["access_key_id"]
    assert has_access(published, STORES[0])


def test_a_publisher_that_always_fails(before: Before, hook: CivoObjectStoreHook) -> None:
    publisher = RecordingPublisher(*[ObjectStoreError("no shelf")] * 9)
    for _ in range(3):
        with pytest.raises(ObjectStoreError, match="no shelf"):
            rotate(publishers=[publisher])
        uses = hook.credential_inventory()
        assert sorted(len(use.stores) for use in uses) == [0, 2]
        assert not any(use.credential.suspended for use in uses)


def test_a_publisher_whose_error_holds_the_secret(before: Before, hook: CivoObjectStoreHook) -> None:
    class LeakingPublisher(RecordingPublisher):
        def publish(self, credential: S3Options) -> None:
            raise OSError(f"cannot write {credential.secret_access_key}")

    with pytest.raises(ObjectStoreError) as caught:
        rotate(publishers=[LeakingPublisher()])
    for credential in hook.list_credentials():
        assert credential.secret_access_key not in str(caught.value)


class QuotingPublisher(RecordingPublisher):
    """
    A publisher that shows what it has found in its error.

    :param found: what is there, whatever is published.
    """

    def __init__(self, found: S3Options) -> None:
        super().__init__()
        self._held = found.aws_connection()

    def verify(self, credential: S3Options) -> None:
        if credential.aws_connection() != self._held:
            raise ValueError(f"it holds {dict(self._held)}")


def test_a_publisher_whose_error_holds_the_old_secret(before: Before, hook: CivoObjectStoreHook) -> None:
    publishers = [QuotingPublisher(before[0])]
    with pytest.raises(ObjectStoreError, match=r"could not be published.*it holds ") as caught:
        rotate(strategy="overlap", publishers=publishers)
    assert has_access(before[0])
    assert before[0].secret_access_key not in str(caught.value)
    rotate(2, retire="keep")
    with pytest.raises(ObjectStoreError, match=r"does not have it.*it holds ") as caught:
        rotate(publishers=publishers)
    assert before[0].secret_access_key not in str(caught.value)


SAYS_WHAT_IS_THERE = [
    ConflictError("of type 'postgres'"),
    FileNotFoundError("credential.json"),
    NotFoundError("no such key"),
    ObjectStoreError("it holds something else"),
    UnreadableValueError("a Java object"),
    ValueError("it holds something else"),
]
SAYS_NOTHING = [
    AirflowException("500"),
    AirflowNotFoundException("the conn_id isn't defined"),
    ApiError("400"),
    ConfigurationError("no connection"),
    InvalidArgumentError("no id"),
    KeyError("data"),
    PermissionError("credential.json"),
    RuntimeError("closed"),
    ServerError("503"),
    StoreNotFoundError("another environment"),
    TimeoutError("slow"),
    TransportError("no route"),
    json.JSONDecodeError("a login page", "<html>", 0),
    requests.ConnectionError("no route"),
    requests.JSONDecodeError("a login page", "<html>", 0),
]


class TestAPublisherThatCannotBeAsked:
    @pytest.mark.parametrize("error", SAYS_WHAT_IS_THERE, ids=repr)
    def test_not_one_that_says_what_is_there(self, error: Exception) -> None:
        assert not _is_unclear(error)

    @pytest.mark.parametrize("error", SAYS_NOTHING, ids=repr)
    def test_by_its_error(self, error: Exception) -> None:
        assert _is_unclear(error)

    @pytest.mark.parametrize("error", [requests.ConnectionError("no route"), TimeoutError("slow")], ids=repr)
    def test_what_it_may_have_published_is_kept(
        self,
        error: Exception,
        before: Before,
        hook: CivoObjectStoreHook,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        class Publisher(RecordingPublisher):
            is_up = True

            def verify(self, credential: S3Options) -> None:
                if not self.is_up:
                    raise error
                super().verify(credential)

        def fail(bucket: Bucket) -> None:
            raise ObjectStoreError("QuotaExceeded")

        publisher = Publisher()
        finish = start_grace_period(strategy="overlap", publishers=[publisher])
        with monkeypatch.context() as patch:
            patch.setattr(Bucket, "wait_until_writable", fail)
            publisher.is_up = False
            with pytest.raises(ObjectStoreError, match="QuotaExceeded"):
                finish()
        assert find_problems_of_consumers(publisher) == []
        assert re.search("a shelf cannot be asked whether it has credential reports-r", caplog.text)
        publisher.is_up = True
        finish()
        assert find_problems_of_consumers(publisher) == []
        assert len(publisher.published) == 1


def test_what_a_publisher_gets(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    create_stores(hook, "one", ["only"])
    create_stores(hook, "two", STORES)
    publisher = RecordingPublisher()
    rotate(credential="one", publishers=[publisher])
    assert publisher.published[-1].bucket == "only"
    rotate(credential="two", publishers=[publisher])
    assert publisher.published[-1].bucket is None


class PreparingPublisher(RecordingPublisher):
    """
    A publisher with the optional method.

    :param events: gets what it is called for.
    :param prepare: is called by it.
    """

    def __init__(self, events: list[str] | None = None, prepare: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self.events: list[str] = [] if events is None else events
        self._prepare = prepare

    def prepare(self) -> Any:
        self.events.append("prepare")
        return self._prepare()

    def publish(self, credential: S3Options) -> None:
        self.events.append("publish")
        super().publish(credential)

    def verify(self, credential: S3Options) -> None:
        self.events.append("verify")
        super().verify(credential)


class TestPrepare:
    @pytest.mark.parametrize(("strategy", "credentials"), [("replace", 2), ("in_place", 1), ("overlap", 1)])
    def test_nothing_has_changed_for_consumers_yet(
        self, strategy: str, credentials: int, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        """With a gap it comes last before the change; without one it comes first."""
        found: list[Any] = []

        def look() -> None:
            owners = {store.owner_access_key_id for store in hook.list_object_stores()}
            ready = [credential.has_keys for credential in hook.list_credentials()]
            found.append((owners, [has_access(options) for options in before], ready, read_policies(hook)))

        publisher = PreparingPublisher(prepare=look)
        rotate(strategy=strategy, publishers=[publisher])
        policies = dict.fromkeys(STORES)
        assert found == [({before[0].access_key_id}, [True, True], [True] * credentials, policies)]
        assert publisher.events == ["prepare", "publish", "verify"]
        assert find_problems_of_consumers(publisher) == []

    @pytest.mark.parametrize("strategy", ["replace", "in_place", "overlap", "auto"])
    def test_a_publisher_that_cannot_publish(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        state = read_everything(hook)
        secret = before[0].secret_access_key
        problems = [OSError(f"the shelf is locked, it holds {secret}")]

        def fail_once() -> None:
            if problems:
                raise problems.pop()

        other, publisher = PreparingPublisher(), PreparingPublisher(prepare=fail_once)
        with pytest.raises(ObjectStoreError, match=r"a shelf cannot publish \(the shelf is locked") as caught:
            rotate(strategy=strategy, publishers=[other, publisher])
        assert secret not in str(caught.value)
        assert (other.events, publisher.events) == (["prepare"], ["prepare"])
        assert_unchanged(hook, before, state)
        assert read_policies(hook) == dict.fromkeys(STORES)
        rotate(strategy=strategy, publishers=[PUBLISHER, other, publisher])
        assert find_problems(hook, before, "overlap" if strategy == "auto" else strategy) == []

    @pytest.mark.parametrize("strategy", ["replace", "in_place", "overlap"])
    def test_what_it_returns_publishes(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        prepared = RecordingPublisher()
        publisher = PreparingPublisher(prepare=lambda: prepared)
        result = rotate(strategy=strategy, publishers=[publisher])
        assert publisher.events == ["prepare"]
        assert len(prepared.published) == prepared.verified == 1
        assert result["published_to"] == ["a shelf"]

    def test_all_have_it_before_the_first_is_looked_up(self, before: Before, hook: CivoObjectStoreHook) -> None:
        events: list[str] = []
        rotate(publishers=[PreparingPublisher(events), PreparingPublisher(events)])
        assert events == ["prepare", "prepare", "publish", "publish", "verify", "verify"]

    @pytest.mark.parametrize("strategy", ["replace", "in_place"])
    def test_after_the_change_it_would_only_delay(
        self, strategy: str, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        """Consumers are refused: whoever can publish must do so, even if another one cannot."""
        with pytest.raises(ObjectStoreError, match="no shelf"):
            rotate(strategy=strategy, publishers=[RecordingPublisher(ObjectStoreError("no shelf")), PUBLISHER])
        assert published_keys() == {}
        publisher = PreparingPublisher()
        rotate(strategy=strategy, publishers=[PUBLISHER, publisher])
        assert publisher.events == ["publish", "verify"]
        assert find_problems(hook, before, strategy) == []

    @pytest.mark.parametrize("stores", [STORES, STORES[:1]], ids=["two stores", "one store"])
    @pytest.mark.parametrize("strategy", ["replace", "overlap"])
    def test_a_resumed_task_looks_up_once_and_prepares_nothing(
        self, strategy: str, stores: tuple[str, ...], hook: CivoObjectStoreHook
    ) -> None:
        create_stores(hook, stores=stores)
        publisher = PreparingPublisher()
        finish = start_grace_period(strategy=strategy, publishers=[PUBLISHER, publisher])
        publisher.events.clear()
        finish()
        assert publisher.events == ["verify"]

    @pytest.mark.parametrize("strategy", ["replace", "in_place", "overlap"])
    def test_a_newer_rotation_meanwhile(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        newer: list[Any] = []

        def rotate_once() -> None:
            if not newer:
                newer.append(None)
                newer[0] = rotate(2, strategy, publishers=[PUBLISHER, publisher])

        publisher = PreparingPublisher(prepare=rotate_once)
        older = rotate(1, strategy, publishers=[PUBLISHER, publisher])
        assert (older["rotated"], newer[0]["rotated"]) == (False, True)
        assert len(publisher.published) == 1
        assert find_problems(hook, before, strategy, 2) == []

    def test_one_that_fails_where_a_killed_try_has_changed_a_store(
        self, before: Before, hook: CivoObjectStoreHook
    ) -> None:
        state = read_everything(hook)
        new = hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(publishers=[RecordingPublisher()])))
        hook.update_object_store(hook.require_object_store(STORES[0]).id, access_key_id=new.access_key_id)

        def fail() -> None:
            raise OSError("the shelf is locked")

        with pytest.raises(ObjectStoreError, match="the shelf is locked"):
            rotate(publishers=[PreparingPublisher(prepare=fail)])
        assert_unchanged(hook, before, state)

    @pytest.mark.parametrize("strategy", ["replace", "in_place", "overlap"])
    def test_requests_and_look_ups(
        self, strategy: str, before: Before, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the change there is one request to the publisher's service before consumers have the new keys."""
        sync_client._states.clear()  # a new process has no token
        lookups: Counter[str] = Counter()
        get_connection = BaseHook.get_connection

        def count(conn_id: str) -> Any:
            lookups[conn_id] += 1
            return get_connection(conn_id)

        def requests() -> Counter[str]:
            counts = emulator.requests()["by_operation"]
            return Counter({name: sum(by_status.values()) for name, by_status in counts.items() if "civo." not in name})

        monkeypatch.setattr(BaseHook, "get_connection", staticmethod(count))
        seen = requests()
        changed: list[Counter[str]] = []

        for name in ("update_object_store", "update_credential"):
            method = getattr(CivoObjectStoreHook, name)

            def note(*args: Any, method: Any = method, **kwargs: Any) -> Any:
                changed.append(requests() - seen)
                return method(*args, **kwargs)

            monkeypatch.setattr(CivoObjectStoreHook, name, note)
        rotate(strategy=strategy)
        prepared = Counter(["accounts.token", "anypoint.key_exists", "anypoint.get_store"])
        published = Counter(["anypoint.put_key", "anypoint.get_key"])
        assert requests() - seen == prepared + published
        assert changed[0] == prepared if strategy != "overlap" else changed[0] == prepared + published
        assert lookups["anypoint_default"] == 2, "before the first request, and to prepare"


def find_problems_of_consumers(publisher: RecordingPublisher) -> list[str]:
    """Return which stores what was published last has no access to."""
    return [name for name in STORES if not has_access(publisher.published[-1], name)]
