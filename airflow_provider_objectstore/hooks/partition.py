"""One partition as a mapping: the shortest way to checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING

from airflow_provider_objectstore.api.values import Value
from airflow_provider_objectstore.exceptions import NotFoundError, StoreNotFoundError

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook


class Partition(MutableMapping[str, Value]):
    """
    A partition's keys and values. Each access is a request; nothing is kept here.

    A space in a key comes back as ``+``: the service changes it. A missing key is a ``KeyError``, a partition without
    keys is empty. A missing store is a ``StoreNotFoundError`` for each of them, also where a default is given.

    :param hook: the hook to ask through.
    :param store_id: the store.
    :param partition: the partition; it appears with its first key.
    """

    def __init__(self, hook: AnypointObjectStoreHook, store_id: str, partition: str) -> None:
        self._hook = hook
        self._store_id = store_id
        self._partition = partition

    def __repr__(self) -> str:
        return f"<partition {self._partition} of store {self._store_id}>"

    def __getitem__(self, key: str) -> Value:
        try:
            value = self._hook.get_key(self._store_id, self._partition, key).value
        except StoreNotFoundError:
            raise
        except NotFoundError as error:
            raise KeyError(key) from error
        assert value is not None
        return value

    def __setitem__(self, key: str, value: Value) -> None:
        self._hook.put_key(self._store_id, self._partition, key, value)

    def __delitem__(self, key: str) -> None:
        try:
            self._hook.delete_key(self._store_id, self._partition, key)
        except StoreNotFoundError:
            raise
        except NotFoundError as error:
            raise KeyError(key) from error

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._hook.key_exists(self._store_id, self._partition, key)

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._hook.list_keys(self._store_id, self._partition)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            return

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Delete the partition with all its keys, in one request."""
        try:
            self._hook.delete_partition(self._store_id, self._partition)
        except StoreNotFoundError:
            raise
        except NotFoundError:
            return
