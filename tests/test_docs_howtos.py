"""
How-tos of ``docs/`` that no example DAG has: each is run as it stands on its page, against the emulator.

Every public class has one that is run, there, in an example DAG or in a test of its own.
"""

from __future__ import annotations

import ast
import re
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG as Dag

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from dev import docs, howtos
from dev.demo import PLAN
from tests.features import RETRY_POLICIES
from tests.fs.buckets import create
from tests.triggers.waiting import run

WITH_HOWTO = ("hooks", "operators", "transfers", "sensors", "triggers", "publishers", "notifications", "retries", "fs")
INTERFACES = {"Publisher", "Partition", "S3Options", "BulkResult"}
"""What a how-to of another class shows, or returns."""
CLASSES = [
    item.value.__name__
    for item in docs.public()
    if item.area in WITH_HOWTO and not docs._is_base(item.value) and item.value.__name__ not in INTERFACES
]


@pytest.fixture(autouse=True)
def in_a_dag(emulator: Emulator) -> Any:
    with Dag("howtos", schedule=None) as dag:
        yield dag


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_howto_that_is_run(name: str) -> None:
    assert howtos.of(name), f"no page of docs/ shows {name} by code between [START …] and [END …] of a file that is run"


def test_what_is_between_markers_is_run() -> None:
    """In a test, markers are within a function that pytest calls; tests or the demo run the DAGs of an example."""
    tests = (howtos.ROOT / "tests/example_dags").glob("test_*.py")
    ran = "\n".join(path.read_text() for path in tests) + str(PLAN)
    for path, code in howtos.sources():
        lines = [number for number, line in enumerate(code.splitlines(), 1) if re.match(r" *# \[START \w+\]", line)]
        if path.parent.name == "example_dags" and path.parent.parent == howtos.ROOT:
            dag_ids = re.findall(r'dag_id="(\w+)"', code)
            assert dag_ids
            assert [name for name in dag_ids if f'"{name}"' not in ran and f"'{name}'" not in ran] == [], path
            continue
        if path.is_relative_to(howtos.ROOT / "example_project"):  # tests/test_example_project.py runs the project
            continue
        functions = [
            node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        called = [f for f in functions if f.name.startswith("test_")]
        outside = [line for line in lines if not any(f.lineno < line < (f.end_lineno or 0) for f in called)]
        assert outside == [], path


def test_keys_in_tasks_of_their_own() -> None:
    AnypointObjectStoreHook().create_store("orders", default_ttl="P7D")

    # [START howto_keys]
    from airflow_provider_objectstore.operators.anypoint import AnypointUpdateStoreOperator
    from airflow_provider_objectstore.operators.anypoint_keys import (
        AnypointDeleteKeyOperator,
        AnypointGetKeyOperator,
        AnypointPutKeyOperator,
    )

    keep_longer = AnypointUpdateStoreOperator(task_id="keep_longer", store_id="orders", default_ttl="P14D")
    put = AnypointPutKeyOperator(task_id="put", store_id="orders", partition="eu", key="last", value=1007)
    get = AnypointGetKeyOperator(task_id="get", store_id="orders", partition="eu", key="last", default=0)
    delete = AnypointDeleteKeyOperator(task_id="delete", store_id="orders", partition="eu", key="last")

    keep_longer >> put >> get >> delete
    # [END howto_keys]
    assert run(keep_longer)["default_ttl_seconds"] == 14 * 24 * 3600
    run(put)
    assert run(get)["value"] == 1007
    run(delete)
    assert run(get)["value"] == 0


def test_changes_of_object_stores_and_credentials(emulator: Emulator) -> None:
    hook = CivoObjectStoreHook()
    hook.create_credential("former-team")
    hook.create_object_store("reports")

    # [START howto_civo_update]
    from airflow_provider_objectstore.operators.civo import (
        CivoCreateObjectStoreOperator,
        CivoUpdateCredentialOperator,
        CivoUpdateObjectStoreOperator,
    )

    create = CivoCreateObjectStoreOperator(task_id="create", name="reports", size_gb=500)
    enlarge = CivoUpdateObjectStoreOperator(task_id="enlarge", object_store="reports", max_size_gb=1000)
    suspend = CivoUpdateCredentialOperator(task_id="suspend", credential="former-team", suspended=True)

    create >> enlarge
    # [END howto_civo_update]
    create.poke_interval = 0.05  # type: ignore[attr-defined]
    run(create)
    assert run(enlarge)["max_size_gb"] == 1000
    run(suspend)
    (credential,) = (one for one in hook.list_credentials() if one.name == "former-team")
    assert credential.suspended


def test_usage(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    AnypointObjectStoreHook().create_store("orders")
    CivoObjectStoreHook().create_object_store("reports")

    # [START howto_usage]
    from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator
    from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator

    requests = AnypointUsageOperator(task_id="requests", store_ids="orders", monthly_allowance=26_000_000)
    use = CivoUsageOperator(task_id="use")
    room = CivoGrowObjectStoreOperator(
        task_id="room",
        object_store="reports",
        share=0.8,
        limit_gb=2000,
        deferrable=True,
    )
    # [END howto_usage]
    assert list(run(requests)["stores"]) == ["orders"]
    assert "reports" in str(run(use))
    assert run(room)["max_size_gb"] == 500


def test_waiting_for_a_partition_and_for_a_share(emulator: Emulator) -> None:
    AnypointObjectStoreHook().create_store("deliveries")
    AnypointObjectStoreHook().put_key("deliveries", "2026-11", "k", 1)
    CivoObjectStoreHook().create_object_store("reports")

    # [START howto_other_sensors]
    from airflow_provider_objectstore.sensors.anypoint import AnypointPartitionSensor
    from airflow_provider_objectstore.sensors.civo import CivoUsageSensor

    delivered = AnypointPartitionSensor(
        task_id="delivered",
        store_id="deliveries",
        partition="2026-11",
        poke_interval=30,
        timeout="PT2H",
        deferrable=True,
    )
    nearly_full = CivoUsageSensor(
        task_id="nearly_full", object_store="reports", share=0.8, poke_interval="PT1H", mode="reschedule"
    )
    # [END howto_other_sensors]
    assert run(delivered) == "2026-11"
    assert not nearly_full.poke({})
    body = {"size_kb_utilised": 400_000_000, "max_size_kb": 500_000_000, "num_objects": 1}
    emulator.faults([{"operation": "civo.get_object_store_stats", "kind": "status", "status": 200, "body": body}])
    assert nearly_full.poke({})


def test_waiting_without_a_worker() -> None:
    AnypointObjectStoreHook().create_store("my-store")

    # [START howto_start_from_trigger]
    from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor

    loaded = AnypointKeySensor(
        task_id="loaded",
        store_id="my-store",
        partition="checkpoints",
        keys="done/{{ run_id }}",
        start_from_trigger=True,
        end_from_trigger=True,
        do_xcom_push=False,
    )
    # [END howto_start_from_trigger]
    loaded.render_template_fields({"run_id": "r"})  # type: ignore[typeddict-unknown-key]
    assert not loaded.poke({})
    AnypointObjectStoreHook().put_key("my-store", "checkpoints", "done/r", 1)
    assert loaded.poke({})


@pytest.mark.skipif(not RETRY_POLICIES, reason="Airflow 3.3")
def test_retries_of_ones_own_tasks() -> None:
    AnypointObjectStoreHook().create_store("my-store")

    # [START howto_retries]
    from airflow.sdk import task

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook as Hook
    from airflow_provider_objectstore.retries import ObjectStoreRetryPolicy

    @task(retries=5, retry_policy=ObjectStoreRetryPolicy())
    def load() -> None:
        Hook().put_key("my-store", "checkpoints", "orders", 5)

    # [END howto_retries]
    load.function()
    assert AnypointObjectStoreHook().partition("my-store", "checkpoints")["orders"] == 5
    assert isinstance(load().operator.retry_policy, ObjectStoreRetryPolicy)


def test_paths() -> None:
    AnypointObjectStoreHook().create_store("orders")
    create(CivoObjectStoreHook(), "reports")

    # [START howto_paths]
    from airflow.sdk import ObjectStoragePath

    reports = ObjectStoragePath("civo://civo_default@reports/2026")
    with (reports / "11.csv").open("w") as file:
        file.write("day,orders\n")

    place = ObjectStoragePath("osv2://anypoint_default@orders/checkpoints") / "eu" / "last"
    place.write_text("2026-11-21")
    # [END howto_paths]
    assert (reports / "11.csv").read_text() == "day,orders\n"
    assert AnypointObjectStoreHook().partition("orders", "checkpoints")["eu%2Flast"] == "2026-11-21"


def test_notifications() -> None:
    hook = AnypointObjectStoreHook()
    hook.create_store("mule")

    # [START howto_notifier]
    from datetime import timedelta

    from airflow.sdk import DAG
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

    from airflow_provider_objectstore.notifications.anypoint import AnypointKeyNotifier

    PLACE = {"store_id": "mule", "partition": "airflow"}

    with DAG(
        "orders",
        schedule="@hourly",
        default_args={"on_failure_callback": AnypointKeyNotifier(**PLACE, key="{{ dag.dag_id }}-{{ ti.task_id }}")},
        on_success_callback=AnypointKeyNotifier(**PLACE, key="orders"),
        on_failure_callback=AnypointKeyNotifier(**PLACE, key="orders"),
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(minutes=30),
            callback=AsyncCallback(AnypointKeyNotifier, {**PLACE, "key": "orders-late"}),
        ),
    ) as dag:
        ...
    # [END howto_notifier]
    context: Any = {"dag": dag, "run_id": "r", "reason": "success"}
    dag.on_success_callback(context)  # type: ignore[operator, misc]
    assert '"state": "success"' in str(hook.get_key("mule", "airflow", "orders").value)
    notifier: Any = dag.default_args["on_failure_callback"]
    task = SimpleNamespace(on_failure_callback=notifier)
    names = {"dag_id": "orders", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "log_url": "u"}
    ti = SimpleNamespace(state="failed", task=task, **names)
    notifier({"dag": dag, "ti": ti})
    assert '"state": "failed"' in str(hook.get_key("mule", "airflow", "orders-t").value)
