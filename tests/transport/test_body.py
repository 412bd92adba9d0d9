"""Bodies are bounded in size while they are read; the decompressed size counts."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint.values import MAX_OBJECT_BYTES
from airflow_provider_objectstore.api.call import MAX_BODY_BYTES
from airflow_provider_objectstore.exceptions import (
    TransportError,
)
from airflow_provider_objectstore.transport.body import MAX_ERROR_BYTES, BodyReader, TooLargeError
from tests.transport.drivers import ONCE, Connect, anypoint_connection, get_quota_from
from tests.transport.stub import http, serving


def packed(size: int, wbits: int = 31) -> bytes:
    """So many spaces, compressed."""
    compress = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*(compress.compress(b" " * 2**20) for _ in range(size >> 20)), compress.flush()])


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "deflate"])
def test_what_it_grows_to_counts(wbits: int, connect: Connect) -> None:
    encoding = "gzip" if wbits == 31 else "deflate"
    with pytest.raises(TransportError, match="larger than 16,777,216 bytes") as caught:
        get_quota_from(connect, http(packed(64 * 2**20, wbits), f"content-encoding: {encoding}"))
    assert caught.value.permanent


def test_plain(connect: Connect) -> None:
    with pytest.raises(TransportError, match="larger than"):
        get_quota_from(connect, http(b" " * (MAX_BODY_BYTES + 1)))


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops"])
def test_errors_are_smaller(status: str, connect: Connect) -> None:
    with pytest.raises(TransportError, match="larger than 1,048,576 bytes"):
        get_quota_from(connect, http(packed(2 * MAX_ERROR_BYTES), "content-encoding: gzip", status=status))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_answers_are_read(encoding: str, connect: Connect) -> None:
    body = json.dumps({"objectstore_gb_limit": 7, "objectstore_gb_usage": 1}).encode()
    sent = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    assert get_quota_from(connect, http(sent, f"content-encoding: {encoding}")).objectstore_gb_limit == 7


def test_only_values_may_be_larger() -> None:
    assert anypoint.get_store("s").max_body_bytes == anypoint.put_key("s", "p", "k", 1).max_body_bytes
    value = anypoint.get_key("s", "p", "k").max_body_bytes
    assert anypoint.get_partition("s", "p").max_body_bytes == 25 * value


@pytest.mark.parametrize("character", ["\x01", '"', "\u0434"])
def test_the_largest_value_is_read_however_it_is_written(character: str, connect: Connect) -> None:
    size = MAX_OBJECT_BYTES // len(character.encode())
    body = json.dumps({"keyId": "k", "stringValue": character * size, "valueType": "STRING"}).encode()
    with serving(lambda request: http(body)) as url:
        driver = connect(anypoint_connection(url, token_call=None, bearer="a-token", retry=ONCE))
        assert len(str(driver.send(anypoint.get_key("s", "p", "k")).value)) == size


@given(body=st.binary(max_size=3000), cut=st.integers(1, 700), form=st.sampled_from(["gzip", "deflate", ""]))
def test_in_whatever_parts_it_comes(body: bytes, cut: int, form: str) -> None:
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
