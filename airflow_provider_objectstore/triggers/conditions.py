"""What sensors wait for, one trigger each. Private: use the sensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, field
from typing import Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Flow
from airflow_provider_objectstore.api.civo.models import ObjectStore
from airflow_provider_objectstore.api.civo.usage import use_of_quota, use_of_store
from airflow_provider_objectstore.exceptions import NotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.triggers.polling import PollingTrigger


class AnypointPollingTrigger(PollingTrigger):
    """
    Base of the triggers that poll Anypoint Object Store v2.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region instead of the connection's.
    """

    anypoint_conn_id: str
    region: str | None = None

    def hook(self) -> AnypointObjectStoreHook:
        """Return the hook with this trigger's connection and region."""
        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)


class AnypointKeyTrigger(AnypointPollingTrigger):
    """
    Waits for keys of a partition, with HEAD requests only for keys that are still missing.

    The result is the list of the keys that were found, in the order in which they are given.

    :param store_id: id of the store.
    :param partition: name of the partition.
    :param keys: a key, or a list of keys.
    :param require: wait for ``all`` of the keys or for ``any``.
    """

    store_id: str
    partition: str
    keys: str | Sequence[str]
    require: str = "all"
    _found: list[str] = field(default_factory=list, init=False)

    def poll_once(self) -> Flow[list[str] | None]:
        """Request the keys that are still missing."""
        store_id, partition = read.name("store_id", self.store_id), read.name("partition", self.partition)
        require = read.choice("all", "any")("require", self.require)
        calls = {key: anypoint.key_exists(store_id, partition, key) for key in read.names("keys", self.keys)}
        for key, call in calls.items():
            if key in self._found or not (yield call):
                continue
            self._found.append(key)
            if require == "any":
                return list(self._found)
        return list(calls) if len(self._found) == len(calls) else None

    def missing(self) -> str:
        """Name the keys that are still missing, and the partition."""
        keys = read.names("keys", self.keys)
        left = [key for key in keys if key not in self._found]
        names = read.shortened(", ".join(map(repr, left)), 200)
        how_many = "any" if self.require == "any" else len(left)
        what = f"key {names}" if len(keys) == 1 else f"{how_many} of {len(keys)} keys ({names})"
        return f"{what} of partition {self.partition!r}, store {self.store_id!r}"


class AnypointPartitionTrigger(AnypointPollingTrigger):
    """
    Waits until a partition exists, with HEAD requests. The result is its name.

    :param store_id: id of the store.
    :param partition: name of the partition.
    """

    store_id: str
    partition: str

    def poll_once(self) -> Flow[str | None]:
        """Request the partition."""
        store_id, partition = read.name("store_id", self.store_id), read.name("partition", self.partition)
        return partition if (yield anypoint.partition_exists(store_id, partition)) else None

    def missing(self) -> str:
        """Name the partition."""
        return f"partition {self.partition!r} of store {self.store_id!r}"


class CivoObjectStoreTrigger(PollingTrigger):
    """
    Waits until an object store exists and is ready. The result is the object store as plain data.

    :param object_store: its exact name or id.
    :param civo_conn_id: id of a ``civo`` connection.
    :param region: code of a region instead of the connection's.
    :param min_size_gb: the size that it must have at least, in GB; None for any.
    """

    object_store: str
    civo_conn_id: str
    region: str | None = None
    min_size_gb: int | None = None
    _id: str | None = field(default=None, init=False)
    _status: str | None = field(default=None, init=False)
    _name: str | None = field(default=None, init=False)

    def hook(self) -> CivoObjectStoreHook:
        """Return the hook with this trigger's connection and region."""
        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)

    def poll_once(self) -> Flow[dict[str, Any] | None]:
        """Find the object store by its name or id, later by its id."""
        if self._id is None:
            name = read.name("object_store", self.object_store)
            store: ObjectStore | None = yield from civo.find_object_store(name)
        else:
            try:
                store = yield civo.get_object_store(self._id)
            except NotFoundError:
                store = None
        self._id, self._status = (store.id, store.status) if store else (None, None)
        self._name = store.name if store else self._name
        if store is None or not store.ready:
            return None
        return asdict(store) if (store.max_size_gb or 0) >= (self.min_size_gb or 0) else None

    def missing(self) -> str:
        """Name the object store, and its status as far as it is known."""
        size = f" and to have {self.min_size_gb} GB" if self.min_size_gb else ""
        status = f"; its status is {self._status}" if self._status else ""
        return f"object store {self._name or self.object_store!r} to be ready{size}{status}"


class CivoUsageTrigger(PollingTrigger):
    """
    Waits until a share of an object store, or of the account's quota, is used. The result is the use, as plain data.

    :param object_store: its exact name or id; None for the quota.
    :param share: the share to wait for, above 0 and at most 1.
    :param civo_conn_id: id of a ``civo`` connection.
    :param region: code of a region instead of the connection's.
    """

    civo_conn_id: str
    object_store: str | None = None
    share: float | str = 0.8
    region: str | None = None
    _used: float | None = field(default=None, init=False)

    def hook(self) -> CivoObjectStoreHook:
        """Return the hook with this trigger's connection and region."""
        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)

    def missing(self) -> str:
        """Name the share, of what it is, and how much of it is used as far as it is known."""
        of = "the quota" if self.object_store is None else f"object store {self.object_store!r}"
        used = "" if self._used is None else f"; {self._used:.1%} are"
        return f"{read.share('share', self.share):.1%} of {of} to be used{used}"

    def poll_once(self) -> Flow[dict[str, Any] | None]:
        """Read the use."""
        share = read.share("share", self.share)
        if self.object_store is None:
            found = use_of_quota((yield civo.get_quota()))
        else:
            store = yield from civo.require_object_store(read.name("object_store", self.object_store))
            found = use_of_store(store, (yield civo.get_object_store_stats(store.id)))
        self._used = found["share"]
        return found if found["share"] >= share else None
