"""Anypoint Object Store v2: from an Airflow connection to every operation of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import unquote

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.values import stored_key
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks import forms
from airflow_provider_objectstore.hooks.base import ObjectStoreHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Connection

    from airflow_provider_objectstore.api.anypoint_model import Region, Store
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.api.values import Entry, Ttl, Value
    from airflow_provider_objectstore.hooks.bulk import BulkResult
    from airflow_provider_objectstore.hooks.partition import Partition
    from airflow_provider_objectstore.transport import Target

T = TypeVar("T")

LINEAGE: Mapping[str, Literal["input", "output"]] = {
    "anypoint.get_key": "input",
    "anypoint.get_partition": "input",
    "anypoint.put_key": "output",
    "anypoint.alter_number": "output",
    "anypoint.delete_key": "output",
    "anypoint.delete_partition": "output",
}
"""The operations that read and write data."""


class AnypointObjectStoreHook(ObjectStoreHook):
    """
    Works with Object Store v2, blocking; :meth:`async_client` does so on an event loop.

    Every method raises :class:`~airflow_provider_objectstore.exceptions.InvalidArgumentError` for what the
    service would refuse, before any request, and another ``ObjectStoreError`` for what the service answers.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's. None alone means the connection's; an empty one is refused.
    :param organization_id: organization instead of the connection's, likewise.
    :param environment_id: environment instead of the connection's, likewise.
    """

    conn_name_attr = "anypoint_conn_id"
    default_conn_name = "anypoint_default"
    conn_type = "anypoint"
    hook_name = "Anypoint Object Store v2"

    def __init__(
        self,
        anypoint_conn_id: str = default_conn_name,
        *,
        region: str | None = None,
        organization_id: str | None = None,
        environment_id: str | None = None,
    ) -> None:
        super().__init__(read.place("anypoint_conn_id", anypoint_conn_id))
        self.anypoint_conn_id = self._conn_id
        self.region = read.elsewhere("region", region)
        self.organization_id = read.elsewhere("organization_id", organization_id)
        self.environment_id = read.elsewhere("environment_id", environment_id)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields, for Airflow before 3.2."""
        return forms.widgets(cls.conn_type)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how the form's standard fields look, for Airflow before 3.2."""
        return forms.behaviour(cls.conn_type)

    def resolve(self, connection: Connection, extra: Mapping[str, Any]) -> Target:
        from airflow_provider_objectstore.hooks.connections import anypoint_target

        return anypoint_target(
            connection,
            extra,
            region=self.region,
            organization_id=self.organization_id,
            environment_id=self.environment_id,
        )

    def _probe(self) -> str:
        page = self._send(api.list_stores())
        return f"Connected; the first page of stores has {len(page.items)}"

    def asset(self, store_id: str, partition: str, key: str | None = None) -> Asset:
        """Return the asset of a partition, or of one of its keys, where this hook's connection leads."""
        from airflow_provider_objectstore.assets import anypoint_asset

        return anypoint_asset(**self._place, store_id=store_id, partition=partition, key=key)

    @cached_property
    def _place(self) -> dict[str, str]:
        from airflow_provider_objectstore.hooks.connections import Fields, anypoint_place

        connection = self.get_connection(self.anypoint_conn_id)
        place = anypoint_place(
            Fields(connection, connection.extra_dejson),
            region=self.region,
            organization_id=self.organization_id,
            environment_id=self.environment_id,
        )
        return {name: getattr(place, name) for name in ("organization_id", "environment_id", "region")}

    def _report(self, call: Call[Any], answer: Any, *, whole: bool = False) -> None:
        from airflow_provider_objectstore.assets import report_lineage

        side = LINEAGE.get(call.operation)
        if side:
            store_id, partition, *key = map(unquote, call.path.split("/")[2::2])
            report_lineage(self, side, lambda: self.asset(store_id, partition, *([] if whole else key)))

    # Stores

    def list_stores(self, begins_with: str | None = None, *, page_size: int | None = None) -> Iterator[Store]:
        """
        List stores, lazily over all pages.

        :param begins_with: only those whose id begins with this. The vendor does not document this filter.
        :param page_size: stores a page, from 1 to 25; the service's own choice is 25.
        """
        return self._items(api.list_stores(begins_with, page_size=page_size))

    def get_store(self, store_id: str) -> Store:
        """
        Read a store.

        :raises NotFoundError: if there is none of this id.
        """
        return self._send(api.get_store(store_id))

    def store_exists(self, store_id: str) -> bool:
        """Tell whether a store is there."""
        from airflow_provider_objectstore.exceptions import NotFoundError

        try:
            self.get_store(store_id)
        except NotFoundError:
            return False
        return True

    def create_store(
        self,
        store_id: str,
        *,
        default_ttl: Ttl | None = None,
        default_confirmation_ttl: Ttl | None = None,
        encrypted: bool | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Store:
        """
        Create a store. For one that is there it sets the attributes that are given.

        :param store_id: its id.
        :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
        :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, likewise.
        :param encrypted: whether values are encrypted at rest.
        :param attributes: further members of the request's body, sent as they are.
        :return: the store as the service answers it; only the id where the answer has no body.
        """
        call = api.create_store(
            store_id,
            default_ttl=default_ttl,
            default_confirmation_ttl=default_confirmation_ttl,
            encrypted=encrypted,
            attributes=attributes,
        )
        return self._send(call)

    def update_store(
        self,
        store_id: str,
        *,
        default_ttl: Ttl | None = None,
        default_confirmation_ttl: Ttl | None = None,
        encrypted: bool | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Store:
        """
        Set attributes of a store; parameters as for :meth:`create_store`.

        :raises NotFoundError: if there is none of this id.
        """
        call = api.update_store(
            store_id,
            default_ttl=default_ttl,
            default_confirmation_ttl=default_confirmation_ttl,
            encrypted=encrypted,
            attributes=attributes,
        )
        return self._send(call)

    def delete_store(self, store_id: str) -> None:
        """
        Delete a store with all its partitions. A running Mule application that uses it breaks.

        :raises NotFoundError: if there is none of this id.
        """
        self._send(api.delete_store(store_id))

    # Partitions

    def list_partitions(self, store_id: str, *, page_size: int | None = None) -> Iterator[str]:
        """
        List a store's partitions, lazily over all pages.

        :param page_size: partitions a page, from 1 to 25; the service's own choice is 25.
        :raises StoreNotFoundError: if there is no such store.
        """
        return self._items(api.list_partitions(store_id, page_size=page_size))

    def partition_exists(self, store_id: str, partition: str) -> bool:
        """
        Tell whether a partition is there, by HEAD.

        :raises StoreNotFoundError: if there is no such store.
        """
        return self._send(api.partition_exists(store_id, partition))

    def get_partition(
        self, store_id: str, partition: str, inclusion: str = "all", *, page_size: int | None = None
    ) -> Iterator[Entry]:
        """
        List a partition's values, lazily over all pages.

        :param inclusion: ``all``, ``metadata`` or ``body``.
        :param page_size: values a page, from 1 to 25; the service's own choice is 25.
        :raises NotFoundError: if the partition is not there; ``StoreNotFoundError`` if its store is not.
        :raises UnreadableValueError: for a value of a type that is not known.
        """
        return self._items(api.get_partition(store_id, partition, inclusion, page_size=page_size))

    def delete_partition(self, store_id: str, partition: str, *, confirmable: bool = False) -> str | None:
        """
        Delete a partition with all its keys.

        :return: the confirmation id of a confirmable deletion.
        :raises NotFoundError: if there is none of this name.
        """
        return self._send(api.delete_partition(store_id, partition, confirmable=confirmable))

    def partition(self, store_id: str, partition: str) -> Partition:
        """Return a partition as a ``MutableMapping`` from keys to values."""
        from airflow_provider_objectstore.hooks.partition import Partition

        return Partition(self, store_id, partition)

    # Keys

    def list_keys(
        self, store_id: str, partition: str, begins_with: str | None = None, *, page_size: int | None = None
    ) -> Iterator[str]:
        """
        List a partition's keys, lazily over all pages. The vendor bills this by the values' size.

        :param begins_with: only keys that begin with this. A space is a ``+``, as in the keys.
        :param page_size: keys a page, from 1 to 25; the service's own choice is 25.
        :raises NotFoundError: if the partition is not there; ``StoreNotFoundError`` if its store is not.
        :raises ServerError: if the listing breaks off in the middle.
        """
        return self._items(api.list_keys(store_id, partition, begins_with, page_size=page_size))

    def key_exists(self, store_id: str, partition: str, key: str, *, confirmable: bool = False) -> bool:
        """
        Tell whether a key is there, by HEAD.

        :param confirmable: what to say in the parameter of this name. What it does to a HEAD is not documented.
        :raises StoreNotFoundError: if there is no such store.
        """
        return self._send(api.key_exists(store_id, partition, key, confirmable=confirmable))

    def get_key(self, store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Entry:
        """
        Read a value.

        :param confirmable: hold it until it is acknowledged or rejected, see :meth:`acknowledge`.
        :return: the entry; its value is text, bytes or a number.
        :raises NotFoundError: if the key is not there; ``StoreNotFoundError`` if its store is not.
        :raises UnreadableValueError: if its type is not known.
        """
        return self._send(api.get_key(store_id, partition, key, confirmable=confirmable))

    def put_key(
        self,
        store_id: str,
        partition: str,
        key: str,
        value: Value,
        *,
        metadata: Any = None,
        index: int | None = None,
        confirmable: bool = False,
    ) -> str | None:
        """
        Write a value.

        :param key: at most 1,024 bytes of UTF-8, without ``|``; the service turns spaces into ``+``.
        :param value: str is stored as STRING, bytes as BINARY, int, float and Decimal as NUMBER; at most 10 MB
            as sent, which is 7.5 MB of bytes.
        :param metadata: JSON of at most 4 KB.
        :param index: position in the key's list of values; leave it out where a Mule 3 connector reads.
        :return: the confirmation id of a confirmable write.
        """
        call = api.put_key(store_id, partition, key, value, metadata=metadata, index=index, confirmable=confirmable)
        return self._send(call)

    def delete_key(self, store_id: str, partition: str, key: str, *, confirmable: bool = False) -> str | None:
        """
        Delete a key.

        :return: the confirmation id of a confirmable deletion.
        :raises NotFoundError: if the key is not there.
        """
        return self._send(api.delete_key(store_id, partition, key, confirmable=confirmable))

    def alter_number(
        self, store_id: str, partition: str, key: str, operation: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """
        Alter a number in place.

        :param operation: the request's body, sent as it is: the vendor does not document its members.
        :return: the answer's body, if it is a JSON object.
        :raises OutcomeUnknownError: if no answer came; it is never sent twice.
        """
        return self._send(api.alter_number(store_id, partition, key, operation))

    def get_many(self, store_id: str, partition: str, keys: Iterable[str]) -> BulkResult[Entry]:
        """Read many values at once; what fails is in the result, a missing key as ``NotFoundError``."""
        return self._all(_calls(partial(api.get_key, store_id, partition), keys))

    def put_many(self, store_id: str, partition: str, items: Mapping[str, Value]) -> BulkResult[str | None]:
        """
        Write many values at once; all are checked before the first request, what fails is in the result.

        :raises InvalidArgumentError: also if two keys are one to the service, which turns spaces into ``+``.
        """
        if not isinstance(items, Mapping):
            raise InvalidArgumentError(f"items must be a mapping from keys to values, not {type(items).__name__}")
        calls = {key: api.put_key(store_id, partition, key, value) for key, value in items.items()}
        _refuse_same(calls)
        return self._all(calls)

    def delete_many(self, store_id: str, partition: str, keys: Iterable[str]) -> BulkResult[str | None]:
        """Delete many keys at once; what fails is in the result, a missing key as ``NotFoundError``."""
        return self._all(_calls(partial(api.delete_key, store_id, partition), keys))

    # Confirmations

    def acknowledge(self, store_id: str, partition: str, key: str, confirmation_id: str) -> None:
        """Confirm a confirmable operation. What the service does meanwhile is not documented."""
        self._send(api.acknowledge(store_id, partition, key, confirmation_id))

    def extend_confirmation(self, store_id: str, partition: str, key: str, confirmation_id: str, ttl: Ttl) -> None:
        """
        Give a confirmable operation more time.

        :param ttl: seconds, a ``timedelta`` or an ISO 8601 duration.
        """
        self._send(api.extend_confirmation(store_id, partition, key, confirmation_id, ttl))

    def reject(self, store_id: str, partition: str, key: str, confirmation_id: str) -> None:
        """Undo a confirmable operation."""
        self._send(api.reject(store_id, partition, key, confirmation_id))

    def list_regions(self) -> tuple[Region, ...]:
        """List the regions in which the service is available to the organization."""
        return self._send(api.list_regions())

    def _all(self, calls: Mapping[str, Any]) -> BulkResult[Any]:
        from airflow_provider_objectstore.hooks.bulk import carry_all

        result = carry_all(self._resolve(), calls, renew=self._resolve)
        for key in list(result.succeeded)[:1]:  # the partition stands for its many keys
            self._report(calls[key], None, whole=True)
        return result


def _calls(call: Callable[[str], Call[T]], keys: Any) -> dict[str, Call[T]]:
    if not isinstance(keys, Iterable) or isinstance(keys, (bytes, Mapping)):
        raise InvalidArgumentError(f"keys must be a key or several of them, not {keys!r}")
    return {key: call(key) for key in ([keys] if isinstance(keys, str) else keys)}


def _refuse_same(keys: Iterable[str]) -> None:
    by_name: dict[str, str] = {}
    for key in keys:
        other = by_name.setdefault(stored_key(key), key)
        if other != key:
            raise InvalidArgumentError(
                f"the keys {other!r} and {key!r} are one key to the service, which turns spaces into '+': only one of "
                "their values could be kept"
            )
