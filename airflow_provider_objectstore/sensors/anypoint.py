"""Sensors for Anypoint Object Store v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.bases import AnypointOperator
from airflow_provider_objectstore.sensors.base import WaitSensor

if TYPE_CHECKING:
    from airflow_provider_objectstore.triggers.poll import PollTrigger


class AnypointKeySensor(AnypointOperator, WaitSensor):
    """
    Waits for keys of a partition. It asks with HEAD, which transfers no value, and only for those still missing.

    XCom: the list of keys that were found.

    :param store_id: the store.
    :param partition: the partition; it need not exist yet.
    :param keys: a key, or a list of keys.
    :param require: ``all`` of them or ``any``.
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
        "keys": read.one_or_several,
        "require": read.choice("all", "any"),
    }

    def __init__(
        self, *, store_id: str, partition: str, keys: str | Sequence[str], require: str = "all", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.partition = partition
        self.keys = keys
        self.require = require
        self.check_arguments()
        self.offer_start_from_trigger()

    def new_wait(self, **common: Any) -> PollTrigger:
        from airflow_provider_objectstore.triggers.waits import KeysTrigger

        return KeysTrigger(
            anypoint_conn_id=self.anypoint_conn_id,
            region=self.region,
            store_id=self.store_id,
            partition=self.partition,
            keys=self.keys,
            require=self.require,
            **common,
        )


class AnypointPartitionSensor(AnypointOperator, WaitSensor):
    """
    Waits until a partition exists, which is when a first key is stored in it. It asks with HEAD.

    XCom: the partition's name.

    :param store_id: the store.
    :param partition: the partition.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "partition")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "partition": read.name,
    }

    def __init__(self, *, store_id: str, partition: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.partition = partition
        self.check_arguments()
        self.offer_start_from_trigger()

    def new_wait(self, **common: Any) -> PollTrigger:
        from airflow_provider_objectstore.triggers.waits import PartitionTrigger

        return PartitionTrigger(
            anypoint_conn_id=self.anypoint_conn_id,
            region=self.region,
            store_id=self.store_id,
            partition=self.partition,
            **common,
        )
