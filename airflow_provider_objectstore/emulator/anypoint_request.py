"""What a request to Object Store v2 says, checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.directory import Directory
from airflow_provider_objectstore.emulator.messages import Answered, Request, dumps, json_response, loads
from airflow_provider_objectstore.emulator.stores import MAX_TTL_SECONDS, Entry

MAX_PAGE_SIZE = 25
MAX_VALUE_BYTES = 10 * 1024 * 1024
MAX_METADATA_BYTES = 4096
MAX_KEY_BYTES = 1024
VALUE_FIELDS = {"STRING": "stringValue", "NUMBER": "numberValue", "BINARY": "binaryValue"}
TOO_MANY_REQUESTS = {
    "status": "failure",
    "statusMessage": "ip can not perform more requests in this time window",
}

T = TypeVar("T")


def refusal(status: int, message: str) -> Answered:
    """An error in the service's form."""
    return Answered(json_response(status, {"message": message}))


def confirmable_of(request: Request) -> bool:
    """Whether the operation waits for a confirmation; not, if the parameter is left out."""
    value = request.query.get("confirmable", "false")
    if value not in ("true", "false"):
        raise refusal(400, "confirmable must be true or false")
    return value == "true"


def key_of(request: Request) -> str:
    """The key as it is stored."""
    key = request.path[4].replace(" ", "+")
    if "|" in key or len(key.encode()) > MAX_KEY_BYTES:
        raise refusal(400, f"A key has at most {MAX_KEY_BYTES} bytes of UTF-8 and no |")
    return key


def page_of(
    request: Request, directory: Directory[T], alive: Callable[[T], bool], unsorted: bool
) -> tuple[list[tuple[int, str, T]], str | None]:
    """A page's ``(position, name, value)`` and the next page's token, like ``name/25``."""
    query = request.query
    try:
        size = int(query.get("pageSize") or MAX_PAGE_SIZE)
        last, _, count = (query.get("nextPageToken") or "/0").rpartition("/")
        seen = int(count)
    except ValueError:
        raise refusal(400, "pageSize or nextPageToken is invalid") from None
    if size < 1:
        raise refusal(400, "pageSize must be at least 1")
    size = min(size, MAX_PAGE_SIZE)
    found, more = directory.page(size, last if seen else None, query.get("beginsWith", ""), alive, unsorted)
    return found, f"{found[-1][1]}/{seen + len(found)}" if more else None


def object_of(request: Request) -> dict[str, Any]:
    """A body that is a JSON object."""
    try:
        body = loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refusal(400, "The body must be a JSON object")
    return body


def seconds_of(value: Any, name: str) -> int:
    """A length of time."""
    if type(value) is not int or value < 1:
        raise refusal(400, f"{name} must be a positive integer")
    return value


def attributes_of(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """A store's attributes by the names of its fields, and those that it keeps as they came."""
    known: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in (object_of(request) if request.body else {}).items():
        if value is None:
            continue
        match name:
            case "defaultTtlSeconds":
                known["default_ttl"] = _ttl(value, name)
            case "defaultTtlMillis":
                known["default_ttl"] = _ttl(value, name, 1000)
            case "defaultConfirmationTtlSeconds":
                known["default_confirmation_ttl"] = _ttl(value, name)
            case "defaultConfirmationTtlMillis":
                known["default_confirmation_ttl"] = _ttl(value, name, 1000)
            case "encrypted":
                known["encrypted"] = _flag(value, name)
            case "storeId":
                pass
            case _:
                more[name] = value
    return known, more


def _ttl(value: Any, name: str, per_second: int = 1) -> int:
    """A time to live in seconds; what is longer than the service allows is cut without a word."""
    return min(max(1, seconds_of(value, name) // per_second), MAX_TTL_SECONDS)


def _flag(value: Any, name: str) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise refusal(400, f"{name} must be true or false")
    return str(value).lower() == "true"


def entry_of(body: dict[str, Any]) -> Entry:
    """The value in a body; a field that is null is not given."""
    given = [value_type for value_type, name in VALUE_FIELDS.items() if body.get(name) is not None]
    if len(given) != 1 or body.get("valueType") not in (None, given[0]):
        raise refusal(
            400,
            "A value has one of stringValue, numberValue and binaryValue, and the valueType that goes with it",
        )
    value_type = given[0]
    value = body[VALUE_FIELDS[value_type]]
    if not _fits(value_type, value):
        raise refusal(400, f"{VALUE_FIELDS[value_type]} does not hold a {value_type} value")
    if isinstance(value, str) and len(value.encode(errors="surrogatepass")) > MAX_VALUE_BYTES:
        raise refusal(assumptions.VALUE_TOO_LARGE_STATUS, f"A value has at most {MAX_VALUE_BYTES} bytes")
    metadata, index = body.get("metadata"), body.get("index")
    if metadata is not None and len(dumps(metadata).encode()) > MAX_METADATA_BYTES:
        raise refusal(assumptions.METADATA_TOO_LARGE_STATUS, f"Metadata has at most {MAX_METADATA_BYTES} bytes of JSON")
    if index is not None and (not isinstance(index, int) or isinstance(index, bool) or index < 0):
        raise refusal(400, "index must be an integer of 0 or more")
    return Entry(value_type, value, metadata, index)


def _fits(value_type: str, value: Any) -> bool:
    if value_type == "NUMBER":
        return assumptions.is_number(value)
    if not isinstance(value, str):
        return False
    if value_type == "BINARY":
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return False
    return True
