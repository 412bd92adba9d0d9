"""Operators for Anypoint Object Store v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.bases import AnypointOperator
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.values import Ttl


class AnypointCreateStoreOperator(AnypointOperator):
    """
    Creates a store.

    XCom: the store, as plain data.

    :param store_id: its id.
    :param default_ttl: how long values live: seconds, a ``timedelta`` or an ISO 8601 duration; at most 30 days.
    :param default_confirmation_ttl: how long a confirmable operation waits for its confirmation, likewise.
    :param encrypted: whether values are encrypted at rest.
    :param attributes: further members of the request's body, sent as they are.
    :param if_exists: ``skip`` leaves a store that is there as it is, ``update`` sets the attributes given here,
        ``fail`` fails.
    """

    template_fields: Sequence[str] = (
        *AnypointOperator.template_fields,
        "store_id",
        "default_ttl",
        "default_confirmation_ttl",
        "encrypted",
        "attributes",
        "if_exists",
    )

    def __init__(
        self,
        *,
        store_id: str,
        default_ttl: Ttl | None = None,
        default_confirmation_ttl: Ttl | None = None,
        encrypted: bool | None = None,
        attributes: Mapping[str, Any] | None = None,
        if_exists: str = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.default_ttl = default_ttl
        self.default_confirmation_ttl = default_confirmation_ttl
        self.encrypted = encrypted
        self.attributes = attributes
        self.if_exists = if_exists

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the store."""
        if self.if_exists not in ("skip", "update", "fail"):
            raise InvalidArgumentError(f"if_exists must be 'skip', 'update' or 'fail', not {self.if_exists!r}")
        hook = self.hook
        wanted: dict[str, Any] = {
            "default_ttl": self.default_ttl,
            "default_confirmation_ttl": self.default_confirmation_ttl,
            "encrypted": self.encrypted,
            "attributes": self.attributes,
        }
        try:
            store = hook.get_store(self.store_id)
        except NotFoundError:
            hook.create_store(self.store_id, **wanted)
            self.log.info("Created store %s", self.store_id)
            return asdict(hook.get_store(self.store_id))
        if self.if_exists == "fail":
            raise ConflictError(
                f"store {self.store_id} exists already; with if_exists='skip' or 'update' that is no failure"
            )
        if self.if_exists == "update":
            hook.update_store(self.store_id, **wanted)
            self.log.info("Store %s was there; its attributes are set", self.store_id)
            return asdict(hook.get_store(self.store_id))
        self.log.info("Store %s was there; left as it is", self.store_id)
        return asdict(store)
