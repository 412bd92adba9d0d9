"""
The 19 operations of Object Store v2, each as a function that returns its call.

Contract: the vendor's OpenAPI file "Object Store v2 API" 1.0.0 and the pages under
https://docs.mulesoft.com/object-store/. Where neither is clear, a comment says "assumption".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import Any, Literal, TypeVar

from airflow_provider_objectstore import arguments as check
from airflow_provider_objectstore.api.anypoint.access import ORGANIZATION
from airflow_provider_objectstore.api.anypoint.building import (
    MANAGE_STORES,
    MAX_PAGE_SIZE,
    VIEW_STORES,
    build_call,
    confirmable_query,
    listing_query,
    store_body,
)
from airflow_provider_objectstore.api.anypoint.models import (
    Region,
    Store,
    about_key,
    confirmation_id_of,
    entry_of,
    names_with,
    page_of,
    read_entry,
    read_exists,
    read_key_name,
    read_none,
    read_regions,
    read_store,
    read_text,
    refuse_failure,
    store_of,
)
from airflow_provider_objectstore.api.anypoint.values import (
    MAX_OBJECT_BYTES,
    Entry,
    Ttl,
    Value,
    check_metadata,
    encode_value,
    normalize_key,
    ttl_seconds,
)
from airflow_provider_objectstore.api.call import MAX_BODY_BYTES, Call, Page, Response, drop_none
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.exceptions import InvalidArgumentError

T = TypeVar("T")

Inclusion = Literal["all", "metadata", "body"]
"""What a listing of values includes: both, metadata only, or bodies only."""

MAX_VALUE_BYTES = 6 * MAX_OBJECT_BYTES + MAX_BODY_BYTES
"""Largest response with a value: JSON may use six bytes for one."""
_ABSENT_OK = frozenset({404})


# Stores


def list_stores(begins_with: str | None = None, *, page_size: int | None = None) -> Call[Page[Store]]:
    """
    List stores; `GET /stores`.

    :param begins_with: what the store ids begin with; None for all.
    :param page_size: most items on a page, 1 to 25; None for the service's default.
    """
    read_page = page_of(read_store)

    def read(response: Response) -> Page[Store]:
        page = read_page(response)
        return Page(tuple(store for store in page.items if store.store_id.startswith(begins_with or "")), page.next)

    query = listing_query(page_size, begins_with)
    return build_call("list_stores", "GET", (), read, suffix="/stores", scope=VIEW_STORES, query=query, paged=True)


def get_store(store_id: str) -> Call[Store]:
    """Read a store; `GET /stores/{s}`."""
    return build_call("get_store", "GET", (store_id,), store_of(store_id), scope=VIEW_STORES, parent=_environment)


@cache
def _environment(_: str) -> Call[Any]:
    """Return the call that tells an environment that is not there from a store that is not in it."""
    return replace(list_stores(page_size=1), subject="the environment")


def create_store(
    store_id: str,
    *,
    default_ttl: Ttl | None = None,
    default_confirmation_ttl: Ttl | None = None,
    encrypted: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Call[Store]:
    """
    Create a store, or set the attributes of an existing one; `PUT /stores/{s}`.

    :param store_id: the store.
    :param default_ttl: time to live of its values; at most 30 days.
    :param default_confirmation_ttl: time in which a confirmable operation has to be confirmed.
    :param encrypted: whether its values are encrypted.
    :param attributes: further members of the body, sent as they are.
    """
    body = store_body(store_id, default_ttl, default_confirmation_ttl, encrypted, attributes)
    read = store_of(store_id, written=True)
    return build_call("create_store", "PUT", (store_id,), read, scope=MANAGE_STORES, body=body)


def update_store(
    store_id: str,
    *,
    default_ttl: Ttl | None = None,
    default_confirmation_ttl: Ttl | None = None,
    encrypted: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Call[Store]:
    """
    Set attributes of a store; `PATCH /stores/{s}`. Idempotent: it sends values, not differences.

    The parameters are those of :func:`create_store`.
    """
    body = store_body(store_id, default_ttl, default_confirmation_ttl, encrypted, attributes)
    read = store_of(store_id, written=True)
    return build_call("update_store", "PATCH", (store_id,), read, scope=MANAGE_STORES, body=body)


def delete_store(store_id: str) -> Call[None]:
    """Delete a store and everything in it; `DELETE /stores/{s}`."""
    return build_call("delete_store", "DELETE", (store_id,), read_none, scope=MANAGE_STORES, parent=_environment)


def list_regions() -> Call[tuple[Region, ...]]:
    """
    List regions; `GET /organizations/{org}/regions`.

    The response has a ``url``, too. It is plain http and does not lead to the service, so it is not read.
    """
    return build_call("list_regions", "GET", (), read_regions, suffix="/regions", base_url=ORGANIZATION)


# Partitions


def list_partitions(store_id: str, *, page_size: int | None = None) -> Call[Page[str]]:
    """
    List the partitions of a store; `GET …/partitions`.

    :param page_size: most items on a page, 1 to 25; None for the service's default.
    """
    return _call_in_store(
        "list_partitions",
        "GET",
        (store_id,),
        page_of(read_text),
        suffix="/partitions",
        query=listing_query(page_size),
        can_be_absent=False,
        paged=True,
    )


def get_partition(
    store_id: str, partition: str, inclusion: Inclusion = "all", *, page_size: int | None = None
) -> Call[Page[Entry]]:
    """
    List the values of a partition; `GET …/partitions/{p}`.

    :param inclusion: ``all``, ``metadata`` or ``body``. The service's own default is ``metadata``.
    :param page_size: most items on a page, 1 to 25; None for the service's default.
    """
    check.choice("all", "metadata", "body")("inclusion", inclusion)
    return _call_in_store(
        "get_partition",
        "GET",
        (store_id, partition),
        page_of(partial(read_entry, bodies=inclusion != "metadata")),
        query=(("inclusion", inclusion), *listing_query(page_size)),
        paged=True,
        max_body_bytes=MAX_PAGE_SIZE * MAX_VALUE_BYTES,
    )


def partition_exists(store_id: str, partition: str) -> Call[bool]:
    """Tell whether a partition exists; `HEAD …/partitions/{p}`."""
    names = (store_id, partition)
    return _call_in_store("partition_exists", "HEAD", names, read_exists, ok_statuses=_ABSENT_OK)


def delete_partition(store_id: str, partition: str, *, confirmable: bool = False) -> Call[str | None]:
    """
    Delete a partition and all its keys; `DELETE …/partitions/{p}`. Its result is the confirmation id, if any.

    :param confirmable: whether it takes effect only once it is acknowledged.
    """
    names, query = (store_id, partition), confirmable_query(confirmable)
    return _call_in_store("delete_partition", "DELETE", names, confirmation_id_of, query=query)


# Keys


def list_keys(
    store_id: str, partition: str, begins_with: str | None = None, *, page_size: int | None = None
) -> Call[Page[str]]:
    """
    List keys; `GET …/keys`.

    :param begins_with: what the keys begin with; None for all.
    :param page_size: most items on a page, 1 to 25; None for the service's default.
    """
    prefix = normalize_key(begins_with or "")
    return _call_in_store(
        "list_keys",
        "GET",
        (store_id, partition),
        names_with(prefix, page_of(read_key_name)),
        suffix="/keys",
        subject=f", keys that begin with {prefix!r}" if prefix else "",
        query=listing_query(page_size, prefix),
        paged=True,
    )


def get_key(store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Call[Entry]:
    """
    Read a value; `GET …/keys/{k}`.

    :param confirmable: whether the value is held until it is acknowledged or rejected.
    """
    return _call_in_store(
        "get_key",
        "GET",
        (store_id, partition, key),
        lambda response: entry_of(key, response, confirmable=confirmable),
        query=confirmable_query(confirmable),
        max_body_bytes=MAX_VALUE_BYTES,
    )


def key_exists(store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Call[bool]:
    """
    Tell whether a key exists; `HEAD …/keys/{k}`.

    :param confirmable: the value of this parameter. The contract does not say what it does to a HEAD.
    """
    names, query = (store_id, partition, key), confirmable_query(confirmable)
    return _call_in_store("key_exists", "HEAD", names, read_exists, query=query, ok_statuses=_ABSENT_OK)


def put_key(
    store_id: str,
    partition: str,
    key: str,
    value: Value,
    *,
    metadata: Any = None,
    index: int | None = None,
    confirmable: bool = False,
) -> Call[str | None]:
    """
    Write a value; `PUT …/keys/{k}`. Its result is the confirmation id, if any.

    :param value: str is stored as STRING, bytes as BINARY, int, float and Decimal as NUMBER; at most 10 MB as sent.
    :param metadata: JSON of at most 4 KB.
    :param index: position in the key's list of values, from 0.
    :param confirmable: whether it takes effect only once it is acknowledged.
    """
    if index is not None and (type(index) is not int or index < 0):
        raise InvalidArgumentError(f"the index of key {key!r} must be an integer ≥ 0, not {index!r}")
    if metadata is not None:
        check_metadata(metadata, key)
    body = {"keyId": key, **drop_none(index=index, metadata=metadata), **encode_value(value, key)}
    names, query = (store_id, partition, key), confirmable_query(confirmable)
    return _call_in_store("put_key", "PUT", names, about_key(key, confirmation_id_of), query=query, body=body)


def alter_number(store_id: str, partition: str, key: str, operation: Mapping[str, Any]) -> Call[dict[str, Any] | None]:
    """
    Alter a number; `POST …/keys/{k}`. Not idempotent: never repeated once the service may have received it.

    :param operation: the body, sent as it is. Assumption: the contract leaves its members open.
    """
    if not isinstance(operation, Mapping):
        raise InvalidArgumentError(f"operation must be a mapping, the body to send, not {type(operation).__name__}")
    return _call_in_store(
        "alter_number",
        "POST",
        (store_id, partition, key),
        about_key(key, lambda response: refuse_failure(response) or None),
        body=operation,
        content_type="application/vnd.objectstore.v1.numberoperation+json",
        idempotent=False,
    )


def delete_key(store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Call[str | None]:
    """
    Delete a key; `DELETE …/keys/{k}`. Its result is the confirmation id, if any.

    :param confirmable: whether it takes effect only once it is acknowledged.
    """
    names, query = (store_id, partition, key), confirmable_query(confirmable)
    return _call_in_store("delete_key", "DELETE", names, about_key(key, confirmation_id_of), query=query)


# Confirmations


def acknowledge(store_id: str, partition: str, key: str, confirmation_id: str) -> Call[None]:
    """Confirm a confirmable operation; `POST …/confirmations/{c}`. Not idempotent."""
    return _on_confirmation("acknowledge", "POST", (store_id, partition, key), confirmation_id, idempotent=False)


def extend_confirmation(store_id: str, partition: str, key: str, confirmation_id: str, ttl: Ttl) -> Call[None]:
    """
    Give a confirmable operation more time; `PATCH …/confirmations/{c}`. Not idempotent.

    :param ttl: the time that it gets; at most 30 days.
    """
    body, names = {"ttl": ttl_seconds(ttl, "ttl")}, (store_id, partition, key)
    return _on_confirmation("extend_confirmation", "PATCH", names, confirmation_id, body=body, idempotent=False)


def reject(store_id: str, partition: str, key: str, confirmation_id: str) -> Call[None]:
    """Undo a confirmable operation; `DELETE …/confirmations/{c}`."""
    return _on_confirmation("reject", "DELETE", (store_id, partition, key), confirmation_id)


def _on_confirmation(
    operation: str, method: str, names: tuple[str, str, str], confirmation_id: str, **fields: Any
) -> Call[None]:
    return _call_in_store(
        operation,
        method,
        names,
        read_none,
        suffix=f"/confirmations/{segment('confirmation id', confirmation_id)}",
        subject=f", confirmation {confirmation_id}",
        absence_is_goal=False,  # it may have expired, or somebody acknowledged it
        **fields,
    )


@lru_cache(maxsize=256)
def _parent(store_id: str) -> Call[Store]:
    return replace(get_store(store_id), parent=None)  # a parent is looked up under a lock, so it has none itself


def _call_in_store(
    operation: str, method: str, names: tuple[str, ...], read: Callable[[Response], T], **fields: Any
) -> Call[T]:
    return build_call(operation, method, names, read, parent=_parent, **fields)
