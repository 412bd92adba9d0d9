"""Answers are bounded in size, time and digits while they are read; whatever a server sends, an error is ours."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import MAX_BODY_BYTES, MAX_DIGITS, fits, integer, number, parse_json
from airflow_provider_objectstore.api.values import MAX_OBJECT_BYTES
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ObjectStoreError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.transport.body import MAX_ERROR_BYTES, BodyReader, TooLargeError
from airflow_provider_objectstore.transport.policy import RetryPolicy
from tests.transport.carriers import Connect, civo_in_london, osv2
from tests.transport.stub import Answer, dripping, http, serving

MEMBERS = [
    "values",
    "nextPageToken",
    "storeId",
    "keyId",
    "valueType",
    "stringValue",
    "numberValue",
    "binaryValue",
    "index",
    "metadata",
    "encrypted",
    "defaultTtlSeconds",
    "id",
    "name",
    "code",
    "items",
    "page",
    "pages",
    "max_size_gb",
    "owner_info",
    "access_key_id",
    "status",
    "suspended",
    "features",
    "objectstore_gb_limit",
    "objectstore_gb_usage",
    "objectstore_endpoint",
    "reason",
    "message",
    "result",
]
ONCE = RetryPolicy(attempts=1)


def packed(size: int, wbits: int = 31) -> bytes:
    """So many spaces, compressed."""
    compress = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*(compress.compress(b" " * 2**20) for _ in range(size >> 20)), compress.flush()])


def ask(connect: Connect, answer: Answer, **changes: Any) -> Any:
    """Ask for a quota and get this answer."""
    with serving(lambda request: answer) as url:
        return connect(civo_in_london(url, **{"retry": ONCE, **changes})).send(civo.get_quota())


class TestSize:
    @pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "deflate"])
    def test_what_it_grows_to_counts(self, wbits: int, connect: Connect) -> None:
        encoding = "gzip" if wbits == 31 else "deflate"
        with pytest.raises(TransportError, match="larger than 16,777,216 bytes") as caught:
            ask(connect, http(packed(64 * 2**20, wbits), f"content-encoding: {encoding}"))
        assert caught.value.permanent

    def test_plain(self, connect: Connect) -> None:
        with pytest.raises(TransportError, match="larger than"):
            ask(connect, http(b" " * (MAX_BODY_BYTES + 1)))

    @pytest.mark.parametrize("status", ["404 Not Found", "500 Oops"])
    def test_errors_are_smaller(self, status: str, connect: Connect) -> None:
        with pytest.raises(TransportError, match="larger than 1,048,576 bytes"):
            ask(connect, http(packed(2 * MAX_ERROR_BYTES), "content-encoding: gzip", status=status))

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_compressed_answers_are_read(self, encoding: str, connect: Connect) -> None:
        body = json.dumps({"objectstore_gb_limit": 7, "objectstore_gb_usage": 1}).encode()
        sent = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        assert ask(connect, http(sent, f"content-encoding: {encoding}")).objectstore_gb_limit == 7

    def test_only_values_may_be_larger(self) -> None:
        assert anypoint.get_store("s").max_body_bytes == anypoint.put_key("s", "p", "k", 1).max_body_bytes
        value = anypoint.get_key("s", "p", "k").max_body_bytes
        assert anypoint.get_partition("s", "p").max_body_bytes == 25 * value

    @pytest.mark.parametrize("character", ["\x01", '"', "\u0434"])
    def test_the_largest_value_is_read_however_it_is_written(self, character: str, connect: Connect) -> None:
        size = MAX_OBJECT_BYTES // len(character.encode())
        body = json.dumps({"keyId": "k", "stringValue": character * size, "valueType": "STRING"}).encode()
        with serving(lambda request: http(body)) as url:
            carrier = connect(osv2(url, token_call=None, bearer="a-token", retry=ONCE))
            assert len(str(carrier.send(anypoint.get_key("s", "p", "k")).value)) == size

    @given(body=some.binary(max_size=3000), cut=some.integers(1, 700), form=some.sampled_from(["gzip", "deflate", ""]))
    def test_in_whatever_parts_it_comes(self, body: bytes, cut: int, form: str) -> None:
        sent = {"gzip": gzip.compress, "deflate": zlib.compress, "": bytes}[form](body)
        for limit in (len(body), max(len(body) - 1, 0)):
            reader = BodyReader(200, {"content-encoding": form} if form else {}, limit)
            try:
                for start in range(0, len(sent), cut):
                    reader.feed(sent[start : start + cut])
                assert reader.whole() == body
                assert limit == len(body)
            except TooLargeError:
                assert limit < len(body)


class TestTime:
    @pytest.mark.parametrize(
        "begin",
        [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nx-a: ", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"],
        ids=["status", "headers", "body"],
    )
    def test_a_byte_now_and_then_ends(self, begin: bytes, connect: Connect) -> None:
        with (
            serving(lambda request: dripping(begin)) as url,
            pytest.raises(TransportError, match=r"timed out") as caught,
        ):
            connect(civo_in_london(url, timeout=0.5, retry=RetryPolicy(attempts=1))).send(civo.get_quota())
        assert caught.value.request_sent

    def test_a_call_ends_with_the_attempt_under_way(self, connect: Connect) -> None:
        asked = []

        def answer(request: bytes) -> Answer:
            asked.append(request)
            return dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")

        with serving(answer) as url, pytest.raises(TransportError):
            connect(civo_in_london(url, timeout=0.3)).send(civo.get_quota())
        assert len(asked) == 1  # it had the time of the whole call

    def test_a_proxy_that_drips(self, connect: Connect) -> None:
        with serving(lambda request: dripping(b"HTTP/1.1 200 ")) as proxy, pytest.raises(TransportError):
            target = civo_in_london("https://nowhere.invalid", proxy=proxy, timeout=0.5, retry=ONCE)
            connect(target).send(civo.get_quota())


class TestWhole:
    """An answer that breaks off, or comes before the answer, is none."""

    @pytest.mark.parametrize(
        "cut", [b"HTTP/1.1 404", b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Ty", b"HTTP/1.1 200 OK\r\n"]
    )
    def test_headers_cut_off(self, cut: bytes, connect: Connect) -> None:
        with pytest.raises(TransportError) as caught:
            ask(connect, b"HTTP/1.1 404" + cut)
        assert caught.value.request_sent

    def test_interim_answers_are_passed_over(self, connect: Connect) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        body = b'{"objectstore_gb_limit": 7, "objectstore_gb_usage": 1}'
        assert ask(connect, [hints, http(body)]).objectstore_gb_limit == 7

    def test_a_reset_behind_a_proxy_is_not_unsent(self, connect: Connect) -> None:
        asked = []

        def answer(request: bytes) -> Answer:
            asked.append(request)
            return b""

        with serving(answer) as proxy, pytest.raises(OutcomeUnknownError):
            carrier = connect(osv2("http://nowhere.invalid", proxy=proxy, token_call=None, bearer="a-token"))
            carrier.send(anypoint.alter_number("s", "p", "k", {"operation": "add", "value": 1}))
        assert len(asked) == 1


class TestNumbers:
    @pytest.mark.parametrize(
        "text", ["1e300000", "1e999999999", "-1e999999999", "1e-999999999", "Infinity", "NaN", "-Infinity", "9" * 400]
    )
    def test_are_refused_at_once(self, text: str, connect: Connect) -> None:
        with pytest.raises(ServerError, match="does not follow its contract"):
            ask(connect, http(b'{"objectstore_gb_limit":%s,"objectstore_gb_usage":1}' % text.encode()))
        with pytest.raises(ValueError, match=r"out of range|not JSON"):
            parse_json(text)

    @given(some.decimals(allow_nan=False, allow_infinity=False) | some.floats(allow_nan=False, allow_infinity=False))
    def test_what_fits_is_read_as_it_is(self, written: Any) -> None:
        if fits(written):
            assert Decimal(str(number(str(written)))) == Decimal(str(written))

    @pytest.mark.parametrize("value", [1, "1", 1.0, "+1", " 1 "])
    def test_integers(self, value: Any) -> None:
        assert integer(value) == 1

    @given(some.floats() | some.text() | some.booleans() | some.none() | some.lists(some.integers()) | some.decimals())
    def test_integers_or_an_error_of_value(self, value: Any) -> None:
        with suppress(ValueError):
            assert integer(value) == int(value)

    @pytest.mark.parametrize("digits", [MAX_DIGITS, 18])
    def test_a_long_integer_is_a_value_and_no_count(self, digits: int) -> None:
        assert parse_json("9" * digits) == 10**digits - 1
        if digits > 18:
            with pytest.raises(ValueError, match="not an integer"):
                integer(10**digits - 1)


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
            ask(connect, raw)

    @settings(max_examples=60, deadline=None)
    @given(
        answer=some.recursive(
            some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
            lambda inner: (
                some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(MEMBERS), inner, max_size=6)
            ),
            max_leaves=12,
        ).map(json.dumps)
    )
    def test_json_of_any_shape(self, answer: str) -> None:
        from airflow_provider_objectstore.api.call import Reply

        for call in (
            anypoint.list_stores(),
            anypoint.get_store("s"),
            anypoint.get_partition("s", "p"),
            anypoint.get_key("s", "p", "k"),
            anypoint.put_key("s", "p", "k", "v"),
            anypoint.list_regions(),
            civo.list_object_stores(),
            civo.get_object_store("1"),
            civo.list_credentials(),
            civo.get_quota(),
            civo.list_regions(),
            civo.delete_credential("1"),
        ):
            for status in (200, 400, 404, 500):
                try:
                    call.interpret(Reply(status, {"content-type": "application/json"}, answer.encode()))
                except ObjectStoreError as error:
                    assert isinstance(error, ApiError)

    @pytest.fixture(autouse=True)
    def _quiet(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level("CRITICAL"):
            yield

    def test_a_host_that_is_none(self, connect: Connect) -> None:
        for url in ("http://..", f"http://{'a' * 300}.example", "http://\u0661.\u0300"):
            with pytest.raises(ObjectStoreError):
                connect(osv2(url, retry=ONCE)).send(anypoint.list_stores())
