from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.fixtures import objectstore, objectstore_connections, objectstore_emulator
from airflow_provider_objectstore.exceptions import StoreNotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

__all__ = ["objectstore", "objectstore_connections", "objectstore_emulator"]


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


@pytest.mark.parametrize("exists", [True, False, True])
def test_clients_of_one_test_do_not_tell_those_of_the_next(objectstore: Emulator, exists: bool) -> None:
    """For a minute clients remember which stores exist, and for a second which do not."""
    if exists:
        objectstore.seed({"orders": {"eu": {"a": 1}}})
        assert AnypointObjectStoreHook().key_exists("orders", "eu", "b") is False
    else:
        with pytest.raises(StoreNotFoundError):
            AnypointObjectStoreHook().key_exists("orders", "eu", "b")


async def test_an_async_test(objectstore: Emulator) -> None:
    objectstore.seed({"orders": {"eu": {"a": 1}}})
    objectstore.advance(60)
    async with AnypointObjectStoreHook().async_client() as client:
        assert (await client.send(anypoint.get_key("orders", "eu", "a"))).value == 1


def test_pytest_shows_what_they_are_for(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--fixtures", "-p", PLUGIN, "-p", "no:cacheprovider", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment).stdout
    for fixture in __all__:
        assert re.search(rf"^{fixture}( \[session scope\])? -- .*\n(    .*\n)+", shown, re.M), shown
    methods = re.findall(r"``(\w+)\(", objectstore.__doc__ or "")
    assert {"seed", "values", "faults", "advance", "log", "reset"} <= set(methods)
    assert [name for name in methods if not hasattr(Emulator, name)] == []


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
