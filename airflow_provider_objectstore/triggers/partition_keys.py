"""Reads the keys of a partition, for the event trigger. Private: use the trigger."""

from __future__ import annotations

import json
import logging
from copy import copy
from typing import TYPE_CHECKING

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.anypoint.access import ENVIRONMENT
from airflow_provider_objectstore.api.call import Flow
from airflow_provider_objectstore.api.paging import list_all
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ServerError,
    StoreNotFoundError,
    UnreadableValueError,
)
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, KeyState, Snapshot, digest, prefixes_to_list

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.values import Entry
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

log = logging.getLogger(__name__)

MAX_UNREADABLE = 10
"""If more keys than this cannot be read and none can, the cause is not the keys: the snapshot fails."""


class PartitionKeys:
    """
    The keys of a partition, as a source of snapshots.

    :param hook: the hook that sends the requests.
    :param store_id: id of the store.
    :param partition: name of the partition.
    """

    container = "store"

    def __init__(self, hook: AnypointObjectStoreHook, store_id: str, partition: str) -> None:
        self._hook = hook
        self._store_id = store_id
        self._partition = partition

    def __str__(self) -> str:
        return f"store {self._store_id}, partition {self._partition} through connection {self._hook.anypoint_conn_id}"

    @property
    def place(self) -> str:
        """A digest of where the last snapshot was taken."""
        return self._hook.last_connection.place(ENVIRONMENT)

    async def take_snapshot(self, key_filters: frozenset[KeyFilter]) -> Snapshot:
        """Read every key that one of the filters matches."""
        self._hook = copy(self._hook)  # a hook works in one place, and the connection may lead elsewhere by now
        async with self._hook.async_client() as client:
            return await client.run(read_keys(self._store_id, self._partition, key_filters))


def read_keys(store_id: str, partition: str, key_filters: frozenset[KeyFilter]) -> Flow[Snapshot]:
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
    for prefix in prefixes_to_list(key_filters):
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
