"""What Object Store v2 answers with, and how it is read: tolerant where sources of the contract disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_objectstore.api.call import Call, Page, Reply, boolean, integer, words
from airflow_provider_objectstore.api.values import Entry, decode_value, stored_key
from airflow_provider_objectstore.exceptions import ApiError, error_for

Item = TypeVar("Item")

_VALUES = ("stringValue", "numberValue", "binaryValue")
_REGION_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+){2,4}")


@dataclass(frozen=True, slots=True)
class Store:
    """An object store; times to live in seconds."""

    store_id: str
    encrypted: bool | None = None
    default_ttl_seconds: int | None = None
    default_confirmation_ttl_seconds: int | None = None
    persistent: bool | None = None
    is_fixed_ttl: bool | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A region in which the service is available."""

    id: str
    name: str


def read_regions(reply: Reply) -> tuple[Region, ...]:
    regions = tuple(Region(str(item["id"]), str(item.get("name", ""))) for item in reply.json())
    odd = [region.id for region in regions if not _REGION_ID.fullmatch(region.id)]
    if odd:
        raise ValueError(f"region ids {odd!r}")
    return regions


def nothing(reply: Reply) -> None:
    refuse_failure(reply)


def refuse_failure(reply: Reply) -> dict[str, Any]:
    """
    Return the members of an answer that may be empty.

    :raises ValueError: if it says that the operation failed, whatever its status.
    """
    answer = reply.json_object() or {}
    if str(answer.get("status", "")).lower() == "failure":
        raise ValueError("a failure")
    return answer


def found(reply: Reply) -> bool:
    return reply.status != 404


def read_text(item: Any) -> str:
    if not isinstance(item, str):
        raise TypeError(f"an identifier that is {type(item).__name__}")
    return item


def page_of(read: Callable[[Any], Item]) -> Callable[[Reply], Page[Item]]:
    def page(reply: Reply) -> Page[Item]:
        answer = reply.json()
        values, token = answer["values"], answer.get("nextPageToken")
        if not isinstance(values, list) or not isinstance(token, (str, type(None))):
            raise TypeError("a page has a list of values and a token that is text")
        return Page(tuple(read(item) for item in values), token or None)

    return page


def names_with(prefix: str, page: Callable[[Reply], Page[str]]) -> Callable[[Reply], Page[str]]:
    """Keep only what begins with a prefix: what is listed may be deleted, so the service's filter is not relied on."""

    def filtered(reply: Reply) -> Page[str]:
        whole = page(reply)
        return Page(tuple(name for name in whole.items if name.startswith(prefix)), whole.next) if prefix else whole

    return filtered


def entry_of(key: str, reply: Reply, *, confirmable: bool) -> Entry:
    """Read the answer to a GET of a key."""
    item = reply.json()
    # Assumption: the model is key to list; a list of one value is that value.
    values = item.get("values")
    if isinstance(values, list) and len(values) == 1 and not any(name in item for name in ("valueType", *_VALUES)):
        item = {**item, **values[0]}
    answered = item.get("keyId", key)
    if not isinstance(answered, str) or stored_key(answered) != stored_key(key):
        raise ValueError("the value of another key")
    return read_entry({**item, "keyId": answered}, confirmation_id(reply) if confirmable else None)


def read_entry(item: Mapping[str, Any], held: str | None = None, *, bodies: bool = True) -> Entry:
    """
    Read a value.

    :param bodies: whether values were asked for; without them there is none to read.
    """
    value_type, value = decode_value(item) if bodies else (item.get("valueType"), None)
    index = item.get("index")
    return Entry(
        key=item.get("keyId"),
        value=value,
        value_type=value_type,
        metadata=item.get("metadata"),
        index=None if index is None else integer(index),
        confirmation_id=held or item.get("confirmationId"),
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


def _seconds(item: Mapping[str, Any], name: str) -> int | None:
    # The live service answers seconds, the contract's examples milliseconds.
    if item.get(f"{name}Seconds") is not None:
        return integer(item[f"{name}Seconds"])
    if item.get(f"{name}Millis") is not None:
        return integer(item[f"{name}Millis"]) // 1000
    return None


def store_of(store_id: str, *, written: bool = False) -> Callable[[Reply], Store]:
    """
    Read a store from the answer about it.

    :param written: whether it answers a write, where it may be empty.
    """

    def read(reply: Reply) -> Store:
        answer = refuse_failure(reply) if written else reply.json()
        store = read_store({"storeId": store_id, **answer} if written else answer)
        if store.store_id != store_id:
            raise ValueError("another store")
        return store

    return read


def confirmation_id(reply: Reply) -> str | None:
    """
    Find the confirmation id in an answer.

    Assumption: the contract does not say where it is; the body, a header and ``Location`` are looked at in turn.
    """
    found = refuse_failure(reply).get("confirmationId")
    found = found or reply.headers.get("confirmationid") or reply.headers.get("x-confirmation-id")
    if not found and "/confirmations/" in reply.headers.get("location", ""):
        found = reply.headers["location"].rpartition("/confirmations/")[2].split("?")[0]
    return str(found) if found else None


def failure_with(forbidden_hint: str) -> Callable[[Call[Any], Reply], ApiError]:
    """
    Return what maps an error reply.

    :param forbidden_hint: what to do about a 403.
    """

    def failure(call: Call[Any], reply: Reply) -> ApiError:
        ids = (reply.headers.get(name) for name in ("x-request-id", "x-anypnt-trx-id", "x-correlation-id"))
        hints = {401: "The token or the credentials were refused", 403: forbidden_hint}
        return error_for(
            str(call),
            reply.status,
            reason=words(reply, "message", "error", "statusMessage"),
            hint=forbidden_hint if not call.authorized else hints.get(reply.status),
            request_id=next(filter(None, ids), None),
            retry_after=reply.headers.get("retry-after"),
        )

    return failure
