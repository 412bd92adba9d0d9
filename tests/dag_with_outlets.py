"""A DAG that writes, with outlets of every kind, and DAGs that its events start; for test_assets_in_dags.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetAlias

from airflow_provider_objectstore.assets import anypoint_asset, civo_asset
from airflow_provider_objectstore.operators.anypoint import AnypointDeleteKeyOperator, AnypointPutKeyOperator
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator

WHERE = {"organization_id": "emulator-org", "environment_id": "emulator-env", "region": "us-east-1"}
AT = {"store_id": "s", "partition": "p"}

named = anypoint_asset(**WHERE, **AT, key="a/b", name="watermark")
spelled = Asset("osv2://emulator-org.emulator-env.us-east-1/s/p/spelled")
partition = anypoint_asset(**WHERE, **AT)
bucket = civo_asset(region="LON1", bucket="photos")
start: dict[str, Any] = {"start_date": datetime(2026, 1, 1), "is_paused_upon_creation": False}

with DAG("writer", schedule=None, **start) as writer:
    (
        AnypointPutKeyOperator(
            task_id="declared", **AT, key="a/b", value="secret-value", outlets=[named, bucket, Asset("other")]
        )
        >> AnypointPutKeyOperator(task_id="aliased", **AT, key="{{ 'a/b' }}", value=1, outlets=[AssetAlias("key")])
        >> AnypointPutKeyOperator(task_id="new", **AT, key="new", value=b"1", outlets=[AssetAlias("new")])
        >> AnypointPutKeyOperator(task_id="spelled", **AT, key="spelled", value=1, outlets=[spelled])
        >> AnypointPutKeyOperator.partial(task_id="mapped", **AT, value=1, outlets=[partition]).expand(key=["1", "2"])
        >> AnypointDeleteKeyOperator(task_id="deleted", **AT, key="1", outlets=[AssetAlias("gone")])
        >> AnypointDeleteKeyOperator(task_id="absent", **AT, key="absent", outlets=[AssetAlias("absent")])
        >> CivoCreateObjectStoreOperator(
            task_id="deferred",
            name="photos",
            deferrable=True,
            poke_interval=0.1,
            outlets=[bucket, AssetAlias("bucket")],
        )
        >> CivoCreateObjectStoreOperator(task_id="direct", name="photos", outlets=[bucket])
    )

for name, awaited in {"key": named, "partition": partition, "bucket": bucket, "alias": AssetAlias("new")}.items():
    with DAG(f"reads_{name}", schedule=[awaited], **start):
        EmptyOperator(task_id="read")
