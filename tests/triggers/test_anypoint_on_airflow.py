"""Event-driven DAGs on a real Airflow, all parts of which are killed and started anew (about 50 s)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from dev import server
from dev.processes import Processes
from dev.server import Airflow, free_port
from tests.features import SHARED_STREAMS
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


class Restartable(Airflow):
    """An Airflow whose components can be killed and started again on the same database."""

    def kill(self) -> None:
        self._processes.stop()

    def start(self) -> None:
        airflow = [sys.executable, "-m", "airflow"]
        commands = {
            "api-server": [*airflow, "api-server", "--host", "127.0.0.1", "--port", self._port],
            "scheduler": [*airflow, "scheduler", "--skip-serve-logs"],
            "triggerer": [*airflow, "triggerer", "--skip-serve-logs"],
        }
        self._processes = Processes(commands, self.environment, self.logs)
        self._session.headers.pop("Authorization")
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        until(lambda: self._session.get(f"{self.url}/auth/token", timeout=5).ok)
        token = self._session.get(f"{self.url}/auth/token", timeout=5).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def runs(self, dag_id: str) -> list[Any]:
        """What each successful run was started by."""
        found = self.call("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "run_after"})["dag_runs"]
        assert all(run["state"] != "failed" for run in found), self.component_logs(50)
        paths = [f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}" for run in found if run["state"] == "success"]
        return [self.call("GET", f"{path}/taskInstances/payloads/xcomEntries/return_value")["value"] for path in paths]


def until(condition: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not so after {seconds:.0f} s")


@pytest.fixture
def airflow(tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Restartable]:
    monkeypatch.setattr(server, "free_port", lambda _: free_port(0))  # a demo may be about to take the usual one
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "watching.py").write_text(DAGS)
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "in/old", "there before the first poll")
    connections = emulator.connections()
    connections["anypoint_default"]["extra"]["requests_per_second"] = 100
    airflow = Restartable(tmp_path / "airflow", dags, connections)
    airflow.environment |= {
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",  # how long a dead one keeps its triggers
    }
    with airflow:
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
