"""What can be waited for. Private: use the sensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.call import Flow
from airflow_provider_objectstore.api.civo_model import ObjectStore
from airflow_provider_objectstore.exceptions import NotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.triggers.poll import PollTrigger


class AnypointWait(PollTrigger):
    """
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's.
    """

    def __init__(self, *, anypoint_conn_id: str, region: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def hook(self) -> AnypointObjectStoreHook:
        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)


class KeysTrigger(AnypointWait):
    """
    Waits for keys of a partition, by HEAD; a key that was found is not asked for again.

    :param store_id: the store.
    :param partition: the partition.
    :param keys: a key, or a list of keys.
    :param require: ``all`` or ``any`` of them. The answer is the list of those that were found.
    """

    def __init__(
        self, *, store_id: str, partition: str, keys: str | Sequence[str], require: str = "all", **common: Any
    ) -> None:
        super().__init__(**common)
        self.store_id = store_id
        self.partition = partition
        self.keys = keys
        self.require = require
        self._found: list[str] = []

    def check(self) -> Flow[list[str] | None]:
        store_id, partition = read.name("store_id", self.store_id), read.name("partition", self.partition)
        require = read.choice("all", "any")("require", self.require)
        calls = {key: anypoint.key_exists(store_id, partition, key) for key in read.names("keys", self.keys)}
        for key, call in calls.items():
            if key in self._found or not (yield call):
                continue
            self._found.append(key)
            if require == "any":
                return list(self._found)
        return list(self._found) if len(self._found) == len(calls) else None


class PartitionTrigger(AnypointWait):
    """
    Waits until a partition exists, by HEAD. The answer is its name.

    :param store_id: the store.
    :param partition: the partition.
    """

    def __init__(self, *, store_id: str, partition: str, **common: Any) -> None:
        super().__init__(**common)
        self.store_id = store_id
        self.partition = partition

    def check(self) -> Flow[str | None]:
        store_id, partition = read.name("store_id", self.store_id), read.name("partition", self.partition)
        return partition if (yield anypoint.partition_exists(store_id, partition)) else None


class ObjectStoreTrigger(PollTrigger):
    """
    Waits until an object store exists and is ready.

    :param object_store: its exact name or id. The answer is the store, as plain data.
    :param civo_conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's.
    """

    def __init__(self, *, object_store: str, civo_conn_id: str, region: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.object_store = object_store
        self.civo_conn_id = civo_conn_id
        self.region = region
        self._id: str | None = None

    def hook(self) -> CivoObjectStoreHook:
        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)

    def check(self) -> Flow[dict[str, Any] | None]:
        if self._id is None:
            name = read.name("object_store", self.object_store)
            store: ObjectStore | None = yield from civo.find_object_store(name)
        else:
            try:
                store = yield civo.get_object_store(self._id)
            except NotFoundError:
                store = None
        self._id = store.id if store else None
        return asdict(store) if store and store.ready else None
