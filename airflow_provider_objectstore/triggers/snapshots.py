"""Snapshots of the keys of a partition, for the event trigger. Private: use the trigger."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.call import Flow, list_all
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    ServerError,
    StoreNotFoundError,
    UnreadableValueError,
    is_transient,
)

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.values import Entry
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

log = logging.getLogger(__name__)

MAX_UNREADABLE = 10
"""If more keys than this cannot be read and none can, the cause is not the keys: the snapshot fails."""


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """The keys that a trigger watches: ``keys``, or if that is None all keys with a prefix."""

    keys: frozenset[str] | None
    begins_with: str = ""

    def matches(self, key: str) -> bool:
        """Return whether the trigger watches a key."""
        return key.startswith(self.begins_with) if self.keys is None else key in self.keys


@dataclass(frozen=True, slots=True)
class KeyState:
    """The type of a key's value, and a digest of value, type and metadata."""

    value_type: str | None
    digest: str


@dataclass(slots=True)
class Snapshot:
    """
    The keys that exist at one time.

    :param key_filters: which keys were requested.
    :param keys: the state of each key, sorted by key.
    :param unreadable: keys that exist, or may exist, and could not be read.
    :param store_exists: without the store itself nothing is known about its keys.
    :param on_persisted: to be called once Airflow's database has the events of this snapshot; None before Airflow 3.3,
        which does not report it.
    """

    key_filters: frozenset[KeyFilter]
    keys: Mapping[str, KeyState]
    unreadable: frozenset[str] = frozenset()
    store_exists: bool = True
    on_persisted: list[Callable[[], Awaitable[None]]] | None = None


def digest(*parts: bytes) -> str:
    """Return a digest of 64 bits, so short that many fit into one entry of the state store."""
    blake = blake2b(digest_size=8)
    for part in parts:
        blake.update(b"%d:" % len(part))
        blake.update(part)
    return blake.hexdigest()


def take_snapshot(store_id: str, partition: str, key_filters: frozenset[KeyFilter]) -> Flow[Snapshot]:
    """Read every key that one of the filters matches."""
    names = yield from _list_names(store_id, partition, key_filters)
    keys: dict[str, KeyState] = {}
    unreadable: set[str] = set()
    for key in sorted(names):
        try:
            entry: Entry = yield api.get_key(store_id, partition, key)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            continue
        except (UnreadableValueError, ServerError) as error:
            if error.status is None or error.status >= 500 or (len(unreadable) >= MAX_UNREADABLE and not keys):
                raise
            # For example a value of an unknown type.
            log.warning("%s. This key cannot be read: its known state is kept", error)
            unreadable.add(key)
        except InvalidArgumentError as error:  # a name that the service lists but that is invalid in a URL
            log.warning("%s. This key is not watched", error)
        else:
            keys[key] = KeyState(entry.value_type, _digest_entry(entry))
    return Snapshot(key_filters, keys, frozenset(unreadable))


def _list_names(store_id: str, partition: str, key_filters: frozenset[KeyFilter]) -> Flow[set[str]]:
    """Return the keys to read: those that filters name, and those that are listed for filters by prefix."""
    names: set[str] = set()
    prefixes = {key_filter.begins_with for key_filter in key_filters if key_filter.keys is None}
    for prefix in prefixes:
        if any(prefix != other and prefix.startswith(other) for other in prefixes):
            continue
        try:
            names.update((yield from list_all(api.list_keys(store_id, partition, prefix or None))))
        except StoreNotFoundError:
            raise
        except NotFoundError:  # a partition appears with its first key
            continue
    names.update(*(key_filter.keys for key_filter in key_filters if key_filter.keys is not None))
    return names


def _digest_entry(entry: Entry) -> str:
    value = entry.value if isinstance(entry.value, bytes) else str(entry.value).encode(errors="surrogatepass")
    return digest(value, json.dumps([entry.value_type, entry.metadata], sort_keys=True, default=str).encode())


async def poll_snapshots(
    hook: AnypointObjectStoreHook,
    store_id: str,
    partition: str,
    poke_interval: float,
    key_filters: Callable[[], Iterable[KeyFilter]],
) -> AsyncIterator[Snapshot]:
    """
    Yield snapshots for ever. Errors are logged and never raised: Airflow would restart the trigger at once, for ever.

    :param hook: the hook that sends the requests.
    :param store_id: id of the store.
    :param partition: name of the partition.
    :param poke_interval: seconds between two snapshots.
    :param key_filters: called before each snapshot, returns which keys to read.
    """
    missing_store_logged = False
    while True:
        snapshot, filters = None, frozenset(key_filters())
        try:
            async with hook.async_client() as client:
                snapshot = await client.run(take_snapshot(store_id, partition, filters))
                missing_store_logged = False
        except StoreNotFoundError as error:
            snapshot = Snapshot(filters, {}, store_exists=False)
            if not missing_store_logged:
                missing_store_logged = True
                log.warning(
                    "%s. The store itself is missing: partition %s is polled through connection %s until it exists",
                    error,
                    partition,
                    hook.anypoint_conn_id,
                )
        except Exception as error:
            log.log(
                logging.WARNING if isinstance(error, ObjectStoreError) and is_transient(error) else logging.ERROR,
                "Could not poll store %s, partition %s through connection %s: %s. Changes fire once a poll succeeds; "
                "the next one is in %g s",
                store_id,
                partition,
                hook.anypoint_conn_id,
                error,
                poke_interval,
                exc_info=not isinstance(error, AirflowException),
            )
        if snapshot is not None:
            yield snapshot
        await asyncio.sleep(poke_interval)
