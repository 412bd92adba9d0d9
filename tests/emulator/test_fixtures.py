from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import requests

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.fixtures import objectstore_connections, objectstore_emulator

__all__ = ["objectstore_connections", "objectstore_emulator"]


def test_connections_are_in_the_environment(objectstore_connections: dict[str, dict[str, Any]]) -> None:
    for conn_id, connection in objectstore_connections.items():
        assert json.loads(os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"]) == connection


def create_store(connection: dict[str, Any]) -> int:
    return requests.post(
        f"{connection['host']}/v2/objectstores?region=LON1",
        json={"name": "store"},
        headers={"Authorization": f"bearer {connection['password']}"},
    ).status_code


def test_each_test_starts_empty(
    objectstore_emulator: Emulator, objectstore_connections: dict[str, dict[str, Any]]
) -> None:
    assert create_store(objectstore_connections["civo_default"]) == 200
    assert objectstore_emulator.requests()["total"] == 1


def test_each_test_starts_empty_again(
    objectstore_emulator: Emulator, objectstore_connections: dict[str, dict[str, Any]]
) -> None:
    assert objectstore_emulator.requests()["total"] == 0
    assert create_store(objectstore_connections["civo_default"]) == 200


ROOT = Path(__file__).parents[2]
PLUGIN = "airflow_provider_objectstore.emulator.fixtures"


def test_pytest_finds_them_by_itself() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert entries == {PLUGIN: PLUGIN}


def test_an_environment_without_the_extra_is_not_disturbed() -> None:
    """Every pytest imports the plugin, also where nobody uses the emulator."""
    code = (
        f"import sys, pytest; before = set(sys.modules); import {PLUGIN}\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(roots - set(sys.stdlib_module_names) - {'__mp_main__'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "['airflow_provider_objectstore']"


def test_a_conftest_may_name_them_as_well(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(f"pytest_plugins = [{PLUGIN!r}]")
    (tmp_path / "test_it.py").write_text("def test_it(objectstore_emulator): assert objectstore_emulator.url")
    command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, "."]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
