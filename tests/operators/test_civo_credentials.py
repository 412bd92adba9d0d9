"""Credentials have their keys and are ready before they are published, and each name means one of them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    ResourceFailedError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.operators.civo import (
    CivoCreateCredentialOperator,
    CivoDeleteCredentialOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateCredentialOperator,
    CivoUpdateObjectStoreOperator,
)
from airflow_provider_objectstore.operators.civo_credentials import publish
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.publishers import (
    AirflowConnectionPublisher,
    AnypointKeyPublisher,
    Publisher,
    SecretsManagerPublisher,
)
from tests.rotation.harness import run_context
from tests.triggers.waiting import answers, run

GET = "civo.get_credential"
EMPTY = [("", ""), ("AKIA", ""), ("", "secret"), (" ", "secret"), ("AKIA", "\n")]


class RecordingPublisher:
    """A publisher that records what it gets."""

    def __init__(self) -> None:
        self.published: list[S3Options] = []
        self.verified = 0

    def publish(self, credential: S3Options) -> None:
        self.published.append(credential)

    def verify(self, credential: S3Options) -> None:
        assert credential == self.published[-1]
        self.verified += 1


@pytest.fixture
def hook(emulator: Emulator) -> CivoObjectStoreHook:
    return CivoObjectStoreHook()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits end at once; returns how long they would have been."""
    waits: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (waits.append(seconds), sleep(min(seconds, 0.02))))
    return waits


def create(recorder: Publisher, **settings: Any) -> CivoCreateCredentialOperator:
    return CivoCreateCredentialOperator(**{"task_id": "t", "name": "mine", "publishers": [recorder], **settings})


def test_a_credential_goes_to_its_publishers(hook: CivoObjectStoreHook) -> None:
    recorder = RecordingPublisher()
    assert isinstance(recorder, Publisher)
    pushed = run(CivoCreateCredentialOperator(task_id="t", name="mine", publishers=[recorder]))
    made = hook.find_credential("mine")
    assert made
    assert pushed == {"id": made.id, "name": "mine", "access_key_id": made.access_key_id}
    (published,) = recorder.published
    assert (published.secret_access_key, recorder.verified) == (made.secret_access_key, 1)
    assert made.secret_access_key not in json.dumps(pushed)
    run(CivoCreateCredentialOperator(task_id="t", name="mine", publishers=[recorder]))
    assert recorder.published == [published, published]
    with pytest.raises(ConflictError):
        run(CivoCreateCredentialOperator(task_id="t", name="mine", if_exists="fail"))


class TestAnOwnerIsPublished:
    """With the bucket and the endpoint that a rotation would publish."""

    @pytest.fixture
    def owner(self, hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Credential:
        """The owner of one store, through a connection that does not know where S3 is."""
        owner = hook.create_credential("mine")
        hook.create_object_store("photos", access_key_id=owner.access_key_id)
        hook.create_object_store("others", access_key_id=hook.create_credential("other").access_key_id)
        connection = emulator.connections()["civo_default"]
        del connection["extra"]["s3_endpoint"]
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
        return owner

    @pytest.mark.parametrize("by", ["create", "update"])
    def test_by_an_operator(self, by: str, owner: Credential, hook: CivoObjectStoreHook) -> None:
        recorder = RecordingPublisher()
        update = CivoUpdateCredentialOperator(
            task_id="t", credential=owner.access_key_id, suspended=False, publishers=[recorder]
        )
        task = create(recorder) if by == "create" else update
        run(task)
        assert recorder.published == [CivoObjectStoreHook().s3_options("photos")]
        hook.create_object_store("more", access_key_id=owner.access_key_id)
        run(task)
        assert recorder.published[1] == replace(recorder.published[0], bucket=None)

    def test_stores_that_cannot_be_read(self, owner: Credential, emulator: Emulator) -> None:
        emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 403}])
        recorder = RecordingPublisher()
        with pytest.raises(PermissionDeniedError, match=r"looking for the object stores of credential mine: .*403"):
            run(create(recorder))
        assert recorder.published == []

    def test_a_new_one_owns_nothing(self, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        recorder = RecordingPublisher()
        run(create(recorder))
        assert recorder.published[0].bucket is None
        assert not answers(emulator, "civo.list_object_stores")


def test_a_credential_is_changed_and_deleted(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    made = hook.create_credential("mine")
    run(CivoUpdateCredentialOperator(task_id="t", credential="mine", suspended=True, max_size_gb=1000))
    changed = hook.get_credential(made.id)
    assert (changed.suspended, changed.max_size_gb) == (True, 1000)
    body = {"id": made.id, "name": "mine"}
    emulator.faults([{"operation": "civo.update_credential", "kind": "status", "status": 200, "body": body}])
    with pytest.raises(ObjectStoreError, match="change of suspended of credential mine and did not make it"):
        run(CivoUpdateCredentialOperator(task_id="t", credential="mine", suspended=False))
    run(CivoDeleteCredentialOperator(task_id="t", credential=made.access_key_id))
    assert hook.find_credential("mine") is None
    run(CivoDeleteCredentialOperator(task_id="t", credential="mine"))
    with pytest.raises(NotFoundError, match="no credential with the exact id"):
        run(CivoDeleteCredentialOperator(task_id="t", credential="mine", if_missing="fail"))


@pytest.mark.parametrize("wrong", [{}, {"suspended": "no"}, {"max_size_gb": 1}])
def test_a_wrong_change_of_a_credential_asks_nothing(wrong: dict[str, Any], emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError):
        run(CivoUpdateCredentialOperator(task_id="t", credential="mine", **wrong))
    assert emulator.requests()["total"] == 0


def test_an_owning_credential_stays(hook: CivoObjectStoreHook) -> None:
    hook.create_object_store("photos")
    owner = next(hook.list_credentials())
    with pytest.raises(ObjectStoreError):
        run(CivoDeleteCredentialOperator(task_id="t", credential=owner.id))
    assert hook.find_credential(owner.id)


class TestACreatedCredentialIsPublished:
    @pytest.mark.parametrize("tries", [1, 2])
    def test_once_it_has_its_keys(
        self, tries: int, hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second try finds what the first has created, maybe a moment ago."""
        monkeypatch.setattr(emulator.settings, "creating_seconds", 0.7)
        if tries == 2:
            with hook.client() as client:
                assert not client.send(api.create_credential("mine")).has_keys
        recorder = RecordingPublisher()
        pushed = run(create(recorder))
        (published,) = recorder.published
        found = hook.get_credential(pushed["id"])
        assert (found.has_keys, found.ready) == (True, True)
        assert published.access_key_id == pushed["access_key_id"] == found.access_key_id
        assert published.secret_access_key == found.secret_access_key

    def test_once_it_is_ready(self, hook: CivoObjectStoreHook, emulator: Emulator, slept: list[float]) -> None:
        recorder = RecordingPublisher()
        made = hook.create_credential("mine")
        entry = {
            "id": made.id,
            "name": "mine",
            "access_key_id": "EARLYKEY",
            "secret_access_key_id": "early-secret",
        }
        page = {"page": 1, "pages": 1, "items": [{**entry, "status": "pending"}]}
        early = still("pending", times=4, id=made.id)
        emulator.faults([early, {"operation": "civo.list_credentials", "kind": "status", "status": 200, "body": page}])
        run(create(recorder))
        assert answers(emulator, GET)["200"] >= 5
        (published,) = recorder.published
        assert published.access_key_id == made.access_key_id, "what it is when it is ready is published"

    def test_with_a_word_where_the_service_never_says_so(
        self, hook: CivoObjectStoreHook, emulator: Emulator, slept: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        emulator.faults(always("pending"))
        caplog.set_level(logging.WARNING)
        recorder = RecordingPublisher()
        run(create(recorder))
        assert 25 <= sum(slept) <= 60
        assert len(recorder.published) == 1

    def test_at_once_where_it_tells_no_status(
        self, hook: CivoObjectStoreHook, emulator: Emulator, slept: list[float]
    ) -> None:
        emulator.faults(always(""))
        run(create(RecordingPublisher()))
        assert sum(slept) < 5

    def test_not_if_it_is_another_one_than_asked_for(self, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        made = {"id": "1", "name": "mine", "access_key_id": "A", "secret_access_key_id": "S", "status": "ready"}
        body = {**made, "max_size_gb": 500}
        emulator.faults([{"operation": "civo.create_credential", "kind": "status", "status": 200, "body": body}])
        with pytest.raises(ResourceFailedError, match="1000 GB for credential mine and created one with 500 GB"):
            CivoCreateCredentialOperator(task_id="create", name="mine", max_size_gb=1000).execute({})

    def test_not_if_it_has_failed(self, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        emulator.faults(always("failed"))
        recorder = RecordingPublisher()
        with pytest.raises(ResourceFailedError, match="mine"):
            run(create(recorder))
        assert recorder.published == []

    def test_not_if_its_keys_do_not_come(
        self, hook: CivoObjectStoreHook, emulator: Emulator, slept: list[float]
    ) -> None:
        emulator.faults(always("ready", access_key_id=""))
        recorder = RecordingPublisher()
        with pytest.raises(ObjectStoreError, match="still has no keys after"):
            run(create(recorder))
        assert recorder.published == []

    def test_not_if_several_are_called_so(self, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        items = [{"id": str(n), "name": "mine", "access_key_id": f"AK{n}", "status": "ready"} for n in (1, 2)]
        page = {"page": 1, "pages": 1, "items": items}
        emulator.faults([{"operation": "civo.list_credentials", "kind": "status", "status": 200, "body": page}])
        with pytest.raises(ConflictError, match=r"2 credentials are called mine \(ids 1, 2\)"):
            run(create(RecordingPublisher()))

    @pytest.mark.parametrize("wrong", [["s3"], [RecordingPublisher], RecordingPublisher(), "s3", [None]], ids=range(5))
    def test_nothing_is_created_for_what_is_no_publisher(self, wrong: Any, emulator: Emulator) -> None:
        with pytest.raises(InvalidArgumentError, match="publishers must be a list"):
            run(CivoCreateCredentialOperator(task_id="t", name="mine", publishers=wrong))
        assert emulator.requests()["total"] == 0


def still(status: str, times: int | None = None, **fields: Any) -> dict[str, Any]:
    keys = {"access_key_id": "EARLYKEY", "secret_access_key_id": "early-secret"}
    body = {"id": "7", "name": "mine", "status": status, **keys, **fields}
    return {"operation": GET, "kind": "status", "status": 200, "body": body, "times": times}


def always(status: str, **fields: Any) -> list[dict[str, Any]]:
    """A service that answers so when the credential is created and whenever it is read."""
    read = still(status, **fields)
    return [read, {**read, "operation": "civo.create_credential"}]


class TestAnEmptyKeyGoesNowhere:
    @pytest.mark.parametrize(("access_key", "secret"), EMPTY)
    def test_to_a_publisher(self, access_key: str, secret: str, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        unfilled = Credential("7", "mine", access_key, secret, status="ready")
        recorder = RecordingPublisher()
        with pytest.raises(ObjectStoreError, match=r"credential mine \(7\) has no keys yet, its status is ready"):
            publish(hook, unfilled, [recorder])
        assert recorder.published == []

    @pytest.mark.parametrize(("access_key", "secret"), EMPTY)
    @pytest.mark.parametrize(
        "publisher",
        [
            AirflowConnectionPublisher("s3_photos", "airflow_api"),
            AnypointKeyPublisher("mule", "credentials", "s3"),
            SecretsManagerPublisher("photos"),
        ],
        ids=lambda publisher: type(publisher).__name__,
    )
    def test_from_a_publisher(self, publisher: Publisher, access_key: str, secret: str, emulator: Emulator) -> None:
        options = S3Options("photos", "https://s3.test", access_key, secret, "lon1")
        with pytest.raises(InvalidArgumentError, match=r"bucket photos has an empty (access key|secret)"):
            publisher.publish(options)
        assert emulator.requests()["total"] == 0

    @pytest.mark.parametrize(("access_key", "secret"), EMPTY)
    def test_into_a_client(self, access_key: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """boto3 would look for other keys, and act as somebody else."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SOMEBODY")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "elses")
        options = S3Options("photos", "https://s3.test", access_key, secret, "lon1")
        uses: list[Callable[[], Any]] = [
            lambda: boto3.client("s3", **options),
            options.s3fs,
            options.aws_connection,
            lambda: dict(options),
        ]
        for use in uses:
            with pytest.raises(InvalidArgumentError, match="is neither used nor published"):
                use()


class TestANameMeansOne:
    """What is the name of one credential and the access key or id of another is an error that names both."""

    @pytest.fixture
    def both(self, hook: CivoObjectStoreHook) -> tuple[Credential, Credential]:
        return hook.create_credential("one", access_key_id="TEAM"), hook.create_credential("TEAM")

    def test_find(self, both: tuple[Credential, Credential], hook: CivoObjectStoreHook) -> None:
        message = (
            rf"'TEAM' means 2 credentials: it is the access key of one \(id {both[0].id}\), the name of TEAM "
            rf"\(id {both[1].id}\)"
        )
        with pytest.raises(ObjectStoreError, match=message):
            hook.find_credential("TEAM")
        assert hook.find_credential(both[1].id) == both[1]
        assert hook.find_credential("one") == both[0]
        assert hook.find_credential("team") is None

    def test_delete(self, both: tuple[Credential, Credential], hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        with pytest.raises(ObjectStoreError, match="means 2 credentials"):
            run(CivoDeleteCredentialOperator(task_id="t", credential="TEAM"))
        with pytest.raises(ObjectStoreError, match="means 2 credentials"):
            run(CivoUpdateCredentialOperator(task_id="t", credential="TEAM", suspended=True))
        assert len(list(hook.list_credentials())) == 2
        assert not answers(emulator, "civo.delete_credential")
        assert not answers(emulator, "civo.update_credential")

    def test_rotate(self, both: tuple[Credential, Credential], hook: CivoObjectStoreHook) -> None:
        hook.create_object_store("photos", access_key_id="TEAM")
        task = CivoRotateCredentialOperator(task_id="t", credential="TEAM", dry_run=True)
        with pytest.raises(ObjectStoreError, match="means 2 credentials"):
            task.execute(run_context())
        task = CivoRotateCredentialOperator(task_id="t", credential="one", dry_run=True)
        assert task.execute(run_context())["stores"] == ["photos"]

    def test_object_stores(self, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        items = [{"id": "1", "name": "2", "max_size": 500}, {"id": "2", "name": "photos", "max_size": 500}]
        page = {"page": 1, "pages": 1, "items": items}
        emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 200, "body": page}])
        for task in (
            CivoDeleteObjectStoreOperator(task_id="t", object_store="2", delete_contents=True),
            CivoUpdateObjectStoreOperator(task_id="t", object_store="2", max_size_gb=1000),
            CivoRotateCredentialOperator(task_id="t", object_store="2"),
        ):
            with pytest.raises(ObjectStoreError, match=r"is the name of 2 \(id 1\), the id of photos \(id 2\)"):
                task.execute(run_context())
        assert not answers(emulator, "civo.delete_object_store")

    def test_a_lost_create_is_found_by_its_name_alone(self, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        hook.create_credential("one", access_key_id="TEAM")
        emulator.faults([{"operation": "civo.create_credential", "kind": "reset_after", "times": 1}])
        assert hook.create_credential("TEAM").name == "TEAM"


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        "act",
        [
            lambda: run(CivoDeleteObjectStoreOperator(task_id="t", object_store="none", if_missing="fail")),
            lambda: run(CivoUpdateObjectStoreOperator(task_id="t", object_store="none", max_size_gb=500)),
            lambda: run(CivoDeleteCredentialOperator(task_id="t", credential="none", if_missing="fail")),
            lambda: run(CivoUpdateCredentialOperator(task_id="t", credential="none", suspended=True)),
            lambda: CivoRotateCredentialOperator(task_id="t", credential="none").execute(run_context()),
            lambda: CivoRotateCredentialOperator(task_id="t", object_store="none").execute(run_context()),
            lambda: CivoObjectStoreHook().s3_options("none"),
        ],
    )
    def test_is_a_not_found_error_with_its_name(self, act: Callable[[], Any], emulator: Emulator) -> None:
        with pytest.raises(NotFoundError, match="'none'") as caught:
            act()
        assert caught.value.status == 404


def test_details_are_shown_beside_the_reason(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    body = {
        "code": "database_region_feature_not_supported",
        "reason": "This feature is not supported in this region",
        "details": "Feature object_store is not supported in region phx1",
    }
    emulator.faults([{"operation": "civo.*", "kind": "status", "status": 400, "body": body}])
    with pytest.raises(ApiError, match=r"in this region \(Feature object_store .* region phx1\)\. .*list_regions\(\)"):
        hook.create_object_store("photos")
    for details in (None, "", {"field": "name"}, ["a"], "This feature"):
        emulator.faults(
            [{"operation": "civo.*", "kind": "status", "status": 400, "body": {**body, "details": details}}]
        )
        with pytest.raises(ApiError, match="This feature is not supported in this region"):
            hook.create_object_store("photos")


def test_a_credential_that_owns_stores_is_not_deleted(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    hook.create_credential("mine")
    keys = hook.require_credential("mine").access_key_id
    for name in ("photos", "films"):
        hook.create_object_store(name, access_key_id=keys)
    with pytest.raises(ConflictError) as caught:
        run(CivoDeleteCredentialOperator(task_id="t", credential="mine"))
    assert str(caught.value).startswith(
        "credential mine owns 2 object stores, photos, films: delete them, or give them another owner with "
        "CivoUpdateObjectStoreOperator, before the credential is deleted. civo.delete_credential (credential "
    )
    assert hook.find_credential("mine")
    emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 403}])
    with pytest.raises(ConflictError, match=r"^civo\.delete_credential .*owns object stores"):
        run(CivoDeleteCredentialOperator(task_id="t", credential="mine"))
