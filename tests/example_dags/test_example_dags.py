"""Import every example DAG, and run those of keys."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.example_dags.runs import EXAMPLES, IMPORT_ONLY, python, run
from tests.features import STATE_STORES
from tests.forks import Forks

pytestmark = pytest.mark.airflow

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


@pytest.mark.smoke
def test_every_example_is_imported(airflow_home: Forks) -> None:
    output = python(airflow_home, IMPORT_ONLY, EXAMPLES)
    names = json.loads(next(line for line in output.splitlines() if line.startswith("DAGS")).removeprefix("DAGS"))
    files = [path.stem for path in EXAMPLES.glob("*.py")]
    assert set(files) <= set(names)
    assert [name for name in names if not name.startswith(tuple(files))] == []


def test_tutorial(airflow_home: Forks, emulator: Emulator, tmp_path: Path) -> None:
    """Do what docs/tutorial.md tells the reader to do: save its first DAG and run it."""
    page = TUTORIAL.read_text()
    (tmp_path / "example_first.py").write_text(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)[0])
    (command,) = re.findall(r"^```console\n(airflow .*)\n```", page, re.M)
    connections = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    environment = {**airflow_home.environment, **connections, "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path)}
    arguments = [sys.executable, "-m", *shlex.split(command)]
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=240)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    ((key, value),) = AnypointObjectStoreHook().partition("tutorial", "runs").items()
    assert value == "hello"
    assert key in output
    assert emulator.requests()["by_operation"]["anypoint.key_exists"] == {"204": 1}


def test_confirmation_keeps_rejected_items(airflow_home: Forks, emulator: Emulator) -> None:
    run(airflow_home, "example_confirmation")

    hook = AnypointObjectStoreHook()
    assert list(hook.list_keys("work-items", "done")) == [f"car-{number:02}" for number in range(5)]
    assert hook.partition("work-items", "done")["car-00"] == 15.7  # 15 miles per gallon
    assert list(hook.list_keys("work-items", "inbox")) == ["car-05"]
    requests = emulator.requests()["by_operation"]
    assert requests["anypoint.acknowledge"] == {"204": 5}
    assert requests["anypoint.reject"] == {"204": 2}  # by each of two readers


def test_waiting_completes_the_delivery(airflow_home: Forks, emulator: Emulator) -> None:
    run(airflow_home, "example_waiting", skipped="all_delivered")

    state = AnypointObjectStoreHook().partition("deliveries", "regions")
    run_id = state["complete"]
    assert sorted(state) == sorted(["complete", *(f"{run_id}/{region}" for region in ("north", "south", "west"))])


def test_purge_keeps_a_week(airflow_home: Forks, emulator: Emulator) -> None:
    run(airflow_home, "example_purge")

    days = [f"day-2015-12-{day}" for day in range(25, 32)]
    assert list(AnypointObjectStoreHook().list_partitions("weather-records")) == days
    assert emulator.requests()["by_operation"]["anypoint.delete_partition"] == {"204": 3}


def test_a_store_moves(airflow_home: Mapping[str, str], emulator: Emulator) -> None:
    output = run(airflow_home, "example_moving")

    assert "51 values are moved, 11 of them are files as well" in output
    hook = AnypointObjectStoreHook()
    assert [store.store_id for store in hook.list_stores()] == ["prices-moved"]
    assert hook.get_store("prices-moved").default_ttl_seconds == 20 * 24 * 3600


@pytest.mark.skipif(not STATE_STORES, reason="task_state_store came with Airflow 3.3")
def test_task_state_continues_after_a_retry(airflow_home: Forks, emulator: Emulator) -> None:
    output = run(airflow_home, "example_task_state")

    assert "half-way: 5 of 11 years are done" in output
    assert "5 years by the first try, 6 by the second, none twice" in output


@pytest.mark.skipif(STATE_STORES, reason="task_state_store came with Airflow 3.3")
def test_task_state_fails_before_airflow_3_3(airflow_home: Forks, emulator: Emulator) -> None:
    assert "task_state_store needs Airflow 3.3" in run(airflow_home, "example_task_state", state="failed")


def test_usage(airflow_home: Forks, emulator: Emulator) -> None:
    AnypointObjectStoreHook().create_store("orders")
    CivoObjectStoreHook().create_object_store("seattle-weather")
    run(airflow_home, "example_usage")
