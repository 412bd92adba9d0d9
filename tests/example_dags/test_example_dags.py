"""Import and run every example DAG unchanged, in a process with its own database."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.rotation.names import rotation_id_of
from tests.conftest import ALL
from tests.features import STATE_STORES
from tests.forks import Forks
from tests.publishers.servers import PASSWORDS, ApiServer

pytestmark = pytest.mark.airflow

EXAMPLES = Path(__file__).parents[2] / "example_dags"
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"

RUN = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ModuleNotFoundError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
assert not bag.import_errors, bag.import_errors
for run in range(int(sys.argv[3])):
    dag_run = bag.dags[sys.argv[2]].test(mark_success_pattern=sys.argv[4] or None, run_conf=json.loads(sys.argv[5]))
    assert dag_run.state == sys.argv[6], dag_run.state
"""
IMPORT_ONLY = RUN.partition("for run")[0] + "import json; print('DAGS', json.dumps(sorted(bag.dags)))"


# What takes seconds at the beginning of dag.test().
PREPARE = """
from airflow.sdk.execution_time.supervisor import in_process_api_server
import airflow.providers.amazon.aws.hooks.s3, airflow.serialization.serialized_objects
import airflow_provider_objectstore.fs.civo_s3fs, airflow_provider_objectstore.operators.rotation
import airflow_provider_objectstore.triggers.civo
in_process_api_server().app
"""


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """An Airflow with an empty database."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True, timeout=300)
    with Forks(PREPARE, environment) as forks:
        yield forks


def python(airflow_home: Forks, code: str, *arguments: object) -> str:
    """Run code in that Airflow, with the connections in this process's environment. Return its output."""
    connections = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    done = airflow_home.run(code, *arguments, environment={**airflow_home.environment, **connections})
    assert done.returncode == 0, done.printed[-8000:]
    return done.printed


def run(
    airflow_home: Forks,
    dag_id: str,
    *,
    runs: int = 1,
    skipped: str = "",
    conf: Mapping[str, Any] | None = None,
    state: str = "success",
) -> str:
    """
    Run a DAG, one task after the other. Check that its output contains no secret, and return it.

    :param runs: how many times to run it.
    :param skipped: a task that waits for another task, which would never end here. The demo runs it.
    :param conf: the run's ``conf``.
    :param state: the expected state of the runs.
    """
    output = python(airflow_home, RUN, EXAMPLES, dag_id, runs, skipped, json.dumps(conf or {}), state)
    assert "emulator-secret" not in output
    assert "emulator-key" not in output
    return output


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


def test_checkpoint_continues_where_it_stopped(airflow_home: Forks, emulator: Emulator) -> None:
    output = run(airflow_home, "example_checkpoint", runs=2, skipped="load_done")

    options = CivoObjectStoreHook().s3_options("seattle-weather")
    contents = boto3.client("s3", **options).list_objects_v2(Bucket=options.bucket)["Contents"]
    assert [item["Key"] for item in contents] == [
        f"daily/{year}-{month:02}.csv" for year in range(2012, 2016) for month in range(1, 13)
    ]
    checkpoints = AnypointObjectStoreHook().partition("weather-load", "checkpoints")
    assert checkpoints["watermark"] == "2015-12"
    loaded = [value for key, value in checkpoints.items() if key.startswith("done/")]
    assert sorted(loaded) == [730, 731]  # the data set's 1,461 days, each loaded by one run only
    assert options.secret_access_key not in output


@pytest.mark.parametrize(
    ("states", "state", "written"), [(["CA", "WA"], "success", 2), (["WA", "nowhere"], "failed", 1)], ids=str
)
def test_provisioning_leaves_nothing_behind(
    airflow_home: Forks, emulator: Emulator, states: list[str], state: str, written: int
) -> None:
    output = run(airflow_home, "example_provisioning", conf={"states": states}, state=state)

    requests = emulator.requests()["by_operation"]
    assert requests["civo.create_credential"] == requests["civo.create_object_store"] == {"200": 1}
    assert requests["anypoint.put_key"] == {"200": written}
    assert ("WA: 65 airports, the northernmost is Dorothy Scott" in output) == (state == "success")
    assert list(CivoObjectStoreHook().list_object_stores()) == []
    assert list(CivoObjectStoreHook().list_credentials()) == []
    assert list(AnypointObjectStoreHook().list_stores()) == []


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


def test_new_objects_are_written(airflow_home: Forks, emulator: Emulator) -> None:
    run(airflow_home, "example_new_objects")

    options = CivoObjectStoreHook().s3_options("supplier-orders")
    contents = boto3.client("s3", **options).list_objects_v2(Bucket=options.bucket)["Contents"]
    assert [item["Key"].rpartition("/")[2] for item in contents] == ["north.csv", "south.csv", "west.csv"]


@pytest.mark.skipif(not ALL, reason="make demo runs it, and fails if a consumer is refused; ALL=1 runs it here too")
def test_rotation_refuses_no_consumer(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = CivoObjectStoreHook()
    with ExitStack() as stack:
        server, executor = stack.enter_context(ApiServer(tmp_path)), stack.enter_context(ThreadPoolExecutor())
        api = {"conn_type": "http", "host": server.url, "login": "admin", "password": PASSWORDS["admin"]}
        monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(api))
        environment = {**server.environment, "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES)}
        forks = stack.enter_context(Forks(PREPARE, environment))

        output = run(forks, "example_rotation")
        (first,) = hook.list_credentials()
        assert rotation_id_of(first)
        assert "560 prices in 5 files" in output
        assert "{'orphans': [], 'shared': []}" in output

        again = run(forks, "example_rotation")  # younger than a week
        assert list(hook.list_credentials()) == [first]
        assert "{'orphans': [], 'shared': []}" in again

        # Each run executes one task of the two, because it executes one after the other.
        consumers = [
            executor.submit(run, forks, "example_rotation_consumer", skipped=skipped)
            for skipped in ("hold_connection", "look_up_each_time")
        ]
        wait_for_objects("stock-prices", ["latest/hold_connection", "latest/look_up_each_time"], consumers)
        forced = run(forks, "example_rotation", conf={"days": 0})
        (second,) = hook.list_credentials()
        assert second.name > first.name  # of the same length and beginning, with a later time
        assert '"strategy": "overlap"' in forced
        assert server.call("GET", "/connections/s3_stock_prices")["login"] == second.access_key_id

        look_up_each_time, hold_connection = (consumer.result() for consumer in consumers)  # no read failed
        assert first.access_key_id in look_up_each_time
        assert second.access_key_id in look_up_each_time
        assert first.access_key_id in hold_connection
        assert second.access_key_id not in hold_connection
    secrets = first.secret_access_key, second.secret_access_key, PASSWORDS["admin"]
    printed = output + again + forced + look_up_each_time + hold_connection
    assert [secret for secret in secrets if secret in printed] == []


def wait_for_objects(bucket: str, keys: list[str], writers: Sequence[Future[str]]) -> None:
    """Wait until the objects exist. Fail if a writer ends before."""
    s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options(bucket))
    while not set(keys) <= {item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}:
        ended = [writer.result() for writer in writers if writer.done()]
        assert ended == []
        time.sleep(0.5)


def test_purge_keeps_a_week(airflow_home: Forks, emulator: Emulator) -> None:
    run(airflow_home, "example_purge")

    days = [f"day-2015-12-{day}" for day in range(25, 32)]
    assert list(AnypointObjectStoreHook().list_partitions("weather-records")) == days
    assert emulator.requests()["by_operation"]["anypoint.delete_partition"] == {"204": 3}


def test_backup_is_restored(airflow_home: Forks, emulator: Emulator) -> None:
    output = run(airflow_home, "example_backup")

    assert "51 values in 3 partitions are restored" in output
    assert AnypointObjectStoreHook().partition("energy-restored", "Renewables")["2017-01-01"] == 21933
    options = CivoObjectStoreHook().s3_options("backups")
    contents = boto3.client("s3", **options).list_objects_v2(Bucket=options.bucket)["Contents"]
    assert [item["Key"].rpartition("/")[2] for item in contents] == ["data.jsonl", "manifest.json"]


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
