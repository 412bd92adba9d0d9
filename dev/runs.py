"""DAG runs, executed by the scheduler of an :class:`~dev.server.Airflow`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dev.processes import AirflowError
from dev.server import Airflow

DONE = ("success", "failed")
_DEFERRED = ("Pausing task as DEFERRED", "trigger starting")


@dataclass(frozen=True)
class Task:
    """A task instance. ``seconds`` counts from its first start; ``deferred``: whether it waited in the triggerer."""

    dag_id: str
    run: int
    name: str
    state: str
    seconds: float | None
    deferred: bool


class Run:
    """
    A run of a DAG.

    :param number: number among this DAG's runs, from 1.
    :param run_type: how Airflow starts the run: ``asset_triggered`` or ``scheduled``; ``None`` if :meth:`start` does.
    :param conf: params, if :meth:`start` starts the run.
    """

    def __init__(
        self,
        airflow: Airflow,
        dag_id: str,
        number: int,
        run_type: str | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> None:
        self.dag_id = dag_id
        self.number = number
        self.conf = conf or {}
        self.state = "queued"
        self.started = time.monotonic()
        self._run_type = run_type
        self._airflow = airflow
        self._run_id = None if run_type else f"demo-{number}"
        self._seen_deferred: set[str] = set()

    def start(self) -> None:
        """Start the run, or let Airflow start it."""
        self._wait_for_dag()
        self._airflow.call("PATCH", f"/dags/{self.dag_id}", json={"is_paused": False})
        if not self._run_type:
            run = {"dag_run_id": self._run_id, "logical_date": None, "conf": dict(self.conf)}
            self._airflow.call("POST", f"/dags/{self.dag_id}/dagRuns", json=run)
        self.started = time.monotonic()

    def refresh(self) -> list[Task]:
        """Update :attr:`state`. Return the tasks."""
        if self._run_id is None:
            order = {"run_type": self._run_type, "order_by": "run_after"}
            runs = self._airflow.call("GET", f"/dags/{self.dag_id}/dagRuns", params=order)["dag_runs"]
            if len(runs) < self.number:
                return []
            self._run_id = runs[self.number - 1]["dag_run_id"]
        self.state = self._airflow.call("GET", self._path)["state"]
        return [self._task(instance, final=self.state in DONE) for instance in self._instances()]

    def failures(self, lines: int = 30) -> list[tuple[str, str]]:
        """Return name and end of the log of each task that failed or did not end."""
        return [
            (_name(instance), "\n".join(self._log(instance)[-lines:]))
            for instance in (self._instances() if self._run_id else ())
            if instance["state"] in ("failed", "up_for_retry", "running", "deferred")
        ]

    def result(self, task_id: str) -> Any:
        """Return what a task has returned."""
        return self._airflow.call("GET", f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value")["value"]

    def times(self, task_id: str) -> tuple[float, float]:
        """Return the time stamps of a task's first start and of its end."""
        instance = self._airflow.call("GET", f"{self._path}/taskInstances/{task_id}")
        begin, end = (datetime.fromisoformat(instance[name]).timestamp() for name in ("start_date", "end_date"))
        return begin, end

    def _wait_for_dag(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._airflow.check()
            dags = self._airflow.call("GET", "/dags", params={"limit": 1000, "exclude_stale": True})["dags"]
            if self.dag_id in {dag["dag_id"] for dag in dags}:
                return
            if errors := self._airflow.call("GET", "/importErrors")["import_errors"]:
                raise AirflowError("\n".join(f"{error['filename']}: {error['stack_trace']}" for error in errors))
            time.sleep(0.5)
        raise AirflowError(f"DAG {self.dag_id} does not exist")

    @property
    def _path(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{quote(self._run_id or '', safe='')}"

    def _instances(self) -> list[dict[str, Any]]:
        response = self._airflow.call("GET", f"{self._path}/taskInstances", params={"limit": 1000})
        found = response["task_instances"]
        instances: list[dict[str, Any]] = sorted(found, key=lambda task: (task["start_date"] or "9", task["task_id"]))
        self._seen_deferred |= {_name(instance) for instance in instances if instance["state"] == "deferred"}
        return instances

    def _task(self, instance: dict[str, Any], final: bool = False) -> Task:
        deferred = _name(instance) in self._seen_deferred
        if final and not deferred and instance["try_number"]:  # a short wait can fall between two polls
            deferred = any(line.startswith(_DEFERRED) for line in self._log(instance))
        state = instance["state"] or "none"
        return Task(self.dag_id, self.number, _name(instance), state, instance["duration"], deferred)

    def _log(self, instance: dict[str, Any]) -> list[str]:
        log = self._airflow.call(
            "GET",
            f"{self._path}/taskInstances/{instance['task_id']}/logs/{instance['try_number']}",
            params={"map_index": instance["map_index"], "full_content": True},
            headers={"Accept": "application/json"},
        )
        lines: list[str] = []
        for entry in log["content"]:
            lines.append(str(entry["event"]) if isinstance(entry, dict) else str(entry))
            for cause in entry.get("error_detail") or () if isinstance(entry, dict) else ():
                lines += [f"  {frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in cause["frames"]]
                lines.append(f"  {cause['exc_type']}: {cause['exc_value']}")
        return [line for line in lines if not line.startswith("::")]


def _name(instance: dict[str, Any]) -> str:
    name: str = instance["task_id"]
    index = instance["map_index"]
    return name if index < 0 else f"{name}[{instance['rendered_map_index'] or index}]"
