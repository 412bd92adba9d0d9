"""Operators for the credentials of Civo object stores."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.call import drop_none
from airflow_provider_objectstore.api.civo import (
    check_name,
    check_size,
    credential_not_found,
    is_other_size,
    owns,
)
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConflictError,
    ObjectStoreError,
    ResourceFailedError,
)
from airflow_provider_objectstore.operators.base import CivoOperator, check_publishers, publishers
from airflow_provider_objectstore.rotation.names import is_original, members_of, successors_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.publishers import Publisher

log = logging.getLogger(__name__)

IfExists: TypeAlias = Literal["skip", "fail"]
IfMissing: TypeAlias = Literal["skip", "fail"]


class CivoCreateCredentialOperator(CivoOperator):
    """
    Create a credential for object stores and publish it; ``POST /v2/objectstore/credentials``.

    It is published once it has its keys and its status is ready. If the status is not ready after half a minute, the
    task logs a warning and publishes it. The secret goes to publishers only; other tasks read it with the hook.

    XCom: ``{"id", "name", "access_key_id"}``.

    :param name: at most 63 characters, no white space.
    :param max_size_gb: limit of what it may store, in GB: 500 or a multiple of it. Left out, the service's default
        applies.
    :param if_exists: ``skip`` leaves an existing credential of this name unchanged and publishes it; ``fail`` fails.
        After a rotation the one that has taken its place counts as the existing one: the newest that owns stores,
        or that a publisher has.
    :param publishers: where to publish it, see :class:`~airflow_provider_objectstore.publishers.Publisher`.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "name", "max_size_gb", "if_exists")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "name": read.checked(read.name, check_name),
        "max_size_gb": read.optional(read.checked(read.integer(1), check_size)),
        "if_exists": read.choice(*get_args(IfExists)),
        "publishers": publishers,
    }

    def __init__(
        self,
        *,
        name: str,
        max_size_gb: int | str | None = None,
        if_exists: IfExists = "skip",
        publishers: Sequence[Publisher] = (),
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.max_size_gb: Any = max_size_gb
        self.if_exists = if_exists
        self.publishers = publishers
        self.civo_conn_id = civo_conn_id
        self.region = region

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the credential, or accept the existing one, and publish it."""
        self.read_arguments()
        check_publishers(self.publishers)
        hook = self.hook
        credential = self._existing(hook)
        created = credential is None
        if credential is None:
            credential = hook.create_credential(self.name, max_size_gb=self.max_size_gb)
            self.log.info("Created credential %s (id %s; %s)", credential.name, credential.id, self.where)
        elif self.if_exists == "fail":
            known_as = self._known_as(credential)
            raise ConflictError(
                f"credential {known_as} already exists; if_exists='skip' accepts an existing credential"
            )
        else:
            self._log_existing(credential)
        credential = hook.wait_until_ready(credential)
        if created:
            self._check_created(credential)
        publish(hook, credential, self.publishers, owns_stores=not created)
        return _xcom(credential)

    def _check_created(self, credential: Credential) -> None:
        if is_other_size(credential.max_size_gb, self.max_size_gb):
            raise ResourceFailedError(
                f"the service accepted {self.max_size_gb} GB for credential {self.name} and created one with "
                f"{credential.max_size_gb} GB. It exists (id {credential.id}) and is not published: delete it, or "
                f"change it with CivoUpdateCredentialOperator [{self.where}]"
            )

    def _existing(self, hook: CivoObjectStoreHook) -> Credential | None:
        credentials = _list_for(hook, self.name)
        found = [credential for credential in credentials if credential.name == self.name]
        if len(found) > 1:
            raise ConflictError(
                f"{len(found)} credentials are called {self.name} (ids "
                f"{', '.join(credential.id for credential in found)}), so it is not clear which one this task means. "
                "Delete or rename the others"
            )
        if successors := successors_of(self.name, credentials):
            stores = list(hook.list_object_stores())
            lineage = [*found, *successors]
            owners = [one for one in lineage if any(owns(one, store) for store in stores)]
            newer = lineage[lineage.index(owners[-1]) + 1 :] if owners else lineage
            usable = [one for one in newer if one.has_keys and not one.failed and not one.suspended]
            published = _newest_published(hook, usable, credentials, stores, self.publishers)
            return published or (owners or found or usable or successors)[-1]
        return found[0] if found else None

    def _known_as(self, credential: Credential) -> str:
        return self.name if credential.name == self.name else f"{self.name} (since a rotation {credential.name})"

    def _log_existing(self, credential: Credential) -> None:
        self.log.info(
            "Credential %s already exists, left unchanged (id %s; %s)",
            self._known_as(credential),
            credential.id,
            self.where,
        )
        if credential.suspended:
            self.log.warning(
                "Credential %s is suspended: S3 denies it until CivoUpdateCredentialOperator sets suspended=False",
                credential.name,
            )
        if self.max_size_gb not in (None, credential.max_size_gb):
            self.log.warning(
                "Credential %s may store %s GB, this task asks for %s GB",
                credential.name,
                credential.max_size_gb,
                self.max_size_gb,
            )


class CivoUpdateCredentialOperator(CivoOperator):
    """
    Change a credential, check the change and publish it; ``PATCH /v2/objectstore/credentials/{id}``.

    XCom: ``{"id", "name", "access_key_id"}``.

    :param credential: its exact id, access key or name. The name of one that a rotation has replaced is an error.
    :param suspended: True suspends it: S3 denies its requests. False ends that. Left out, it does not change.
    :param max_size_gb: limit of what it may store, in GB: 500 or a multiple of it. Left out, it does not change.
    :param publishers: where to publish it after the change, see
        :class:`~airflow_provider_objectstore.publishers.Publisher`.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "credential", "suspended", "max_size_gb")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "credential": read.name,
        "suspended": read.optional(read.flag),
        "max_size_gb": read.optional(read.checked(read.integer(1), check_size)),
        "publishers": publishers,
    }

    def __init__(
        self,
        *,
        credential: str,
        suspended: bool | str | None = None,
        max_size_gb: int | str | None = None,
        publishers: Sequence[Publisher] = (),
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.credential = credential
        self.suspended: Any = suspended
        self.max_size_gb: Any = max_size_gb
        self.publishers = publishers
        self.civo_conn_id = civo_conn_id
        self.region = region

    def check_combination(self) -> None:
        """Check that there is something to change."""
        read.something_to_change(suspended=self.suspended, max_size_gb=self.max_size_gb)

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the credential, read it back and publish it."""
        self.read_arguments()
        changes = drop_none(suspended=self.suspended, max_size_gb=self.max_size_gb)
        check_publishers(self.publishers)
        hook = self.hook
        credential = _find(hook, self.credential)
        if credential is None:
            raise credential_not_found(self.credential)
        hook.update_credential(credential.id, **changes)
        credential = hook.get_credential(credential.id)
        unchanged = [name for name, value in changes.items() if getattr(credential, name) != value]
        if unchanged:
            raise ObjectStoreError(
                f"the service accepted the change of {', '.join(unchanged)} of credential {credential.name} and did "
                "not make it"
            )
        self.log.info("Updated credential %s: %s (%s)", credential.name, changes, self.where)
        publish(hook, credential, self.publishers)
        return _xcom(credential)


class CivoDeleteCredentialOperator(CivoOperator):
    """
    Delete a credential; ``DELETE /v2/objectstore/credentials/{id}``. The service refuses while it owns object stores.

    :param credential: its exact id, access key or name. The name of one that a rotation has replaced is an error.
    :param if_missing: ``skip`` treats a missing credential as deleted, ``fail`` fails.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "credential", "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "credential": read.name,
        "if_missing": read.choice(*get_args(IfMissing)),
    }

    def __init__(
        self,
        *,
        credential: str,
        if_missing: IfMissing = "skip",
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.credential = credential
        self.if_missing = if_missing
        self.civo_conn_id = civo_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Delete the credential."""
        self.read_arguments()
        hook = self.hook
        credential = _find(hook, self.credential)
        if credential is None and self.if_missing == "fail":
            raise credential_not_found(self.credential)
        if credential is None:
            self.log.info("Credential %s does not exist, nothing to delete (%s)", self.credential, self.where)
            return
        try:
            hook.delete_credential(credential.id)
        except ApiError as error:
            raise _naming_stores(hook, credential, error) from error.__cause__
        self.log.info("Deleted credential %s (id %s; %s)", credential.name, credential.id, self.where)


def _naming_stores(hook: CivoObjectStoreHook, credential: Credential, error: ApiError) -> ApiError:
    """Return a refusal to delete a credential with the object stores that it owns, which the service may not tell."""
    if error.status not in (400, 403, 409, 422):
        return error
    try:
        names = [store.name for store in hook.list_object_stores() if owns(credential, store)]
    except ObjectStoreError:
        return error
    if not names:
        return error
    owned = read.shortened(", ".join(names), 200)
    return error.prefixed(
        f"credential {credential.name} owns {len(names)} object stores, {owned}: delete them, or give them another "
        "owner with CivoUpdateObjectStoreOperator, before the credential is deleted. "
    )


def publish(
    hook: CivoObjectStoreHook, credential: Credential, publishers: Sequence[Publisher], *, owns_stores: bool = True
) -> None:
    """
    Publish a credential to every publisher and verify each.

    :param owns_stores: False for a new credential: then its stores are not looked for.
    :raises ObjectStoreError: if it has no keys yet. An empty key is published nowhere.
    """
    from airflow_provider_objectstore.publishers.options import published_options

    if not publishers:
        return
    options = published_options(hook, credential, _stores_of(hook, credential, publishers) if owns_stores else ())
    for publisher in publishers:
        publisher.publish(options)
        publisher.verify(options)
        log.info("Published credential %s to %s", credential.name, publisher)


def _stores_of(
    hook: CivoObjectStoreHook, credential: Credential, publishers: Sequence[Publisher]
) -> Sequence[ObjectStore]:
    """Return the stores that a credential owns, or has access to since the rotation that has published it."""
    from airflow_provider_objectstore.rotation.state import owned_stores

    try:
        stores = list(hook.list_object_stores())
        credentials = [] if is_original(credential.name) else list(hook.list_credentials())
    except ObjectStoreError as error:
        raise error.prefixed(f"looking for the object stores of credential {credential.name}: ") from error.__cause__
    if credentials and _newest_published(hook, [credential], credentials, stores, publishers):
        return owned_stores(members_of(credential.name, credentials), stores)
    return owned_stores([credential], stores)


def _newest_published(
    hook: CivoObjectStoreHook,
    wanted: Sequence[Credential],
    credentials: Sequence[Credential],
    stores: Sequence[ObjectStore],
    publishers: Sequence[Publisher],
) -> Credential | None:
    if not publishers or not wanted:
        return None
    from airflow_provider_objectstore.rotation.publish import newest_published
    from airflow_provider_objectstore.rotation.state import owned_stores

    shared = owned_stores(members_of(wanted[0].name, credentials), stores)
    return newest_published(hook, wanted, shared, publishers)


def _find(hook: CivoObjectStoreHook, wanted: str) -> Credential | None:
    """
    Find a credential by its exact id, access key or name.

    :raises ConflictError: if a rotation has replaced it: what is asked for one that is gone is meant for the other.
    """
    credential = hook.find_credential(wanted)
    if credential is None and (successors := successors_of(wanted, _list_for(hook, wanted))):
        raise ConflictError(
            f"there is no credential {wanted!r} any more: rotations have replaced it by "
            f"{', '.join(f'{one.name} (id {one.id})' for one in successors)}. Nothing is changed: name the one that is "
            "meant, by its name or id"
        )
    return credential


def _list_for(hook: CivoObjectStoreHook, wanted: str) -> list[Credential]:
    try:
        return list(hook.list_credentials())
    except ObjectStoreError as error:
        raise error.prefixed(f"looking for credential {wanted!r}: ") from error.__cause__


def _xcom(credential: Credential) -> dict[str, Any]:
    return {"id": credential.id, "name": credential.name, "access_key_id": credential.access_key_id}
