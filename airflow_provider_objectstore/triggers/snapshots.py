"""Snapshots of what event triggers watch. Private: use the triggers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_objectstore.exceptions import ObjectStoreError, StoreNotFoundError, is_transient

log = logging.getLogger(__name__)

JOIN_SECONDS = 1.0
"""How soon keys are read that nobody watched at the last poll."""


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """The keys that a trigger watches: ``keys``, or if that is None all keys with this beginning and this end."""

    keys: frozenset[str] | None
    begins_with: str = ""
    ends_with: str = ""

    def matches(self, key: str) -> bool:
        """Return whether the trigger watches a key."""
        if self.keys is not None:
            return key in self.keys
        return key.startswith(self.begins_with) and key.endswith(self.ends_with)


@dataclass(frozen=True, slots=True)
class KeyState:
    """
    A key at one time.

    :param details: what an event tells of it.
    :param digest: changes with the key's contents.
    :param compared: the beginning of the digest that decides whether the key has changed since; None for all of it.
    """

    details: Any
    digest: str
    compared: str | None = None

    def is_change(self, previous: str) -> bool:
        """Return whether the key has changed since it had a digest."""
        return previous != self.digest if self.compared is None else not previous.startswith(self.compared)


@dataclass(slots=True)
class Snapshot:
    """
    The keys that exist at one time.

    :param key_filters: which keys were requested.
    :param keys: the state of each key, sorted by key.
    :param unreadable: keys that exist, or may exist, and could not be read.
    :param store_exists: without the store itself nothing is known about its keys.
    :param place: a digest of where the service is.
    :param on_resolved: to be called, snapshot by snapshot, once Airflow's database has all events of this one, or with
        False if it lacks some; None before Airflow 3.3, which does not report it.
    """

    key_filters: frozenset[KeyFilter]
    keys: Mapping[str, KeyState]
    unreadable: frozenset[str] = frozenset()
    store_exists: bool = True
    place: str = ""
    on_resolved: list[Callable[[bool], Awaitable[None]]] | None = None


class Source(Protocol):
    """What is watched. Its text names it in logs, with the connection."""

    container: str
    """What the service calls that which holds the keys."""

    @property
    def place(self) -> str:
        """A digest of where the last snapshot was taken, or the store was missing."""

    async def take_snapshot(self, key_filters: frozenset[KeyFilter]) -> Snapshot:
        """
        Read every key that one of the filters matches: all of them, or raise an error.

        :raises StoreNotFoundError: if that which holds the keys does not exist.
        """


def digest(*parts: bytes) -> str:
    """Return a digest of 64 bits, so short that many fit into one entry of the state store."""
    blake = blake2b(digest_size=8)
    for part in parts:
        blake.update(b"%d:" % len(part))
        blake.update(part)
    return blake.hexdigest()


def prefixes_to_list(key_filters: Iterable[KeyFilter]) -> list[str]:
    """Return the prefixes of the filters, without those that another one covers."""
    prefixes = {key_filter.begins_with for key_filter in key_filters if key_filter.keys is None}
    return sorted(
        prefix for prefix in prefixes if not any(prefix != other and prefix.startswith(other) for other in prefixes)
    )


async def poll_snapshots(
    source: Source, poke_interval: float, key_filters: Callable[[], Iterable[KeyFilter]]
) -> AsyncIterator[Snapshot]:
    """
    Yield snapshots for ever. Errors are logged and never raised: Airflow would restart the trigger at once, for ever.

    :param source: what is watched.
    :param poke_interval: seconds between two snapshots; less where keys come to be watched in between.
    :param key_filters: called before each snapshot, returns which keys to read.
    """
    missing_store_logged = False
    while True:
        snapshot, filters = None, frozenset(key_filters())
        try:
            snapshot = await source.take_snapshot(filters)
            missing_store_logged = False
        except StoreNotFoundError as error:
            snapshot = Snapshot(filters, {}, store_exists=False)
            if not missing_store_logged:
                missing_store_logged = True
                log.warning(
                    "%s. The %s itself is missing: %s is polled until it exists", error, source.container, source
                )
        except Exception as error:
            log.log(
                logging.WARNING if isinstance(error, ObjectStoreError) and is_transient(error) else logging.ERROR,
                "Could not poll %s: %s. Changes fire once a poll succeeds; the next one is in %g s",
                source,
                error,
                poke_interval,
                exc_info=not isinstance(error, AirflowException),
            )
        if snapshot is not None:
            snapshot.place = source.place
            yield snapshot
        ends = time.monotonic() + poke_interval
        while (left := ends - time.monotonic()) > 0 and filters.issuperset(key_filters()):
            await asyncio.sleep(min(left, JOIN_SECONDS))
