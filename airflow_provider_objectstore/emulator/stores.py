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
from airflow_provider_objectstore.emulator.directory import Directory

MAX_TTL_SECONDS = 30 * 24 * 3600


@dataclass(slots=True)
class Entry:
    """A value. ``expires`` is a time of the state's clock."""

    value_type: str
    value: Any
    metadata: Any = None
    index: int | None = None
    expires: float = 0.0


@dataclass(slots=True)
class Store:
    """
    A store. ``more`` holds attributes that are kept as they came.

    ``default_ttl`` is ``None`` as long as nobody set it: then the service's own holds, and use extends it.
    """

    store_id: str
    default_ttl: int | None = None
    default_confirmation_ttl: int = DEFAULT_CONFIRMATION_TTL_SECONDS
    encrypted: bool = True
    more: dict[str, Any] = field(default_factory=dict)
    partitions: Directory[Directory[Entry]] = field(default_factory=Directory)

    @property
    def ttl(self) -> int:
        """How long what is stored lives, in seconds."""
        return DEFAULT_TTL_SECONDS if self.default_ttl is None else self.default_ttl

    def change(self, attributes: dict[str, Any], more: dict[str, Any]) -> None:
        """Set the attributes that are given."""
        for name, value in attributes.items():
            setattr(self, name, value)
        self.more |= more


@dataclass(slots=True)
class Confirmation:
    """An operation that waits for its confirmation."""

    place: tuple[str, str]
    effect: Callable[[], None]
    expires: float


class Stores:
    """All stores of the one environment."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.stores: Directory[Store] = Directory()
        self._confirmations: dict[str, tuple[Store, Confirmation]] = {}

    def reset(self) -> None:
        """Forget everything."""
        self.stores = Directory()
        self._confirmations.clear()

    def alive(self, entry: Entry) -> bool:
        """Whether an entry has not expired."""
        return entry.expires > self.clock()

    def inhabited(self, partition: Directory[Entry]) -> bool:
        """Whether a partition holds an entry that has not expired."""
        return any(map(self.alive, partition.values()))

    def partition(self, store: Store, name: str) -> Directory[Entry] | None:
        """A partition that exists."""
        partition = store.partitions.get(name)
        return partition if partition is not None and self.inhabited(partition) else None

    def entry(self, store: Store, partition: str, key: str) -> Entry | None:
        """An entry that exists."""
        entries = store.partitions.get(partition)
        entry = None if entries is None else entries.get(key)
        return entry if entry is not None and self.alive(entry) else None

    def write(self, store: Store, partition: str, key: str, entry: Entry) -> None:
        """Add or replace an entry; its time to live starts now."""
        entry.expires = self.clock() + store.ttl
        if partition not in store.partitions:
            store.partitions.put(partition, Directory())
        store.partitions[partition].put(key, entry)

    def use(self, store: Store, entries: Iterable[Entry]) -> None:
        """Let entries live on from now, unless the store's time to live was set."""
        if store.default_ttl is None:
            expires = self.clock() + store.ttl
            for entry in entries:
                entry.expires = expires

    def remove(self, store: Store, partition: str, key: str) -> None:
        """Remove an entry; nothing happens if it is not there."""
        if partition in store.partitions:
            store.partitions[partition].drop(key)

    def hold(self, store: Store, place: tuple[str, str], effect: Callable[[], None]) -> str:
        """Keep an effect until it is confirmed; returns the confirmation's id."""
        confirmation_id = secrets.token_hex(16)
        expires = self.clock() + store.default_confirmation_ttl
        self._confirmations[confirmation_id] = store, Confirmation(place, effect, expires)
        return confirmation_id

    def confirmation(self, store: Store, place: tuple[str, str], confirmation_id: str) -> Confirmation | None:
        """The open confirmation of that partition and key."""
        holder, found = self._confirmations.get(confirmation_id, (None, None))
        if found is None or holder is not store or found.place != place or found.expires <= self.clock():
            return None
        return found

    def settle(self, confirmation_id: str) -> None:
        """Close a confirmation."""
        del self._confirmations[confirmation_id]
