"""
Work items that are read confirmably.

**Built on an assumption.** The contract of Object Store v2 has confirmable operations. It does not document where a
response holds the confirmation's id, what other clients see meanwhile, and what acknowledging or rejecting a read does.
This DAG runs on the emulator, whose assumptions are in ``emulator/assumptions.py``; try it on a store of your own
before you rely on it. It assumes little: it deletes a finished item explicitly, whatever the acknowledgement does, and
reads an interrupted item again.

The items are cars, and the result is their fuel consumption. For one car it is not known: its item is rejected and
stays for the next reader.

Needs the extra: ``pip install vega_datasets``.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator

STORE = "work-items"
INBOX = "inbox"
DONE = "done"

with DAG(
    dag_id="example_confirmation",
    description="Work items that are read confirmably (built on an assumption)",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    create_store = AnypointCreateStoreOperator(
        task_id="create_store", store_id=STORE, default_ttl="P1D", default_confirmation_ttl="PT1M"
    )

    @task
    def fill() -> list[str]:
        """Write the items into the inbox."""
        import json
        from pathlib import Path

        from vega_datasets import local_data

        cars = json.loads(Path(local_data.cars.filepath).read_text())[5:11]
        items = {f"car-{number:02}": json.dumps(car) for number, car in enumerate(cars)}
        AnypointObjectStoreHook().put_many(STORE, INBOX, items).raise_failed()
        return sorted(items)

    # [START confirmation]
    @task
    def read_inbox() -> dict[str, list[str]]:
        """Read each item confirmably; acknowledge finished items, reject those without a result."""
        import json

        hook = AnypointObjectStoreHook()
        inbox, done = hook.partition(STORE, INBOX), hook.partition(STORE, DONE)
        outcome: dict[str, list[str]] = {"acknowledged": [], "rejected": []}
        for key in list(inbox):
            item = hook.get_key(STORE, INBOX, key, confirmable=True)
            if item.confirmation_id is None:
                raise ValueError(f"the service returned no confirmation id for {key}")
            car = json.loads(str(item.value))
            if car["Miles_per_Gallon"] is None:
                hook.reject(STORE, INBOX, key, item.confirmation_id)
                outcome["rejected"].append(key)
                print(f"{key}: the consumption of {car['Name']} is not known, rejected")
                continue
            # Writing the result twice changes nothing, so an interruption anywhere here is harmless.
            done[key] = round(235.215 / car["Miles_per_Gallon"], 1)
            hook.acknowledge(STORE, INBOX, key, item.confirmation_id)
            inbox.pop(key, None)
            outcome["acknowledged"].append(key)
            print(f"{key}: {car['Name']} takes {done[key]} l/100 km, acknowledged")
        return outcome

    # [END confirmation]

    @task
    def verify(items: list[str], first: dict[str, list[str]], second: dict[str, list[str]]) -> int:
        """Check that every item is either done or still in the inbox, and that a rejected one was read again."""
        hook = AnypointObjectStoreHook()
        done, waiting = set(hook.list_keys(STORE, DONE)), list(hook.list_keys(STORE, INBOX))
        if not first["acknowledged"] or not first["rejected"] or done != set(first["acknowledged"]):
            raise ValueError(f"{sorted(done)} are done, but the first reader reported {first}")
        if second != {"acknowledged": [], "rejected": first["rejected"]}:
            raise ValueError(f"the second reader reported {second}, but the first rejected {first['rejected']}")
        if waiting != first["rejected"] or done.union(waiting) != set(items):
            raise ValueError(f"{waiting} are in the inbox, but the first reader reported {first}")
        print(f"{len(done)} items are done, {len(waiting)} are left in the inbox")
        return len(done)

    items = fill()
    first = read_inbox.override(task_id="first_reader")()
    second = read_inbox.override(task_id="second_reader")()
    create_store >> items >> first >> second
    verify(items, first, second)
