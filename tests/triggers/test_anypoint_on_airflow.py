"""Event-driven DAGs on a real Airflow, all parts of which are killed and started anew (about 50 s)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.features import SHARED_STREAMS
from tests.triggers.restartable import Restartable, prepare, until
from tests.triggers.waiting import answers

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(not SHARED_STREAMS, reason="state stores and shared streams need Airflow 3.3"),
]

DAGS = """
from airflow.sdk import DAG, Asset, AssetWatcher, task
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger

for name, selection in {"by_prefix": {"begins_with": "in/"}, "by_key": {"keys": "in/a"}}.items():
    trigger = AnypointKeyEventTrigger("s", "p", **selection, poke_interval=1)
    with DAG(name, schedule=[Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])]):

        @task
        def payloads(triggering_asset_events):
            return [event.extra["payload"] for events in triggering_asset_events.values() for event in events]

        payloads()
"""


@pytest.fixture
def airflow(tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Restartable]:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "in/old", "there before the first poll")
    connections = emulator.connections()
    connections["anypoint_default"]["extra"]["requests_per_second"] = 100
    with prepare(tmp_path, DAGS, connections, monkeypatch) as airflow:
        yield airflow


def snapshots(emulator: Emulator, number: int) -> None:
    """Wait for so many more polls."""
    before = sum(answers(emulator, "anypoint.list_keys").values())
    until(lambda: sum(answers(emulator, "anypoint.list_keys").values()) >= before + number)


def event(key: str, value_type: str = "STRING") -> dict[str, Any]:
    return {"store_id": "s", "partition": "p", "keys": {key: value_type}, "pending": 0}


def test_each_change_starts_one_run(airflow: Restartable, emulator: Emulator) -> None:
    hook = AnypointObjectStoreHook()
    snapshots(emulator, 3)

    hook.put_key("s", "p", "in/a", "appears")
    until(lambda: airflow.runs("by_prefix") == airflow.runs("by_key") == [[event("in/a")]])

    hook.put_key("s", "p", "in/a", 7)
    twice = [[event("in/a")], [event("in/a", "NUMBER")]]
    until(lambda: airflow.runs("by_prefix") == airflow.runs("by_key") == twice)

    emulator_before = emulator.requests()["by_operation"]
    snapshots(emulator, 3)  # nothing changes
    emulator_after = emulator.requests()["by_operation"]
    listings, reads = (
        sum(emulator_after[f"anypoint.{name}"].values()) - sum(emulator_before[f"anypoint.{name}"].values())
        for name in ("list_keys", "get_key")
    )
    assert abs(reads - 2 * listings) <= 2, "both DAGs share the polls of two keys"

    airflow.kill()
    hook.put_key("s", "p", "in/b", "while nothing polls")
    airflow.start()
    until(lambda: airflow.runs("by_prefix") == [*twice, [event("in/b")]])
    snapshots(emulator, 3)
    assert airflow.runs("by_prefix") == [*twice, [event("in/b")]]
    assert airflow.runs("by_key") == twice
