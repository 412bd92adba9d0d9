"""Operators for Anypoint Object Store v2: stores, and the keys' operators from ``anypoint_keys``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.anypoint.building import store_body
from airflow_provider_objectstore.api.anypoint.models import unequal_members
from airflow_provider_objectstore.api.anypoint.values import ttl_seconds
from airflow_provider_objectstore.exceptions import ConflictError, NotFoundError, ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.lineage import DataObject, LineageMixin
from airflow_provider_objectstore.operators.anypoint_keys import (
    AnypointDeleteKeyOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
    IfMissing,
)
from airflow_provider_objectstore.operators.base import AnypointOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.anypoint.models import Store
    from airflow_provider_objectstore.api.anypoint.values import Ttl
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

__all__ = [
    "AnypointCreateStoreOperator",
    "AnypointDeleteKeyOperator",
    "AnypointDeleteStoreOperator",
    "AnypointGetKeyOperator",
    "AnypointPutKeyOperator",
    "AnypointUpdateStoreOperator",
]

IfExists: TypeAlias = Literal["skip", "update", "fail"]

STORE_ATTRIBUTES = ("default_ttl", "default_confirmation_ttl", "encrypted", "attributes")


def _ttl(what: str, value: Any) -> int:
    return ttl_seconds(value, what)


class _StoreOperator(AnypointOperator):
    """Base of the operators that set a store's attributes."""

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", *STORE_ATTRIBUTES)
    template_fields_renderers: ClassVar[dict[str, str]] = {"attributes": "json"}
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "default_ttl": read.optional(_ttl),
        "default_confirmation_ttl": read.optional(_ttl),
        "encrypted": read.optional(read.flag),
        "attributes": read.optional(read.mapping),
    }
    store_id: str
    default_ttl: Any
    default_confirmation_ttl: Any
    encrypted: Any
    attributes: Mapping[str, Any] | None

    def _attributes(self) -> dict[str, Any]:
        """
        Return the attributes to set, as keywords of the hook's methods.

        :raises InvalidArgumentError: if no request can have them together.
        """
        attributes = {name: getattr(self, name) for name in STORE_ATTRIBUTES}
        with self.naming_task():
            store_body(self.store_id, **attributes)
        return attributes

    def _compare(self, store: Store) -> tuple[str, list[str]]:
        """
        Compare a store with this task's attributes.

        :return: what differs, in words, and the names of those that the service does not return.
        """
        pairs = {
            "default_ttl": (self.default_ttl, store.default_ttl_seconds),
            "default_confirmation_ttl": (self.default_confirmation_ttl, store.default_confirmation_ttl_seconds),
            "encrypted": (self.encrypted, store.encrypted),
        }
        differing, unverified = unequal_members(self.attributes or {}, store)
        for name, (wanted, actual) in pairs.items():
            if wanted is not None and actual is None:
                unverified.append(name)
            elif wanted not in (None, actual):
                differing[name] = wanted, actual
        words = (f"{name} is {actual} instead of {wanted}" for name, (wanted, actual) in differing.items())
        return ", ".join(words), unverified

    def _read_back(self, hook: AnypointObjectStoreHook) -> dict[str, Any]:
        """
        Return the store as plain data, read again.

        :raises ObjectStoreError: if the service accepted the attributes and did not set them.
        """
        store = hook.get_store(self.store_id)
        differences, unverified = self._compare(store)
        if differences:
            raise ObjectStoreError(f"the service accepted the attributes of store {self.store_id}, but {differences}")
        if unverified:
            self.log.warning(
                "The service accepted these attributes of store %r, and does not return whether it has set them: %s",
                self.store_id,
                ", ".join(unverified),
            )
        return asdict(store)


class AnypointCreateStoreOperator(_StoreOperator):
    """
    Create a store; ``PUT /stores/{store_id}``.

    XCom: the store, as plain data.

    :param store_id: the store's id.
    :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days. Left
        out, the service's default applies.
    :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, in the same forms.
        Left out, the service's default applies.
    :param encrypted: whether values are encrypted at rest. Left out, the service's default applies.
    :param attributes: further members of the request's body, sent unchanged; none that another argument sets.
    :param if_exists: ``skip`` leaves an existing store unchanged, with a warning if its attributes differ from this
        task's; ``update`` sets the attributes given here; ``fail`` fails.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*_StoreOperator.template_fields, "if_exists")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_StoreOperator.arguments,
        "if_exists": read.choice(*get_args(IfExists)),
    }

    def __init__(
        self,
        *,
        store_id: str,
        default_ttl: Ttl | None = None,
        default_confirmation_ttl: Ttl | None = None,
        encrypted: bool | str | None = None,
        attributes: Mapping[str, Any] | None = None,
        if_exists: IfExists = "skip",
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.default_ttl = default_ttl
        self.default_confirmation_ttl = default_confirmation_ttl
        self.encrypted = encrypted
        self.attributes = attributes
        self.if_exists = if_exists
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the store, or handle the existing one as ``if_exists`` requires."""
        self.read_arguments()
        attributes, hook = self._attributes(), self.hook
        try:
            store = hook.get_store(self.store_id)
        except NotFoundError:
            hook.create_store(self.store_id, **attributes)
            self.log.info("Created store %r (%s)", self.store_id, self.where)
            return self._read_back(hook)
        if self.if_exists == "fail":
            raise ConflictError(
                f"store {self.store_id} already exists; if_exists='skip' or 'update' accepts an existing store"
            )
        if self.if_exists == "update":
            hook.update_store(self.store_id, **attributes)
            self.log.info("Updated the existing store %r (%s)", self.store_id, self.where)
            return self._read_back(hook)
        self.log.info("Store %r already exists, left unchanged (%s)", self.store_id, self.where)
        differences, _ = self._compare(store)
        if differences:
            self.log.warning(
                "Store %r differs from this task's arguments: %s. if_exists='update' would set them",
                self.store_id,
                differences,
            )
        return asdict(store)


class AnypointUpdateStoreOperator(_StoreOperator):
    """
    Set attributes of a store; ``PATCH /stores/{store_id}``. Attributes that are left out do not change.

    XCom: the store, as plain data.

    :param store_id: the store's id.
    :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
    :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, in the same forms.
    :param encrypted: whether values are encrypted at rest.
    :param attributes: further members of the request's body, sent unchanged; none that another argument sets.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    def __init__(
        self,
        *,
        store_id: str,
        default_ttl: Ttl | None = None,
        default_confirmation_ttl: Ttl | None = None,
        encrypted: bool | str | None = None,
        attributes: Mapping[str, Any] | None = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.default_ttl = default_ttl
        self.default_confirmation_ttl = default_confirmation_ttl
        self.encrypted = encrypted
        self.attributes = attributes
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def execute(self, context: Context) -> dict[str, Any]:
        """Set the attributes and read the store back."""
        self.read_arguments()
        attributes, hook = self._attributes(), self.hook
        hook.update_store(self.store_id, **attributes)
        self.log.info("Updated store %r (%s)", self.store_id, self.where)
        return self._read_back(hook)


class AnypointDeleteStoreOperator(LineageMixin, AnypointOperator):
    """
    Delete a store with all its partitions; ``DELETE /stores/{store_id}``.

    A running Mule application that uses the store breaks.

    :param store_id: the store's id.
    :param if_missing: ``skip`` treats a missing store as deleted, ``fail`` fails.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "if_missing")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "if_missing": read.choice(*get_args(IfMissing)),
    }

    def __init__(
        self,
        *,
        store_id: str,
        if_missing: IfMissing = "skip",
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.if_missing = if_missing
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Delete the store."""
        self.read_arguments()
        try:
            self.hook.delete_store(self.store_id)
        except StoreNotFoundError:  # of the environment: nothing is said about the store
            raise
        except NotFoundError:
            if self.if_missing == "fail":
                raise
            self.log.info("Store %r does not exist, nothing to delete (%s)", self.store_id, self.where)
        else:
            self._record_lineage(outputs=[DataObject(self.hook, (self.store_id,), deleted=True)])
            self.log.info("Deleted store %r (%s)", self.store_id, self.where)
