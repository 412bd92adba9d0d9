"""Values, keys, metadata and times to live of Object Store v2: their limits, and how they are encoded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeAlias

from airflow_provider_objectstore.api.encoding import MAX_DIGITS, dump, fits, number, parse_integer
from airflow_provider_objectstore.arguments import Duration, seconds
from airflow_provider_objectstore.exceptions import InvalidArgumentError, UnreadableValueError
from airflow_provider_objectstore.xcom import NotForXCom

MAX_OBJECT_BYTES = 10 * 1024 * 1024
"""Largest value in bytes, as sent: binary values are sent as base64, so 7.5 MB of raw bytes."""
MAX_METADATA_BYTES = 4 * 1024
"""Largest metadata in bytes, as JSON."""
MAX_KEY_BYTES = 1024
"""Longest key in bytes of UTF-8."""
MAX_TTL_SECONDS = 30 * 24 * 3600
"""Longest time to live, 30 days: the service silently shortens longer ones."""

ValueType: TypeAlias = Literal["STRING", "NUMBER", "BINARY"]
Value: TypeAlias = str | bytes | int | float | Decimal
Ttl: TypeAlias = Duration
"""Seconds, a ``timedelta`` (so a ``pendulum.Duration``), or an ISO 8601 duration such as ``PT1H``."""


@dataclass(frozen=True, slots=True)
class Entry(NotForXCom):
    """
    A value of a partition. A task cannot return it: XCom does not keep bytes and Decimals as they are.

    :param key: the key; None where the service lists values without their keys.
    :param value: text, bytes, or a number (int; float where exact, else Decimal); None if bodies were not requested.
    :param value_type: ``STRING``, ``BINARY`` or ``NUMBER``; None where the service does not return it.
    :param metadata: the metadata stored with the value; None for none.
    :param index: position in the key's list of values, from 0; None where the service does not return it.
    :param confirmation_id: for a confirmable read, the id to acknowledge or reject.
    """

    _instead: ClassVar[str] = "return its value, as base64 if that is bytes, or use AnypointGetKeyOperator"

    key: str | None
    value: Value | None = field(repr=False)
    value_type: str | None
    metadata: Any = None
    index: int | None = None
    confirmation_id: str | None = None


def encode_value(value: Value, key: str) -> dict[str, Any]:
    """
    Return the members of a PUT body for a value: str is STRING, bytes BINARY, numbers NUMBER.

    :param key: the key, for errors.
    :raises InvalidArgumentError: for another type, a number that JSON cannot represent, or more than 10 MB.
    """
    if isinstance(value, str):
        return _text_member(key, "STRING", "stringValue", value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        return _text_member(key, "BINARY", "binaryValue", base64.b64encode(raw).decode(), raw_bytes=len(raw))
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InvalidArgumentError(
            f"the value of key {key!r} is {type(value).__name__}; Object Store v2 holds text (str), "
            "bytes, and numbers (int, float, Decimal). Serialize anything else, for example with json.dumps"
        )
    if not fits(value):
        raise InvalidArgumentError(
            f"the value of key {key!r} is a number that cannot be written and read back: it must be finite and have "
            f"at most {MAX_DIGITS} digits"
        )
    return {"valueType": "NUMBER", "numberValue": value}


def _text_member(
    key: str, value_type: ValueType, member: str, text: str, raw_bytes: int | None = None
) -> dict[str, Any]:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"the value of key {key!r} is not valid Unicode text") from None
    if size > MAX_OBJECT_BYTES:
        sizes = f"{size:,} bytes" if raw_bytes is None else f"{raw_bytes:,} bytes, {size:,} as base64"
        raise InvalidArgumentError(
            f"the value of key {key!r} is {sizes}; Object Store v2 takes at most {MAX_OBJECT_BYTES:,} bytes "
            "per object. Keep large values in another store, such as S3, and their address here"
        )
    return {"valueType": value_type, member: text}


_MEMBERS: Mapping[ValueType, str] = {"STRING": "stringValue", "NUMBER": "numberValue", "BINARY": "binaryValue"}


def decode_value(item: Mapping[str, Any]) -> tuple[ValueType, Value]:
    """
    Return type and value of an item. A missing ``valueType`` is inferred from the member that has the value.

    :raises LookupError: if there is no value.
    :raises UnreadableValueError: if its type is not known.
    :raises ValueError: if it does not fit its type.
    """
    value_type = item.get("valueType")
    if value_type is None:
        value_type = next((kind for kind, name in _MEMBERS.items() if item.get(name) is not None), None)
    if value_type is None:
        raise LookupError("no value")
    if value_type not in _MEMBERS:
        raise UnreadableValueError(
            f"the value has the type {str(value_type)[:40]!r}, which is not one of {', '.join(_MEMBERS)}: it is there, "
            "and cannot be read here"
        )
    raw = item.get(_MEMBERS[value_type])
    if raw is None:
        raise LookupError(f"no {_MEMBERS[value_type]}")
    if value_type == "BINARY":
        try:
            return value_type, base64.b64decode(raw, validate=True)
        except binascii.Error as cause:
            raise ValueError("binaryValue is not base64") from cause
    if value_type == "NUMBER" and isinstance(raw, str):
        return value_type, parse_integer(raw) if raw.lstrip("+-").isdigit() else number(raw)
    expected = str if value_type == "STRING" else (int, float, Decimal)
    if isinstance(raw, bool) or not isinstance(raw, expected):
        raise ValueError(f"the value does not fit its type {value_type}")
    return value_type, raw


def normalize_key(key: str) -> str:
    """
    Return a key, or a prefix of keys, as the service stores it: with ``+`` instead of spaces.

    Assumption: the vendor's documentation says so of spaces and of nothing else.
    """
    if not isinstance(key, str):
        raise InvalidArgumentError(f"a key, or what keys begin with, must be text, not {key!r}")
    return key.replace(" ", "+")


def check_key(key: str) -> None:
    """
    Refuse what cannot be a key: more than 1,024 bytes of UTF-8, or a ``|``.

    :raises InvalidArgumentError: saying the limit and the size.
    """
    if not isinstance(key, str):
        return  # the path segment's check reports it
    size = len(key.encode(errors="surrogatepass"))
    if size > MAX_KEY_BYTES:
        raise InvalidArgumentError(
            f"the key {key[:40]!r}… is {size:,} bytes of UTF-8; a key has at most {MAX_KEY_BYTES:,}"
        )
    if "|" in key:
        raise InvalidArgumentError(f"the key {key!r} holds '|', which Object Store v2 does not allow")


def check_metadata(metadata: Any, key: str) -> None:
    """
    Refuse metadata that is not JSON or larger than 4 KB.

    :raises InvalidArgumentError: saying the limit and the size.
    """
    try:
        size = len(dump(metadata).encode())
    except (TypeError, ValueError) as cause:
        raise InvalidArgumentError(f"the metadata of key {key!r} cannot be written as JSON: {cause}") from cause
    if size > MAX_METADATA_BYTES:
        raise InvalidArgumentError(
            f"the metadata of key {key!r} is {size:,} bytes as JSON; Object Store v2 takes at most "
            f"{MAX_METADATA_BYTES:,}"
        )


def ttl_seconds(ttl: Ttl, name: str) -> int:
    """
    Return a time to live in whole seconds.

    :param ttl: seconds, a ``timedelta``, or an ISO 8601 duration without years and months.
    :param name: the argument's name, for messages.
    :raises InvalidArgumentError: if it is none of these, not positive, not whole seconds, or over 30 days.
    """
    whole = float(seconds(name, ttl))
    if not whole.is_integer() or whole < 1:
        raise InvalidArgumentError(f"{name} must be a positive whole number of seconds, not {ttl!r}")
    if whole > MAX_TTL_SECONDS:
        raise InvalidArgumentError(
            f"{name} is {whole:,.0f} s; Object Store v2 keeps values for at most {MAX_TTL_SECONDS:,} s "
            "(30 days) and silently shortens anything longer"
        )
    return int(whole)
