"""The metadata database of a new Airflow."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

from cryptography.fernet import Fernet

from dev.processes import AirflowError

EMPTY_DATABASES = "EMPTY_DATABASES"
"""Environment variable: a folder in which the first Airflow leaves its database, still empty, for those that follow."""


def create_database(environment: Mapping[str, str]) -> None:
    """
    Create an Airflow's metadata database and its ``airflow.cfg``.

    Migrating takes eight seconds of processor time, which tests with an Airflow each need not spend: see
    :data:`EMPTY_DATABASES`.

    :param environment: the Airflow's environment variables.
    :raises AirflowError: if Airflow cannot.
    """
    home = Path(environment["AIRFLOW_HOME"])
    _create_configuration(home)
    folder = os.environ.get(EMPTY_DATABASES)
    url = environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{home}/airflow.db")
    if folder is None or not url.startswith("sqlite:"):
        _run(environment, "-m", "airflow", "db", "migrate")
        return
    database = Path(url.removeprefix("sqlite:///"))
    slots = environment.get("AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT", "")
    empty = Path(folder) / f"airflow-{version('apache-airflow-core')}{slots and f'-{slots}-slots'}.db"
    with empty.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not empty.exists():
            _run(environment, "-m", "airflow", "db", "migrate")
            shutil.copy(database, empty)
            return
    shutil.copy(empty, database)


def _create_configuration(home: Path) -> None:
    """
    Write the keys that all components share, as far as no environment variable says otherwise.

    Started at once, each would create keys of its own and read no other's data.
    """
    parser = ConfigParser(interpolation=None)
    parser.read_dict(
        {
            "core": {"fernet_key": Fernet.generate_key().decode()},
            "api_auth": {"jwt_secret": secrets.token_urlsafe()},
        }
    )
    file = home / "airflow.cfg"
    file.touch(mode=0o600)
    with file.open("w") as opened:
        parser.write(opened)


def _run(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise AirflowError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
