"""The proxy in front of moto: signatures, owners and paths, as Ceph's gateway treats them."""

from __future__ import annotations

import datetime
import http.client
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.auth
import pytest
import requests
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from tests.emulator.conftest import WHEN_REQUIRED, Connect, s3_error


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


def test_users_create_their_own_buckets(s3: Any, served: tuple[Emulator, MotoS3]) -> None:
    served[1].put_user("b", "KEY-B", "secret-b")
    other = Connect(served[0].s3_url or "")("KEY-B", "secret-b")
    other.create_bucket(Bucket="bucket-b", CreateBucketConfiguration={"LocationConstraint": "lon1"})
    assert s3_error(s3.list_objects_v2, Bucket="bucket-b") == "403 AccessDenied"
    assert s3_error(s3.create_bucket, Bucket="bucket-b") == "403 AccessDenied"
    other.put_object(Bucket="bucket-b", Key="k", Body=b"")
    other.delete_object(Bucket="bucket-b", Key="k")
    other.delete_bucket(Bucket="bucket-b")
    assert other.list_buckets()["Buckets"] == []


def test_a_wrong_clock(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for minutes in (-20, 20):
        skewed = now + datetime.timedelta(minutes=minutes)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda skewed=skewed: skewed.replace(tzinfo=None))
        assert s3_error(s3.list_objects_v2, Bucket="bucket-a") == "403 RequestTimeTooSkewed"


def test_a_wrong_digest(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth.S3SigV4Auth, "payload", lambda self, request: "0" * 64)
    assert s3_error(s3.put_object, Bucket="bucket-a", Key="k", Body=b"x") == "400 XAmzContentSHA256Mismatch"


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
def test_invalid_signatures(s3: Any, authorization: str) -> None:
    url = s3.meta.endpoint_url + "/bucket-a"
    assert requests.get(url, headers={"Authorization": authorization}).status_code == 403


def test_boto3s_default_checksums_fail_over_tls(certificate: str) -> None:
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


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[MotoS3, str]]:
    backend = MotoS3()
    yield backend, backend.start(0)
    backend.stop()


class TestBucketInThePath:
    """The proxy authorizes the bucket in the path: moto must use the same one."""

    @pytest.fixture
    def connect(self, moto: tuple[MotoS3, str]) -> Connect:
        """Makes clients of a server where users ``a`` and ``b`` have a bucket each."""
        backend, url = moto
        backend.reset()
        for user in ("a", "b"):
            backend.put_user(user, f"KEY-{user.upper()}", f"secret-{user}")
            backend.create_bucket(f"bucket-{user}", user)
        return Connect(url)

    @pytest.fixture
    def other_user(self, connect: Connect) -> Any:
        """A client of user ``b``, whose bucket has an object."""
        s3 = connect("KEY-B", "secret-b")
        s3.put_object(Bucket="bucket-b", Key="k", Body=b"theirs")
        return s3

    def send_raw(self, connect: Connect, method: str, target: str, headers: dict[str, str]) -> int:
        address = urlsplit(connect.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    def sign(self, connect: Connect, method: str, path: str, host: str) -> dict[str, str]:
        """Return headers of a request that user ``a`` signed."""
        request = AWSRequest(method, f"http://{host}{path}", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        botocore.auth.S3SigV4Auth(Credentials("KEY-A", "secret-a"), "s3", "lon1").add_auth(request)
        return {**dict(request.headers.items()), "Host": host}

    @pytest.mark.parametrize(
        "host", ["bucket-b.s3.amazonaws.com", "bucket-b.localhost.example", "bucket-b.s3-accesspoint.x.y"]
    )
    def test_a_bucket_in_the_host_is_ignored(self, connect: Connect, other_user: Any, host: str) -> None:
        # The host names bucket-b, the path a bucket that does not exist or that is user a's.
        assert self.send_raw(connect, "DELETE", "/k", self.sign(connect, "DELETE", "/k", host)) == 404
        assert self.send_raw(connect, "DELETE", "/bucket-a", self.sign(connect, "DELETE", "/bucket-a", host)) == 204
        assert other_user.get_object(Bucket="bucket-b", Key="k")["Body"].read() == b"theirs"
        assert connect().list_buckets()["Buckets"] == []

    @pytest.mark.parametrize("target", ["/%2Fbucket-b/k", "/bucket-b%3F/k", "/bucket-b%23/k", "/bucket-b;x/k"])
    def test_an_ambiguous_path_is_rejected(self, connect: Connect, other_user: Any, target: str) -> None:
        host = urlsplit(connect.url).netloc
        for method in ("GET", "DELETE"):
            assert self.send_raw(connect, method, target, self.sign(connect, method, target, host)) == 400
        assert other_user.get_object(Bucket="bucket-b", Key="k")["Body"].read() == b"theirs"

    def test_an_absolute_url_is_rejected(self, connect: Connect, other_user: Any) -> None:
        headers = self.sign(connect, "DELETE", "/bucket-b/k", urlsplit(connect.url).netloc)
        assert self.send_raw(connect, "DELETE", f"{connect.url}/bucket-b/k", headers) == 400
        assert other_user.get_object(Bucket="bucket-b", Key="k")["Body"].read() == b"theirs"

    def test_a_body_that_is_too_large_is_rejected(self, connect: Connect, other_user: Any) -> None:
        address = urlsplit(connect.url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(b"PUT /bucket-b/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999\r\n\r\n")
            assert b" 400 " in connection.recv(1000).partition(b"\r\n")[0]
