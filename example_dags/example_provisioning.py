"""
Stores that exist only during a run.

Setup tasks create a Civo bucket with a credential of its own and an Object Store v2 store; teardown tasks delete them,
whether or not the work between succeeds. The work: for each of some states of the USA, one mapped task writes a file of
its airports into the bucket and a summary into a partition. Clearing a failed task also runs setup and teardown again.

Needs the extras: ``pip install airflow-provider-objectstore[s3] vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator, AnypointDeleteStoreOperator
from airflow_provider_objectstore.operators.civo import (
    CivoCreateCredentialOperator,
    CivoCreateObjectStoreOperator,
    CivoDeleteCredentialOperator,
    CivoDeleteObjectStoreOperator,
)

# Nothing else may use these names: the teardown tasks delete their contents.
BUCKET = "airports-scratch"
STORE = "airports-scratch"
PARTITION = "summaries"

with DAG(
    dag_id="example_provisioning",
    description="Stores that exist only during a run",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=2)},
    params={"states": Param(["AK", "CA", "TX", "WA"], type="array", items={"type": "string"}, minItems=1)},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    # [START setup_and_teardown]
    create_credential = CivoCreateCredentialOperator(task_id="create_credential", name=BUCKET)
    create_bucket = CivoCreateObjectStoreOperator(
        task_id="create_bucket",
        name=BUCKET,
        access_key_id="{{ ti.xcom_pull(task_ids='create_credential')['access_key_id'] }}",
        poke_interval=1,
        deferrable=True,
    )
    create_store = AnypointCreateStoreOperator(task_id="create_store", store_id=STORE, default_ttl=timedelta(days=1))

    delete_store = AnypointDeleteStoreOperator(task_id="delete_store", store_id=STORE)
    delete_bucket = CivoDeleteObjectStoreOperator(task_id="delete_bucket", object_store=BUCKET, delete_contents=True)
    delete_credential = CivoDeleteCredentialOperator(task_id="delete_credential", credential=BUCKET)

    delete_store.as_teardown(setups=create_store)
    delete_bucket.as_teardown(setups=create_bucket)
    delete_credential.as_teardown(setups=create_credential)

    create_credential >> create_bucket
    delete_bucket >> delete_credential
    # [END setup_and_teardown]

    @task
    def states(params: dict[str, Any]) -> list[str]:
        """Return the states to summarise."""
        return sorted(set(params["states"]))

    # [START mapped]
    @task(map_index_template="{{ task.op_kwargs['state'] }}")
    def summarise(state: str) -> None:
        """Write a state's airports into the bucket and their summary into the partition."""
        import csv
        import io
        import json
        from pathlib import Path

        import boto3
        from vega_datasets import local_data

        rows = csv.DictReader(Path(local_data.airports.filepath).read_text().splitlines())
        airports = [row for row in rows if row["state"] == state]
        if not airports:
            raise ValueError(f"there are no airports in {state!r}")

        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(airports[0]))
        writer.writeheader()
        writer.writerows(airports)
        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        s3.put_object(Bucket=BUCKET, Key=f"airports/{state}.csv", Body=text.getvalue().encode())

        northernmost = max(airports, key=lambda row: float(row["latitude"]))
        summary = {"airports": len(airports), "northernmost": northernmost["name"]}
        AnypointObjectStoreHook().partition(STORE, PARTITION)[state] = json.dumps(summary)

    # [END mapped]

    @task
    def report(states: list[str]) -> dict[str, Any]:
        """Read the summaries back and check that each state has a file and a summary."""
        import json

        import boto3

        summaries = AnypointObjectStoreHook().get_many(STORE, PARTITION, states)
        summaries.raise_failed()
        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        files = [file["Key"] for file in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        if files != [f"airports/{state}.csv" for state in states]:
            raise ValueError(f"expected one file for each of {states}, found {files}")
        by_state = {state: json.loads(str(entry.value)) for state, entry in sorted(summaries.succeeded.items())}
        for state, summary in by_state.items():
            print(f"{state}: {summary['airports']} airports, the northernmost is {summary['northernmost']}")
        return by_state

    wanted = states()
    summarised = summarise.expand(state=wanted)
    reported = report(wanted)
    [create_bucket, create_store] >> summarised >> reported >> [delete_bucket, delete_store]
