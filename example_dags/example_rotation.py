"""
Replace the credential of a bucket, and hand the new one to its consumers.

Checks once a week whether the credential is due, replaces it, publishes the new one as the ``aws`` connection
``s3_stock_prices``, and deletes the old one when the grace period is over. Where the service has bucket policies, old
and new one work until then, and no consumer is refused: see ``example_rotation_consumer``.

Needs the connection ``airflow_api``, which leads to this Airflow's own API server, and the extras
``pip install airflow-provider-objectstore[s3,amazon] vega_datasets``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.publishers import AirflowConnectionPublisher

BUCKET = "stock-prices"
CONNECTION = "s3_stock_prices"
GRACE_PERIOD = timedelta(seconds=10)  # short for the demo; in production longer than any consumer's task, say a day

with DAG(
    dag_id="example_rotation",
    description="Replaces the credential of a bucket once a week",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    params={"days": Param(6, type="number", description="How old a credential may be")},
    doc_md=__doc__,
    tags=["example", "objectstore"],
):
    # It gets a credential of its own, because no access key is given. Later runs skip this.
    create_bucket = CivoCreateObjectStoreOperator(
        task_id="create_bucket", name=BUCKET, poke_interval=1, deferrable=True
    )

    @task
    def fill() -> int:
        """Write a file for each share to the bucket."""
        from itertools import groupby
        from pathlib import Path

        import boto3
        from vega_datasets import local_data

        s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(BUCKET))
        header, *prices = Path(local_data.stocks.filepath).read_text().splitlines()
        shares = [(share, list(rows)) for share, rows in groupby(prices, lambda row: row.partition(",")[0])]
        for share, rows in shares:
            s3.put_object(Bucket=BUCKET, Key=f"prices/{share}.csv", Body="\n".join((header, *rows)).encode())
        return len(shares)

    # [START due]
    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def due(params: dict[str, Any]) -> bool:
        """Return whether the bucket's credential is old, or was never rotated."""
        (use,) = (use for use in CivoObjectStoreHook().credential_inventory() if BUCKET in use.stores)
        print(f"{use.credential.name} owns {', '.join(use.stores)}; last rotated: {use.rotated or 'never'}")
        return use.age is None or use.age >= timedelta(days=params["days"])

    # [END due]

    # [START rotate]
    rotate = CivoRotateCredentialOperator(
        task_id="rotate",
        object_store=BUCKET,
        publishers=[AirflowConnectionPublisher(CONNECTION, airflow_api_conn_id="airflow_api")],
        grace_period=GRACE_PERIOD,
    )

    @task
    def read() -> int:
        """Read every file through the published connection."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        s3 = S3Hook(CONNECTION)
        rows = {key: len(s3.read_key(key, BUCKET).splitlines()) - 1 for key in s3.list_keys(BUCKET, "prices/")}
        print(f"{sum(rows.values())} prices in {len(rows)} files")
        return sum(rows.values())

    # [END rotate]

    # [START report]
    @task(trigger_rule="none_failed")
    def report() -> dict[str, list[str]]:
        """Return the names of credentials that no object store needs, and of those that several depend on."""
        inventory = CivoObjectStoreHook().credential_inventory()
        found = {
            "orphans": [use.credential.name for use in inventory if use.orphan],
            "shared": [use.credential.name for use in inventory if use.shared],
        }
        print(found)
        return found

    # [END report]

    create_bucket >> fill() >> due() >> rotate >> read() >> report()
