"""Starts DAGs when keys of Object Store v2 appear or change."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.anypoint.values import check_key, normalize_key
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers.change_trigger import ChangeTrigger
from airflow_provider_objectstore.triggers.partition_keys import PartitionKeys
from airflow_provider_objectstore.triggers.snapshots import KeyFilter


class AnypointKeyEventTrigger(ChangeTrigger, kw_only=False):
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
    partition and keys or prefix: if one of these changes, the next poll is a first poll. So it is, on any Airflow, if
    the connection is edited and leads to another address, organization or environment; new credentials or another pace
    change nothing. Before 3.3 each start of the triggerer begins with a first poll, and changes in the meantime are
    lost.

    **Requests** of one poll: exact keys cost a GET each; a prefix costs a listing for every 25 keys that it matches, at
    least one, and a GET for each of them: 100 keys are 104 requests, 10 s at the default of 10 requests a second. On
    3.3, triggers with the same connection, region, store, partition and ``poke_interval`` share their polls.

    **Errors** end nothing and fire nothing. Each failed poll is logged by the triggerer, and the next poll reads the
    connection again. The known state is kept for a key that cannot be read, and for all keys while the store itself is
    missing.

    :param store_id: id of the store.
    :param partition: name of the partition; it need not exist yet.
    :param keys: a key, or a list of keys. A space is a ``+`` in events, as the service stores it.
    :param begins_with: instead of ``keys``: all keys with this prefix. Without both: all keys of the partition. A space
        is a ``+``, as in the keys.
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

    def _read_arguments(self) -> None:
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
        self.begins_with = self.begins_with and normalize_key(self.begins_with)
        api.check_names(self.store_id, self.partition, *(self.keys or ()))

    def shared_stream_key(self) -> Hashable:
        """Return what triggers have in common that share their polls."""
        return (self.anypoint_conn_id, self.region, self.store_id, self.partition, self.poke_interval)

    @property
    def _key_filter(self) -> KeyFilter:
        keys = None if self.keys is None else frozenset(map(normalize_key, self.keys))
        return KeyFilter(keys, self.begins_with or "")

    @property
    def _watched(self) -> tuple[str, tuple[object, ...]]:
        watched = (self.anypoint_conn_id, self.region, self.store_id, self.partition, self.keys, self.begins_with)
        return "anypoint_keys", watched

    def _source(self) -> tuple[PartitionKeys, float]:
        hook = AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)
        return PartitionKeys(hook, self.store_id, self.partition), read.seconds("poke_interval", self.poke_interval)

    def _payload(self, details: Mapping[str, Any], pending: int) -> dict[str, Any]:
        return {"store_id": self.store_id, "partition": self.partition, "keys": details, "pending": pending}
