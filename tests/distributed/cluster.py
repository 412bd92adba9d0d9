"""An Airflow of many processes, each of which can be killed and started again."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from dev.processes import Processes
from dev.server import Airflow
from tests.distributed.databases import Databases

WORKERS, TRIGGERERS, SCHEDULERS = 2, 2, 2
CONCURRENCY = 4

_CONFIGURATION = {
    "CORE__EXECUTOR": "CeleryExecutor",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "CORE__PARALLELISM": "32",
    "CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
    "CORE__DEFAULT_TASK_RETRIES": "3",
    "CELERY__WORKER_CONCURRENCY": str(CONCURRENCY),
    "CELERY__WORKER_ENABLE_REMOTE_CONTROL": "False",
    # A dead worker is noticed within half a minute.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # So is a task that a dead worker had taken and not begun.
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    # A triggerer that starts 200 triggers on a busy machine misses its heartbeat for 25 s. If it counts as dead then,
    # both have its triggers, and an event may come twice.
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60",
    # The default of Airflow; the demo has a shorter one.
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
}


class Cluster(Airflow):
    """
    Two schedulers, triggerers and Celery workers, a DAG processor and an API server, until the ``with`` block ends.

    :param databases: PostgreSQL and Redis.
    :param folder: folder for its state.
    :param dags: folder of the DAG files.
    :param connections: Airflow connections by id.
    :param pools: slots by name.
    """

    def __init__(
        self,
        databases: Databases,
        folder: Path,
        dags: Path,
        connections: Mapping[str, Mapping[str, Any]],
        pools: Mapping[str, int],
    ) -> None:
        configuration = {**_CONFIGURATION, **databases.configuration}
        super().__init__(folder, dags, connections, pools, configuration=configuration)
        self.databases = databases
        self.environment |= {"PYTHONPATH": str(Path.cwd()), "BURSTS": str(self.home / "bursts")}
        self._parts: dict[str, Processes] = {}

    def kill(self, name: str) -> None:
        """Kill a component, such as ``worker-1``, and all processes that it started, with SIGKILL."""
        self._parts.pop(name).stop()

    def start(self, name: str) -> None:
        """Start a component again."""
        self._parts[name] = Processes({name: self._components()[name]}, self.environment, self.logs)

    def start_missing(self) -> None:
        """Start again every component that was killed, as a supervisor would do."""
        for name in self._components():
            if name not in self._parts:
                self.start(name)

    def wait(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """
        Wait until a condition holds.

        :return: how long it took, in seconds.
        """
        start = time.monotonic()
        while not condition():
            self.check()
            assert time.monotonic() < start + seconds, f"not within {seconds:.0f} s: {what}\n{self.component_logs()}"
            time.sleep(0.5)
        return time.monotonic() - start

    def unpause(self, *dag_ids: str) -> None:
        """Unpause DAGs once the DAG processor has found them."""

        def found() -> bool:
            dags = self.call("GET", "/dags", params={"limit": 100})["dags"]
            return set(dag_ids) <= {dag["dag_id"] for dag in dags}

        self.wait(found, 120, f"DAGs {dag_ids} are there")
        for dag_id in dag_ids:
            self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run with a configuration, and return its id."""
        self.unpause(dag_id)
        request = {"logical_date": None, "conf": conf}
        run_id: str = self.call("POST", f"/dags/{dag_id}/dagRuns", json=request)["dag_run_id"]
        return run_id

    def states(self, dag_id: str) -> Counter[str]:
        """Return how many task instances of a DAG have which state."""
        sql = "SELECT coalesce(state, 'none'), count(*) FROM task_instance WHERE dag_id = %s GROUP BY 1"
        return Counter(dict(self.databases.query(sql, dag_id)))

    def runs_a_task(self, worker: str, dag_id: str) -> bool:
        """Return whether a worker runs a task of a DAG."""
        sql = "SELECT pid FROM task_instance WHERE dag_id = %s AND state = 'running' AND pid IS NOT NULL"
        running = [pid for (pid,) in self.databases.query(sql, dag_id) if psutil.pid_exists(pid)]
        return any(os.getsid(pid) == self._parts[worker].session for pid in running)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        ((state,),) = self.databases.query(
            "SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s", dag_id, run_id
        )
        return str(state)

    def _components(self) -> dict[str, list[str]]:
        single = super()._components()
        worker = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs", "--celery-hostname"]
        return {
            "api-server": single["api-server"],
            "dag-processor": single["dag-processor"],
            **{f"scheduler-{number}": single["scheduler"] for number in range(1, SCHEDULERS + 1)},
            **{f"triggerer-{number}": single["triggerer"] for number in range(1, TRIGGERERS + 1)},
            **{f"worker-{number}": [*worker, f"worker-{number}@%h"] for number in range(1, WORKERS + 1)},
        }

    def _start(self) -> None:
        for name in self._components():
            self.start(name)

    def _stop(self) -> None:
        while self._parts:
            self._parts.popitem()[1].stop()

    def _running(self) -> bool:
        return all(part.running() for part in self._parts.values())

    def _wait_until_healthy(self, seconds: float = 300) -> None:
        super()._wait_until_healthy(seconds)
