"""One partition as a mapping: the shortest way to checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, Protocol

from airflow_provider_objectstore.api.anypoint.values import Entry, Value
from airflow_provider_objectstore.exceptions import NotFoundError, StoreNotFoundError


class KeyHook(Protocol):
    """The methods of the hook that a :class:`Partition` uses."""

    def get_key(self, store_id: str, partition: str, key: str) -> Entry: ...
    def put_key(self, store_id: str, partition: str, key: str, value: Value) -> Any: ...
    def delete_key(self, store_id: str, partition: str, key: str) -> Any: ...
    def key_exists(self, store_id: str, partition: str, key: str) -> bool: ...
    def list_keys(self, store_id: str, partition: str) -> Iterator[str]: ...
    def delete_partition(self, store_id: str, partition: str) -> Any: ...


class Partition(MutableMapping[str, Value]):
    """
    A partition's keys and values. Each access is a request; nothing is cached.

    A space in a key comes back as ``+``: the service changes it. A missing key is a ``KeyError``, a partition without
    keys is empty. A missing store is always a ``StoreNotFoundError``, also where a default is given.

    :param hook: the hook that sends the requests.
    :param store_id: the store.
    :param partition: the partition; it appears with its first key.
    """

    def __init__(self, hook: KeyHook, store_id: str, partition: str) -> None:
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
