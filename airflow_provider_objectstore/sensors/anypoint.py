"""Sensors for Anypoint Object Store v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.operators.base import AnypointOperator
from airflow_provider_objectstore.sensors.polling import BasePollingSensor

if TYPE_CHECKING:
    from airflow_provider_objectstore.triggers.polling import PollingTrigger


class AnypointKeySensor(AnypointOperator, BasePollingSensor):
    """
    Waits for keys of a partition.

    It sends HEAD requests, which transfer no value, and only for keys that are still missing. Store and partition need
    not exist yet.

    XCom: the list of keys that were found, in the order in which they are given.

    :param store_id: id of the store.
    :param partition: name of the partition.
    :param keys: a key, or a list of keys.
    :param require: wait for ``all`` of the keys or for ``any``.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region, such as ``eu-west-1``, instead of the connection's. None means the connection's; an
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

    template_fields: Sequence[str] = (
        *AnypointOperator.template_fields,
        "store_id",
        "partition",
        "keys",
        "require",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "partition": read.name,
        "keys": read.name_or_names,
        "require": read.choice("all", "any"),
    }

    def __init__(
        self,
        *,
        store_id: str,
        partition: str,
        keys: str | Sequence[str],
        require: Literal["all", "any"] = "all",
        anypoint_conn_id: str = "anypoint_default",
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
            anypoint_conn_id=anypoint_conn_id,
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
        self.store_id = store_id
        self.partition = partition
        self.keys = keys
        self.require = require

    def build_trigger(self, **common: Any) -> PollingTrigger:
        """Return the trigger that polls for the keys."""
        from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger

        return AnypointKeyTrigger(
            anypoint_conn_id=self.anypoint_conn_id,
            region=self.region,
            store_id=self.store_id,
            partition=self.partition,
            keys=self.keys,
            require=self.require,
            **common,
        )


class AnypointPartitionSensor(AnypointOperator, BasePollingSensor):
    """
    Waits until a partition exists, which is when its first key is stored.

    It sends HEAD requests. The store need not exist yet.

    XCom: the partition's name.

    :param store_id: id of the store.
    :param partition: name of the partition.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region, such as ``eu-west-1``, instead of the connection's. None means the connection's; an
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

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "partition")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "partition": read.name,
    }

    def __init__(
        self,
        *,
        store_id: str,
        partition: str,
        anypoint_conn_id: str = "anypoint_default",
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
            anypoint_conn_id=anypoint_conn_id,
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
        self.store_id = store_id
        self.partition = partition

    def build_trigger(self, **common: Any) -> PollingTrigger:
        """Return the trigger that polls for the partition."""
        from airflow_provider_objectstore.triggers.conditions import AnypointPartitionTrigger

        return AnypointPartitionTrigger(
            anypoint_conn_id=self.anypoint_conn_id,
            region=self.region,
            store_id=self.store_id,
            partition=self.partition,
            **common,
        )
