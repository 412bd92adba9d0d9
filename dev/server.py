"""A real Airflow: scheduler, triggerer, DAG processor and API server on SQLite, on 127.0.0.1 only."""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TextIO

import requests
import tenacity

from dev.database import create_database
from dev.processes import AirflowError, Processes


class LockedError(AirflowError):
    """Another component wrote to SQLite for 5 s, so that the request had no effect."""


def free_port(preferred: int) -> int:
    """
    Return the preferred port of 127.0.0.1 if it is free, else another one.

    It is none of those that the system gives to others by itself: a program may need seconds until it listens.
    """
    preferred_first = [preferred] if preferred else []
    for port in (*preferred_first, *random.sample(range(20_000, 32_000), 100)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AirflowError("There is no free port")


def reserve_port(folder: Path, preferred: int) -> tuple[int, TextIO]:
    """Return a free port, reserved in this folder as long as the returned lock file is open."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        port = free_port(preferred)
        lock = (folder / f"{port}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another Airflow has reserved it and does not listen yet
            lock.close()
            preferred = 0
        else:
            return port, lock


class Airflow:
    """
    An Airflow that runs until the ``with`` block ends.

    :param folder: folder for its state, which is kept until the next Airflow on the same port.
    :param dags: folder of the DAG files.
    :param connections: Airflow connections by id. ``airflow_api``, for its own API, is added.
    :param pools: slots by name.
    :param port: preferred port. If it is in use, a free one is chosen.
    :param configuration: additional options by ``SECTION__NAME``.
    :param task_configuration: options for the scheduler only, and so for its tasks.
    """

    def __init__(
        self,
        folder: Path,
        dags: Path,
        connections: Mapping[str, Mapping[str, Any]],
        pools: Mapping[str, int] | None = None,
        port: int = 0,
        configuration: Mapping[str, str] | None = None,
        task_configuration: Mapping[str, str] | None = None,
    ) -> None:
        port, self._port_lock = reserve_port(folder, port)
        self.home = folder / str(port)
        self.logs = self.home / "components"
        self.url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False  # never through a proxy
        self._port = str(port)
        self._pools = pools or {}
        self._task_options = [f"AIRFLOW__{name}={value}" for name, value in (task_configuration or {}).items()]
        # With SIMPLE_AUTH_MANAGER_ALL_ADMINS, any login gets a token.
        api = {"conn_type": "http", "host": self.url, "login": "task", "password": secrets.token_urlsafe(16)}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            **{f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(value) for conn_id, value in connections.items()},
            "AIRFLOW_CONN_AIRFLOW_API": json.dumps(api),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags.resolve()),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # The end of a task's process is noticed within this time (5 s by default). If the triggerer resumes the
            # task earlier, the scheduler fails it, and a retry continues.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            **{f"AIRFLOW__{name}": value for name, value in (configuration or {}).items()},
        }

    def __enter__(self) -> Self:
        shutil.rmtree(self.home, ignore_errors=True)
        self.logs.mkdir(parents=True)
        create_database(self.environment)
        self._start()
        with ExitStack() as cleanup:
            cleanup.callback(self._stop)
            self._wait_until_healthy()
            for name, slots in self._pools.items():
                self.call("POST", "/pools", json={"name": name, "slots": slots})
            cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _components(self) -> dict[str, list[str]]:
        """Return the command line of each component."""
        # `airflow standalone` starts the same four, but its log servers listen on every interface. They are not
        # needed here: the API server reads the logs from the disk.
        airflow = [sys.executable, "-m", "airflow"]
        # SQLite has one writer at a time. The API server can keep itself from the end of a transaction, until it has
        # waited 5 s and fails a request, which is repeated. The others would end by then, if they waited no longer.
        connection = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        url = self.environment.get(connection, f"sqlite:///{self.home.resolve()}/airflow.db?timeout=60")
        patient = ["env", f"{connection}={url}"]
        return {
            "api-server": [*airflow, "api-server", "--host", "127.0.0.1", "--port", self._port],
            "scheduler": [*patient, *self._task_options, *airflow, "scheduler", "--skip-serve-logs"],
            "dag-processor": [*patient, *airflow, "dag-processor"],
            "triggerer": [*patient, *airflow, "triggerer", "--skip-serve-logs"],
        }

    def _start(self) -> None:
        self._processes = Processes(self._components(), self.environment, self.logs)

    def _stop(self) -> None:
        self._processes.stop()

    def _running(self) -> bool:
        return self._processes.running()

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(LockedError),
        stop=tenacity.stop_after_attempt(5),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """
        Send a request to the REST API.

        :param path: path below ``/api/v2``.
        :return: the response's JSON.
        :raises AirflowError: if the response is an error, or if there is none.
        """
        try:
            response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=30, **arguments)
        except requests.ConnectionError as error:
            raise AirflowError(f"Airflow no longer responds on {self.url}") from error
        if response.status_code == 500 and "Database error" in response.text:
            raise LockedError(f"{method} {path} returned 500: {response.text[:1000]}")
        if not response.ok:
            raise AirflowError(f"{method} {path} returned {response.status_code}: {response.text[:1000]}")
        return response.json()

    def check(self) -> None:
        """
        Check that all components run.

        :raises AirflowError: if one has ended, with the end of each component's log.
        """
        if not self._running():
            raise AirflowError(f"A component of Airflow has ended.\n{self.component_logs()}")

    def component_logs(self, lines: int = 15) -> str:
        """Return the end of each component's log."""
        files = sorted(self.logs.glob("*.log"))
        return "\n".join(
            f"--- {file.stem}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) for file in files
        )

    def _wait_until_healthy(self, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            try:
                health = self.call("GET", "/monitor/health")
            except AirflowError:
                health = {}
            if health and all(part["status"] == "healthy" for part in health.values()):
                # The first request to this part takes seconds, for which the first task would wait.
                self._session.get(f"{self.url}/execution/health", timeout=120)
                self._session.headers["Authorization"] = f"Bearer {self._new_token()}"
                return
            time.sleep(0.3)
        raise AirflowError(f"Airflow is not up after {seconds:.0f} s.\n{self.component_logs()}")

    def _new_token(self) -> str:
        """Return a token for the REST API."""
        token: str = self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        return token
