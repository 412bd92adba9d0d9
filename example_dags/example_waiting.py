"""
Waiting for keys, in two ways.

``example_waiting`` waits inside a run: a sensor waits in the triggerer, without a worker, until every region has
delivered. ``example_waiting_event`` waits without a run: Airflow starts it when the last key that the first DAG writes
appears or changes.

A watcher works only while its DAG is not paused. Keys that exist at its first poll start nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, get_current_context, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator, AnypointPutKeyOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger

STORE = "deliveries"
PARTITION = "regions"
REGIONS = ["north", "south", "west"]
COMPLETE = "complete"

with DAG(
    dag_id="example_waiting",
    description="Waits until every region has delivered",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl="P1D")

    # [START wait_for_keys]
    all_delivered = AnypointKeySensor(
        task_id="all_delivered",
        store_id=STORE,
        partition=PARTITION,
        keys=[f"{{{{ run_id }}}}/{region}" for region in REGIONS],
        poke_interval=1,
        timeout=600,
        deferrable=True,
    )

    @task(map_index_template="{{ region }}")
    def deliver(region: str) -> None:
        """Write the key of a region."""
        context: Any = get_current_context()
        context["region"] = region
        AnypointObjectStoreHook().put_key(STORE, PARTITION, f"{context['run_id']}/{region}", 100)

    # [END wait_for_keys]

    complete = AnypointPutKeyOperator(
        task_id="complete", store_id=STORE, partition=PARTITION, key=COMPLETE, value="{{ run_id }}"
    )
    create_store >> [all_delivered, deliver.expand(region=REGIONS)]
    all_delivered >> complete

# [START watch_key]
delivered = Asset(
    "deliveries_complete",
    watchers=[
        AssetWatcher(
            name="complete_key",
            trigger=AnypointKeyEventTrigger(STORE, PARTITION, keys=COMPLETE, poke_interval=2),
        )
    ],
)

with DAG(
    dag_id="example_waiting_event",
    description="Starts when every region has delivered",
    schedule=[delivered],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=False,
    tags=["example", "objectstore"],
):

    @task
    def count(triggering_asset_events: Any = None) -> int:
        """Add up the deliveries of the finished runs; one run of this DAG may be for several events."""
        payloads = [event.extra["payload"] for events in triggering_asset_events.values() for event in events]
        state = AnypointObjectStoreHook().partition(STORE, PARTITION)
        finished = {state[key] for payload in payloads for key in payload["keys"]}
        total = sum(int(state[f"{run}/{region}"]) for run in finished for region in REGIONS)
        print(f"{total} delivered in {finished}")
        return total

    count()
# [END watch_key]
