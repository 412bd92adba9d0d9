"""Operators for Civo object stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.civo import check_name, check_size
from airflow_provider_objectstore.assets import tell_outlets
from airflow_provider_objectstore.bases import CivoOperator, check_publishers, default_deferrable, publishers
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.publishers import Publisher


IF_EXISTS = read.choice("skip", "fail")
IF_MISSING = read.choice("skip", "fail")


def _new_name(what: str, value: Any) -> str:
    name = read.name(what, value)
    try:
        check_name(name)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{what}: {error}") from None
    return name


def _size(what: str, value: Any) -> int:
    size: int = read.whole(1)(what, value)
    try:
        return check_size(size)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{what}: {error}") from None


class CivoCreateObjectStoreOperator(CivoOperator):
    """
    Creates an object store and waits until it is ready.

    XCom: the store, as plain data without secrets.

    :param name: unique, at most 63 characters, no white space; it is the bucket's name.
    :param size_gb: 500 or a multiple of it.
    :param access_key_id: access key of the credential that shall own it; without one it gets its own.
    :param if_exists: ``skip`` takes an object store that is there as it is, ``fail`` fails.
    :param wait: wait until it is ready.
    :param deferrable: wait in the triggerer, which takes no worker; by default what Airflow's setting
        ``[operators] default_deferrable`` says.
    :param poke_interval: time between two looks while waiting: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: time after which waiting fails, likewise; the store stays.
    """

    template_fields: Sequence[str] = (
        *CivoOperator.template_fields,
        "name",
        "size_gb",
        "access_key_id",
        "if_exists",
        "wait",
        "poke_interval",
        "timeout",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "name": _new_name,
        "size_gb": _size,
        "access_key_id": read.optional(read.name),
        "if_exists": IF_EXISTS,
        "wait": read.flag,
        "deferrable": read.flag,
        "poke_interval": read.seconds,
        "timeout": read.seconds,
    }

    def __init__(
        self,
        *,
        name: str,
        size_gb: int | str = 500,
        access_key_id: str | None = None,
        if_exists: str = "skip",
        wait: bool | str = True,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 5,
        timeout: read.Duration = 1800,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.size_gb: Any = size_gb
        self.access_key_id = access_key_id
        self.if_exists = if_exists
        self.wait = wait
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.poke_interval: Any = poke_interval
        self.timeout: Any = timeout
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Create the object store."""
        from airflow_provider_objectstore.triggers.waits import ObjectStoreTrigger

        self.read_arguments()
        hook = self.hook
        store = hook.find_object_store(self.name)
        if store is None:
            store = hook.create_object_store(self.name, self.size_gb, self.access_key_id)
            self.log.info("Created object store %s (%s) of %d GB", store.name, store.id, self.size_gb)
        elif store.name != self.name:
            raise ConflictError(
                f"object store {store.name} has the id {self.name!r}, which this task gives as name. Give its name, or "
                "another one for a new object store"
            )
        elif self.if_exists == "fail":
            raise ConflictError(f"object store {self.name} exists already; with if_exists='skip' that is no failure")
        else:
            self.log.info("Object store %s (%s) was there; left as it is", store.name, store.id)
            if store.max_size_gb != self.size_gb or self.access_key_id not in (None, store.owner_access_key_id):
                self.log.warning(
                    "It has %s GB and the owner %s, which is not what this task asks for",
                    store.max_size_gb,
                    store.owner_access_key_id,
                )
        if not self.wait or store.ready:
            return _told(self, context, "create_object_store", asdict(store))
        trigger = ObjectStoreTrigger(
            civo_conn_id=self.civo_conn_id,
            region=self.region,
            object_store=store.id,
            poke_interval=self.poke_interval,
        )
        self.log.info("Its status is %s; waiting until it is ready", store.status or "not given")
        if self.deferrable:
            self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))
        with hook.client() as client:
            answer: dict[str, Any] | None = client.run(trigger.poll(self.timeout))
        if answer is None:
            raise ObjectStoreError(
                f"object store {self.name} was not ready after {self.timeout:.0f} s; it exists and may become so: run "
                "this task again, or wait for it with CivoObjectStoreSensor"
            )
        return _told(self, context, "create_object_store", answer)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take what the trigger brings."""
        from airflow_provider_objectstore.triggers.poll import answer_of

        return _told(self, context, "create_object_store", answer_of(event))


class CivoUpdateObjectStoreOperator(CivoOperator):
    """
    Changes an object store's size or owner, and reads back whether the service did it.

    XCom: the store, as plain data without secrets.

    :param object_store: its exact name or id.
    :param max_size_gb: 500 or a multiple of it.
    :param access_key_id: access key of the credential that shall own it.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store", "max_size_gb", "access_key_id")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "object_store": read.name,
        "max_size_gb": read.optional(_size),
        "access_key_id": read.optional(read.name),
    }

    def __init__(
        self,
        *,
        object_store: str,
        max_size_gb: int | str | None = None,
        access_key_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_store = object_store
        self.max_size_gb: Any = max_size_gb
        self.access_key_id = access_key_id
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the object store."""
        from airflow_provider_objectstore.api import civo as api

        self.read_arguments()
        with self.naming_task():
            change = api.update_object_store("id", max_size_gb=self.max_size_gb, access_key_id=self.access_key_id)
        hook = self.hook
        store = hook.find_object_store(self.object_store)
        if store is None:
            raise _missing(f"object store with the exact name or id {self.object_store!r}")
        hook.update_object_store(store.id, max_size_gb=self.max_size_gb, access_key_id=self.access_key_id)
        store = hook.get_object_store(store.id)
        if self.access_key_id not in (None, store.owner_access_key_id):
            raise OwnerChangeUnsupportedError(
                f"the service accepted {self.access_key_id} as owner of object store {store.name}, but its owner is "
                f"still {store.owner_access_key_id}: it does not change owners"
            )
        assert change.body is not None
        if change.body.get("max_size_gb") not in (None, store.max_size_gb):
            raise ObjectStoreError(
                f"the service accepted {self.max_size_gb} GB for object store {store.name}, but still says "
                f"{store.max_size_gb}"
            )
        return _told(self, context, "update_object_store", asdict(store))


class CivoDeleteObjectStoreOperator(CivoOperator):
    """
    Deletes an object store. One that holds objects is deleted only if told so: it goes at once and for good.

    :param object_store: its exact name or id, sought over all pages.
    :param delete_contents: delete it even if it holds something. Otherwise the service's usage figures and, because
        these may lag and do not count everything, S3 must both find it empty: no objects, no older versions or
        deletion markers of any, no multipart uploads under way. This needs the extra ``s3``.
    :param if_missing: ``skip`` takes a store that is not there for deleted, ``fail`` fails.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store", "delete_contents", "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "object_store": read.name,
        "delete_contents": read.flag,
        "if_missing": IF_MISSING,
    }

    def __init__(
        self, *, object_store: str, delete_contents: bool | str = False, if_missing: str = "skip", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.object_store = object_store
        self.delete_contents = delete_contents
        self.if_missing = if_missing
        self.check_arguments()

    def execute(self, context: Context) -> None:
        """Delete the object store."""
        self.read_arguments()
        hook = self.hook
        store = hook.find_object_store(self.object_store)
        if store is None:
            if self.if_missing == "fail":
                raise _missing(f"object store with the exact name or id {self.object_store!r}")
            self.log.info("Object store %s was not there", self.object_store)
            return
        if not self.delete_contents:
            self._refuse_if_filled(hook, store)
        hook.delete_object_store(store.id)
        self.log.info("Deleted object store %s (%s)", store.name, store.id)
        _told(self, context, "delete_object_store", asdict(store))

    def _refuse_if_filled(self, hook: CivoObjectStoreHook, store: ObjectStore) -> None:
        from airflow_provider_objectstore.hooks.s3 import find_contents

        counted = hook.get_object_store_stats(store.id).num_objects
        try:
            held = f"objects (at least {counted})" if counted else find_contents(hook.s3_options(store))
        except ObjectStoreError as error:
            raise ObjectStoreError(
                f"whether object store {store.name} is empty cannot be told over S3 ({error}), so it is not deleted; "
                "delete_contents=True deletes it all the same"
            ) from error
        if held:
            raise ObjectStoreError(
                f"object store {store.name} holds {held}, which would be gone for good; delete_contents=True deletes "
                "them with it"
            )


class CivoCreateCredentialOperator(CivoOperator):
    """
    Creates a credential for object stores. Its secret goes to publishers; consumers may also ask the hook for it.

    It is published once it has its keys and the service says that it is ready; where that does not say so within half
    a minute, the log does.

    XCom: ``{"id", "name", "access_key_id"}``.

    :param name: at most 63 characters, no white space.
    :param max_size_gb: how much it may hold: 500 or a multiple of it.
    :param if_exists: ``skip`` takes a credential of that name as it is, and publishes it; ``fail`` fails.
    :param publishers: where it goes, see :class:`~airflow_provider_objectstore.publishers.Publisher`.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "name", "max_size_gb", "if_exists")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "name": _new_name,
        "max_size_gb": read.optional(_size),
        "if_exists": IF_EXISTS,
        "publishers": publishers,
    }

    def __init__(
        self,
        *,
        name: str,
        max_size_gb: int | str | None = None,
        if_exists: str = "skip",
        publishers: Sequence[Publisher] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.max_size_gb: Any = max_size_gb
        self.if_exists = if_exists
        self.publishers = publishers
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the credential."""
        self.read_arguments()
        check_publishers(self.publishers)
        hook = self.hook
        found = [credential for credential in hook.list_credentials() if credential.name == self.name]
        if len(found) > 1:
            raise ConflictError(
                f"{len(found)} credentials are called {self.name} (ids {', '.join(it.id for it in found)}): which of "
                "them is meant cannot be told. Delete or rename the others"
            )
        if not found:
            credential = hook.create_credential(self.name, max_size_gb=self.max_size_gb)
            self.log.info("Created credential %s (%s)", credential.name, credential.id)
        elif self.if_exists == "fail":
            raise ConflictError(f"credential {self.name} exists already; with if_exists='skip' that is no failure")
        else:
            (credential,) = found
            self.log.info("Credential %s (%s) was there; left as it is", credential.name, credential.id)
            if credential.suspended:
                self.log.warning("It is suspended: S3 refuses it until CivoUpdateCredentialOperator changes that")
            if self.max_size_gb not in (None, credential.max_size_gb):
                self.log.warning(
                    "It may hold %s GB, not the %s that this task asks for", credential.max_size_gb, self.max_size_gb
                )
        credential = hook.wait_until_ready(credential)
        publish(hook, credential, self.publishers)
        return _shown(credential)


class CivoUpdateCredentialOperator(CivoOperator):
    """
    Changes a credential, and reads back whether the service did it.

    XCom: ``{"id", "name", "access_key_id"}``.

    :param credential: its exact id, access key or name.
    :param suspended: whether it is refused.
    :param max_size_gb: how much it may hold: 500 or a multiple of it.
    :param publishers: where it goes afterwards.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "credential", "suspended", "max_size_gb")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "credential": read.name,
        "suspended": read.optional(read.flag),
        "max_size_gb": read.optional(_size),
        "publishers": publishers,
    }

    def __init__(
        self,
        *,
        credential: str,
        suspended: bool | str | None = None,
        max_size_gb: int | str | None = None,
        publishers: Sequence[Publisher] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.credential = credential
        self.suspended: Any = suspended
        self.max_size_gb: Any = max_size_gb
        self.publishers = publishers
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the credential."""
        from airflow_provider_objectstore.api import civo as api

        self.read_arguments()
        with self.naming_task():
            change = api.update_credential("id", suspended=self.suspended, max_size_gb=self.max_size_gb)
        check_publishers(self.publishers)
        hook = self.hook
        found = hook.find_credential(self.credential)
        if found is None:
            raise _missing(f"credential with the exact id, access key or name {self.credential!r}")
        hook.update_credential(found.id, suspended=self.suspended, max_size_gb=self.max_size_gb)
        found = hook.get_credential(found.id)
        assert change.body is not None
        undone = [name for name, value in change.body.items() if getattr(found, name) != value]
        if undone:
            raise ObjectStoreError(
                f"the service accepted the change of {', '.join(undone)} of credential {found.name} and did not make it"
            )
        publish(hook, found, self.publishers)
        return _shown(found)


class CivoDeleteCredentialOperator(CivoOperator):
    """
    Deletes a credential. The service refuses while it owns object stores.

    :param credential: its exact id, access key or name.
    :param if_missing: ``skip`` takes a credential that is not there for deleted, ``fail`` fails.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "credential", "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "credential": read.name,
        "if_missing": IF_MISSING,
    }

    def __init__(self, *, credential: str, if_missing: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.credential = credential
        self.if_missing = if_missing
        self.check_arguments()

    def execute(self, context: Context) -> None:
        """Delete the credential."""
        self.read_arguments()
        hook = self.hook
        found = hook.find_credential(self.credential)
        if found:
            hook.delete_credential(found.id)
        elif self.if_missing == "fail":
            raise _missing(f"credential with the exact id, access key or name {self.credential!r}")
        else:
            self.log.info("Credential %s was not there", self.credential)


def publish(hook: CivoObjectStoreHook, credential: Credential, publishers: Sequence[Publisher]) -> None:
    """
    Bring a credential to every publisher, and see that each has it.

    :raises ObjectStoreError: if it has no keys yet; an empty key is published nowhere.
    """
    for publisher in publishers:
        options = hook.s3_options_of(credential)
        publisher.publish(options)
        publisher.verify(options)


def _missing(what: str) -> NotFoundError:
    return NotFoundError(f"there is no {what}", status=404)


def _told(task: CivoOperator, context: Context, operation: str, store: dict[str, Any]) -> dict[str, Any]:
    """Say on the task's outlets what became of an object store, and return it."""
    said = {"operation": operation, "name": store["name"], "id": store["id"]}
    tell_outlets(task.outlets, context, lambda: task.hook.asset(store["name"]), said)
    return store


def _shown(credential: Credential) -> dict[str, Any]:
    return {"id": credential.id, "name": credential.name, "access_key_id": credential.access_key_id}
