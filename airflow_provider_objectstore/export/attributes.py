"""The attributes of a store that an export or a copy keeps: read, set, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.models import Store
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

_SETTABLE = {
    "default_ttl_seconds": "default_ttl",
    "default_confirmation_ttl_seconds": "default_confirmation_ttl",
    "encrypted": "encrypted",
}
"""By the name in :class:`Store`: the argument of the hook that sets the attribute."""

_NAMES = (*_SETTABLE, "persistent", "is_fixed_ttl")


@dataclass(frozen=True)
class Comparison:
    """
    Wanted attributes beside those of a store.

    :param differences: what differs, in words; empty for nothing.
    :param unverified: names of the attributes that the service does not return for one of the two.
    """

    differences: str
    unverified: tuple[str, ...]


def attributes_of(store: Store) -> dict[str, Any]:
    """Return a store's attributes by name; None for those that the service does not return."""
    return {name: getattr(store, name) for name in _NAMES}


def read_attributes(item: Any) -> dict[str, Any] | None:
    """
    Read the attributes in an export's manifest; None if it has none.

    :raises ValueError: if they are not the attributes of a store.
    """
    if item is None:
        return None
    kinds = {name: (int, float) if name.endswith("_seconds") else (bool,) for name in _NAMES}
    for name, value in item.items():
        if name in kinds and value is not None and type(value) not in kinds[name]:
            raise ValueError(f"the store's {name} is {str(value)[:20]!r}")
    return {name: item.get(name) for name in _NAMES}


def compare(wanted: Mapping[str, Any], store: Store) -> Comparison:
    """
    Compare attributes with those of a store.

    :param wanted: the attributes, by the names of :func:`attributes_of`.
    :param store: the store.
    """
    actual = attributes_of(store)
    known = {name for name, value in actual.items() if value is not None and wanted.get(name) is not None}
    differences = [
        f"{name} is {actual[name]} instead of {wanted[name]}"
        for name in actual
        if name in known and actual[name] != wanted[name]
    ]
    return Comparison(", ".join(differences), tuple(name for name in actual if name not in known))


def find_store(hook: AnypointObjectStoreHook, store_id: str) -> Store | None:
    """Read a store; None if the service says that it does not exist."""
    try:
        return hook.get_store(store_id)
    except StoreNotFoundError:  # of the environment: nothing is said about the store
        raise
    except NotFoundError:
        return None


def require_store(hook: AnypointObjectStoreHook, store_id: str) -> Store:
    """
    Read a store whose values are to be read.

    :param hook: the hook of the store.
    :param store_id: the store.
    :raises StoreNotFoundError: if the service says that it does not exist.
    """
    store = find_store(hook, store_id)
    if store is None:
        raise StoreNotFoundError(
            f"there is no store {store_id}: create it, or check its name and where the connection leads", status=404
        ).placed(hook.where)
    return store


def set_attributes(
    hook: AnypointObjectStoreHook, store_id: str, wanted: Mapping[str, Any], *, create: bool
) -> Comparison:
    """
    Create a store with attributes, or set those of an existing one, and read it again.

    :param hook: the hook of the store.
    :param store_id: the store.
    :param wanted: the attributes, by the names of :func:`attributes_of`.
    :param create: whether the store does not exist.
    :raises ObjectStoreError: if they cannot be set, or the store then has others.
    """
    send = hook.create_store if create else hook.update_store
    try:
        send(store_id, **{argument: wanted.get(name) for name, argument in _SETTABLE.items()})
    except InvalidArgumentError as error:  # the service may return what it does not take, such as 0.5 s
        raise InvalidArgumentError(
            f"store {store_id} cannot get the original's attributes: {error}. Create it with "
            "AnypointCreateStoreOperator first, and give if_attributes_differ='keep' if this is a copy"
        ) from None
    result = compare(wanted, hook.get_store(store_id))
    if result.differences:
        raise ObjectStoreError(f"the service accepted the attributes of store {store_id}, but {result.differences}")
    return result
