"""Runs the DAG as ``airflow dags test`` does: all tasks in this process, against the emulator of both services."""

from __future__ import annotations

# [START run]
import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger

BATCH = "2026-11-26"


@pytest.fixture
def run(airflow_database: None, objectstore: Emulator) -> Callable[[], str]:
    """Return a function that runs the DAG for the batch, and returns the run's state."""
    from orders import dag

    return lambda: str(dag.test(run_conf={"batch": BATCH}).state)
    # [END run]


# [START first]
def test_a_batch_is_loaded_and_emptied(run: Callable[[], str], objectstore: Emulator) -> None:
    objectstore.seed(
        stores={"orders": {BATCH: {"order-1": 20, "order-2": 35}, "complete": {BATCH: "yes"}}},
        buckets={"reports": {}},
    )

    assert run() == "success"

    assert objectstore.objects("reports") == {f"{BATCH}.csv": b"order-1,20\norder-2,35"}
    assert objectstore.values("orders") == {"complete": {BATCH: "yes"}, "loaded": {BATCH: 2}}
    # [END first]


# [START wait]
def test_it_waits_for_the_batch(run: Callable[[], str], objectstore: Emulator) -> None:
    objectstore.seed(stores={"orders": {BATCH: {"order-1": 20}}}, buckets={"reports": {}})

    def complete_the_batch_once_it_is_missed() -> None:
        while not objectstore.log("anypoint.key_exists"):
            time.sleep(0.1)
        objectstore.seed(stores={"orders": {"complete": {BATCH: "yes"}}})

    application = threading.Thread(target=complete_the_batch_once_it_is_missed)
    application.start()
    assert run() == "success"
    application.join()

    looks = [request["status"] for request in objectstore.log("anypoint.key_exists")]
    assert (looks[0], looks[-1]) == (404, 204)
    # [END wait]


# [START faults]
def test_a_service_that_fails_once_is_asked_again(run: Callable[[], str], objectstore: Emulator) -> None:
    objectstore.seed(stores={"orders": {BATCH: {"order-1": 20}, "complete": {BATCH: "yes"}}}, buckets={"reports": {}})
    objectstore.faults([{"operation": "anypoint.list_keys", "kind": "status", "status": 503, "times": 1}])

    assert run() == "success"

    assert [request["status"] for request in objectstore.log("anypoint.list_keys")] == [503, 200]


def test_a_batch_that_cannot_be_read_stays(run: Callable[[], str], objectstore: Emulator) -> None:
    stores = {"orders": {BATCH: {"order-1": 20}, "complete": {BATCH: "yes"}}}
    objectstore.seed(stores=stores, buckets={"reports": {}})
    objectstore.faults([{"operation": "anypoint.list_keys", "kind": "status", "status": 403}])

    assert run() == "failed"

    assert objectstore.values("orders") == stores["orders"]
    # [END faults]


# [START clock]
def test_a_checkpoint_lives_for_thirty_days(run: Callable[[], str], objectstore: Emulator) -> None:
    """Object Store v2 keeps no value for longer: then the batch would be loaded once more."""
    batch = {"orders": {BATCH: {"order-1": 20}, "complete": {BATCH: "yes"}}}
    objectstore.seed(stores={"orders": {"loaded": {BATCH: 1}}}, buckets={"reports": {}})

    objectstore.seed(stores=batch)
    assert run() == "success"
    assert objectstore.objects("reports") == {}

    objectstore.advance(timedelta(days=31))
    objectstore.seed(stores=batch)
    assert run() == "success"
    assert objectstore.objects("reports") == {f"{BATCH}.csv": b"order-1,20"}
    # [END clock]


# [START trigger]
async def test_the_trigger_fires_once_the_key_is_there(objectstore: Emulator) -> None:
    """What the triggerer runs while the task is deferred."""
    objectstore.seed(stores={"orders": {}})
    trigger = AnypointKeyTrigger(
        anypoint_conn_id="anypoint_default", store_id="orders", partition="complete", keys=BATCH, poke_interval=1
    )

    event = asyncio.create_task(anext(trigger.run()))
    while not objectstore.log("anypoint.key_exists"):
        await asyncio.sleep(0.05)
    assert not event.done()

    objectstore.seed(stores={"orders": {"complete": {BATCH: "yes"}}})
    assert (await event).payload["result"] == [BATCH]
    # [END trigger]
