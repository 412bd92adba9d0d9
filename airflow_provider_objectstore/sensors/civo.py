"""Sensors for Civo object stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.bases import CivoOperator
from airflow_provider_objectstore.sensors.base import WaitSensor

if TYPE_CHECKING:
    from airflow_provider_objectstore.triggers.poll import PollTrigger


class CivoObjectStoreSensor(CivoOperator, WaitSensor):
    """
    Waits until an object store exists and is ready. One that has failed fails the task at once.

    XCom: the store, as plain data without secrets.

    :param object_store: its exact name or id.
    """

    template_fields: Sequence[str] = (*CivoOperator.template_fields, "object_store")
    arguments: ClassVar[Mapping[str, read.Reader]] = {**CivoOperator.arguments, "object_store": read.name}

    def __init__(self, *, object_store: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.object_store = object_store
        self.check_arguments()
        self.offer_start_from_trigger()

    def new_wait(self, **common: Any) -> PollTrigger:
        from airflow_provider_objectstore.triggers.waits import ObjectStoreTrigger

        return ObjectStoreTrigger(
            civo_conn_id=self.civo_conn_id, region=self.region, object_store=self.object_store, **common
        )
