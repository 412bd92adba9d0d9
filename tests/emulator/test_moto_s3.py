"""What moto's front does beyond that, as Ceph's gateway does it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pytest
import requests
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from tests.emulator.conftest import Connect
from tests.emulator.test_s3 import WHEN_REQUIRED, code


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Emulator, MotoS3]]:
    backend = MotoS3()
    with Emulator(Settings(creating_seconds=0), s3=backend) as emulator:
        yield emulator, backend


@pytest.fixture
def s3(served: tuple[Emulator, MotoS3]) -> Any:
    emulator, backend = served
    emulator.reset()
    backend.put_user("a", "KEY-A", "secret-a")
    backend.create_bucket("bucket-a", "a")
    assert emulator.s3_url is not None
    return Connect(emulator.s3_url)()


def test_users_make_buckets_of_their_own(s3: Any, served: tuple[Emulator, MotoS3]) -> None:
    served[1].put_user("b", "KEY-B", "secret-b")
    other = Connect(served[0].s3_url or "")("KEY-B", "secret-b")
    other.create_bucket(Bucket="bucket-b", CreateBucketConfiguration={"LocationConstraint": "lon1"})
    assert code(s3.list_objects_v2, Bucket="bucket-b") == "403 AccessDenied"
    assert code(s3.create_bucket, Bucket="bucket-b") == "403 AccessDenied"
    other.put_object(Bucket="bucket-b", Key="k", Body=b"")
    other.delete_object(Bucket="bucket-b", Key="k")
    other.delete_bucket(Bucket="bucket-b")
    assert other.list_buckets()["Buckets"] == []


def test_a_clock_that_is_wrong(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for minutes in (-20, 20):
        skewed = now + datetime.timedelta(minutes=minutes)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda skewed=skewed: skewed.replace(tzinfo=None))
        assert code(s3.list_objects_v2, Bucket="bucket-a") == "403 RequestTimeTooSkewed"


def test_a_digest_that_is_wrong(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth.S3SigV4Auth, "payload", lambda self, request: "0" * 64)
    assert code(s3.put_object, Bucket="bucket-a", Key="k", Body=b"x") == "400 XAmzContentSHA256Mismatch"


def test_a_body_in_signed_chunks(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    monkeypatch.setattr(botocore.auth.S3SigV4Auth, "payload", lambda self, request: streaming)
    signature = f"chunk-signature={'0' * 64}"
    body = f"5;{signature}\r\nhello\r\n0;{signature}\r\n\r\n".encode()
    headers = {"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked"}
    request = AWSRequest("PUT", s3.meta.endpoint_url + "/bucket-a/k", headers, body)
    botocore.auth.S3SigV4Auth(Credentials("KEY-A", "secret-a"), "s3", "lon1").add_auth(request)
    assert requests.put(str(request.url), data=body, headers=dict(request.headers)).status_code == 200
    monkeypatch.undo()
    assert s3.get_object(Bucket="bucket-a", Key="k")["Body"].read() == b"hello"


@pytest.mark.parametrize(
    "authorization", ["AWS KEY-A:c2lnbmF0dXJl", "AWS4-HMAC-SHA256 nonsense", "AWS4-HMAC-SHA256 Credential=KEY-A"]
)
def test_signatures_that_cannot_be_read(s3: Any, authorization: str) -> None:
    url = s3.meta.endpoint_url + "/bucket-a"
    assert requests.get(url, headers={"Authorization": authorization}).status_code == 403


def test_over_tls_boto3s_own_checksums_are_refused(certificate: str) -> None:
    backend = MotoS3(certfile=certificate)
    with Emulator(s3=backend) as emulator:
        backend.put_user("a", "KEY-A", "secret-a")
        backend.create_bucket("bucket-a", "a")

        def client(**config: Any) -> Any:
            return boto3.client(
                "s3",
                endpoint_url=emulator.s3_url,
                verify=certificate,
                aws_access_key_id="KEY-A",
                aws_secret_access_key="secret-a",
                region_name="lon1",
                config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **config),
            )

        with pytest.raises(ClientError, match="MissingContentLength"):
            client().put_object(Bucket="bucket-a", Key="k", Body=b"content")
        s3 = client(**WHEN_REQUIRED)
        s3.put_object(Bucket="bucket-a", Key="k", Body=b"content")
        assert s3.get_object(Bucket="bucket-a", Key="k")["Body"].read() == b"content"


def test_two_backends_in_a_process_keep_apart() -> None:
    backends = MotoS3(), MotoS3()
    urls = [backend.start(0) for backend in backends]
    try:
        for backend in backends:
            backend.put_user("a", "KEY-A", "secret-a")
            backend.create_bucket("bucket-a", "a")
        Connect(urls[0])().put_object(Bucket="bucket-a", Key="k", Body=b"")
        backends[0].reset()
        backends[1].set_owner("bucket-a", "a")
        assert "Contents" not in Connect(urls[1])().list_objects_v2(Bucket="bucket-a")
    finally:
        for backend in backends:
            backend.stop()


def test_what_moto_refuses_is_told(served: tuple[Emulator, MotoS3]) -> None:
    with pytest.raises(RuntimeError, match="create_bucket: InvalidBucketName"):
        served[1].create_bucket("x", "a")


def test_a_certificate_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="moto's process ended"):
        MotoS3(certfile=str(tmp_path / "missing.pem")).start(0)
