"""Anypoint Object Store v2: from an Airflow connection to every operation of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.compat.connection_forms import connection_form_behaviour, connection_form_widgets
from airflow_provider_objectstore.exceptions import NotFoundError, StoreNotFoundError
from airflow_provider_objectstore.hooks.bulk_keys import BulkKeysMixin
from airflow_provider_objectstore.hooks.partition import Partition
from airflow_provider_objectstore.hooks.statistics import StatisticsMixin

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Connection

    from airflow_provider_objectstore.api.anypoint.models import Region, Store
    from airflow_provider_objectstore.api.anypoint.values import Entry, Ttl, Value
    from airflow_provider_objectstore.transport import Client, ResolvedConnection


class AnypointObjectStoreHook(BulkKeysMixin, StatisticsMixin):
    """
    Works with Object Store v2, blocking; :meth:`async_client` does so on an event loop.

    Every method raises :class:`~airflow_provider_objectstore.exceptions.InvalidArgumentError` for arguments that the
    service would refuse, before any request, and another ``ObjectStoreError`` for a request that fails.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's. Only None means the connection's; an empty one is refused.
    :param organization_id: organization instead of the connection's, likewise.
    :param environment_id: environment instead of the connection's, likewise.
    """

    conn_name_attr = "anypoint_conn_id"
    default_conn_name = "anypoint_default"
    conn_type = "anypoint"
    hook_name = "Anypoint Object Store v2"
    lineage_directions: ClassVar[Mapping[str, Literal["input", "output"]]] = {
        "anypoint.get_key": "input",
        "anypoint.get_partition": "input",
        "anypoint.put_key": "output",
        "anypoint.alter_number": "output",
        "anypoint.delete_key": "output",
        "anypoint.delete_partition": "output",
    }

    # In the class itself: Airflow before 3.2 does not look at its bases.
    get_connection_form_widgets = classmethod(connection_form_widgets)
    get_ui_field_behaviour = classmethod(connection_form_behaviour)

    def __init__(
        self,
        anypoint_conn_id: str = default_conn_name,
        *,
        region: str | None = None,
        organization_id: str | None = None,
        environment_id: str | None = None,
    ) -> None:
        super().__init__(read.identifier("anypoint_conn_id", anypoint_conn_id))
        self.anypoint_conn_id = self._conn_id
        self.region = read.override("region", region)
        self.organization_id = read.override("organization_id", organization_id)
        self.environment_id = read.override("environment_id", environment_id)

    def _parse_connection(self, connection: Connection, extra: Mapping[str, Any]) -> ResolvedConnection:
        from airflow_provider_objectstore.hooks.connections import resolve_anypoint

        return resolve_anypoint(
            connection,
            extra,
            region=self.region,
            organization_id=self.organization_id,
            environment_id=self.environment_id,
        )

    def _ping(self, client: Client) -> str:
        page = client.send(api.list_stores())
        return f"Connected ({self.where}). The first page of stores has {len(page.items)}"

    def asset(self, store_id: str, partition: str, key: str | None = None) -> Asset:
        """
        Return the asset of a partition, or of one of its keys, in this hook's organization, environment and region.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key; without one the asset is the partition.
        """
        from airflow_provider_objectstore.assets import anypoint_asset

        labels = self._connection.labels
        place = {name: labels[name] for name in ("organization_id", "environment_id", "region")}
        return anypoint_asset(**place, store_id=store_id, partition=partition, key=key)

    def _asset_of(self, names: tuple[str, ...]) -> Asset:
        return self.asset(*names)

    # Stores

    def list_stores(self, begins_with: str | None = None, *, page_size: int | None = None) -> Iterator[Store]:
        """
        List stores, lazily over all pages.

        :param begins_with: only stores whose id begins with this. The vendor does not document this filter.
        :param page_size: stores a page, from 1 to 25; the service's own default is 25.
        """
        return self._items(api.list_stores(begins_with, page_size=page_size))

    def get_store(self, store_id: str) -> Store:
        """
        Read a store.

        :param store_id: its id.
        :raises NotFoundError: if there is no such store.
        """
        return self.send(api.get_store(store_id))

    def store_exists(self, store_id: str) -> bool:
        """
        Return whether a store exists.

        :param store_id: its id.
        :raises StoreNotFoundError: if its environment does not exist.
        """
        try:
            self.get_store(store_id)
        except StoreNotFoundError:  # of the environment: nothing is said about the store
            raise
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
        Create a store. If it exists, set the attributes that are given.

        :param store_id: its id.
        :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
        :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, likewise.
        :param encrypted: whether values are encrypted at rest.
        :param attributes: further members of the request's body, sent as they are; none that another argument sets.
        :return: the store as in the response; only the id where the response has no body.
        """
        call = api.create_store(
            store_id,
            default_ttl=default_ttl,
            default_confirmation_ttl=default_confirmation_ttl,
            encrypted=encrypted,
            attributes=attributes,
        )
        return self.send(call)

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
        Set attributes of a store.

        :param store_id: its id.
        :param default_ttl: as for :meth:`create_store`, like the others.
        :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation.
        :param encrypted: whether values are encrypted at rest.
        :param attributes: further members of the request's body, sent as they are; none that another argument sets.
        :return: the store as in the response.
        :raises NotFoundError: if there is no such store.
        """
        call = api.update_store(
            store_id,
            default_ttl=default_ttl,
            default_confirmation_ttl=default_confirmation_ttl,
            encrypted=encrypted,
            attributes=attributes,
        )
        return self.send(call)

    def delete_store(self, store_id: str) -> None:
        """
        Delete a store with all its partitions. A running Mule application that uses it breaks.

        :param store_id: its id.
        :raises NotFoundError: if there is no such store.
        """
        self.send(api.delete_store(store_id))

    # Partitions

    def list_partitions(self, store_id: str, *, page_size: int | None = None) -> Iterator[str]:
        """
        List a store's partitions, lazily over all pages.

        :param store_id: the store.
        :param page_size: partitions a page, from 1 to 25; the service's own default is 25.
        :raises StoreNotFoundError: if there is no such store.
        """
        return self._items(api.list_partitions(store_id, page_size=page_size))

    def partition_exists(self, store_id: str, partition: str) -> bool:
        """
        Return whether a partition exists, by HEAD.

        :param store_id: the store.
        :param partition: the partition.
        :raises StoreNotFoundError: if there is no such store.
        """
        return self.send(api.partition_exists(store_id, partition))

    def get_partition(
        self, store_id: str, partition: str, inclusion: api.Inclusion = "all", *, page_size: int | None = None
    ) -> Iterator[Entry]:
        """
        List a partition's values, lazily over all pages.

        :param store_id: the store.
        :param partition: the partition.
        :param inclusion: ``all``, ``metadata`` or ``body``.
        :param page_size: values a page, from 1 to 25; the service's own default is 25.
        :raises NotFoundError: if there is no such partition; ``StoreNotFoundError`` if there is no such store.
        :raises UnreadableValueError: for a value of an unknown type.
        """
        return self._items(api.get_partition(store_id, partition, inclusion, page_size=page_size))

    def delete_partition(self, store_id: str, partition: str, *, confirmable: bool = False) -> str | None:
        """
        Delete a partition with all its keys.

        :param store_id: the store.
        :param partition: the partition.
        :param confirmable: wait for a confirmation, see :meth:`acknowledge`.
        :return: the confirmation id of a confirmable deletion.
        :raises NotFoundError: if there is no such partition; ``StoreNotFoundError`` if there is no such store.
        """
        return self.send(api.delete_partition(store_id, partition, confirmable=confirmable))

    def partition(self, store_id: str, partition: str) -> Partition:
        """
        Return a partition as a ``MutableMapping`` from keys to values.

        :param store_id: the store.
        :param partition: the partition; it need not exist.
        """
        return Partition(self, store_id, partition)

    # Keys

    def list_keys(
        self, store_id: str, partition: str, begins_with: str | None = None, *, page_size: int | None = None
    ) -> Iterator[str]:
        """
        List a partition's keys, lazily over all pages. The vendor bills this by the values' size.

        :param store_id: the store.
        :param partition: the partition.
        :param begins_with: only keys that begin with this. A space is a ``+``, as in the keys.
        :param page_size: keys a page, from 1 to 25; the service's own default is 25.
        :raises NotFoundError: if there is no such partition; ``StoreNotFoundError`` if there is no such store.
        :raises ServerError: if the listing breaks off.
        """
        return self._items(api.list_keys(store_id, partition, begins_with, page_size=page_size))

    def key_exists(self, store_id: str, partition: str, key: str, *, confirmable: bool = False) -> bool:
        """
        Return whether a key exists, by HEAD.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param confirmable: sent as the parameter of this name. Its effect on a HEAD is not documented.
        :raises StoreNotFoundError: if there is no such store.
        """
        return self.send(api.key_exists(store_id, partition, key, confirmable=confirmable))

    def get_key(self, store_id: str, partition: str, key: str, *, confirmable: bool = False) -> Entry:
        """
        Read a value.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param confirmable: hold the value until it is acknowledged or rejected, see :meth:`acknowledge`.
        :return: the entry; its value is text, bytes or a number.
        :raises NotFoundError: if there is no such key; ``StoreNotFoundError`` if there is no such store.
        :raises UnreadableValueError: if the value's type is unknown.
        """
        return self.send(api.get_key(store_id, partition, key, confirmable=confirmable))

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

        :param store_id: the store.
        :param partition: the partition; it appears with its first key.
        :param key: at most 1,024 bytes of UTF-8, without ``|``; the service turns spaces into ``+``.
        :param value: str is stored as STRING, bytes as BINARY, int, float and Decimal as NUMBER; at most 10 MB
            as sent, which is 7.5 MB of bytes.
        :param metadata: JSON of at most 4 KB.
        :param index: position in the key's list of values; leave it out where a Mule 3 connector reads.
        :param confirmable: wait for a confirmation, see :meth:`acknowledge`.
        :return: the confirmation id of a confirmable write.
        """
        call = api.put_key(store_id, partition, key, value, metadata=metadata, index=index, confirmable=confirmable)
        return self.send(call)

    def delete_key(self, store_id: str, partition: str, key: str, *, confirmable: bool = False) -> str | None:
        """
        Delete a key.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param confirmable: wait for a confirmation, see :meth:`acknowledge`.
        :return: the confirmation id of a confirmable deletion.
        :raises NotFoundError: if there is no such key; ``StoreNotFoundError`` if there is no such store.
        """
        return self.send(api.delete_key(store_id, partition, key, confirmable=confirmable))

    def alter_number(
        self, store_id: str, partition: str, key: str, operation: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """
        Alter a number in place.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param operation: the request's body, sent as it is: the vendor does not document its members.
        :return: the response's body, if it is a JSON object.
        :raises OutcomeUnknownError: if no response came; it is never sent twice.
        """
        return self.send(api.alter_number(store_id, partition, key, operation))

    # Confirmations

    def acknowledge(self, store_id: str, partition: str, key: str, confirmation_id: str) -> None:
        """
        Confirm a confirmable operation. What the service does until then is not documented.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param confirmation_id: what the confirmable operation returned.
        """
        self.send(api.acknowledge(store_id, partition, key, confirmation_id))

    def extend_confirmation(self, store_id: str, partition: str, key: str, confirmation_id: str, ttl: Ttl) -> None:
        """
        Give a confirmable operation more time.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param confirmation_id: what the confirmable operation returned.
        :param ttl: seconds, a ``timedelta`` or an ISO 8601 duration.
        """
        self.send(api.extend_confirmation(store_id, partition, key, confirmation_id, ttl))

    def reject(self, store_id: str, partition: str, key: str, confirmation_id: str) -> None:
        """
        Undo a confirmable operation.

        :param store_id: the store.
        :param partition: the partition.
        :param key: the key.
        :param confirmation_id: what the confirmable operation returned.
        :raises OutcomeUnknownError: if the response was lost and the confirmation is then missing.
        """
        self.send(api.reject(store_id, partition, key, confirmation_id))

    def list_regions(self) -> tuple[Region, ...]:
        """List the regions in which the service is available to the organization."""
        return self.send(api.list_regions())
