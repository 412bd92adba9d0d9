"""Starts DAGs when keys of Object Store v2 appear or change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.values import check_key
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers.looks import (
    Look,
    Memory,
    Selection,
    Watched,
    confirmed,
    digest,
    in_batches,
    looks,
)

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer


class AnypointKeyEventTrigger(BaseEventTrigger):
    """
    Fires once for each key that appears or changes; for ``AssetWatcher``.

    The payload is ``{"store_id", "partition", "key", "value_type"}``, never the value, which may be secret. Events of
    one look come in the order of their keys. Airflow may start one run for several events: go through
    ``triggering_asset_events``.

    A change is a new value, type or metadata. A key that was gone at one look and is there again at another fires.
    What happens and is undone between two looks is not seen.

    **The first look** fires nothing: what is there then is what changes are measured by. The official triggers fire
    for what they find, because they consume it (a file is deleted, a message received). Keys stay, so here that would
    start every DAG for old news on its first day and, where nothing is remembered, after each restart.

    **Memory.** On Airflow 3.3 the asset's state store keeps digests of the keys and their contents (40 bytes a key),
    so what happens while the triggerer is down, or the DAG paused, fires afterwards. It is written once Airflow has
    stored the events: a crash in between repeats them and loses none. Memory belongs to connection, region, store,
    partition and keys or prefix: with other ones, the next look is a first look. Before 3.3 each start of the
    triggerer takes a first look, and what happened meanwhile is lost.

    **Requests** of one look: exact keys cost a GET each; a prefix costs a listing for every 25 keys that it finds, at
    least one, and a GET for each of them: 100 keys are 104 requests, 10 s at the usual pace of 10 a second. On 3.3,
    triggers that agree in connection, region, store, partition and ``poke_interval`` share one look.

    **Errors** end nothing and fire nothing. The log of the triggerer says at each look what is wrong, and the next look
    is taken with the connection as it is then. Of a key that cannot be read, and of all keys while the store itself is
    missing, it is kept what was known.

    :param store_id: the store.
    :param partition: the partition; it need not exist yet.
    :param keys: the keys, one or several.
    :param begins_with: instead of ``keys``: all that begin with this. With neither, the whole partition.
    :param poke_interval: time between two looks: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's.
    :raises InvalidArgumentError: for arguments that cannot be watched.
    """

    def __init__(
        self,
        store_id: str,
        partition: str,
        keys: str | Sequence[str] | None = None,
        begins_with: str | None = None,
        poke_interval: read.Duration = 60,
        anypoint_conn_id: str = AnypointObjectStoreHook.default_conn_name,
        region: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        try:
            if keys is not None and begins_with is not None:
                raise InvalidArgumentError("give keys or begins_with, not both")
            self.store_id = read.name("store_id", store_id)
            self.partition = read.name("partition", partition)
            self.keys = None if keys is None else sorted(read.names("keys", keys))
            self.begins_with = read.optional(read.prefix)("begins_with", begins_with)
            self.poke_interval = read.positive_seconds("poke_interval", poke_interval)
            self.anypoint_conn_id = read.place("anypoint_conn_id", anypoint_conn_id)
            self.region = read.elsewhere("region", region)
            check_key(self.begins_with or "")
            api.list_keys(self.store_id, self.partition)
            for key in self.keys or ():
                api.get_key(self.store_id, self.partition, key)
        except InvalidArgumentError as error:
            raise _UnusableTriggerError(f"{type(self).__name__}: {error}") from None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to start this trigger elsewhere: names and numbers, never a secret."""
        names = ("store_id", "partition", "keys", "begins_with", "poke_interval", "anypoint_conn_id", "region")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable:
        """Return what triggers agree in that share their looks."""
        return (self.anypoint_conn_id, self.region, self.store_id, self.partition, self.poke_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Look]:
        """Look for all triggers of the group."""
        one = cls(**kwargs)
        async for found in one._looks(lambda: Watched.on(one.shared_stream_key()) or {one._selection}):
            yield found

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Look for all triggers of the group, and hear when their events are stored."""
        return confirmed(cls.open_shared_stream(kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Look]) -> AsyncIterator[TriggerEvent]:
        """Fire for what has changed since the last look."""
        with Watched(self.shared_stream_key(), self._selection):
            memory = Memory(getattr(self, "asset_state_store", None), self._memory_name)
            async for found in shared_stream:
                if self._selection not in found.selections or not await memory.load():
                    continue
                async for key in in_batches(memory.changes(found, self._selection)):
                    yield self._event(key, found.seen[key].value_type)
                assert memory.known is not None
                store = partial(memory.store, memory.known)
                if found.when_stored is None:
                    await store()
                else:
                    found.when_stored.append(store)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look and fire, where Airflow shares no looks."""
        async for event in self.filter_shared_stream(self._looks(lambda: {self._selection})):
            yield event

    @property
    def _selection(self) -> Selection:
        return Selection(None if self.keys is None else frozenset(self.keys), self.begins_with or "")

    @property
    def _memory_name(self) -> str:
        what = (self.anypoint_conn_id, self.region, self.store_id, self.partition, self.keys, self.begins_with)
        return f"anypoint_keys_{digest(json.dumps(what).encode())}"

    def _looks(self, selections: Callable[[], Iterable[Selection]]) -> AsyncIterator[Look]:
        hook = AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)
        return looks(hook, self.store_id, self.partition, self.poke_interval, selections)

    def _event(self, key: str, value_type: str | None) -> TriggerEvent:
        payload = {"store_id": self.store_id, "partition": self.partition, "key": key, "value_type": value_type}
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]


class _UnusableTriggerError(InvalidArgumentError, TypeError):
    """As a ``TypeError``, because a triggerer that starts a stored trigger survives no other error of a constructor."""
