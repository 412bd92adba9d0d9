"""Operators for Civo object stores, and the credentials' operators from ``civo_credentials``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.civo import check_name, check_size
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    ConflictError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
    ResourceFailedError,
)
from airflow_provider_objectstore.operators.base import CivoOperator
from airflow_provider_objectstore.operators.civo_credentials import (
    CivoCreateCredentialOperator,
    CivoDeleteCredentialOperator,
    CivoUpdateCredentialOperator,
)
from airflow_provider_objectstore.operators.civo_waiting import CivoWaitingOperator, ObjectStoreOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.civo.models import ObjectStore
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

__all__ = [
    "CivoCreateCredentialOperator",
    "CivoCreateObjectStoreOperator",
    "CivoDeleteCredentialOperator",
    "CivoDeleteObjectStoreOperator",
    "CivoUpdateCredentialOperator",
    "CivoUpdateObjectStoreOperator",
]

IfExists: TypeAlias = Literal["skip", "fail"]
IfMissing: TypeAlias = Literal["skip", "fail"]


class CivoCreateObjectStoreOperator(CivoWaitingOperator):
    """
    Create an object store and wait until it is ready; ``POST /v2/objectstores``.

    XCom: the object store, as plain data without secrets.

    :param name: unique, at most 63 characters, no white space; it is the bucket's name.
    :param size_gb: its size in GB: 500 or a multiple of it.
    :param access_key_id: access key of the credential that should own it. Left out, the service creates a credential
        for it.
    :param if_exists: ``skip`` leaves an existing object store unchanged, with a warning if it differs from this task's
        arguments; ``fail`` fails.
    :param wait: wait until its status is ready. False returns at once.
    :param deferrable: wait in the triggerer, which takes no worker slot. Left out, Airflow's setting ``[operators]
        default_deferrable`` decides.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: longest time to wait, in the same forms. Then the task fails, and the object store stays.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (
        *CivoWaitingOperator.template_fields,
        "name",
        "size_gb",
        "access_key_id",
        "if_exists",
        "wait",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoWaitingOperator.arguments,
        "name": read.checked(read.name, check_name),
        "size_gb": read.checked(read.integer(1), check_size),
        "access_key_id": read.optional(read.name),
        "if_exists": read.choice(*get_args(IfExists)),
        "wait": read.flag,
    }

    def __init__(
        self,
        *,
        name: str,
        size_gb: int | str = 500,
        access_key_id: str | None = None,
        if_exists: IfExists = "skip",
        wait: bool | str = True,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 5,
        timeout: read.Duration = 1800,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=deferrable,
            poke_interval=poke_interval,
            timeout=timeout,
            civo_conn_id=civo_conn_id,
            region=region,
            **kwargs,
        )
        self.name = name
        self.size_gb: Any = size_gb
        self.access_key_id = access_key_id
        self.if_exists = if_exists
        self.wait = wait

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the object store, or accept the existing one, and wait until it is ready."""
        self.read_arguments()
        hook = self.hook
        store = hook.find_object_store(self.name)
        created = store is None
        if store is None:
            store = hook.create_object_store(self.name, self.size_gb, self.access_key_id)
            self.log.info(
                "Created object store %s of %d GB (id %s; %s)", store.name, self.size_gb, store.id, self.where
            )
        else:
            self._check_existing(store)
        done = asdict(store)
        if self.wait and not store.ready:
            then = "execute_created" if created else "execute_complete"
            done = self._wait(store, deferrable=self.deferrable, then=then)
        if created:
            self._check_created(done)
        return self._complete(context, done)

    def execute_created(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Go on once the trigger found the object store ready that this task has created."""
        self.read_arguments()
        store = self._ready_store(event)
        self._check_created(store)
        return self._complete(context, store)

    @property
    def _store_name(self) -> str:
        return self.name

    def _complete(self, context: Context, store: dict[str, Any]) -> dict[str, Any]:
        self._emit_asset_events(context, "create_object_store", store)
        self.log.info(
            "Object store %s is %s: %s GB (id %s; %s)",
            store["name"],
            store["status"] or "there",
            store["max_size_gb"],
            store["id"],
            self.where,
        )
        return store

    def _check_created(self, store: Mapping[str, Any]) -> None:
        """
        Check that the service has created what it was asked for, as far as it tells.

        :raises ResourceFailedError: if it has not. A retry would find the object store and leave it as it is.
        """
        wanted = {"max_size_gb": self.size_gb, "owner_access_key_id": self.access_key_id}
        wrong = [
            f"{name} is {store[name]} instead of {value}"
            for name, value in wanted.items()
            if None not in (value, store[name]) and store[name] != value
        ]
        if wrong:
            raise ResourceFailedError(
                f"the service accepted the request for object store {self.name} and created another one: "
                f"{', '.join(wrong)}. It exists (id {store['id']}): delete it, or change it with "
                f"CivoUpdateObjectStoreOperator [{self.where}]"
            )

    def _check_existing(self, store: ObjectStore) -> None:
        """Accept an existing object store as ``if_exists`` requires; warn if it differs from this task's arguments."""
        if store.name != self.name:
            raise ConflictError(
                f"{self.name!r} is the id of object store {store.name}, and this task gives it as a name. Give the "
                "name of that object store, or another name for a new one"
            )
        if self.if_exists == "fail":
            raise ConflictError(
                f"object store {self.name} already exists; if_exists='skip' accepts an existing object store"
            )
        self.log.info("Object store %s already exists, left unchanged (id %s; %s)", store.name, store.id, self.where)
        if store.max_size_gb != self.size_gb or self.access_key_id not in (None, store.owner_access_key_id):
            self.log.warning(
                "Object store %s has %s GB and the owner %s, which differs from this task's arguments",
                store.name,
                store.max_size_gb,
                store.owner_access_key_id,
            )


class CivoUpdateObjectStoreOperator(ObjectStoreOperator):
    """
    Change an object store's size or owner and check the change; ``PATCH /v2/objectstores/{id}``.

    XCom: the object store, as plain data without secrets.

    :param object_store: its exact name or id.
    :param max_size_gb: its new size in GB: 500 or a multiple of it. Left out, it does not change.
    :param access_key_id: access key of the credential that should own it. Left out, the owner does not change.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store", "max_size_gb", "access_key_id")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "object_store": read.name,
        "max_size_gb": read.optional(read.checked(read.integer(1), check_size)),
        "access_key_id": read.optional(read.name),
    }

    def __init__(
        self,
        *,
        object_store: str,
        max_size_gb: int | str | None = None,
        access_key_id: str | None = None,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_store = object_store
        self.max_size_gb: Any = max_size_gb
        self.access_key_id = access_key_id
        self.civo_conn_id = civo_conn_id
        self.region = region

    def check_combination(self) -> None:
        """Check that there is something to change."""
        read.something_to_change(max_size_gb=self.max_size_gb, access_key_id=self.access_key_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the object store and read it back."""
        self.read_arguments()
        hook = self.hook
        store = hook.require_object_store(self.object_store)
        hook.update_object_store(store.id, max_size_gb=self.max_size_gb, access_key_id=self.access_key_id)
        store = hook.get_object_store(store.id)
        self._check_changes(store)
        self.log.info(
            "Updated object store %s: %s GB, owner %s (id %s; %s)",
            store.name,
            store.max_size_gb,
            store.owner_access_key_id,
            store.id,
            self.where,
        )
        done = asdict(store)
        self._emit_asset_events(context, "update_object_store", done)
        return done

    def _check_changes(self, store: ObjectStore) -> None:
        if self.access_key_id not in (None, store.owner_access_key_id):
            raise OwnerChangeUnsupportedError(
                f"the service accepted {self.access_key_id} as owner of object store {store.name}, but its owner is "
                f"still {store.owner_access_key_id}: this service does not change owners"
            )
        if self.max_size_gb not in (None, store.max_size_gb):
            raise ObjectStoreError(
                f"the service accepted {self.max_size_gb} GB for object store {store.name}, but its size is still "
                f"{store.max_size_gb} GB"
            )


class CivoDeleteObjectStoreOperator(ObjectStoreOperator):
    """
    Delete an object store, at once and for good; ``DELETE /v2/objectstores/{id}``.

    By default, only an empty one. The service's statistics may lag and do not count everything, so S3 must also
    report that it is empty: no objects, no older versions or deletion markers, no multipart uploads under way. That
    check needs the extra ``s3``.

    :param object_store: its exact name or id.
    :param delete_contents: True deletes it with everything it holds, without that check.
    :param if_missing: ``skip`` treats a missing object store as deleted, ``fail`` fails.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store", "delete_contents", "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "object_store": read.name,
        "delete_contents": read.flag,
        "if_missing": read.choice(*get_args(IfMissing)),
    }

    def __init__(
        self,
        *,
        object_store: str,
        delete_contents: bool | str = False,
        if_missing: IfMissing = "skip",
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_store = object_store
        self.delete_contents = delete_contents
        self.if_missing = if_missing
        self.civo_conn_id = civo_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Delete the object store."""
        self.read_arguments()
        hook = self.hook
        store: ObjectStore | None
        if self.if_missing == "fail":
            store = hook.require_object_store(self.object_store)
        else:
            store = hook.find_object_store(self.object_store)
        if store is None:
            self.log.info("Object store %s does not exist, nothing to delete (%s)", self.object_store, self.where)
            return
        if not self.delete_contents:
            self._require_empty(hook, store)
        hook.delete_object_store(store.id)
        self.log.info("Deleted object store %s (id %s; %s)", store.name, store.id, self.where)
        self._emit_asset_events(context, "delete_object_store", asdict(store))

    def _require_empty(self, hook: CivoObjectStoreHook, store: ObjectStore) -> None:
        """
        Check that the object store holds nothing, by the service's statistics and by S3.

        :raises ObjectStoreError: if it holds something, or S3 does not answer the question.
        """
        from airflow_provider_objectstore.hooks.s3_client import find_contents

        objects = hook.get_object_store_stats(store.id).num_objects
        try:
            contents = f"objects (at least {objects})" if objects else find_contents(hook.s3_options(store))
        except ConfigurationError as error:
            raise error.prefixed(f"object store {store.name} is not deleted: ") from error.__cause__
        except ObjectStoreError as error:
            raise error.reworded(
                f"S3 did not answer whether object store {store.name} is empty ({error}), so it is not deleted; "
                "delete_contents=True deletes it without this check"
            ) from error.__cause__
        if contents:
            raise ObjectStoreError(
                f"object store {store.name} holds {contents}, which would be lost for good; delete_contents=True "
                "deletes them too"
            )
