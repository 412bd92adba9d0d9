"""Many keys of Object Store v2 at once: read, write and delete them with concurrent requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.anypoint.values import normalize_key
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.values import Entry, Value
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.transport.bulk import BulkResult

T = TypeVar("T")


class BulkKeysMixin(ObjectStoreHook):
    """The methods of the hook that work on many keys. All calls are checked before the first request."""

    def get_many(self, store_id: str, partition: str, keys: Iterable[str]) -> BulkResult[Entry]:
        """
        Read many values.

        :param store_id: the store.
        :param partition: the partition.
        :param keys: the keys; a text is one key.
        :return: entries and errors by key; a missing key has a ``NotFoundError``.
        """
        return self._send_many(_calls(partial(api.get_key, store_id, partition), keys))

    def put_many(self, store_id: str, partition: str, items: Mapping[str, Value]) -> BulkResult[str | None]:
        """
        Write many values.

        :param store_id: the store.
        :param partition: the partition.
        :param items: values by key.
        :return: None for each key that was written, and errors by key.
        :raises InvalidArgumentError: also if two keys are the same to the service, which turns spaces into ``+``.
        """
        if not isinstance(items, Mapping):
            raise InvalidArgumentError(f"items must be a mapping from keys to values, not {type(items).__name__}")
        calls = {key: api.put_key(store_id, partition, key, value) for key, value in items.items()}
        _refuse_same(calls)
        return self._send_many(calls)

    def delete_many(self, store_id: str, partition: str, keys: Iterable[str]) -> BulkResult[str | None]:
        """
        Delete many keys.

        :param store_id: the store.
        :param partition: the partition.
        :param keys: the keys; a text is one key.
        :return: None for each key that was deleted, and errors by key; a missing key has a ``NotFoundError``.
        """
        return self._send_many(_calls(partial(api.delete_key, store_id, partition), keys))

    def _send_many(self, calls: Mapping[str, Call[Any]]) -> BulkResult[Any]:
        result = self.bulk().send_all(calls)
        for key in list(result.succeeded)[:1]:  # the partition stands for its many keys
            store_id, partition, _ = calls[key].about
            self._report_lineage(calls[key].operation, (store_id, partition))
        return result


def _calls(call: Callable[[str], Call[T]], keys: Any) -> dict[str, Call[T]]:
    if not isinstance(keys, Iterable) or isinstance(keys, (bytes, Mapping)):
        raise InvalidArgumentError(f"keys must be a key or several of them, not {keys!r}")
    return {key: call(key) for key in ([keys] if isinstance(keys, str) else keys)}


def _refuse_same(keys: Iterable[str]) -> None:
    by_name: dict[str, str] = {}
    for key in keys:
        other = by_name.setdefault(normalize_key(key), key)
        if other != key:
            raise InvalidArgumentError(
                f"the keys {other!r} and {key!r} are one key to the service, which turns spaces into '+': only one of "
                "their values could be kept"
            )
