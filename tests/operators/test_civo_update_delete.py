from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest

from airflow_provider_objectstore.api.civo.models import ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import (
    CivoCreateObjectStoreOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateObjectStoreOperator,
)
from tests.transport.stub import LOGIN_PAGE, http, serving
from tests.triggers.waiting import answers, run

pytestmark = pytest.mark.slow


@pytest.fixture
def hook(emulator: Emulator) -> CivoObjectStoreHook:
    return CivoObjectStoreHook()


@pytest.fixture
def photos(hook: CivoObjectStoreHook) -> ObjectStore:
    """An object store that is ready."""
    run(CivoCreateObjectStoreOperator(task_id="t", name="photos", poke_interval=0.05))
    store = hook.find_object_store("photos")
    assert store
    return store


def update(**fields: Any) -> CivoUpdateObjectStoreOperator:
    return CivoUpdateObjectStoreOperator(**{"task_id": "t", "object_store": "photos", **fields})


def delete(**fields: Any) -> CivoDeleteObjectStoreOperator:
    return CivoDeleteObjectStoreOperator(**{"task_id": "t", "object_store": "photos", **fields})


def test_update(photos: ObjectStore, hook: CivoObjectStoreHook) -> None:
    mine = hook.create_credential("mine")
    changed = run(update(max_size_gb="1000", access_key_id=mine.access_key_id))
    assert (changed["max_size_gb"], changed["owner_access_key_id"]) == (1000, mine.access_key_id)
    assert json.loads(json.dumps(changed)) == changed


def test_a_service_that_does_not_change_owners(
    photos: ObjectStore, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    mine = hook.create_credential("mine")
    unchanged = {"id": photos.id, "name": "photos", "max_size": 500, "status": "ready"}
    emulator.faults([{"operation": "civo.update_object_store", "kind": "status", "status": 200, "body": unchanged}])
    with pytest.raises(OwnerChangeUnsupportedError, match=f"accepted {mine.access_key_id} as owner"):
        run(update(access_key_id=mine.access_key_id))
    with pytest.raises(ObjectStoreError, match="its size is still 500 GB"):
        run(update(max_size_gb=1000))


@pytest.mark.parametrize("wrong", [{}, {"max_size_gb": 750}, {"object_store": "", "max_size_gb": 500}])
def test_a_wrong_update_asks_nothing(wrong: dict[str, Any], emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError):
        run(update(**wrong))
    assert emulator.requests()["total"] == 0


def test_an_empty_store_is_deleted(photos: ObjectStore, hook: CivoObjectStoreHook) -> None:
    run(delete())
    assert hook.find_object_store("photos") is None
    run(delete())
    with pytest.raises(NotFoundError, match="no object store with the exact name"):
        run(delete(if_missing="fail"))


@pytest.mark.parametrize("figures", ["true", "lagging"])
def test_a_filled_store_is_deleted_only_if_told_so(
    figures: str, photos: ObjectStore, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    boto3.client("s3", **hook.s3_options("photos")).put_object(Bucket="photos", Key="k", Body=b"1")
    if figures == "lagging":
        body = {"size_kb_utilised": 0, "max_size_kb": 1, "num_objects": 0}
        emulator.faults([{"operation": "civo.get_object_store_stats", "kind": "status", "status": 200, "body": body}])
    with pytest.raises(ObjectStoreError, match="lost for good; delete_contents=True"):
        run(delete())
    assert not answers(emulator, "civo.delete_object_store")
    run(delete(delete_contents=True))
    assert hook.find_object_store("photos") is None


def test_a_store_that_cannot_be_listed_is_not_deleted(
    photos: ObjectStore, hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    owner = hook.find_credential(photos.owner_access_key_id or "") or next(hook.list_credentials())
    hook.update_credential(owner.id, suspended=True)
    with pytest.raises(ObjectStoreError, match="S3 did not answer whether object store photos is empty"):
        run(delete())
    assert hook.find_object_store("photos")


class TestAStoreThatOnlyLooksEmpty:
    """No object is listed and the figures say 0, and yet something would be gone for good."""

    @pytest.fixture
    def s3(self, photos: ObjectStore, hook: CivoObjectStoreHook) -> Any:
        return boto3.client("s3", **hook.s3_options("photos"))

    def refused(self, holds: str, emulator: Emulator) -> None:
        with pytest.raises(ObjectStoreError, match=rf"photos holds {holds}, which would be lost for good; delete_cont"):
            run(delete())
        assert not answers(emulator, "civo.delete_object_store")

    def test_a_multipart_upload_under_way(self, s3: Any, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
        upload = s3.create_multipart_upload(Bucket="photos", Key="large")["UploadId"]
        s3.upload_part(Bucket="photos", Key="large", UploadId=upload, PartNumber=1, Body=b"x" * 100)
        self.refused("multipart uploads under way", emulator)
        s3.abort_multipart_upload(Bucket="photos", Key="large", UploadId=upload)
        run(delete())
        assert hook.find_object_store("photos") is None

    def test_older_versions_of_deleted_objects(self, s3: Any, emulator: Emulator) -> None:
        s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="photos", Key="k", Body=b"1")
        s3.delete_object(Bucket="photos", Key="k")
        assert "Contents" not in s3.list_objects_v2(Bucket="photos")
        self.refused("older versions of objects", emulator)

    def test_deletion_markers_alone(self, s3: Any, emulator: Emulator) -> None:
        s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
        version = s3.put_object(Bucket="photos", Key="k", Body=b"1")["VersionId"]
        s3.delete_object(Bucket="photos", Key="k")
        s3.delete_object(Bucket="photos", Key="k", VersionId=version)
        assert "Versions" not in s3.list_object_versions(Bucket="photos")
        self.refused("older versions of objects", emulator)

    @pytest.mark.parametrize("question", ["uploads", "versions"])
    def test_a_backend_that_does_not_know_the_question(
        self, question: str, s3: Any, hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with S3ThatDoesNot(question) as url:
            connection = emulator.connections()["civo_default"]
            extra = {**connection["extra"], "s3_endpoint": url}
            monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
            with pytest.raises(ObjectStoreError, match=r"S3 did not answer whether .*NotImplemented.*delete_con"):
                run(delete())
        assert hook.find_object_store("photos")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(http(LOGIN_PAGE, kind="text/html"), id="a login page"),
        pytest.param(http(), id="an empty body"),
        pytest.param(http(status="204 No Content"), id="no content"),
        pytest.param(http(b"<ListBucketResult><Name>other</Name></ListBucketResult>"), id="another bucket"),
        pytest.param(http(b"<Result><Name>photos</Name></Result>"), id="uploads of no bucket"),
        pytest.param(http(b"<Result><Name>photos</Name><KeyCount>many</KeyCount></Result>"), id="no number"),
        pytest.param(http(LOGIN_PAGE, status="403 Forbidden", kind="text/html"), id="a gateway"),
    ],
)
def test_an_answer_that_is_not_about_the_bucket_deletes_nothing(
    answer: bytes, photos: ObjectStore, hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: answer) as url:
        connection = emulator.connections()["civo_default"]
        extra = {**connection["extra"], "s3_endpoint": url}
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
        with pytest.raises(
            ObjectStoreError,
            match=r"S3 did not answer .*photos is empty \(bucket photos: .*not deleted",
        ):
            run(delete())
    assert not answers(emulator, "civo.delete_object_store")


class S3ThatDoesNot(ThreadingHTTPServer):
    """An S3 with empty buckets that answers one question with NotImplemented."""

    def __init__(self, question: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                unknown = question in self.path
                empty = b"<Result><Name>photos</Name><Bucket>photos</Bucket></Result>"
                body = b"<Error><Code>NotImplemented</Code></Error>" if unknown else empty
                self.send_response(501 if unknown else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:  # type: ignore[override]
        Thread(target=self.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def test_a_part_of_a_name_deletes_nothing(photos: ObjectStore, hook: CivoObjectStoreHook) -> None:
    for part in ("photo", "hotos", "PHOTOS"):
        run(delete(object_store=part, delete_contents=True))
    assert hook.find_object_store("photos")


@pytest.mark.parametrize("text", ["yes", "1", "", "None"])
def test_a_text_is_no_permission(photos: ObjectStore, hook: CivoObjectStoreHook, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"delete_contents must be True or False, not {text!r}"):
        run(delete(delete_contents=text))
    assert hook.find_object_store("photos")
