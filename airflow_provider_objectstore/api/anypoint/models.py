"""The models of Object Store v2, and how responses are read: tolerant where sources of the contract disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from airflow_provider_objectstore.api.anypoint.values import Entry, decode_value, normalize_key
from airflow_provider_objectstore.api.call import Call, Page, Response, error_message
from airflow_provider_objectstore.api.encoding import integer
from airflow_provider_objectstore.arguments import boolean
from airflow_provider_objectstore.exceptions import ApiError, error_for

Item = TypeVar("Item")

_VALUES = ("stringValue", "numberValue", "binaryValue")
_REGION_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+){2,4}")


@dataclass(frozen=True, slots=True)
class Store:
    """
    A store of Object Store v2. A field is None where the service does not return it.

    :param store_id: its id.
    :param encrypted: whether its values are encrypted.
    :param default_ttl_seconds: time to live of its values, in seconds; with a fraction only if the service returns one.
    :param default_confirmation_ttl_seconds: time in which a confirmable operation has to be confirmed, likewise.
    :param persistent: whether the service calls it persistent.
    :param is_fixed_ttl: whether the service calls its time to live fixed (static, not rolling).
    """

    store_id: str
    encrypted: bool | None = None
    default_ttl_seconds: float | None = None
    default_confirmation_ttl_seconds: float | None = None
    persistent: bool | None = None
    is_fixed_ttl: bool | None = None


_ATTRIBUTES = tuple(field.name for field in fields(Store) if field.name != "store_id")


@dataclass(frozen=True, slots=True)
class Region:
    """
    A region in which the service is available.

    :param id: its id, such as ``us-east-1``.
    :param name: its name for people; empty where the service does not return it.
    """

    id: str
    name: str


def read_regions(response: Response) -> tuple[Region, ...]:
    regions = tuple(Region(str(item["id"]), str(item.get("name", ""))) for item in response.json())
    invalid = [region.id for region in regions if not _REGION_ID.fullmatch(region.id)]
    if invalid:
        raise ValueError(f"region ids {invalid!r}")
    return regions


def read_none(response: Response) -> None:
    refuse_failure(response)


def refuse_failure(response: Response) -> dict[str, Any]:
    """
    Return the members of a response that may be empty.

    :raises ValueError: if it says that the operation failed, whatever its status.
    """
    body = response.json_object() or {}
    if str(body.get("status", "")).lower() == "failure":
        raise ValueError("a failure")
    return body


def about_key(key: str, read: Callable[[Response], Item]) -> Callable[[Response], Item]:
    """Return what reads a response to a change of a key, and refuses one that names another key."""

    def checked(response: Response) -> Item:
        found = (response.json_object() or {}).get("keyId", key)
        if not isinstance(found, str) or normalize_key(found) != normalize_key(key):
            raise ValueError("the response about another key")
        return read(response)

    return checked


def read_exists(response: Response) -> bool:
    return response.status != 404


def read_text(item: Any) -> str:
    if not isinstance(item, str):
        raise TypeError(f"an identifier that is {type(item).__name__}")
    return item


def _text(item: Any) -> str | None:
    return None if item is None else read_text(item)


def read_key_name(item: Any) -> str:
    return read_text(item["keyId"] if isinstance(item, Mapping) else item)


def page_of(read: Callable[[Any], Item]) -> Callable[[Response], Page[Item]]:
    """Return what reads a page of a listing, item by item."""

    def page(response: Response) -> Page[Item]:
        body = response.json()
        values, token = body["values"], body.get("nextPageToken")
        if not isinstance(values, list) or not isinstance(token, (str, type(None))):
            raise TypeError("a page has a list of values and a token that is text")
        return Page(tuple(read(item) for item in values), token or None)

    return page


def names_with(prefix: str, page: Callable[[Response], Page[str]]) -> Callable[[Response], Page[str]]:
    """Filter a page by a prefix, as the service should: what is listed may be deleted, so it is checked here, too."""

    def filtered(response: Response) -> Page[str]:
        whole = page(response)
        return Page(tuple(name for name in whole.items if name.startswith(prefix)), whole.next) if prefix else whole

    return filtered


def entry_of(key: str, response: Response, *, confirmable: bool) -> Entry:
    """Read the response to a GET of a key."""
    item = response.json()
    # Assumption: the model is key to list; a list of one value is that value.
    values = item.get("values")
    if isinstance(values, list) and len(values) == 1 and not any(name in item for name in ("valueType", *_VALUES)):
        item = {**item, **values[0]}
    key_id = item.get("keyId", key)
    if not isinstance(key_id, str) or normalize_key(key_id) != normalize_key(key):
        raise ValueError("the value of another key")
    return read_entry({**item, "keyId": key_id}, confirmation_id_of(response) if confirmable else None)


def read_entry(item: Mapping[str, Any], confirmation_id: str | None = None, *, bodies: bool = True) -> Entry:
    """
    Read a value.

    :param item: the JSON object.
    :param confirmation_id: the confirmation id of a confirmable read, where it is not in the item.
    :param bodies: whether values were requested; without them there is none to read.
    """
    value_type, value = decode_value(item) if bodies else (_text(item.get("valueType")), None)
    index = item.get("index")
    return Entry(
        key=_text(item.get("keyId")),
        value=value,
        value_type=value_type,
        metadata=item.get("metadata"),
        index=None if index is None else integer(index),
        confirmation_id=confirmation_id or _confirmation_id(item.get("confirmationId")),
    )


def read_store(item: Mapping[str, Any]) -> Store:
    flags = {
        name: None if item.get(member) is None else boolean(item[member])
        for name, member in (
            ("encrypted", "encrypted"),
            ("persistent", "persistent"),
            ("is_fixed_ttl", "isFixedTtl"),
        )
    }
    return Store(
        store_id=read_text(item["storeId"]),
        default_ttl_seconds=_seconds(item, "defaultTtl"),
        default_confirmation_ttl_seconds=_seconds(item, "defaultConfirmationTtl"),
        **flags,
    )


def _seconds(item: Mapping[str, Any], name: str) -> float | None:
    # The live service returns seconds, the contract's examples milliseconds.
    if item.get(f"{name}Seconds") is not None:
        return integer(item[f"{name}Seconds"])
    if item.get(f"{name}Millis") is not None:
        milliseconds = integer(item[f"{name}Millis"])
        return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000
    return None


def unequal_members(members: Mapping[str, Any], store: Store) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
    """
    Compare members of a request's body with the store that the service returns.

    :param members: the members; None means not set.
    :param store: the store.
    :return: wanted and actual value of what differs, by the names of :class:`Store`; and the members that the service
        does not return, or that this package does not know.
    """
    differing: dict[str, tuple[Any, Any]] = {}
    unknown: list[str] = []
    for member, value in members.items():
        if value is None:
            continue
        try:
            wanted = read_store({"storeId": store.store_id, member: value})
        except (TypeError, ValueError):
            wanted = Store(store.store_id)
        pairs = {name: (getattr(wanted, name), getattr(store, name)) for name in _ATTRIBUTES}
        found = {name: pair for name, pair in pairs.items() if None not in pair}
        if not found:
            unknown.append(member)
        differing.update({name: pair for name, pair in found.items() if pair[0] != pair[1]})
    return differing, unknown


def store_of(store_id: str, *, written: bool = False) -> Callable[[Response], Store]:
    """
    Return what reads a store from a response about it.

    :param store_id: the id that the store must have.
    :param written: whether the store was written: then the response may be empty.
    """

    def read(response: Response) -> Store:
        body = refuse_failure(response) if written else response.json()
        store = read_store({"storeId": store_id, **body} if written else body)
        if store.store_id != store_id:
            raise ValueError("another store")
        return store

    return read


def confirmation_id_of(response: Response) -> str | None:
    """
    Return the confirmation id of a response, if any.

    Assumption: the contract does not say where it is. The body, a header and ``Location`` are searched in turn.
    """
    found = refuse_failure(response).get("confirmationId")
    found = found or response.headers.get("confirmationid") or response.headers.get("x-confirmation-id")
    if not found and "/confirmations/" in response.headers.get("location", ""):
        found = response.headers["location"].rpartition("/confirmations/")[2].split("?")[0]
    return _confirmation_id(found)


def _confirmation_id(found: Any) -> str | None:
    if not found:
        return None
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        raise TypeError("a confirmation id that is neither text nor a whole number")
    return str(found)


_UNAUTHORIZED = (
    "The token or the credentials were refused: check the connection's login and password. A bearer token is never "
    "renewed"
)


def failure_with(forbidden_hint: str) -> Callable[[Call[Any], Response], ApiError]:
    """
    Return what maps an error response to an error.

    :param forbidden_hint: what the user can do about a 403.
    """

    def failure(call: Call[Any], response: Response) -> ApiError:
        ids = (response.headers.get(name) for name in ("x-request-id", "x-anypnt-trx-id", "x-correlation-id"))
        hints = {401: _UNAUTHORIZED, 403: forbidden_hint}
        return error_for(
            str(call),
            response.status,
            reason=error_message(response, "message", "error", "statusMessage"),
            hint=forbidden_hint if not call.authorized else hints.get(response.status),
            request_id=next(filter(None, ids), None),
            retry_after=response.retry_after,
        )

    return failure
