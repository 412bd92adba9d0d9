"""Starts DAGs when objects in Civo buckets appear or change."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.triggers.bucket_objects import BucketObjects
from airflow_provider_objectstore.triggers.change_trigger import ChangeTrigger
from airflow_provider_objectstore.triggers.snapshots import KeyFilter


class CivoObjectEventTrigger(ChangeTrigger, kw_only=False):
    """
    Fires when objects in a bucket appear or change, one event for all changes that a poll finds; for ``AssetWatcher``.

    It needs the extra ``s3``.

    The payload is ``{"bucket", "keys", "pending"}``. ``keys`` maps the key of each changed object to its ``etag``,
    ``size`` in bytes and ``last_modified`` (ISO 8601), as the listing had them, sorted by key. An event has at most
    1,000 objects (and 200,000 characters of their keys): ``pending`` is how many more have changed, which later events
    have. Airflow may start one run for several events: go through ``triggering_asset_events``.

    Two events are at least 10 s apart, and the first one comes 10 s after a start of the trigger or later: changes in
    the meantime fire together. Give each watcher an asset of its own.

    A change is a new ETag, size or time of last modification. So an object that is written again with the same contents
    fires, as S3's own event would, and one that is deleted fires nothing. What happens and is undone between two polls
    is not seen. An upload in parts fires once, when it is complete.

    **The first poll** fires nothing: changes are measured against what exists then, see ``AnypointKeyEventTrigger``.

    **State.** On Airflow 3.3 the asset's state store keeps digests of the objects (40 bytes each), so changes while the
    triggerer is down or the DAG paused fire afterwards. The state is written once Airflow has stored the events: a
    crash in between repeats them and loses none. The state belongs to connection, region, bucket, keys, prefix and
    suffix: if one of these changes, the next poll is a first poll. So it is, on any Airflow, if the connection is
    edited and leads to another address, region or ``s3_endpoint``; new credentials or another pace change nothing.
    Before 3.3 each start of the triggerer begins with a first poll, and changes in the meantime are lost.

    **Requests** of one poll: a key costs one, a prefix one for every 1,000 objects that it matches, whatever the
    suffix. On 3.3, triggers with the same connection, region, bucket and ``poke_interval`` share their polls, which may
    watch at most 100,000 objects together.

    **Errors** end nothing and fire nothing. Each failed poll is logged by the triggerer: a listing that fails or ends
    early says nothing about any object. Each poll reads the connection again. The keys of the bucket's owner are looked
    up with the first poll and again when S3 refuses them, so rotations need no restart. The known state is kept while
    the bucket itself is missing.

    :param bucket: the bucket, which has the object store's exact name; it need not exist yet.
    :param keys: the key of an object, or a list of keys.
    :param prefix: instead of ``keys``: all objects whose keys begin like this. Without it: all objects of the bucket.
    :param suffix: instead of ``keys``: only objects whose keys end like this, such as ``.parquet``.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param civo_conn_id: id of a ``civo`` connection.
    :param region: code of a region, such as ``LON1``, instead of the connection's. None means the connection's.
    :raises InvalidArgumentError: for a wrong argument.
    """

    bucket: str
    keys: str | Sequence[str] | None = None
    prefix: str | None = None
    suffix: str | None = None
    poke_interval: read.Duration = 60
    civo_conn_id: str = CivoObjectStoreHook.default_conn_name
    region: str | None = None

    def _read_arguments(self) -> None:
        if self.keys is not None and (self.prefix is not None or self.suffix is not None):
            raise InvalidArgumentError("give keys, or prefix and suffix, not both")
        self.bucket = read.checked(read.name, api.check_name)("bucket", self.bucket)
        self.keys = None if self.keys is None else sorted(read.names("keys", self.keys))
        self.prefix = read.optional(read.prefix)("prefix", self.prefix)
        self.suffix = read.optional(read.prefix)("suffix", self.suffix)
        self.poke_interval = read.positive_seconds("poke_interval", self.poke_interval)
        self.civo_conn_id = read.identifier("civo_conn_id", self.civo_conn_id)
        self.region = read.override("region", self.region)
        for key in (*(self.keys or ()), self.prefix or "", self.suffix or ""):
            api.check_object_key(key)

    def shared_stream_key(self) -> Hashable:
        """Return what triggers have in common that share their polls."""
        return (type(self).__name__, self.civo_conn_id, self.region, self.bucket, self.poke_interval)

    @property
    def _key_filter(self) -> KeyFilter:
        return KeyFilter(None if self.keys is None else frozenset(self.keys), self.prefix or "", self.suffix or "")

    @property
    def _watched(self) -> tuple[str, tuple[object, ...]]:
        return "civo_objects", (self.civo_conn_id, self.region, self.bucket, self.keys, self.prefix, self.suffix)

    def _source(self) -> tuple[BucketObjects, float]:
        hook = CivoObjectStoreHook(self.civo_conn_id, region=self.region)
        return BucketObjects(hook, self.bucket), read.seconds("poke_interval", self.poke_interval)

    def _payload(self, details: Mapping[str, Any], pending: int) -> dict[str, Any]:
        keys = {
            key: {"etag": etag, "size": size, "last_modified": last_modified}
            for key, (etag, size, last_modified) in details.items()
        }
        return {"bucket": self.bucket, "keys": keys, "pending": pending}
