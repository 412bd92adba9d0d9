"""Starts DAGs when keys of Object Store v2 appear or change."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.anypoint.values import check_key
from airflow_provider_objectstore.compat import asset_state_stores
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers.change_tracker import ChangeTracker
from airflow_provider_objectstore.triggers.dataclass_trigger import DataclassTrigger
from airflow_provider_objectstore.triggers.shared_stream import WatchRegistry, acknowledged_stream
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, Snapshot, digest, poll_snapshots

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer

EVENT_DISTANCE = 10.0
"""
The least time in seconds between two events of a trigger.

An event that Airflow stores while an earlier one of the asset still waits for its run gets no run of its own: it is
left to the run of a later event, which may never come (``docs/event-driven.md``).
"""


class AnypointKeyEventTrigger(DataclassTrigger, BaseEventTrigger, kw_only=False):
    """
    Fires when keys appear or change, one event for all changes that a poll finds; for ``AssetWatcher``.

    The payload is ``{"store_id", "partition", "keys", "pending"}``. ``keys`` maps each changed key to the type of its
    value, sorted by key; never to the value, which may be secret. An event has at most 1,000 keys (and 200,000
    characters of names): ``pending`` is how many more have changed, which later events have. Airflow may start one run
    for several events: go through ``triggering_asset_events``.

    Two events are at least 10 s apart, and the first one comes 10 s after a start of the trigger or later: changes in
    the meantime fire together. Give each watcher an asset of its own.

    A change is a new value, type or metadata. A key that was missing in one poll and exists in a later one fires.
    What happens and is undone between two polls is not seen.

    **The first poll** fires nothing: changes are measured against what exists then. The official triggers fire for
    what they find, because they consume it (a file is deleted, a message received). Keys stay, so here that would
    start every DAG for old keys on its first day and, where nothing is remembered, after each restart.

    **State.** On Airflow 3.3 the asset's state store keeps digests of the keys and their contents (40 bytes a key),
    so changes while the triggerer is down or the DAG paused fire afterwards. The state is written once Airflow has
    stored the events: a crash in between repeats them and loses none. The state belongs to connection, region, store,
    partition and keys or prefix: if one of these changes, the next poll is a first poll. Before 3.3 each start of the
    triggerer begins with a first poll, and changes in the meantime are lost.

    **Requests** of one poll: exact keys cost a GET each; a prefix costs a listing for every 25 keys that it matches, at
    least one, and a GET for each of them: 100 keys are 104 requests, 10 s at the default of 10 requests a second. On
    3.3, triggers with the same connection, region, store, partition and ``poke_interval`` share their polls.

    **Errors** end nothing and fire nothing. Each failed poll is logged by the triggerer, and the next poll reads the
    connection again. The known state is kept for a key that cannot be read, and for all keys while the store itself is
    missing.

    :param store_id: id of the store.
    :param partition: name of the partition; it need not exist yet.
    :param keys: a key, or a list of keys.
    :param begins_with: instead of ``keys``: all keys with this prefix. Without both: all keys of the partition.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region, such as ``eu-west-1``, instead of the connection's. None means the connection's.
    :raises InvalidArgumentError: for a wrong argument.
    """

    store_id: str
    partition: str
    keys: str | Sequence[str] | None = None
    begins_with: str | None = None
    poke_interval: read.Duration = 60
    anypoint_conn_id: str = AnypointObjectStoreHook.default_conn_name
    region: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self._read_arguments()
        except InvalidArgumentError as error:
            raise _InvalidTriggerError(f"{type(self).__name__}: {error}") from None

    def _read_arguments(self) -> None:
        """Replace each argument by what it means: triggers that watch the same are stored alike."""
        if self.keys is not None and self.begins_with is not None:
            raise InvalidArgumentError("give keys or begins_with, not both")
        self.store_id = read.name("store_id", self.store_id)
        self.partition = read.name("partition", self.partition)
        self.keys = None if self.keys is None else sorted(read.names("keys", self.keys))
        self.begins_with = read.optional(read.prefix)("begins_with", self.begins_with)
        self.poke_interval = read.positive_seconds("poke_interval", self.poke_interval)
        self.anypoint_conn_id = read.identifier("anypoint_conn_id", self.anypoint_conn_id)
        self.region = read.override("region", self.region)
        check_key(self.begins_with or "")
        api.check_names(self.store_id, self.partition, *(self.keys or ()))

    def shared_stream_key(self) -> Hashable:
        """Return what triggers have in common that share their polls."""
        return (self.anypoint_conn_id, self.region, self.store_id, self.partition, self.poke_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Snapshot]:
        """
        Poll for all triggers that share a stream.

        :param kwargs: the stored arguments of one of them.
        """
        trigger = cls(**kwargs)
        stream = trigger.shared_stream_key()
        async for snapshot in trigger._poll_snapshots(lambda: WatchRegistry.watched(stream) or {trigger._key_filter}):
            yield snapshot

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """
        Poll for all triggers that share a stream, and learn when Airflow has stored their events.

        :param kwargs: the stored arguments of one of them.
        """
        return acknowledged_stream(cls.open_shared_stream(kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Snapshot]) -> AsyncIterator[TriggerEvent]:
        """
        Fire once for all of this trigger's keys that changed since the last event.

        :param shared_stream: the snapshots.
        """
        with WatchRegistry(self.shared_stream_key(), self._key_filter):
            tracker = ChangeTracker(asset_state_stores(self), self._state_name)
            next_event = time.monotonic() + EVENT_DISTANCE  # there may have been one just before a restart
            async for snapshot in shared_stream:
                if self._key_filter not in snapshot.key_filters or not await tracker.load():
                    continue
                if tracker.known is not None and time.monotonic() < next_event:
                    continue
                keys, pending = tracker.changes(snapshot, self._key_filter)
                if keys:
                    yield self._event({key: snapshot.keys[key].value_type for key in sorted(keys)}, pending)
                    next_event = time.monotonic() + EVENT_DISTANCE
                assert tracker.known is not None
                store = partial(tracker.store, tracker.known)
                if snapshot.on_persisted is None:
                    await store()
                else:
                    snapshot.on_persisted.append(store)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll and fire, where Airflow shares no streams (before 3.3)."""
        async for event in self.filter_shared_stream(self._poll_snapshots(lambda: {self._key_filter})):
            yield event

    @property
    def _key_filter(self) -> KeyFilter:
        return KeyFilter(None if self.keys is None else frozenset(self.keys), self.begins_with or "")

    @property
    def _state_name(self) -> str:
        watched = (self.anypoint_conn_id, self.region, self.store_id, self.partition, self.keys, self.begins_with)
        return f"anypoint_keys_{digest(json.dumps(watched).encode())}"

    def _poll_snapshots(self, key_filters: Callable[[], Iterable[KeyFilter]]) -> AsyncIterator[Snapshot]:
        hook = AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)
        interval = read.seconds("poke_interval", self.poke_interval)
        return poll_snapshots(hook, self.store_id, self.partition, interval, key_filters)

    def _event(self, keys: Mapping[str, str | None], pending: int) -> TriggerEvent:
        payload = {"store_id": self.store_id, "partition": self.partition, "keys": keys, "pending": pending}
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]


class _InvalidTriggerError(InvalidArgumentError, TypeError):
    """Also a ``TypeError``: a triggerer that creates a stored trigger survives no other error of a constructor."""
