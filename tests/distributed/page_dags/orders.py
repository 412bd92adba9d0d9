"""A DAG that writes a key and tells an asset, and one that this starts."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_provider_objectstore.assets import anypoint_asset
from airflow_provider_objectstore.emulator.settings import ENVIRONMENT, ORGANIZATION
from airflow_provider_objectstore.operators.anypoint_keys import AnypointGetKeyOperator, AnypointPutKeyOperator

INBOX: dict[str, Any] = {"store_id": "orders", "partition": "inbox"}
inbox = anypoint_asset(
    organization_id=ORGANIZATION, environment_id=ENVIRONMENT, region="us-east-1", name="inbox", **INBOX
)

with DAG("takes_orders", schedule=None, access_control={"Keeper": {"DAGs": {"can_read"}}}):
    AnypointPutKeyOperator(
        task_id="put", anypoint_conn_id="mule", key="last", value="an order", outlets=[inbox], **INBOX
    )

with DAG("ships_orders", schedule=[inbox]):
    AnypointGetKeyOperator(task_id="get", anypoint_conn_id="mule", key="last", **INBOX)
