"""Bases of the operators for one Civo object store, with the wait until it is ready."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.assets import emit_asset_events
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.lineage import DataObject, LineageMixin
from airflow_provider_objectstore.operators.base import CivoOperator, default_deferrable

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.civo.models import ObjectStore


class ObjectStoreOperator(LineageMixin, CivoOperator):
    """
    Base of the operators that work on one object store.

    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    def _emit_asset_events(self, context: Context, operation: str, store: Mapping[str, Any]) -> None:
        """Emit this task's asset events for the object store, and record its lineage."""
        deleted = operation == "delete_object_store"
        self._record_lineage(outputs=[DataObject(self.hook, (store["name"],), deleted)])
        event = {"operation": operation, "name": store["name"], "id": store["id"]}
        emit_asset_events(self.outlets, context, lambda: self.hook.asset(store["name"]), event)


class CivoWaitingOperator(ObjectStoreOperator):
    """
    Base of the operators that wait until an object store is ready.

    :param deferrable: wait in the triggerer, which takes no worker slot. Left out, Airflow's setting ``[operators]
        default_deferrable`` decides.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: longest time to wait, in the same forms. Then the task fails.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "poke_interval", "timeout")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "deferrable": read.flag,
        "poke_interval": read.seconds,
        "timeout": read.seconds,
    }

    def __init__(
        self,
        *,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 5,
        timeout: read.Duration = 1800,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(civo_conn_id=civo_conn_id, region=region, **kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.poke_interval: Any = poke_interval
        self.timeout: Any = timeout

    @property
    @abstractmethod
    def _store_name(self) -> str:
        """The object store, as this task's arguments name it."""

    @abstractmethod
    def _complete(self, context: Context, store: dict[str, Any]) -> dict[str, Any]:
        """Do what is left once the object store is ready; return the XCom."""

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the triggerer; say what was not ready in time."""
        from airflow_provider_objectstore.compat.triggerer import deferral_timeout

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except deferral_timeout() as error:
            self.read_arguments()
            raise self._not_ready() from error.__cause__

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the object store that the trigger found ready."""
        return self._complete(context, self._ready_store(event))

    def _ready_store(self, event: Mapping[str, Any] | None) -> dict[str, Any]:
        from airflow_provider_objectstore.triggers.polling import validate_event

        with self._naming_store():
            store = validate_event(event)
        if not isinstance(store, dict):
            raise ObjectStoreError(
                f"the trigger sent an event that cannot be understood: {event!r}. Run this task again"
            )
        return store

    def _wait(
        self,
        store: ObjectStore,
        min_size_gb: int | None = None,
        *,
        deferrable: bool,
        then: str = "execute_complete",
    ) -> dict[str, Any]:
        """
        Wait until the object store is ready and has a size, in the triggerer or here.

        :param store: the object store.
        :param min_size_gb: the size in GB that it must have; None for any.
        :param deferrable: whether to wait in the triggerer.
        :param then: the method that goes on after the triggerer.
        :raises ObjectStoreError: if that takes too long, or the service reports that it failed.
        """
        from airflow_provider_objectstore.triggers.conditions import CivoObjectStoreTrigger

        trigger = CivoObjectStoreTrigger(
            civo_conn_id=self.civo_conn_id,
            region=self.region,
            object_store=store.id,
            min_size_gb=min_size_gb,
            poke_interval=self.poke_interval,
            timeout=self.timeout,
        )
        self.log.info(
            "Waiting until object store %s is ready; its status is %s: a poll every %g s, for at most %g s [%s]",
            store.name,
            store.status or "unknown",
            self.poke_interval,
            self.timeout,
            self.where,
        )
        if deferrable:
            self.defer(trigger=trigger, method_name=then, timeout=timedelta(seconds=self.timeout))
        with self._naming_store(), self.hook.client(ends=time.monotonic() + self.timeout) as client:
            ready: dict[str, Any] | None = client.run(trigger.poll(self.timeout))
        if ready is None:
            raise self._not_ready(min_size_gb)
        return ready

    @contextmanager
    def _naming_store(self) -> Iterator[None]:
        """Say in an error of the wait which object store there is: requests for it know its id only."""
        try:
            yield
        except ObjectStoreError as error:
            there = f"object store {self._store_name} exists, but waiting until it is ready failed: "
            raise error.prefixed(there) from error.__cause__

    def _not_ready(self, min_size_gb: int | None = None) -> ObjectStoreError:
        size = f" with {min_size_gb} GB" if min_size_gb else ""
        return ObjectStoreError(
            f"object store {self._store_name} was not ready{size} after {self.timeout:g} s. It exists and may still "
            f"become ready: run this task again, or wait for it with CivoObjectStoreSensor [{self.where}]"
        )
