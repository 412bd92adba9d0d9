"""Run every example DAG that needs a bucket."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.rotation.names import rotation_id_of
from tests.conftest import ALL
from tests.example_dags.runs import EXAMPLES, PREPARE, run
from tests.forks import Forks
from tests.publishers.servers import PASSWORDS, ApiServer

pytestmark = [pytest.mark.airflow, pytest.mark.long]


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


def test_backup_is_restored(airflow_home: Forks, emulator: Emulator) -> None:
    output = run(airflow_home, "example_backup")

    assert "51 values in 3 partitions are restored" in output
    assert AnypointObjectStoreHook().partition("energy-restored", "Renewables")["2017-01-01"] == 21933
    options = CivoObjectStoreHook().s3_options("backups")
    contents = boto3.client("s3", **options).list_objects_v2(Bucket=options.bucket)["Contents"]
    data, manifest = (item["Key"].rpartition("/")[2] for item in contents)
    assert (data[:5], data[-6:], manifest) == ("data-", ".jsonl", "manifest.json")
