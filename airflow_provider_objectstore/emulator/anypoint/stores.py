"""Object Store v2's state: stores, partitions, entries and open confirmations. No HTTP here."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_objectstore.emulator.assumptions import (
    DEFAULT_CONFIRMATION_TTL_SECONDS,
    DEFAULT_TTL_SECONDS,
)
from airflow_provider_objectstore.emulator.ordered_keys import OrderedKeys

MAX_TTL_SECONDS = 30 * 24 * 3600


@dataclass(slots=True)
class Entry:
    """A key's value. ``expires`` is a time of the emulator's clock."""

    value_type: str
    value: Any
    metadata: Any = None
    index: int | None = None
    expires: float = 0.0


@dataclass(slots=True)
class Store:
    """
    A store.

    :param default_ttl: time to live in seconds. ``None`` as long as nobody sets it: then the service's own applies,
        and each use of an entry restarts it.
    :param default_confirmation_ttl: time in seconds after which an open confirmation expires.
    :param others: attributes that the emulator stores unchanged.
    """

    store_id: str
    default_ttl: int | None = None
    default_confirmation_ttl: int = DEFAULT_CONFIRMATION_TTL_SECONDS
    encrypted: bool = True
    others: dict[str, Any] = field(default_factory=dict)
    partitions: OrderedKeys[OrderedKeys[Entry]] = field(default_factory=OrderedKeys)

    @property
    def ttl(self) -> int:
        """Time to live of a written entry, in seconds."""
        return DEFAULT_TTL_SECONDS if self.default_ttl is None else self.default_ttl

    def update(self, attributes: dict[str, Any], others: dict[str, Any]) -> None:
        """Set attributes, by field name, and others unchanged."""
        for name, value in attributes.items():
            setattr(self, name, value)
        self.others |= others


@dataclass(slots=True)
class Change:
    """What a confirmation does to its key: nothing (``get``), write ``entry`` (``put``), or remove it (``delete``)."""

    action: str
    entry: Entry | None = None

    def apply(self, stores: Stores, store: Store, address: tuple[str, str]) -> None:
        """Make the change to a partition's key."""
        if self.entry is not None:
            stores.write(store, *address, self.entry)
        elif self.action == "delete":
            stores.remove(store, *address)


@dataclass(slots=True)
class Confirmation:
    """A change that waits for its confirmation. ``address`` is its partition and key."""

    address: tuple[str, str]
    change: Change
    expires: float


class Stores:
    """All stores and open confirmations of the one environment."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.stores: OrderedKeys[Store] = OrderedKeys()
        self.confirmations: dict[str, tuple[Store, Confirmation]] = {}

    def reset(self) -> None:
        """Delete everything."""
        self.stores = OrderedKeys()
        self.confirmations.clear()

    def is_alive(self, entry: Entry) -> bool:
        """Return whether an entry has not expired."""
        return entry.expires > self.clock()

    def is_nonempty(self, partition: OrderedKeys[Entry]) -> bool:
        """Return whether a partition holds an entry that has not expired."""
        return any(map(self.is_alive, partition.values()))

    def partition(self, store: Store, name: str) -> OrderedKeys[Entry] | None:
        """Return a partition, ``None`` if it does not exist."""
        partition = store.partitions.get(name)
        return partition if partition is not None and self.is_nonempty(partition) else None

    def entry(self, store: Store, partition: str, key: str) -> Entry | None:
        """Return an entry, ``None`` if it does not exist."""
        entries = store.partitions.get(partition)
        entry = None if entries is None else entries.get(key)
        return entry if entry is not None and self.is_alive(entry) else None

    def write(self, store: Store, partition: str, key: str, entry: Entry) -> None:
        """Add or replace an entry. Its time to live starts now."""
        entry.expires = self.clock() + store.ttl
        if partition not in store.partitions:
            store.partitions.put(partition, OrderedKeys())
        store.partitions[partition].put(key, entry)

    def restart_ttl(self, store: Store, entries: Iterable[Entry]) -> None:
        """Restart the entries' time to live, unless somebody set the store's."""
        if store.default_ttl is None:
            expires = self.clock() + store.ttl
            for entry in entries:
                entry.expires = expires

    def remove(self, store: Store, partition: str, key: str) -> None:
        """Remove an entry, if there is one."""
        if partition in store.partitions:
            store.partitions[partition].drop(key)

    def open_confirmation(self, store: Store, address: tuple[str, str], change: Change) -> str:
        """Store a change until it is confirmed. Return the confirmation's id."""
        confirmation_id = secrets.token_hex(16)
        expires = self.clock() + store.default_confirmation_ttl
        self.confirmations[confirmation_id] = store, Confirmation(address, change, expires)
        return confirmation_id

    def confirmation(self, store: Store, address: tuple[str, str], confirmation_id: str) -> Confirmation | None:
        """Return an open confirmation of this partition and key, ``None`` if there is none with this id."""
        owner, confirmation = self.confirmations.get(confirmation_id, (None, None))
        if confirmation is None or owner is not store or confirmation.address != address:
            return None
        return confirmation if confirmation.expires > self.clock() else None

    def close_confirmation(self, confirmation_id: str) -> None:
        """Remove a confirmation."""
        del self.confirmations[confirmation_id]
