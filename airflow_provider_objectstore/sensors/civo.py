"""Sensors for Civo object stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.operators.base import CivoOperator
from airflow_provider_objectstore.sensors.polling import BasePollingSensor

if TYPE_CHECKING:
    from airflow_provider_objectstore.triggers.polling import PollingTrigger


class CivoObjectStoreSensor(CivoOperator, BasePollingSensor):
    """
    Waits until an object store exists and is ready. If the object store has failed, the task fails at once.

    XCom: the object store, as plain data without secrets.

    :param object_store: exact name or id of the object store.
    :param civo_conn_id: id of a ``civo`` connection.
    :param region: code of a region, such as ``LON1``, instead of the connection's. None means the connection's; an
        empty text is an error.
    :param deferrable: wait in the triggerer, which takes no worker. By default Airflow's setting
        ``[operators] default_deferrable``, or True with ``start_from_trigger`` or ``end_from_trigger``. A worker polls
        once before.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: time after which the task fails: seconds, a ``timedelta`` or an ISO 8601 duration. By default
        Airflow's setting ``[sensors] default_timeout``, which is 7 days.
    :param exponential_backoff: wait longer from poll to poll, deferred or not.
    :param max_wait: the longest time between two polls with ``exponential_backoff``: seconds, a ``timedelta`` or an
        ISO 8601 duration. None means no limit.
    :param max_consecutive_errors: how many transient errors in a row are tolerated (no response, 429, 5xx). Other
        errors fail the task at once, without a retry. In reschedule mode each poll counts anew.
    :param soft_fail: skip the task instead of failing it.
    :param start_from_trigger: start in the triggerer, without a worker. This needs Airflow 3.3, a task that is not
        mapped, and templates without XComs, connections and variables. Otherwise the task starts on a worker and logs
        why.
    :param end_from_trigger: succeed in the triggerer, without a worker. This needs ``do_xcom_push=False`` and a task
        without outlets, because only a worker stores XComs and asset events correctly. Otherwise the task ends on a
        worker and logs why. Failures, skips and time-outs always end on a worker.
    :param kwargs: the parameters of Airflow's ``BaseSensorOperator``, such as ``task_id``, ``mode`` and ``retries``.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store")
    arguments: ClassVar[Mapping[str, read.Reader]] = {**CivoOperator.arguments, "object_store": read.name}

    def __init__(
        self,
        *,
        object_store: str,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 60,
        timeout: read.Duration | None = None,
        exponential_backoff: bool = False,
        max_wait: read.Duration | None = None,
        max_consecutive_errors: int = 5,
        soft_fail: bool = False,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            civo_conn_id=civo_conn_id,
            region=region,
            deferrable=deferrable,
            poke_interval=poke_interval,
            timeout=timeout,
            exponential_backoff=exponential_backoff,
            max_wait=max_wait,
            max_consecutive_errors=max_consecutive_errors,
            soft_fail=soft_fail,
            start_from_trigger=start_from_trigger,
            end_from_trigger=end_from_trigger,
            **kwargs,
        )
        self.object_store = object_store

    def build_trigger(self, **common: Any) -> PollingTrigger:
        """Return the trigger that polls for the object store."""
        from airflow_provider_objectstore.triggers.conditions import CivoObjectStoreTrigger

        return CivoObjectStoreTrigger(
            civo_conn_id=self.civo_conn_id, region=self.region, object_store=self.object_store, **common
        )


class CivoUsageSensor(CivoOperator, BasePollingSensor):
    """
    Waits until a share of an object store, or of the account's quota, is used.

    A use that the service does not tell is an error. A missing object store is one, too: it has no use to wait for.

    XCom: the use, with ``share``.

    :param object_store: exact name or id of the object store. Left out: the account's quota, which counts the sizes of
        the object stores, not what is in them.
    :param share: the share to wait for, above 0 and at most 1: 0.8 is 80 %.
    :param civo_conn_id: id of a ``civo`` connection.
    :param region: code of a region, such as ``LON1``, instead of the connection's. None means the connection's; an
        empty text is an error.
    :param deferrable: wait in the triggerer, which takes no worker. By default Airflow's setting
        ``[operators] default_deferrable``, or True with ``start_from_trigger`` or ``end_from_trigger``. A worker polls
        once before.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: time after which the task fails: seconds, a ``timedelta`` or an ISO 8601 duration. By default
        Airflow's setting ``[sensors] default_timeout``, which is 7 days.
    :param exponential_backoff: wait longer from poll to poll, deferred or not.
    :param max_wait: the longest time between two polls with ``exponential_backoff``: seconds, a ``timedelta`` or an
        ISO 8601 duration. None means no limit.
    :param max_consecutive_errors: how many transient errors in a row are tolerated (no response, 429, 5xx). Other
        errors fail the task at once, without a retry. In reschedule mode each poll counts anew.
    :param soft_fail: skip the task instead of failing it.
    :param start_from_trigger: start in the triggerer, without a worker. This needs Airflow 3.3, a task that is not
        mapped, and templates without XComs, connections and variables. Otherwise the task starts on a worker and logs
        why.
    :param end_from_trigger: succeed in the triggerer, without a worker. This needs ``do_xcom_push=False`` and a task
        without outlets, because only a worker stores XComs and asset events correctly. Otherwise the task ends on a
        worker and logs why. Failures, skips and time-outs always end on a worker.
    :param kwargs: the parameters of Airflow's ``BaseSensorOperator``, such as ``task_id``, ``mode`` and ``retries``.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store", "share")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "object_store": read.optional(read.name),
        "share": read.share,
    }

    def __init__(
        self,
        *,
        object_store: str | None = None,
        share: float | str = 0.8,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 60,
        timeout: read.Duration | None = None,
        exponential_backoff: bool = False,
        max_wait: read.Duration | None = None,
        max_consecutive_errors: int = 5,
        soft_fail: bool = False,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            civo_conn_id=civo_conn_id,
            region=region,
            deferrable=deferrable,
            poke_interval=poke_interval,
            timeout=timeout,
            exponential_backoff=exponential_backoff,
            max_wait=max_wait,
            max_consecutive_errors=max_consecutive_errors,
            soft_fail=soft_fail,
            start_from_trigger=start_from_trigger,
            end_from_trigger=end_from_trigger,
            **kwargs,
        )
        self.object_store = object_store
        self.share: Any = share

    def build_trigger(self, **common: Any) -> PollingTrigger:
        """Return the trigger that polls the use."""
        from airflow_provider_objectstore.triggers.conditions import CivoUsageTrigger

        return CivoUsageTrigger(
            civo_conn_id=self.civo_conn_id,
            region=self.region,
            object_store=self.object_store,
            share=self.share,
            **common,
        )
