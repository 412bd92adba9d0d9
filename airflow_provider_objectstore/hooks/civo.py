"""Civo object stores and credentials: from an Airflow connection to every operation of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.compat.connection_forms import connection_form_behaviour, connection_form_widgets
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from airflow_provider_objectstore.rotation.names import rotation_id_of
from airflow_provider_objectstore.xcom import NotForXCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Connection

    from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore, ObjectStoreStats, Quota, Region
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.transport import Client, ResolvedConnection


@dataclass(frozen=True, slots=True)
class CredentialUse(NotForXCom):
    """
    A credential and what it is used for. Like the credential it goes into no XCom.

    :param credential: the credential, with its secret.
    :param stores: names of the object stores that it owns.
    :param stores_without_owner: names of those whose owner the service does not tell: it may be this credential.
    """

    _instead: ClassVar[str] = "it holds a credential with its secret. Return names, ids and access keys"

    credential: Credential
    stores: tuple[str, ...]
    stores_without_owner: tuple[str, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether more than one object store depends on it."""
        return len(self.stores) > 1

    @property
    def orphan(self) -> bool:
        """Whether no object store depends on it. As long as one's owner is not told, none is an orphan."""
        return not self.stores and not self.stores_without_owner

    @property
    def rotated(self) -> datetime | None:
        """The date of the run that rotated it last, by its name or access key; None if no rotation did."""
        rotation_id = rotation_id_of(self.credential)
        return rotation_id.time if rotation_id else None

    @property
    def age(self) -> timedelta | None:
        """The time since then; None if no rotation did, because the service returns no credential's age."""
        return datetime.now(UTC) - self.rotated if self.rotated else None


class CivoObjectStoreHook(ObjectStoreHook):
    """
    Works with Civo object stores, blocking; :meth:`async_client` does so on an event loop.

    Every method raises :class:`~airflow_provider_objectstore.exceptions.InvalidArgumentError` for arguments that the
    service would refuse, before any request, and another ``ObjectStoreError`` for a request that fails.

    :param civo_conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's. Only None means the connection's; an empty one is refused.
    """

    conn_name_attr = "civo_conn_id"
    default_conn_name = "civo_default"
    conn_type = "civo"
    hook_name = "Civo object stores"
    lineage_directions: ClassVar[Mapping[str, Literal["input", "output"]]] = {"civo.create_object_store": "output"}

    # In the class itself: Airflow before 3.2 does not look at its bases.
    get_connection_form_widgets = classmethod(connection_form_widgets)
    get_ui_field_behaviour = classmethod(connection_form_behaviour)

    def __init__(self, civo_conn_id: str = default_conn_name, *, region: str | None = None) -> None:
        super().__init__(read.identifier("civo_conn_id", civo_conn_id))
        self.civo_conn_id = self._conn_id
        self.region = read.override("region", region)

    def _parse_connection(self, connection: Connection, extra: Mapping[str, Any]) -> ResolvedConnection:
        from airflow_provider_objectstore.hooks.connections import resolve_civo

        return resolve_civo(connection, extra, region=self.region)

    def _ping(self, client: Client) -> str:
        page = client.send(api.list_object_stores())
        return f"Connected ({self.where}). The first page of object stores has {len(page.items)}"

    def asset(self, bucket: str, path: str | None = None) -> Asset:
        """
        Return the asset of an object store, or of objects in it, in this hook's region.

        :param bucket: the object store's name.
        :param path: an object's key, or the prefix of several; without one the asset is the object store.
        """
        from airflow_provider_objectstore.assets import civo_asset

        return civo_asset(region=self._connection.labels["region"], bucket=bucket, path=path)

    def _asset_of(self, names: tuple[str, ...]) -> Asset:
        return self.asset(*names)

    # Object stores

    def list_object_stores(self) -> Iterator[ObjectStore]:
        """List the region's object stores, lazily over all pages."""
        return self._items(api.list_object_stores())

    def get_object_store(self, id: str) -> ObjectStore:
        """
        Read an object store.

        :param id: its id.
        :raises NotFoundError: if there is no such object store.
        """
        return self.send(api.get_object_store(id))

    def find_object_store(self, name_or_id: str) -> ObjectStore | None:
        """
        Find an object store over all pages.

        :param name_or_id: its exact name or id.
        :return: the object store; None if there is none.
        :raises ObjectStoreError: if that is the name of one and the id of another.
        """
        return self._run(api.find_object_store(name_or_id))

    def require_object_store(self, name_or_id: str) -> ObjectStore:
        """
        Find an object store that must exist, over all pages.

        :param name_or_id: its exact name or id.
        :raises NotFoundError: if there is none.
        :raises ObjectStoreError: if that is the name of one and the id of another.
        """
        return self._run(api.require_object_store(name_or_id))

    def create_object_store(
        self, name: str, size_gb: int = api.SIZE_STEP_GB, access_key_id: str | None = None
    ) -> ObjectStore:
        """
        Create an object store. It is usable once its status is ready.

        :param name: unique, at most 63 characters, no white space; it is the bucket's name.
        :param size_gb: 500 or a multiple of it.
        :param access_key_id: access key of the credential that should own it; without one it gets its own.
        :raises ConflictError: if the name is taken.
        :raises OutcomeUnknownError: if no response came and the store cannot be found by its name.
        """
        return self.send(api.create_object_store(name, size_gb, access_key_id))

    def update_object_store(
        self, id: str, *, max_size_gb: int | None = None, access_key_id: str | None = None
    ) -> ObjectStore:
        """
        Change an object store's size or owner.

        :param id: its id.
        :param max_size_gb: 500 or a multiple of it.
        :param access_key_id: access key of the credential that should own it.
        :return: the store as in the response, which does not prove a change of owner: read it back.
        """
        return self.send(api.update_object_store(id, max_size_gb=max_size_gb, access_key_id=access_key_id))

    def delete_object_store(self, id: str) -> None:
        """
        Delete an object store with all its contents, at once and for good.

        :param id: its id.
        """
        self.send(api.delete_object_store(id))

    def get_object_store_stats(self, id: str) -> ObjectStoreStats:
        """
        Read how much an object store holds.

        :param id: its id.
        """
        return self.send(api.get_object_store_stats(id))

    # Credentials

    def list_credentials(self) -> Iterator[Credential]:
        """List the region's credentials, lazily over all pages. Their secrets are masked in logs."""
        return map(self._masked, self._items(api.list_credentials()))

    def get_credential(self, id: str) -> Credential:
        """
        Read a credential.

        :param id: its id.
        :raises NotFoundError: if there is no such credential.
        """
        return self._masked(self.send(api.get_credential(id)))

    def find_credential(self, name_or_id_or_access_key: str) -> Credential | None:
        """
        Find a credential over all pages.

        :param name_or_id_or_access_key: its exact id, access key or name.
        :return: the credential; None if there is none.
        :raises ObjectStoreError: if that is the name of one and the access key or id of another.
        """
        found = self._run(api.find_credential(name_or_id_or_access_key))
        return found and self._masked(found)

    def require_credential(self, name_or_id_or_access_key: str) -> Credential:
        """
        Find a credential that must exist, over all pages.

        :param name_or_id_or_access_key: its exact id, access key or name.
        :raises NotFoundError: if there is none.
        :raises ObjectStoreError: if that is the name of one and the access key or id of another.
        """
        return self._masked(self._run(api.require_credential(name_or_id_or_access_key)))

    def create_credential(
        self,
        name: str,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        max_size_gb: int | None = None,
    ) -> Credential:
        """
        Create a credential and wait until the service has given it its keys.

        :param name: at most 63 characters, no white space.
        :param access_key_id: its access key; the service makes one if none is given.
        :param secret_access_key: its secret; the service makes one if none is given.
        :param max_size_gb: how much it may hold: 500 or a multiple of it.
        :raises OutcomeUnknownError: if no response came and the credential cannot be found by its name.
        """
        call = api.create_credential(
            name, access_key_id=access_key_id, secret_access_key=secret_access_key, max_size_gb=max_size_gb
        )
        return self.wait_for_keys(self.send(call))

    def wait_for_keys(self, credential: Credential) -> Credential:
        """
        Wait until the service has given a credential its keys.

        :param credential: the credential.
        :return: the credential with its keys.
        :raises ResourceFailedError: if the service has given up on it.
        :raises ObjectStoreError: if that takes more than a minute.
        """
        return self._masked(self._run(api.wait_for_keys(credential)))

    def wait_until_ready(self, credential: Credential) -> Credential:
        """
        Wait until a credential has its keys and its status is ready.

        If the status does not change within half a minute, a warning says so and the credential is returned: some
        services never change it.

        :param credential: the credential.
        :return: the credential as it was read last.
        :raises ResourceFailedError: if the service has given up on it.
        :raises ObjectStoreError: if it has no keys after a minute.
        """
        credential = self._masked(self._run(api.wait_until_ready(credential)))
        if not credential.ready and credential.status:
            self.log.warning(
                "Credential %s (%s) has its keys, but its status is still %s after half a minute. Going on; S3 may "
                "refuse it for a while",
                credential.name,
                credential.id,
                credential.status,
            )
        return credential

    def update_credential(
        self,
        id: str,
        *,
        max_size_gb: int | None = None,
        suspended: bool | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> Credential:
        """
        Change a credential.

        :param id: its id.
        :param max_size_gb: how much it may hold: 500 or a multiple of it.
        :param suspended: whether it is refused.
        :param access_key_id: a new access key; the old one stops working at once.
        :param secret_access_key: a new secret; the old one stops working at once.
        :return: the credential as in the response, which does not prove the change: read it back.
        """
        call = api.update_credential(
            id,
            max_size_gb=max_size_gb,
            suspended=suspended,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
        )
        return self._masked(self.send(call))

    def delete_credential(self, id: str) -> None:
        """
        Delete a credential. The service refuses while it owns object stores.

        :param id: its id.
        """
        self.send(api.delete_credential(id))

    def credential_inventory(self) -> list[CredentialUse]:
        """
        List the region's credentials with the object stores that each owns: which are shared, orphaned or due.

        Their secrets are masked in logs; do not return credentials from a task.
        """
        credentials = list(self.list_credentials())  # before the stores: a new one's would seem to be an orphan
        stores = list(self.list_object_stores())
        without_owner = tuple(store.name for store in stores if api.owner_is_unknown(store))
        return [
            CredentialUse(one, tuple(store.name for store in stores if api.owns(one, store)), without_owner)
            for one in credentials
        ]

    # The account

    def list_regions(self) -> tuple[Region, ...]:
        """List regions; object stores can be created in those that are usable."""
        return self.send(api.list_regions())

    def get_quota(self) -> Quota:
        """Read the account's limit for object stores and its use."""
        return self.send(api.get_quota())

    # S3

    def s3_options(self, store: ObjectStore | str) -> S3Options:
        """
        Return what an S3 client needs to use an object store, with its owner's keys.

        ``boto3.client("s3", **hook.s3_options("name"))``; for s3fs and for an ``aws`` connection see
        :class:`~airflow_provider_objectstore.hooks.s3.S3Options`.

        :param store: the object store, or its exact name or id.
        :raises NotFoundError: if there is no such store.
        :raises ObjectStoreError: if its owner is not among the credentials, or has no keys yet.
        """
        if isinstance(store, str):
            store = self.require_object_store(store)
        return self.s3_options_of(self._run(api.require_owner(store)), store)

    def s3_options_of(self, credential: Credential, store: ObjectStore | None = None) -> S3Options:
        """
        Return what an S3 client needs to act with a credential.

        :param credential: the credential, with its keys.
        :param store: an object store that it owns, if any: its name is the bucket, its endpoint is used.
        :raises ObjectStoreError: if its access key or secret is empty: wait for them with :meth:`wait_for_keys`.
        """
        from airflow_provider_objectstore.hooks.s3 import options_for

        return options_for(self._connection, self._masked(credential), store)

    def _masked(self, credential: Credential) -> Credential:
        if credential.secret_access_key:
            from airflow.providers.common.compat.sdk import mask_secret

            mask_secret(credential.secret_access_key)
        return credential
