"""DAGs whose processes are killed. What differs between two kills is in the run's configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger

RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=2)}
ONE_BY_ONE: dict[str, Any] = {"max_concurrency": 1}
PATH = "{{ dag_run.conf['path'] }}"

with DAG("kill_purge", schedule=None, default_args=RETRIES):
    AnypointPurgePartitionsOperator(
        task_id="job", store_id="kill-purge", partitions=["p0", "p1", "p2"], key_prefix="k-", **ONE_BY_ONE
    )

with DAG("kill_export", schedule=None, default_args=RETRIES):
    AnypointExportOperator(task_id="job", store_id="kill-export", path=PATH, **ONE_BY_ONE)

with DAG("kill_import", schedule=None, default_args=RETRIES):
    AnypointImportOperator(
        task_id="job", store_id="kill-import", path=PATH, partitions=["p0", "p1", "p2"], **ONE_BY_ONE
    )

for bucket in ("created", "published"):
    with DAG(f"kill_{bucket}", schedule=None, default_args=RETRIES):
        CivoRotateCredentialOperator(
            task_id="job",
            object_store=bucket,
            grace_period="{{ dag_run.conf['grace'] }}",
            publishers=[AnypointKeyPublisher("kill-keys", "s3", bucket)],
        )

with DAG("kill_waits", schedule=None, default_args=RETRIES, max_active_tasks=1000):
    for number in range(200):
        in_triggerer = number >= 6
        AnypointKeySensor(
            task_id=f"w{number:03}",
            store_id="kill-waits",
            partition="p",
            keys=f"w{number:03}",
            poke_interval=5,
            timeout=1800,
            deferrable=True,
            pool="waits",
            start_from_trigger=in_triggerer,
            end_from_trigger=in_triggerer,
            do_xcom_push=not in_triggerer,
        )

trigger = AnypointKeyEventTrigger("kill-events", "p", begins_with="x/", poke_interval=2)

with DAG(
    "kill_watch",
    schedule=[Asset("kills", watchers=[AssetWatcher(name="kills", trigger=trigger)])],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args=RETRIES,
):

    @task
    def handle(triggering_asset_events: Any = None) -> list[str]:
        """Return the keys that changed."""
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        events = [event for events in triggering_asset_events.values() for event in events]
        keys = [key for event in events for key in event.extra["payload"]["keys"]]
        partition = AnypointObjectStoreHook().partition("kill-events", "p")
        return [key for key in keys if partition.get(key, None)]

    handle()
