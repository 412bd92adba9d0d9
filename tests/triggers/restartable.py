"""An Airflow whose parts can be killed and started anew, for event-driven DAGs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev import server
from dev.processes import Processes
from dev.server import Airflow, free_port


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


def prepare(folder: Path, dags: str, connections: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Restartable:
    """Return an Airflow with one DAG file, whose triggers are soon taken over from a triggerer that was killed."""
    monkeypatch.setattr(server, "free_port", lambda _: free_port(0))  # a demo may be about to take the usual one
    (folder / "dags").mkdir()
    (folder / "dags" / "watching.py").write_text(dags)
    airflow = Restartable(folder / "airflow", folder / "dags", connections)
    airflow.environment |= {
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",  # how long a dead one keeps its triggers
    }
    return airflow
