"""Civo object stores and credentials: from an Airflow connection to every operation of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api import civo as api
from airflow_provider_objectstore.api.civo_model import ObjectStore, s3_endpoint
from airflow_provider_objectstore.api.rotation_names import tag_of
from airflow_provider_objectstore.api.xcom import NotForXCom
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks import forms
from airflow_provider_objectstore.hooks.base import ObjectStoreHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Connection

    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.api.civo_model import Credential, ObjectStoreStats, Quota, Region
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.transport import Target


@dataclass(frozen=True, slots=True)
class CredentialUse(NotForXCom):
    """
    A credential and what it is used for. Like the credential it goes into no XCom.

    :param stores: names of the object stores that it owns.
    """

    _instead: ClassVar[str] = "it holds a credential with its secret. Return names, ids and access keys"

    credential: Credential
    stores: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Whether more than one object store depends on it."""
        return len(self.stores) > 1

    @property
    def orphan(self) -> bool:
        """Whether no object store depends on it."""
        return not self.stores

    @property
    def rotated(self) -> datetime | None:
        """When the run was due that rotated it last, by its name or access key; None if no rotation did."""
        tag = tag_of(self.credential)
        return tag.time if tag else None

    @property
    def age(self) -> timedelta | None:
        """How long that is ago; None if no rotation did, because the service does not tell a credential's age."""
        return datetime.now(UTC) - self.rotated if self.rotated else None


class CivoObjectStoreHook(ObjectStoreHook):
    """
    Works with Civo object stores, blocking; :meth:`async_client` does so on an event loop.

    Every method raises :class:`~airflow_provider_objectstore.exceptions.InvalidArgumentError` for what the
    service would refuse, before any request, and another ``ObjectStoreError`` for what the service answers.

    :param civo_conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's. None alone means the connection's; an empty one is refused.
    """

    conn_name_attr = "civo_conn_id"
    default_conn_name = "civo_default"
    conn_type = "civo"
    hook_name = "Civo object stores"

    def __init__(self, civo_conn_id: str = default_conn_name, *, region: str | None = None) -> None:
        super().__init__(read.place("civo_conn_id", civo_conn_id))
        self.civo_conn_id = self._conn_id
        self.region = read.elsewhere("region", region)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields, for Airflow before 3.2."""
        return forms.widgets(cls.conn_type)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how the form's standard fields look, for Airflow before 3.2."""
        return forms.behaviour(cls.conn_type)

    def resolve(self, connection: Connection, extra: Mapping[str, Any]) -> Target:
        from airflow_provider_objectstore.hooks.connections import civo_target

        return civo_target(connection, extra, region=self.region)

    def _probe(self) -> str:
        page = self._send(api.list_object_stores())
        return f"Connected; the first page of object stores has {len(page.items)}"

    def asset(self, bucket: str, path: str | None = None) -> Asset:
        """Return the asset of an object store, or of what lies in it, where this hook's connection leads."""
        from airflow_provider_objectstore.assets import civo_asset

        return civo_asset(region=self._resolve().parameters["region"], bucket=bucket, path=path)

    def _report(self, call: Call[Any], answer: Any) -> None:
        from airflow_provider_objectstore.assets import report_lineage

        if call.operation == "civo.create_object_store":
            report_lineage(self, "output", lambda: self.asset(answer.name))

    # Object stores

    def list_object_stores(self) -> Iterator[ObjectStore]:
        """List the region's object stores, lazily over all pages."""
        return self._items(api.list_object_stores())

    def get_object_store(self, id: str) -> ObjectStore:
        """
        Read an object store.

        :raises NotFoundError: if there is none of this id.
        """
        return self._send(api.get_object_store(id))

    def find_object_store(self, name_or_id: str) -> ObjectStore | None:
        """
        Find an object store by its exact name or id over all pages; None if there is none.

        :raises ObjectStoreError: if that is the name of one and the id of another.
        """
        return self._run(api.find_object_store(name_or_id))

    def create_object_store(
        self, name: str, size_gb: int = api.SIZE_STEP_GB, access_key_id: str | None = None
    ) -> ObjectStore:
        """
        Create an object store. It is usable once its status is ready.

        :param name: unique, at most 63 characters, no white space; it is the bucket's name.
        :param size_gb: 500 or a multiple of it.
        :param access_key_id: access key of the credential that shall own it; without one it gets its own.
        :raises ConflictError: if the name is taken.
        :raises OutcomeUnknownError: if no answer came and the store cannot be found by its name.
        """
        return self._send(api.create_object_store(name, size_gb, access_key_id))

    def update_object_store(
        self, id: str, *, max_size_gb: int | None = None, access_key_id: str | None = None
    ) -> ObjectStore:
        """
        Change an object store's size or owner.

        :param max_size_gb: 500 or a multiple of it.
        :param access_key_id: access key of the credential that shall own it.
        :return: the store as the service answers it, which does not prove a change of owner: read it back.
        """
        return self._send(api.update_object_store(id, max_size_gb=max_size_gb, access_key_id=access_key_id))

    def delete_object_store(self, id: str) -> None:
        """Delete an object store with all its contents, at once and for good."""
        self._send(api.delete_object_store(id))

    def get_object_store_stats(self, id: str) -> ObjectStoreStats:
        """Read how much an object store holds."""
        return self._send(api.get_object_store_stats(id))

    # Credentials

    def list_credentials(self) -> Iterator[Credential]:
        """List the region's credentials, lazily over all pages. Their secrets are masked in logs."""
        return map(self._masked, self._items(api.list_credentials()))

    def get_credential(self, id: str) -> Credential:
        """
        Read a credential.

        :raises NotFoundError: if there is none of this id.
        """
        return self._masked(self._send(api.get_credential(id)))

    def find_credential(self, name_or_id_or_access_key: str) -> Credential | None:
        """
        Find a credential by its exact id, access key or name over all pages; None if there is none.

        :raises ObjectStoreError: if that is the name of one and the access key or id of another.
        """
        found = self._run(api.find_credential(name_or_id_or_access_key))
        return found and self._masked(found)

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
        :raises OutcomeUnknownError: if no answer came and the credential cannot be found by its name.
        """
        call = api.create_credential(
            name, access_key_id=access_key_id, secret_access_key=secret_access_key, max_size_gb=max_size_gb
        )
        return self.wait_for_keys(self._send(call))

    def wait_for_keys(self, credential: Credential) -> Credential:
        """
        Wait until the service has given a credential its keys; return it with them.

        :raises ResourceFailedError: if the service has given up on it.
        :raises ObjectStoreError: if that takes more than a minute.
        """
        return self._masked(self._run(api.fill(credential)))

    def wait_until_ready(self, credential: Credential) -> Credential:
        """
        Wait until a credential has its keys and the service says that it is ready; return it as it is then.

        If it does not say so within half a minute the log does, and it is returned all the same: some services never
        change a credential's status.

        :raises ResourceFailedError: if the service has given up on it.
        :raises ObjectStoreError: if it has no keys after a minute.
        """
        credential = self._masked(self._run(api.until_ready(credential)))
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

        :param max_size_gb: how much it may hold: 500 or a multiple of it.
        :param suspended: whether it is refused.
        :param access_key_id: a new access key; the old one stops working at once.
        :param secret_access_key: a new secret; the old one stops working at once.
        :return: the credential as the service answers it, which does not prove the change: read it back.
        """
        call = api.update_credential(
            id,
            max_size_gb=max_size_gb,
            suspended=suspended,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
        )
        return self._masked(self._send(call))

    def delete_credential(self, id: str) -> None:
        """Delete a credential. The service refuses while it owns object stores."""
        self._send(api.delete_credential(id))

    def credential_inventory(self) -> list[CredentialUse]:
        """
        List the region's credentials with the object stores that each owns: what is shared, orphaned, due.

        Their secrets are masked in logs; do not return credentials from a task.
        """
        stores = list(self.list_object_stores())
        return [
            CredentialUse(credential, tuple(store.name for store in stores if api.owns(credential, store)))
            for credential in self.list_credentials()
        ]

    # The account

    def list_regions(self) -> tuple[Region, ...]:
        """List regions; object stores can be created in those that are usable."""
        return self._send(api.list_regions())

    def get_quota(self) -> Quota:
        """Read the account's limit for object stores and its use."""
        return self._send(api.get_quota())

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
            found = self.find_object_store(store)
            if found is None:
                raise NotFoundError(f"there is no object store with the exact name or id {store!r}", status=404)
            store = found
        owner = self._run(api.owner_of(store))
        if owner is None:
            raise ObjectStoreError(
                f"the owner of object store {store.name} ({store.owner_access_key_id}) is not among the "
                "region's credentials; give it one with update_object_store"
            )
        return self.s3_options_of(owner, store)

    def s3_options_of(self, credential: Credential, store: ObjectStore | None = None) -> S3Options:
        """
        Return what an S3 client needs to act with a credential.

        :param credential: the credential, with its keys.
        :param store: an object store that it owns, if any: its bucket, and where the service says that it is.
        :raises ObjectStoreError: if its access key or secret is empty: wait for them with :meth:`wait_for_keys`.
        """
        from airflow_provider_objectstore.hooks.s3 import S3Options

        if not credential.filled:
            raise ObjectStoreError(
                f"credential {credential.name} ({credential.id}) has no keys yet, its status is "
                f"{credential.status or 'not given'}: wait for them with CivoObjectStoreHook.wait_for_keys"
            )
        self._masked(credential)
        connection = self.get_connection(self.civo_conn_id)
        extra = connection.extra_dejson
        target = self.resolve(connection, extra)
        region = target.parameters["region"]
        own_endpoint = str(extra.get("s3_endpoint") or "").strip()
        return S3Options(
            bucket=store.name if store else None,
            endpoint_url=s3_endpoint(
                own_endpoint or (store.endpoint if store else None),
                region,
                plain_http=bool(own_endpoint) or target.roots["api"].startswith("http://"),
            ),
            access_key_id=credential.access_key_id,
            secret_access_key=credential.secret_access_key,
            region_name=region.lower(),
            verify=target.verify,
            proxy=target.proxy,
        )

    def _masked(self, credential: Credential) -> Credential:
        if credential.secret_access_key:
            from airflow.providers.common.compat.sdk import mask_secret

            mask_secret(credential.secret_access_key)
        return credential
