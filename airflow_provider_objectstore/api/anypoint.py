"""
Anypoint Object Store v2: its 19 operations, its tokens and its addresses.

Contract: the vendor's OpenAPI file "Object Store v2 API" 1.0.0 and the pages under
https://docs.mulesoft.com/object-store/. What neither says is marked "assumption" where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from airflow_provider_objectstore.api.anypoint_access import ENVIRONMENT, ORGANIZATION
from airflow_provider_objectstore.api.anypoint_model import (
    Region,
    Store,
    confirmation_id,
    entry_of,
    failure_with,
    found,
    names_with,
    nothing,
    page_of,
    read_entry,
    read_regions,
    read_store,
    read_text,
    refuse_failure,
    store_of,
)
from airflow_provider_objectstore.api.call import MAX_BODY_BYTES, Call, Page, Reply, check_flag, given, segment
from airflow_provider_objectstore.api.values import (
    MAX_OBJECT_BYTES,
    Entry,
    Ttl,
    Value,
    check_key,
    check_metadata,
    encode_value,
    stored_key,
    ttl_seconds,
)
from airflow_provider_objectstore.exceptions import InvalidArgumentError

T = TypeVar("T")

MAX_PAGE_SIZE = 25
"""Most items that the service puts on a page."""
MAX_VALUE_BYTES = 6 * MAX_OBJECT_BYTES + MAX_BODY_BYTES
"""Largest answer with a value: JSON may write six bytes for one."""

DATA = "Manage Store Data"
STORES = "Manage Stores or Manage Store Data"
ANY = "View Stores, Manage Stores or Manage Store Data"


# Stores


def list_stores(begins_with: str | None = None, *, page_size: int | None = None) -> Call[Page[Store]]:
    """List stores; `GET /stores`."""
    whole = page_of(read_store)

    def read(reply: Reply) -> Page[Store]:
        page = whole(reply)
        return Page(tuple(store for store in page.items if store.store_id.startswith(begins_with or "")), page.next)

    query = _listing(begins_with, page_size)
    return _call("list_stores", "", "GET", "/stores", read, scope=ANY, query=query, paged=True)


def get_store(store_id: str) -> Call[Store]:
    """Read a store; `GET /stores/{s}`."""
    return _call("get_store", _in(store_id), "GET", _path(store_id), store_of(store_id), scope=ANY)


def create_store(
    store_id: str,
    *,
    default_ttl: Ttl | None = None,
    default_confirmation_ttl: Ttl | None = None,
    encrypted: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Call[Store]:
    """Create a store, or set the attributes of the one that is there; `PUT /stores/{s}`."""
    body = _store_body(store_id, default_ttl, default_confirmation_ttl, encrypted, attributes)
    return _call(
        "create_store",
        _in(store_id),
        "PUT",
        _path(store_id),
        store_of(store_id, written=True),
        scope=STORES,
        body=body,
    )


def update_store(
    store_id: str,
    *,
    default_ttl: Ttl | None = None,
    default_confirmation_ttl: Ttl | None = None,
    encrypted: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Call[Store]:
    """Set attributes of a store; `PATCH /stores/{s}`. It states values, so repeating it changes nothing."""
    body = _store_body(store_id, default_ttl, default_confirmation_ttl, encrypted, attributes)
    return _call(
        "update_store",
        _in(store_id),
        "PATCH",
        _path(store_id),
        store_of(store_id, written=True),
        scope=STORES,
        body=body,
    )


def delete_store(store_id: str) -> Call[None]:
    """Delete a store and all in it; `DELETE /stores/{s}`."""
    return _call("delete_store", _in(store_id), "DELETE", _path(store_id), nothing, scope=STORES)


def list_regions() -> Call[tuple[Region, ...]]:
    """
    List regions; `GET /organizations/{org}/regions`.

    The service also answers a `url`, which is plain http and not where the service is: it is not read.
    """
    return _call("list_regions", "", "GET", "/regions", read_regions, root=ORGANIZATION)


# Partitions


def list_partitions(store_id: str, *, page_size: int | None = None) -> Call[Page[str]]:
    """List the partitions of a store; `GET …/partitions`."""
    path, query = f"{_path(store_id)}/partitions", _listing(None, page_size)
    return _call(
        "list_partitions",
        _in(store_id),
        "GET",
        path,
        page_of(read_text),
        within=store_id,
        absence=False,
        query=query,
        paged=True,
    )


def get_partition(
    store_id: str, partition: str, inclusion: str = "all", *, page_size: int | None = None
) -> Call[Page[Entry]]:
    """
    List the values of a partition; `GET …/partitions/{p}`.

    :param inclusion: ``all``, ``metadata`` or ``body``. The service's own default is ``metadata``.
    """
    if inclusion not in ("all", "metadata", "body"):
        raise InvalidArgumentError(f"inclusion must be 'all', 'metadata' or 'body', not {inclusion!r}")
    query = (("inclusion", inclusion), *_listing(None, page_size))
    path, read = _path(store_id, partition), page_of(partial(read_entry, bodies=inclusion != "metadata"))
    return _call(
        "get_partition",
        _in(store_id, partition),
        "GET",
        path,
        read,
        within=store_id,
        query=query,
        paged=True,
        max_body_bytes=MAX_PAGE_SIZE * MAX_VALUE_BYTES,
    )


def partition_exists(store_id: str, partition: str) -> Call[bool]:
    """Tell whether a partition is there; `HEAD …/partitions/{p}`."""
    path = _path(store_id, partition)
    return _call("partition_exists", _in(store_id, partition), "HEAD", path, found, within=store_id, absent=True)


def delete_partition(store_id: str, partition: str, *, confirmable: bool = False) -> Call[str | None]:
    """Delete a partition and all its keys; `DELETE …/partitions/{p}`. Return the confirmation id, if any."""
    return _call(
        "delete_partition",
        _in(store_id, partition),
        "DELETE",
        _path(store_id, partition),
        confirmation_id,
        within=store_id,
        query=_confirmable(confirmable),
    )


# Keys


def list_keys(
    store_id: str, partition: str, begins_with: str | None = None, *, page_size: int | None = None
) -> Call[Page[str]]:
    """List keys; `GET …/keys`."""
    path, prefix = f"{_path(store_id, partition)}/keys", stored_key(begins_with or "")
    read = page_of(lambda item: read_text(item["keyId"] if isinstance(item, Mapping) else item))
    query = _listing(prefix, page_size)
    return _call(
        "list_keys",
        _in(store_id, partition),
        "GET",
        path,
        names_with(prefix, read),
        within=store_id,
        query=query,
        paged=True,
    )


def get_key(store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Call[Entry]:
    """Read a value; `GET …/keys/{k}`."""

    def read(reply: Reply) -> Entry:
        return entry_of(key, reply, confirmable=confirmable)

    return _on_key(
        "get_key",
        "GET",
        store_id,
        partition,
        key,
        read,
        query=_confirmable(confirmable),
        max_body_bytes=MAX_VALUE_BYTES,
    )


def key_exists(store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Call[bool]:
    """Tell whether a key is there; `HEAD …/keys/{k}`."""
    query = _confirmable(confirmable)
    return _on_key("key_exists", "HEAD", store_id, partition, key, found, query=query, absent=True)


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
    """Write a value; `PUT …/keys/{k}`. Return the confirmation id, if any."""
    if index is not None and (type(index) is not int or index < 0):
        raise InvalidArgumentError(f"the index of key {key!r} must be an integer from 0 on, not {index!r}")
    if metadata is not None:
        check_metadata(metadata, key)
    body = {"keyId": key, **given(index=index, metadata=metadata), **encode_value(value, key)}
    query = _confirmable(confirmable)
    return _on_key("put_key", "PUT", store_id, partition, key, confirmation_id, query=query, body=body)


def alter_number(store_id: str, partition: str, key: str, operation: Mapping[str, Any]) -> Call[dict[str, Any] | None]:
    """
    Alter a number; `POST …/keys/{k}`. Not idempotent: never repeated once it may have been received.

    :param operation: the body, sent as it is. Assumption: the contract leaves its members open.
    """
    if not isinstance(operation, Mapping):
        raise InvalidArgumentError(f"operation must be a mapping, the body to send, not {type(operation).__name__}")
    return _on_key(
        "alter_number",
        "POST",
        store_id,
        partition,
        key,
        lambda reply: refuse_failure(reply) or None,
        body=operation,
        content_type="application/vnd.objectstore.v1.numberoperation+json",
        repeatable=False,
    )


def delete_key(store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Call[str | None]:
    """Delete a key; `DELETE …/keys/{k}`. Return the confirmation id, if any."""
    query = _confirmable(confirmable)
    return _on_key("delete_key", "DELETE", store_id, partition, key, confirmation_id, query=query)


# Confirmations


def acknowledge(store_id: str, partition: str, key: str, confirmation_id: str) -> Call[None]:
    """Confirm a confirmable operation; `POST …/confirmations/{c}`."""
    return _on_confirmation("acknowledge", "POST", store_id, partition, key, confirmation_id)


def extend_confirmation(store_id: str, partition: str, key: str, confirmation_id: str, ttl: Ttl) -> Call[None]:
    """Give a confirmable operation more time; `PATCH …/confirmations/{c}`."""
    body = {"ttl": ttl_seconds(ttl, "ttl")}
    return _on_confirmation("extend_confirmation", "PATCH", store_id, partition, key, confirmation_id, body)


def reject(store_id: str, partition: str, key: str, confirmation_id: str) -> Call[None]:
    """Undo a confirmable operation; `DELETE …/confirmations/{c}`."""
    return _on_confirmation("reject", "DELETE", store_id, partition, key, confirmation_id)


# Reading and building


def _call(
    operation: str,
    subject: str,
    method: str,
    path: str,
    read: Callable[[Reply], T],
    *,
    scope: str = DATA,
    root: str = ENVIRONMENT,
    within: str | None = None,
    absent: bool = False,
    paged: bool = False,
    **fields: Any,
) -> Call[T]:
    return Call(
        operation=f"anypoint.{operation}",
        subject=subject,
        method=method,
        path=path,
        read=read,
        failure=failure_with(f"The connected app needs the scope {scope} in this environment"),
        root=root,
        accept=frozenset({404}) if absent else frozenset(),
        page_parameter="nextPageToken" if paged else None,
        parent=None if within is None else _parent(within),
        **fields,
    )


@lru_cache(maxsize=256)
def _parent(store_id: str) -> Call[Store]:
    return get_store(store_id)


def _on_key(
    operation: str,
    method: str,
    store_id: str,
    partition: str,
    key: str,
    read: Callable[[Reply], T],
    **fields: Any,
) -> Call[T]:
    check_key(key)
    subject, path = _in(store_id, partition, key), _path(store_id, partition, key)
    return _call(operation, subject, method, path, read, within=store_id, **fields)


def _on_confirmation(
    operation: str,
    method: str,
    store_id: str,
    partition: str,
    key: str,
    confirmation: str,
    body: Mapping[str, Any] | None = None,
) -> Call[None]:
    path = f"{_path(store_id, partition, key)}/confirmations/{segment('confirmation id', confirmation)}"
    subject = f"{_in(store_id, partition, key)}, confirmation {confirmation}"
    # Only the rejection is a DELETE; the others may not do the same when they come twice.
    return _call(operation, subject, method, path, nothing, within=store_id, body=body, repeatable=method == "DELETE")


def _path(*names: str) -> str:
    # By count, not by None: a key or partition that is None must be refused, not address what it lies in.
    kinds = (("stores", "store id"), ("partitions", "partition"), ("keys", "key"))
    return "".join(f"/{folder}/{segment(kind, name)}" for (folder, kind), name in zip(kinds, names, strict=False))


def _in(store_id: str, partition: str = "", key: str = "") -> str:
    subject = f"store {store_id}"
    subject += f", partition {partition}" if partition else ""
    return subject + (f", key {key!r}" if key else "")


def _confirmable(confirmable: bool) -> tuple[tuple[str, str], ...]:
    # The contract calls it required although it has a default: always say it.
    check_flag("confirmable", confirmable)
    return (("confirmable", "true" if confirmable else "false"),)


def _listing(begins_with: str | None, page_size: int | None) -> tuple[tuple[str, str], ...]:
    if page_size is not None and (type(page_size) is not int or not 1 <= page_size <= MAX_PAGE_SIZE):
        raise InvalidArgumentError(f"page_size must be an integer from 1 to {MAX_PAGE_SIZE}, not {page_size!r}")
    if begins_with:
        segment("begins_with", f"{begins_with}*")  # a prefix may be a dot
    return tuple(given(beginsWith=begins_with or None, pageSize=page_size and str(page_size)).items())


def _store_body(
    store_id: str,
    default_ttl: Ttl | None,
    default_confirmation_ttl: Ttl | None,
    encrypted: bool | None,
    attributes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    # Assumption: the contract declares no body; these members are what the service answers with.
    check_flag("encrypted", encrypted)
    if attributes is not None and not isinstance(attributes, Mapping):
        raise InvalidArgumentError(f"attributes must be a mapping, not {type(attributes).__name__}: {attributes!r}")
    ttl = None if default_ttl is None else ttl_seconds(default_ttl, "default_ttl")
    confirmation_ttl = (
        None if default_confirmation_ttl is None else ttl_seconds(default_confirmation_ttl, "default_confirmation_ttl")
    )
    known = given(encrypted=encrypted, defaultTtlSeconds=ttl, defaultConfirmationTtlSeconds=confirmation_ttl)
    return {"storeId": store_id, **known, **(attributes or {})}
