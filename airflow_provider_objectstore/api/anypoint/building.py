"""Build the calls of Object Store v2: paths, subjects, scopes and checks that its operations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from airflow_provider_objectstore.api.anypoint.access import ENVIRONMENT
from airflow_provider_objectstore.api.anypoint.models import failure_with
from airflow_provider_objectstore.api.anypoint.values import Ttl, check_key, ttl_seconds
from airflow_provider_objectstore.api.call import Call, Query, Response, drop_none
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.arguments import optional, strict_flag
from airflow_provider_objectstore.exceptions import InvalidArgumentError

T = TypeVar("T")

MAX_PAGE_SIZE = 25
"""Most items that the service puts on a page."""

MANAGE_DATA = "Manage Store Data"
"""The scope of a connected app for partitions and keys."""
MANAGE_STORES = "Manage Stores or Manage Store Data"
"""The scopes for changing stores; one is enough."""
VIEW_STORES = "View Stores, Manage Stores or Manage Store Data"
"""The scopes for reading stores; one is enough."""

_SEGMENTS = (("stores", "store id"), ("partitions", "partition"), ("keys", "key"))


def check_names(store_id: str, partition: str | None = None, *keys: str) -> None:
    """
    Refuse names that no call can address, before any request.

    :param store_id: a store's id.
    :param partition: a partition; None for none.
    :param keys: keys of the partition.
    :raises InvalidArgumentError: naming the first one that is not allowed.
    """
    if partition is None:
        _path(store_id)
    else:
        _path(store_id, partition)
        for key in keys:
            _path(store_id, partition, key)


def build_call(
    operation: str,
    method: str,
    names: tuple[str, ...],
    read: Callable[[Response], T],
    *,
    suffix: str = "",
    subject: str = "",
    scope: str = MANAGE_DATA,
    base_url: str = ENVIRONMENT,
    parent: Callable[[str], Call[Any]] | None = None,
    paged: bool = False,
    **fields: Any,
) -> Call[T]:
    """
    Build a call.

    :param operation: the operation's name without the service's.
    :param method: HTTP method.
    :param names: what it is about: nothing, or a store id, a partition in it, a key in that.
    :param read: turns a successful response into the result.
    :param suffix: the rest of the path, percent-encoded.
    :param subject: what is added to the names in messages.
    :param scope: the scope that it needs, in words.
    :param base_url: which of the connection's base URLs the path is under.
    :param parent: for what is in a store: returns the call that reads the store, see ``Call``.
    :param paged: whether it is a listing.
    :param fields: further fields of :class:`~airflow_provider_objectstore.api.call.Call`.
    """
    return Call(
        operation=f"anypoint.{operation}",
        about=names,
        path=_path(*names) + suffix,
        subject=_subject(*names) + subject,
        method=method,
        read=read,
        failure=failure_with(f"The connected app needs the scope {scope} in this environment"),
        base_url=base_url,
        page_parameter="nextPageToken" if paged else None,
        parent=parent(names[0]) if parent else None,  # after the path, which checks the names
        **fields,
    )


def confirmable_query(confirmable: bool) -> Query:
    """Return the query parameter of a confirmable operation. It is always sent: the contract calls it required."""
    return (("confirmable", "true" if strict_flag("confirmable", confirmable) else "false"),)


def listing_query(page_size: int | None, begins_with: str | None = None) -> Query:
    """
    Return the query parameters of a listing's first page.

    :param page_size: most items on a page; None for the service's default.
    :param begins_with: what the names begin with; None or empty for all.
    """
    if page_size is not None and (type(page_size) is not int or not 1 <= page_size <= MAX_PAGE_SIZE):
        raise InvalidArgumentError(f"page_size must be an integer from 1 to {MAX_PAGE_SIZE}, not {page_size!r}")
    if begins_with:
        segment("begins_with", f"{begins_with}*")  # a prefix may be a dot
    return tuple(drop_none(beginsWith=begins_with or None, pageSize=page_size and str(page_size)).items())


def store_body(
    store_id: str,
    default_ttl: Ttl | None,
    default_confirmation_ttl: Ttl | None,
    encrypted: bool | None,
    attributes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """
    Return the body that creates or updates a store.

    Assumption: the contract declares no body; these members are the ones of the service's responses.

    :raises InvalidArgumentError: if ``attributes`` has what another argument sets, or is no mapping.
    """
    if attributes is not None and not isinstance(attributes, Mapping):
        raise InvalidArgumentError(f"attributes must be a mapping, not {type(attributes).__name__}: {attributes!r}")
    known = drop_none(
        encrypted=optional(strict_flag)("encrypted", encrypted),
        defaultTtlSeconds=_ttl_seconds("default_ttl", default_ttl),
        defaultConfirmationTtlSeconds=_ttl_seconds("default_confirmation_ttl", default_confirmation_ttl),
    )
    set_already = {"storeId", *known, *(member.replace("Seconds", "Millis") for member in known)}
    if twice := sorted(set_already.intersection(attributes or ())):
        raise InvalidArgumentError(f"attributes has {', '.join(twice)}, which another argument sets: leave it out")
    return {"storeId": store_id, **known, **(attributes or {})}


def _ttl_seconds(name: str, ttl: Ttl | None) -> int | None:
    return None if ttl is None else ttl_seconds(ttl, name)


def _path(*names: str) -> str:
    # By count, not by None: a key or partition that is None must be refused, not address what contains it.
    for key in names[2:]:
        check_key(key)
    return "".join(f"/{folder}/{segment(kind, name)}" for (folder, kind), name in zip(_SEGMENTS, names, strict=False))


def _subject(store_id: str = "", partition: str = "", key: str = "") -> str:
    subject = f"store {store_id}" if store_id else ""
    subject += f", partition {partition}" if partition else ""
    return subject + (f", key {key!r}" if key else "")
