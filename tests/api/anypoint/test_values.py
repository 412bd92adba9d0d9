"""Values, keys, metadata and times to live of Object Store v2."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint.values import (
    MAX_KEY_BYTES,
    MAX_OBJECT_BYTES,
    Entry,
    decode_value,
    encode_value,
    ttl_seconds,
)
from airflow_provider_objectstore.api.call import Response
from airflow_provider_objectstore.api.encoding import encode
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
    _, read = decode_value(Response(200, {}, sent).json())
    if isinstance(value, Decimal):  # comes back as a float where that is written the same
        assert Decimal(repr(read) if isinstance(read, float) else read) == value
    else:
        assert read == value


@pytest.mark.parametrize(
    ("written", "read"), [("0.1", 0.1), ("0.10000000000000000001", Decimal("0.10000000000000000001")), ("7", 7)]
)
def test_numbers_are_exact(written: str, read: Any) -> None:
    value = Response(200, {}, b'{"numberValue":%s,"valueType":"NUMBER"}' % written.encode()).json()
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


def test_an_entry_keeps_its_value_to_itself() -> None:
    assert "secret" not in repr(Entry("k", "secret", "STRING"))
