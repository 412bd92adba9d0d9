"""DAGs that events start."""

from __future__ import annotations

import os
import time
from typing import Any

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher, task
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from tests.distributed.plain_trigger import BurstTrigger

START: dict[str, Any] = {"start_date": pendulum.datetime(2026, 1, 1, tz="UTC"), "catchup": False}


def asset(name: str, trigger: BaseEventTrigger) -> Asset:
    return Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])


def keys_with(prefix: str) -> AnypointKeyEventTrigger:
    return AnypointKeyEventTrigger("events", "p", begins_with=prefix, poke_interval=2)


with DAG("plain", schedule=[asset("plain", BurstTrigger(os.environ["BURSTS"]))], max_active_runs=100, **START):
    EmptyOperator(task_id="nothing")

with DAG("keys", schedule=[asset("keys", keys_with("k/"))], **START):

    @task
    def changed(triggering_asset_events: Any = None) -> list[str]:
        """Return the keys that changed."""
        events = [event for events in triggering_asset_events.values() for event in events]
        return [key for event in events for key in event.extra["payload"]["keys"]]

    changed()

with DAG("siblings", schedule=asset("left", keys_with("s/l")) | asset("right", keys_with("s/r")), **START):
    EmptyOperator(task_id="nothing")

slow = asset("slow", keys_with("w/"))

with DAG("slow", schedule=[slow], max_active_runs=1, **START):

    @task
    def work() -> None:
        """Take longer than it takes until the next two events come."""
        time.sleep(40)

    work()

with DAG("sweep", schedule=None, **START):
    EmptyOperator(task_id="sweep", outlets=[slow])
