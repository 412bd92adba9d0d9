"""What a bucket holds, on moto and on Ceph, and what is no response of S3."""

from __future__ import annotations

import traceback
from typing import Any

import boto3
import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.hooks.s3_client import find_contents, s3_error
from tests.hooks.buckets import create
from tests.transport.stub import http, serving


def test_a_bucket_that_only_looks_empty(backend_hook: CivoObjectStoreHook) -> None:
    create(backend_hook, "photos")
    options = backend_hook.s3_options("photos")
    client: Any = boto3.client("s3", **options)
    assert find_contents(options) is None
    upload = client.create_multipart_upload(Bucket="photos", Key="large")["UploadId"]
    assert find_contents(options) == "multipart uploads under way"
    client.upload_part(Bucket="photos", Key="large", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    assert find_contents(options) == "multipart uploads under way"
    client.abort_multipart_upload(Bucket="photos", Key="large", UploadId=upload)
    assert find_contents(options) is None
    client.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    version = client.put_object(Bucket="photos", Key="k", Body=b"1")["VersionId"]
    assert find_contents(options) == "objects"
    marker = client.delete_object(Bucket="photos", Key="k")["VersionId"]
    assert find_contents(options) == "older versions of objects"
    client.delete_object(Bucket="photos", Key="k", VersionId=version)
    assert find_contents(options) == "older versions of objects", "a deletion marker"
    client.delete_object(Bucket="photos", Key="k", VersionId=marker)
    assert find_contents(options) is None


def test_a_redirect_is_an_error() -> None:
    requests: list[bytes] = []

    def redirect(request: bytes) -> bytes:
        requests.append(request)
        return http(b"", "location: http://127.0.0.1:9/", status="307 x")

    with serving(redirect) as url, pytest.raises(ObjectStoreError, match=r"bucket photos: .*\(307\)"):
        find_contents(S3Options("photos", url, "key", "secret", "LON1"))
    assert len(requests) == 1


SECRET = "a-secret-that-nobody-knows"


def xml(body: str, status: str = "200 OK") -> bytes:
    return http(body.encode(), status=status, kind="application/xml")


NOT_S3 = {
    "no XML": xml(f"{SECRET} {'x' * 10_000}"),
    "no number": xml(f"<ListBucketResult><KeyCount>{SECRET}</KeyCount></ListBucketResult>"),
    "no time": xml(f"<ListBucketResult><Contents><LastModified>{SECRET}</LastModified></Contents></ListBucketResult>"),
    "no HTTP": f"HTTP/9.1 {SECRET}\r\n\r\n".encode(),
    "a long header": b"HTTP/1.1 200 OK\r\nx: " + SECRET.encode() * 10_000,
    "a long message": xml(f"<Error><Code>E</Code><Message>{'m' * 10_000}</Message></Error>", "400 No"),
}


@pytest.mark.parametrize("response", NOT_S3)
def test_no_error_repeats_a_response(response: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with serving(lambda request: NOT_S3[response]) as url:
        options = S3Options("photos", url, "key", "secret", "LON1")
        with pytest.raises(ObjectStoreError) as caught:
            find_contents(options)
        client = boto3.client("s3", **options)
        with pytest.raises(Exception) as librarys:
            client.list_objects_v2(Bucket="photos")
    for error in (caught.value, s3_error(librarys.value, "list_objects_v2 (bucket photos)")):
        shown = "".join(traceback.format_exception(error))
        assert "photos" in str(error)
        assert SECRET not in shown
        assert len(str(error)) < 1000
