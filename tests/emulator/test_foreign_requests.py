"""What a web page could make a browser send does nothing, and no request can fill the memory."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from airflow_provider_objectstore.emulator import Emulator, MotoS3, app
from tests.emulator.conftest import STORES, Anypoint, Api, Civo, Connect

FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:8089"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:80"},
    {"Host": "0.0.0.0"},
    {"Host": "evil.example@127.0.0.1"},
    {"Host": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


class TestControls:
    @pytest.mark.parametrize("headers", FOREIGN, ids=str)
    def test_a_foreign_request_does_nothing(
        self, emulator: Emulator, anypoint: Anypoint, headers: dict[str, str]
    ) -> None:
        before = emulator.requests()
        fault = json.dumps([{"operation": "*", "kind": "status", "status": 500}])
        for path, body in (("faults", fault), ("reset", "")):
            answer = Api(anypoint.url)("POST", f"/_emulator/{path}", data=body, headers=headers)
            assert answer.status_code == 403
        assert Api(anypoint.url)("GET", "/_emulator/requests", headers=headers).status_code == 403
        assert emulator.requests() == before
        assert anypoint.store("GET", "s").status_code == 200

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "[::1]:8089", "127.0.0.1"])
    def test_every_name_of_this_machine_is_served(self, emulator: Emulator, host: str) -> None:
        assert Api(emulator.url)("POST", "/_emulator/reset", headers={"Host": host}).status_code == 204

    def test_a_page_of_its_own_is_served(self, emulator: Emulator) -> None:
        headers = {"Origin": emulator.url, "Sec-Fetch-Site": "same-origin"}
        assert Api(emulator.url)("POST", "/_emulator/reset", headers=headers).status_code == 204


class TestOperations:
    @pytest.mark.parametrize("headers", FOREIGN, ids=str)
    def test_a_foreign_request_does_nothing(
        self, emulator: Emulator, anypoint: Anypoint, civo: Civo, headers: dict[str, str]
    ) -> None:
        before = emulator.requests()
        assert anypoint.key("PUT", "k", {"stringValue": "v"}).status_code == 200
        statuses = [
            anypoint("DELETE", f"{STORES}/s/partitions/p/keys/k", headers=headers).status_code,
            anypoint("GET", STORES, headers=headers).status_code,
            civo("POST", "objectstores", json={"name": "store"}, headers=headers).status_code,
            Api(anypoint.url)("POST", "/accounts/login", json={}, headers=headers).status_code,
        ]
        assert statuses == [403] * 4
        assert emulator.requests()["total"] == before["total"] + 1
        assert anypoint.key("HEAD", "k").status_code == 204
        assert civo("GET", "objectstores").json()["items"] == []


class TestBodies:
    def test_the_largest_value_with_each_character_escaped_fits(self, anypoint: Anypoint) -> None:
        assert len('"\\u0000"') * 10 * 1024 * 1024 > app.MAX_BODY_BYTES > len("\\u0000") * 10 * 1024 * 1024

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize(
        "path", [f"{STORES}/s/partitions/p/keys/k", "/v2/objectstores?region=LON1", "/accounts/login"]
    )
    def test_more_is_refused(
        self, anypoint: Anypoint, monkeypatch: pytest.MonkeyPatch, path: str, chunked: bool
    ) -> None:
        monkeypatch.setattr(app, "MAX_BODY_BYTES", 100_000)
        body: Any = b'{"stringValue": "' + b"x" * 200_000 + b'"}'
        answer = anypoint("POST", path, data=iter([body]) if chunked else body)
        assert (answer.status_code, answer.json()["message"]) == (413, "A body has at most 100000 bytes")
        assert anypoint.store("GET", "s").status_code == 200

    def test_faults_alike(self, emulator: Emulator, anypoint: Anypoint, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(app, "MAX_BODY_BYTES", 1000)
        fault = {"operation": "*", "kind": "status", "status": 500, "body": "x" * 1000}
        assert Api(emulator.url)("POST", "/_emulator/faults", json=[fault]).status_code == 400
        assert anypoint.store("GET", "s").status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            "[" * 100_000,
            '{"metadata": ' + "[" * 200 + "]" * 200 + ', "stringValue": ""}',
            '{"numberValue": 1e' + "9" * 30 + "}",
        ],
        ids=["brackets", "deep metadata", "a huge exponent"],
    )
    def test_json_that_cannot_be_kept_is_refused(self, emulator: Emulator, anypoint: Anypoint, body: str) -> None:
        assert anypoint("PUT", f"{STORES}/s/partitions/p/keys/k", data=body).status_code == 400
        assert (
            anypoint("PATCH", f"{STORES}/s", data=body.replace("numberValue", "defaultTtlSeconds")).status_code == 400
        )
        assert Api(emulator.url)("POST", "/_emulator/faults", data=body).status_code == 400

    def test_a_time_beyond_all_bounds_is_cut(self, anypoint: Anypoint) -> None:
        held = anypoint.key("PUT", "k", {"stringValue": "v"}, confirm=True).json()["confirmationId"]
        body = {"ttl": 10**400}
        path = ("s", "partitions", "p", "keys", "k", "confirmations", held)
        assert anypoint.store("PATCH", *path, json=body).status_code == 204


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[MotoS3, str]]:
    backend = MotoS3()
    yield backend, backend.start(0)
    backend.stop()


class TestS3ReadsThePathOnly:
    """Who may do what is decided by the bucket in the path: moto must find the same one."""

    @pytest.fixture
    def connect(self, moto: tuple[MotoS3, str]) -> Connect:
        """Clients of a server where users ``a`` and ``b`` have a bucket each."""
        backend, url = moto
        backend.reset()
        for user in ("a", "b"):
            backend.put_user(user, f"KEY-{user.upper()}", f"secret-{user}")
            backend.create_bucket(f"bucket-{user}", user)
        return Connect(url)

    @pytest.fixture
    def theirs(self, connect: Connect) -> Any:
        """A client of user ``b``, who has put something into the bucket."""
        s3 = connect("KEY-B", "secret-b")
        s3.put_object(Bucket="bucket-b", Key="k", Body=b"theirs")
        return s3

    def raw(self, connect: Connect, method: str, target: str, headers: dict[str, str]) -> int:
        address = urlsplit(connect.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    def signed(self, connect: Connect, method: str, path: str, host: str) -> dict[str, str]:
        """Headers of a request that user ``a`` signed."""
        request = AWSRequest(method, f"http://{host}{path}", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        S3SigV4Auth(Credentials("KEY-A", "secret-a"), "s3", "lon1").add_auth(request)
        return {**dict(request.headers.items()), "Host": host}

    @pytest.mark.parametrize(
        "host", ["bucket-b.s3.amazonaws.com", "bucket-b.localhost.example", "bucket-b.s3-accesspoint.x.y"]
    )
    def test_a_bucket_in_the_host_does_not_count(self, connect: Connect, theirs: Any, host: str) -> None:
        # By its host each request is about bucket-b, by its path about a bucket that there is not or that is user a's.
        assert self.raw(connect, "DELETE", "/k", self.signed(connect, "DELETE", "/k", host)) == 404
        assert self.raw(connect, "DELETE", "/bucket-a", self.signed(connect, "DELETE", "/bucket-a", host)) == 204
        assert theirs.get_object(Bucket="bucket-b", Key="k")["Body"].read() == b"theirs"
        assert connect().list_buckets()["Buckets"] == []

    @pytest.mark.parametrize("target", ["/%2Fbucket-b/k", "/bucket-b%3F/k", "/bucket-b%23/k", "/bucket-b;x/k"])
    def test_a_path_that_can_be_read_in_two_ways_is_refused(self, connect: Connect, theirs: Any, target: str) -> None:
        host = urlsplit(connect.url).netloc
        for method in ("GET", "DELETE"):
            assert self.raw(connect, method, target, self.signed(connect, method, target, host)) == 400
        assert theirs.get_object(Bucket="bucket-b", Key="k")["Body"].read() == b"theirs"

    def test_a_whole_url_is_no_path(self, connect: Connect, theirs: Any) -> None:
        headers = self.signed(connect, "DELETE", "/bucket-b/k", urlsplit(connect.url).netloc)
        assert self.raw(connect, "DELETE", f"{connect.url}/bucket-b/k", headers) == 400
        assert theirs.get_object(Bucket="bucket-b", Key="k")["Body"].read() == b"theirs"

    def test_a_body_beyond_what_memory_holds_is_refused(self, connect: Connect, theirs: Any) -> None:
        address = urlsplit(connect.url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(b"PUT /bucket-b/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999\r\n\r\n")
            assert b" 400 " in connection.recv(1000).partition(b"\r\n")[0]
