"""DAGs that keys and objects start, on a real Airflow, all parts of which are killed and started anew (about 70 s)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.features import SHARED_STREAMS
from tests.triggers.buckets import BUCKET, Bucket, Front
from tests.triggers.restartable import Restartable, prepare, until
from tests.triggers.waiting import answers

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.long,
    pytest.mark.skipif(not SHARED_STREAMS, reason="state stores and shared streams need Airflow 3.3"),
]

DAGS = """
from airflow.sdk import DAG, Asset, AssetWatcher, task
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger

TRIGGERS = {
    "by_prefix": AnypointKeyEventTrigger("s", "p", begins_with="in/", poke_interval=1),
    "by_key": AnypointKeyEventTrigger("s", "p", keys="in/a", poke_interval=1),
    "objects_by_prefix": CivoObjectEventTrigger("photos", prefix="in/", suffix=".csv", poke_interval=1),
    "objects_by_key": CivoObjectEventTrigger("photos", keys="in/a.csv", poke_interval=1),
}
for name, trigger in TRIGGERS.items():
    with DAG(name, schedule=[Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])]):

        @task
        def payloads(triggering_asset_events):
            return [event.extra["payload"] for events in triggering_asset_events.values() for event in events]

        payloads()
"""


@pytest.fixture
def airflow(
    tmp_path: Path, bucket: Bucket, front: Front, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Restartable]:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "in/old", "there before the first poll")
    bucket.client.put_object(Bucket=BUCKET, Key="in/old.csv", Body=b"there before the first poll")
    connections = emulator.connections()
    connections["anypoint_default"]["extra"]["requests_per_second"] = 100
    connections["civo_default"]["extra"]["s3_endpoint"] = front.url
    with prepare(tmp_path, DAGS, connections, monkeypatch) as airflow:
        yield airflow


def snapshots(emulator: Emulator, number: int) -> None:
    """Wait for so many more polls of keys."""
    before = sum(answers(emulator, "anypoint.list_keys").values())
    until(lambda: sum(answers(emulator, "anypoint.list_keys").values()) >= before + number)


def listings(front: Front, number: int) -> list[str]:
    """Wait for so many more requests to S3; return their prefixes."""
    before = len(front.prefixes)
    until(lambda: len(front.prefixes) >= before + number)
    return front.prefixes[before:]


def event(key: str, value_type: str = "STRING") -> dict[str, Any]:
    return {"store_id": "s", "partition": "p", "keys": {key: value_type}, "pending": 0}


def objects(airflow: Restartable, dag_id: str) -> list[list[list[str]]]:
    """The objects of each event that has started a run."""
    return [[sorted(payload["keys"]) for payload in payloads] for payloads in airflow.runs(dag_id)]


def test_each_change_starts_one_run(airflow: Restartable, emulator: Emulator, bucket: Bucket, front: Front) -> None:
    hook = AnypointObjectStoreHook()

    def put(key: str, body: bytes) -> None:
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    snapshots(emulator, 3)
    listings(front, 3)

    hook.put_key("s", "p", "in/a", "appears")
    put("in/a.csv", b"appears")
    until(lambda: airflow.runs("by_prefix") == airflow.runs("by_key") == [[event("in/a")]])
    once = [[["in/a.csv"]]]
    until(lambda: objects(airflow, "objects_by_prefix") == objects(airflow, "objects_by_key") == once)

    hook.put_key("s", "p", "in/a", 7)
    bucket.rotate("both keys")
    put("in/a.csv", b"changes after a rotation")
    twice = [[event("in/a")], [event("in/a", "NUMBER")]]
    until(lambda: airflow.runs("by_prefix") == airflow.runs("by_key") == twice)
    until(lambda: objects(airflow, "objects_by_prefix") == objects(airflow, "objects_by_key") == once * 2)

    emulator_before = emulator.requests()["by_operation"]
    snapshots(emulator, 3)  # nothing changes
    emulator_after = emulator.requests()["by_operation"]
    key_listings, reads = (
        sum(emulator_after[f"anypoint.{name}"].values()) - sum(emulator_before[f"anypoint.{name}"].values())
        for name in ("list_keys", "get_key")
    )
    assert abs(reads - 2 * key_listings) <= 2, "both DAGs share the polls of two keys"
    began = time.monotonic()
    assert set(listings(front, 6)) == {"in/"}, "both DAGs share the listings, which have the exact key too"
    assert time.monotonic() - began > 3, "one a second"

    airflow.kill()
    hook.put_key("s", "p", "in/b", "while nothing polls")
    put("in/b.csv", b"while nothing polls")
    airflow.start()
    after = [*once * 2, [["in/b.csv"]]]
    until(lambda: airflow.runs("by_prefix") == [*twice, [event("in/b")]])
    until(lambda: objects(airflow, "objects_by_prefix") == after)
    snapshots(emulator, 3)
    listings(front, 3)
    assert airflow.runs("by_prefix") == [*twice, [event("in/b")]]
    assert airflow.runs("by_key") == twice
    assert objects(airflow, "objects_by_prefix") == after
    assert objects(airflow, "objects_by_key") == once * 2
