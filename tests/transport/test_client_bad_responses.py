"""Whatever a server sends, the error is one of this package; sync and async."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.encoding import parse_json
from airflow_provider_objectstore.exceptions import (
    ObjectStoreError,
    ServerError,
)
from tests.transport.drivers import ONCE, Connect, anypoint_connection, get_quota_from
from tests.transport.stub import http


class TestNumbers:
    @pytest.mark.parametrize(
        "text", ["1e300000", "1e999999999", "-1e999999999", "1e-999999999", "Infinity", "NaN", "-Infinity", "9" * 400]
    )
    def test_are_refused_at_once(self, text: str, connect: Connect) -> None:
        with pytest.raises(ServerError, match="does not follow its contract"):
            get_quota_from(connect, http(b'{"objectstore_gb_limit":%s,"objectstore_gb_usage":1}' % text.encode()))
        with pytest.raises(ValueError, match=r"out of range|not JSON"):
            parse_json(text)


RAW = {
    "Location that cannot be read": http(b"", "location: https://[oops", status="302 Found"),
    "no Location": http(b"", status="301 Moved"),
    "Retry-After before all time": http(b"", "retry-after: Mon, 01 Jan 0001 00:00:00 -0000", status="429 x"),
    "Retry-After after all time": http(b"", "retry-after: Fri, 31 Dec 9999 23:59:59 -2359", status="429 x"),
    "Retry-After that is none": http(b"", "retry-after: ,", status="503 x"),
    "Retry-After of Feb 31": http(b"", "retry-after: Mon, 31 Feb 2024 00:00:00 GMT", status="503 x"),
    "no gzip": http(b"no gzip", "content-encoding: gzip"),
    "gzip cut short": http(gzip.compress(b"{}")[:-6], "content-encoding: gzip"),
    "unknown encoding": http(b"abc", "content-encoding: br"),
    "lone surrogate": http(b'{"reason":"\\ud800","code":"x"}', status="400 x"),
    "code is a list": http(b'{"code":["a"],"reason":{"a":1}}', status="400 x"),
    "deep": http(b"[" * 100_000),
    "status 999": http(b"x", status="999 x"),
    "status 000": http(b"x", status="000 x"),
    "no HTTP": b"\x00\x01garbage\r\n\r\n",
    "HTTP/0.9": b"hello",
    "nothing": b"",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\nhello",
    "bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nhello",
    "switching": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n",
    "non-ASCII header": http(b"{}", "x-request-id: \xe9\xff", status="400 x"),
    "wrong kinds": http(b'{"objectstore_gb_limit":{},"objectstore_gb_usage":[]}'),
}


class TestWhateverAServerSends:
    @pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
    def test_is_an_error_of_ours(self, raw: bytes, connect: Connect) -> None:
        with pytest.raises(ObjectStoreError):
            get_quota_from(connect, raw)

    @pytest.fixture(autouse=True)
    def _quiet(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level("CRITICAL"):
            yield

    def test_a_host_that_is_none(self, connect: Connect) -> None:
        for url in ("http://..", f"http://{'a' * 300}.example", "http://\u0661.\u0300"):
            with pytest.raises(ObjectStoreError):
                connect(anypoint_connection(url, retry=ONCE)).send(anypoint.list_stores())
