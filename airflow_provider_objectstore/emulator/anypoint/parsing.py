"""Parse and check requests to Object Store v2. What is invalid raises the service's error."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.anypoint.stores import MAX_TTL_SECONDS, Entry
from airflow_provider_objectstore.emulator.messages import Abort, Request, dumps, json_response, loads
from airflow_provider_objectstore.emulator.ordered_keys import OrderedKeys
from airflow_provider_objectstore.emulator.settings import Settings

MAX_PAGE_SIZE = 25
MAX_VALUE_BYTES = 10 * 1024 * 1024
MAX_METADATA_BYTES = 4096
MAX_KEY_BYTES = 1024
VALUE_FIELDS = {"STRING": "stringValue", "NUMBER": "numberValue", "BINARY": "binaryValue"}
TOO_MANY_REQUESTS = {
    "status": "failure",
    "statusMessage": "ip can not perform more requests in this time window",
}

REGIONS = [
    {"id": region, "name": name, "url": f"http://object-store.{region}.cloudhub.com"}
    for region, name in {
        "us-east-1": "US East (N. Virginia)",
        "us-east-2": "US East (Ohio)",
        "us-west-1": "US West (N. California)",
        "us-west-2": "US West (Oregon)",
        "ca-central-1": "Canada (Central)",
        "sa-east-1": "South America (Sao Paulo)",
        "ap-southeast-1": "Asia Pacific (Singapore)",
        "ap-southeast-2": "Asia Pacific (Sydney)",
        "ap-northeast-1": "Asia Pacific (Tokyo)",
        "eu-central-1": "EU (Frankfurt)",
        "eu-west-1": "EU (Ireland)",
        "eu-west-2": "EU (London)",
    }.items()
]

T = TypeVar("T")


def anypoint_error(status: int, message: str) -> Abort:
    """Return an error in the service's format, to raise."""
    return Abort(json_response(status, {"message": message}))


def parse_confirmable(request: Request) -> bool:
    """Return the parameter ``confirmable``: whether the operation waits for a confirmation. The default is false."""
    value = request.query.get("confirmable", "false")
    if value not in ("true", "false"):
        raise anypoint_error(400, "confirmable must be true or false")
    return value == "true"


def parse_key(request: Request) -> str:
    """Return the key in the path as it is stored."""
    return check_key(request.path[4])


def check_key(name: str) -> str:
    """Return a key as it is stored."""
    key = name.replace(" ", "+")
    if not key or "|" in key or len(key.encode(errors="surrogatepass")) > MAX_KEY_BYTES:
        raise anypoint_error(400, f"A key has 1 to {MAX_KEY_BYTES} bytes of UTF-8 and no |")
    return key


def read_page(
    request: Request, names: OrderedKeys[T], is_alive: Callable[[T], bool], settings: Settings
) -> tuple[list[tuple[int, str, T]], str | None]:
    """Return the page's ``(position, name, value)`` items and the next page's token: ``name/25``, or the position."""
    query = request.query
    try:
        size = int(query.get("pageSize") or MAX_PAGE_SIZE)
        last_name, _, count = (query.get("nextPageToken") or "/0").rpartition("/")
        listed = int(count)
    except ValueError:
        raise anypoint_error(400, "pageSize or nextPageToken is invalid") from None
    if size < 1:
        raise anypoint_error(400, "pageSize must be at least 1")
    size = min(size, MAX_PAGE_SIZE)
    page = partial(names.page, begins_with=query.get("beginsWith", ""), is_alive=is_alive, unsorted=settings.unsorted)
    if settings.positional_tokens:
        items, has_more = page(listed + size, None)
        return items[listed:], str(listed + size) if has_more else None
    items, has_more = page(size, last_name if listed else None)
    return items, f"{items[-1][1]}/{listed + len(items)}" if has_more else None


def parse_json_object(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object."""
    try:
        body = loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise anypoint_error(400, "The body must be a JSON object")
    return body


def parse_duration(value: Any, name: str) -> int:
    """Return a duration, a positive integer."""
    if type(value) is not int or value < 1:
        raise anypoint_error(400, f"{name} must be a positive integer")
    return value


def parse_store_attributes(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attributes in a request's body, as :func:`parse_attributes` does."""
    return parse_attributes(parse_json_object(request) if request.body else {})


def parse_attributes(attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a store's attributes by the names of :class:`Store`'s fields, and the other attributes unchanged."""
    known: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in attributes.items():
        if value is None:
            continue
        match name:
            case "defaultTtlSeconds":
                known["default_ttl"] = _parse_ttl(value, name)
            case "defaultTtlMillis":
                known["default_ttl"] = _parse_ttl(value, name, 1000)
            case "defaultConfirmationTtlSeconds":
                known["default_confirmation_ttl"] = _parse_ttl(value, name)
            case "defaultConfirmationTtlMillis":
                known["default_confirmation_ttl"] = _parse_ttl(value, name, 1000)
            case "encrypted":
                known["encrypted"] = _parse_flag(value, name)
            case "storeId":
                pass
            case _:
                others[name] = value
    return known, others


def _parse_ttl(value: Any, name: str, units_per_second: int = 1) -> int:
    """Return a time to live in seconds. A value above the service's maximum is silently lowered."""
    return min(max(1, parse_duration(value, name) // units_per_second), MAX_TTL_SECONDS)


def _parse_flag(value: Any, name: str) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise anypoint_error(400, f"{name} must be true or false")
    return str(value).lower() == "true"


def parse_entry(body: dict[str, Any]) -> Entry:
    """Return the entry in a body. A field that is null counts as not given."""
    value_types = [value_type for value_type, name in VALUE_FIELDS.items() if body.get(name) is not None]
    if len(value_types) != 1 or body.get("valueType") not in (None, value_types[0]):
        raise anypoint_error(
            400, "A value has one of stringValue, numberValue and binaryValue, and the matching valueType"
        )
    value_type = value_types[0]
    value = body[VALUE_FIELDS[value_type]]
    if not _has_type(value, value_type):
        raise anypoint_error(400, f"{VALUE_FIELDS[value_type]} does not hold a {value_type} value")
    if isinstance(value, str) and len(value.encode(errors="surrogatepass")) > MAX_VALUE_BYTES:
        raise anypoint_error(assumptions.VALUE_TOO_LARGE_STATUS, f"A value has at most {MAX_VALUE_BYTES} bytes")
    metadata, index = body.get("metadata"), body.get("index")
    if metadata is not None and len(dumps(metadata).encode()) > MAX_METADATA_BYTES:
        raise anypoint_error(
            assumptions.METADATA_TOO_LARGE_STATUS, f"Metadata has at most {MAX_METADATA_BYTES} bytes of JSON"
        )
    if index is not None and (type(index) is not int or index < 0):
        raise anypoint_error(400, "index must be an integer ≥ 0")
    return Entry(value_type, value, metadata, index)


def _has_type(value: Any, value_type: str) -> bool:
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
