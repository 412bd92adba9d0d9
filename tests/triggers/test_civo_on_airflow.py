"""DAGs that objects in a bucket start, on a real Airflow whose parts are killed and started anew (about 60 s)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from tests.features import SHARED_STREAMS
from tests.triggers.buckets import BUCKET, Bucket, Front
from tests.triggers.restartable import Restartable, prepare, until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(not SHARED_STREAMS, reason="state stores and shared streams need Airflow 3.3"),
]

DAGS = """
from airflow.sdk import DAG, Asset, AssetWatcher, task
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger

for name, selection in {"by_prefix": {"prefix": "in/", "suffix": ".csv"}, "by_key": {"keys": "in/a.csv"}}.items():
    trigger = CivoObjectEventTrigger("photos", **selection, poke_interval=1)
    with DAG(name, schedule=[Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])]):

        @task
        def payloads(triggering_asset_events):
            events = [event for events in triggering_asset_events.values() for event in events]
            return [sorted(event.extra["payload"]["keys"]) for event in events]

        payloads()
"""


@pytest.fixture
def airflow(
    tmp_path: Path, bucket: Bucket, front: Front, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Restartable]:
    bucket.client.put_object(Bucket=BUCKET, Key="in/old.csv", Body=b"there before the first poll")
    connections = emulator.connections()
    connections["civo_default"]["extra"]["s3_endpoint"] = front.url
    with prepare(tmp_path, DAGS, connections, monkeypatch) as airflow:
        yield airflow


def listings(front: Front, number: int) -> list[str]:
    """Wait for so many more requests to S3; return their prefixes."""
    before = len(front.prefixes)
    until(lambda: len(front.prefixes) >= before + number)
    return front.prefixes[before:]


def test_each_change_starts_one_run(airflow: Restartable, bucket: Bucket, front: Front) -> None:
    def put(key: str, body: bytes) -> None:
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    listings(front, 3)
    put("in/a.csv", b"appears")
    once = [[["in/a.csv"]]]
    until(lambda: airflow.runs("by_prefix") == airflow.runs("by_key") == once)

    bucket.rotate("both keys")
    put("in/a.csv", b"changes after a rotation")
    until(lambda: airflow.runs("by_prefix") == airflow.runs("by_key") == once * 2)
    began = time.monotonic()
    assert set(listings(front, 6)) == {"in/"}, "both DAGs share the listings, which have the exact key too"
    assert time.monotonic() - began > 3, "one a second"

    airflow.kill()
    put("in/b.csv", b"while nothing polls")
    airflow.start()
    after = [*once * 2, [["in/b.csv"]]]
    until(lambda: airflow.runs("by_prefix") == after)
    listings(front, 3)
    assert airflow.runs("by_prefix") == after
    assert airflow.runs("by_key") == once * 2
