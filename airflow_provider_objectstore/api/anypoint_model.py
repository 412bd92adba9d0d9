"""What Object Store v2 answers with, and how it is read: tolerant where sources of the contract disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_objectstore.api.call import Call, Page, Reply, boolean, integer, words
from airflow_provider_objectstore.api.values import Entry, decode_value
from airflow_provider_objectstore.exceptions import ApiError, error_for

Item = TypeVar("Item")

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
    return None


def found(reply: Reply) -> bool:
    return reply.status != 404


def read_text(item: Any) -> str:
    if not isinstance(item, str):
        raise TypeError(f"an identifier that is {type(item).__name__}")
    return item


def page_of(read: Callable[[Any], Item]) -> Callable[[Reply], Page[Item]]:
    def page(reply: Reply) -> Page[Item]:
        answer = reply.json()
        return Page(tuple(read(item) for item in answer["values"]), answer.get("nextPageToken") or None)

    return page


def read_entry(item: Mapping[str, Any], held: str | None = None) -> Entry:
    value_type, value = decode_value(item)
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


def read_store_or(store_id: str) -> Callable[[Reply], Store]:
    """Read a store from the answer to a write, which may be empty."""

    def read(reply: Reply) -> Store:
        answer = reply.json_object()
        return read_store({"storeId": store_id, **answer}) if answer else Store(store_id)

    return read


def confirmation_id(reply: Reply) -> str | None:
    """
    Find the confirmation id in an answer.

    Assumption: the contract does not say where it is; the body, a header and ``Location`` are looked at in turn.
    """
    found = (reply.json_object() or {}).get("confirmationId")
    found = found or reply.headers.get("confirmationid") or reply.headers.get("x-confirmation-id")
    if not found and "/confirmations/" in reply.headers.get("location", ""):
        found = reply.headers["location"].rpartition("/confirmations/")[2].split("?")[0]
    return str(found) if found else None


def failure_with(forbidden_hint: str) -> Callable[[Call[Any], Reply], ApiError]:
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
