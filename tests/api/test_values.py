"""What is refused before any request, and how values and durations are written and read."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint, anypoint_access, civo
from airflow_provider_objectstore.api.call import Reply, encode, segment
from airflow_provider_objectstore.api.values import (
    MAX_KEY_BYTES,
    MAX_OBJECT_BYTES,
    Entry,
    decode_value,
    encode_value,
    ttl_seconds,
)
from airflow_provider_objectstore.exceptions import InvalidArgumentError, UnreadableValueError

NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False)
)


@given(st.one_of(st.text(), st.binary(), NUMBERS))
def test_values_come_back_as_they_went(value: Any) -> None:
    try:
        sent = encode(encode_value(value, "k"))
    except InvalidArgumentError:
        with pytest.raises(UnicodeEncodeError):
            value.encode()
        return
    _, read = decode_value(Reply(200, {}, sent).json())
    if isinstance(value, Decimal):  # comes back as a float where that is written the same
        assert Decimal(repr(read) if isinstance(read, float) else read) == value
    else:
        assert read == value


@pytest.mark.parametrize(
    ("written", "read"), [("0.1", 0.1), ("0.10000000000000000001", Decimal("0.10000000000000000001")), ("7", 7)]
)
def test_numbers_are_exact(written: str, read: Any) -> None:
    value = Reply(200, {}, b'{"numberValue":%s,"valueType":"NUMBER"}' % written.encode()).json()
    assert decode_value(value) == ("NUMBER", read)
    assert type(decode_value(value)[1]) is type(read)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"stringValue": "a"}, ("STRING", "a")),
        ({"binaryValue": "AP8="}, ("BINARY", b"\x00\xff")),
        ({"numberValue": 1}, ("NUMBER", 1)),
        ({"numberValue": "1.5", "valueType": "NUMBER"}, ("NUMBER", 1.5)),
    ],
)
def test_a_missing_type_is_inferred(item: dict[str, Any], expected: tuple[str, Any]) -> None:
    assert decode_value(item) == expected


@pytest.mark.parametrize("item", [{}, {"valueType": "STRING"}, {"values": [1, 2]}, {"numberValue": None}])
def test_no_value_is_no_empty_one(item: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="no "):
        decode_value(item)


def test_an_unknown_type_is_an_error_of_its_own() -> None:
    with pytest.raises(UnreadableValueError, match="'OBJECT', which is not one of STRING, NUMBER, BINARY"):
        decode_value({"valueType": "OBJECT", "objectValue": "x"})


@pytest.mark.parametrize(
    "item", [{"binaryValue": "?"}, {"numberValue": "x"}, {"valueType": "STRING", "stringValue": 5}, {"numberValue": []}]
)
def test_what_does_not_fit_its_type_is_an_error(item: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"type|base64|number"):
        decode_value(item)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * (MAX_OBJECT_BYTES + 1), r"'k' is 10,485,761 bytes; .* at most 10,485,760"),
        (b"x" * 7_864_321, r"'k' is 7,864,321 bytes, 10,485,764 as base64; .* at most 10,485,760"),
        (True, "is bool"),
        (None, "is NoneType"),
        ({"a": 1}, "json.dumps"),
        (float("nan"), "must be finite"),
        (Decimal("Infinity"), "must be finite"),
        (Decimal("1e999999999"), "at most 350 digits"),
        (10**400, "at most 350 digits"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_values_that_are_refused(value: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        anypoint.put_key("s", "p", "k", value)


def test_the_largest_values_are_taken() -> None:
    assert anypoint.put_key("s", "p", "k", "x" * MAX_OBJECT_BYTES)
    assert anypoint.put_key("s", "p", "k", b"x" * 7_864_320)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("x" * (MAX_KEY_BYTES + 1), "is 1,025 bytes of UTF-8; a key has at most 1,024"),
        ("é" * 513, "is 1,026 bytes"),
        ("a|b", "holds '|'"),
        ("", "must not be ''"),
        ("..", r"must not be '\.\.'"),
        (5, "must be text, not int"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_keys_that_are_refused(key: Any, said: str) -> None:
    for build in (anypoint.get_key, anypoint.key_exists, anypoint.delete_key):
        with pytest.raises(InvalidArgumentError, match=said):
            build("s", "p", key)
    assert issubclass(InvalidArgumentError, ValueError)


def test_metadata_has_a_limit() -> None:
    fits = {"a": "x" * (4096 - len('{"a":""}'))}
    assert anypoint.put_key("s", "p", "k", "v", metadata=fits)
    with pytest.raises(InvalidArgumentError, match=r"is 4,097 bytes as JSON; .* at most 4,096"):
        anypoint.put_key("s", "p", "k", "v", metadata={"a": fits["a"] + "x"})
    with pytest.raises(InvalidArgumentError, match="cannot be written as JSON"):
        anypoint.put_key("s", "p", "k", "v", metadata={"a": object()})


@pytest.mark.parametrize("index", [-1, 1.0, True, "1"])
def test_an_index_is_a_whole_number(index: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="index of key 'k'"):
        anypoint.put_key("s", "p", "k", "v", index=index)


@pytest.mark.parametrize(
    "ttl",
    [
        3600,
        3600.0,
        "3600",
        " PT1H ",
        "PT60M",
        timedelta(hours=1),
        pendulum.duration(hours=1),
        pendulum.duration(minutes=60),
    ],
)
def test_an_hour_in_every_form(ttl: Any) -> None:
    assert ttl_seconds(ttl, "default_ttl") == 3600


@pytest.mark.parametrize(
    ("ttl", "said"),
    [
        (0, "positive whole"),
        (-5, "0 seconds or more"),
        (0.5, "positive whole"),
        (timedelta(milliseconds=1), "positive whole"),
        ("P31D", r"2,678,400 s; .* at most 2,592,000 s \(30 days\)"),
        ("1 hour", "no ISO 8601 duration"),
        ("P1M", "no fixed length"),
        ("2026-01-01", "no ISO 8601 duration"),
        (True, "seconds, a timedelta or .* not True"),
        ([1], r"seconds, a timedelta or .* not \[1\]"),
        (float("inf"), "not inf"),
        (float("nan"), "not nan"),
    ],
)
def test_times_to_live_that_are_refused(ttl: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        anypoint.create_store("s", default_ttl=ttl)
    with pytest.raises(InvalidArgumentError):
        anypoint.extend_confirmation("s", "p", "k", "c", ttl)


@pytest.mark.parametrize("size", [0, 1, 499, 501, 750, -500, 500.5, True, "500GB", None])
def test_sizes_that_are_refused(size: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="must be 500 or a multiple"):
        civo.create_object_store("bucket", size)


@pytest.mark.parametrize("size", [500, "500", 1500])
def test_sizes_are_never_rounded(size: Any) -> None:
    body = civo.create_object_store("bucket", size).body
    assert body is not None
    assert body["size"] == body["max_size_gb"] == int(size)


@pytest.mark.parametrize(
    ("name", "said"), [("x" * 64, "64 characters; at most 63"), ("a b", "white space"), ("a/b", "slash"), ("", "''")]
)
def test_names_that_are_refused(name: str, said: str) -> None:
    for build in (civo.create_object_store, civo.create_credential):
        with pytest.raises(InvalidArgumentError, match=said):
            build(name)


def test_an_update_changes_something() -> None:
    with pytest.raises(InvalidArgumentError, match="give at least one of max_size_gb, access_key_id"):
        civo.update_object_store("1")
    with pytest.raises(InvalidArgumentError, match="must not be empty"):
        civo.update_credential("1", access_key_id="")


@pytest.mark.parametrize(
    ("control_plane", "region", "said"),
    [("mars", "us-east-1", "there are us, eu1, gov"), ("eu1", "us-east-1", "there are eu-central-1, eu-west-1")],
)
def test_addresses_that_do_not_exist(control_plane: str, region: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        anypoint_access.default_url(control_plane, region)


@pytest.mark.parametrize(
    ("control_plane", "region", "host"),
    [
        ("us", "ap-southeast-2", "object-store-ap-southeast-2.anypoint.mulesoft.com"),
        ("eu1", "eu-west-1", "object-store-eu-west-1.eu1.anypoint.mulesoft.com"),
        ("gov", "us-gov-west-1", "object-store-us-gov-west-1.gov.anypoint.mulesoft.com"),
    ],
)
def test_addresses(control_plane: str, region: str, host: str) -> None:
    assert anypoint_access.default_url(control_plane, region) == f"https://{host}"


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_a_segment_is_one_segment(text: str) -> None:
    from urllib.parse import unquote

    try:
        encoded = segment("key", text)
    except InvalidArgumentError:
        with pytest.raises(UnicodeEncodeError):
            text.encode()
        return
    assert "/" not in encoded
    assert unquote(encoded) == text


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, b'{"confirmationId": "c1"}', "c1"),
        ({"confirmationid": "c2"}, b"", "c2"),
        ({"x-confirmation-id": "c3"}, b"[]", "c3"),
        ({"location": "https://h/stores/s/partitions/p/keys/k/confirmations/c4?x=1"}, b"", "c4"),
        ({}, b"", None),
    ],
)
def test_a_confirmation_id_is_looked_for(headers: dict[str, str], body: bytes, expected: str | None) -> None:
    assert anypoint.put_key("s", "p", "k", "v").read(Reply(200, headers, body)) == expected


@pytest.mark.parametrize(
    ("body", "seconds", "encrypted"),
    [
        ({"storeId": "s", "encrypted": "false", "defaultTtlMillis": 120000}, 120, False),
        ({"storeId": "s", "encrypted": True, "defaultTtlSeconds": 120, "defaultTtlMillis": 1}, 120, True),
        ({"storeId": "s", "defaultTtlSeconds": "120", "encrypted": None}, 120, None),
        ({"storeId": "s"}, None, None),
    ],
)
def test_stores_are_read_in_every_form(body: dict[str, Any], seconds: int | None, encrypted: bool | None) -> None:
    store = anypoint.get_store("s").read(Reply(200, {}, json.dumps(body).encode()))
    assert (store.default_ttl_seconds, store.encrypted) == (seconds, encrypted)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, "https://objectstore.lon1.civo.com"),
        ("objectstore.fra1.civo.com", "https://objectstore.fra1.civo.com"),
        ("https://objectstore.civo.com/bucketA-zqws", "https://objectstore.civo.com"),
        ("127.0.0.1:9000", "https://127.0.0.1:9000"),
    ],
)
def test_s3_endpoints_in_every_form(endpoint: str | None, expected: str) -> None:
    from airflow_provider_objectstore.api.civo_model import s3_endpoint

    assert s3_endpoint(endpoint, "LON1") == expected


@pytest.mark.parametrize(
    ("item", "size", "status"),
    [
        ({"max_size_gb": 500, "status": "Ready"}, 500, "ready"),
        ({"max_size": "500", "state": "pending"}, 500, "pending"),
        ({}, None, ""),
    ],
)
def test_object_stores_are_read_in_every_form(item: dict[str, Any], size: int | None, status: str) -> None:
    body = json.dumps({"id": "1", "name": "b", **item}).encode()
    store = civo.get_object_store("1").read(Reply(200, {}, body))
    assert (store.max_size_gb, store.status) == (size, status)


def test_an_entry_keeps_its_value_to_itself() -> None:
    assert "secret" not in repr(Entry("k", "secret", "STRING"))
