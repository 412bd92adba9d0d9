"""Waits and watchers that need no worker, and what measures their triggerer."""

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger

NO_WORKER: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True, "do_xcom_push": False}
WAITS = int(os.environ["SOAK_WAITS"])


class ProbeTask(BaseOperator):
    """Starts the probe in the triggerer, without a worker."""

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="tests.soak.probe.Probe",
            trigger_kwargs={"path": path},
            next_method="execute",
            timeout=timedelta(days=1),
        )


with DAG("probe", schedule=None):
    ProbeTask(task_id="probe", path=os.environ["SOAK_PROBE"])

with DAG("waits", schedule=None, max_active_tasks=1000, max_active_runs=100):
    for number in range(WAITS):
        AnypointKeySensor(
            task_id=f"key{number}",
            store_id="s",
            partition="{{ run_id }}",
            keys=f"k{number}",
            poke_interval=1,
            timeout=3600,
            retries=0,
            **NO_WORKER,
        )
    CivoObjectStoreSensor(task_id="store", object_store="bucket", poke_interval=1, timeout=3600, retries=0, **NO_WORKER)

WATCHERS = {
    "keys": AnypointKeyEventTrigger("s", "watched", poke_interval=1),
    "objects": CivoObjectEventTrigger("bucket", poke_interval=1),
}
for name, trigger in WATCHERS.items():
    with DAG(name, schedule=[Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])]):
        pass
