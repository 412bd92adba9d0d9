"""When a sensor starts, and ends, in the triggerer."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred
from airflow.sdk import Asset, task

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.triggers.polling import PollingTrigger
from tests.features import START_FROM_TRIGGER
from tests.triggers.waiting import ENDED, fire, run, started

needs_3_3 = pytest.mark.skipif(not START_FROM_TRIGGER, reason="Airflow starts no task in the triggerer before 3.3")


def dag(**settings: Any) -> DAG:
    return DAG("waiting", schedule=None, start_date=datetime(2026, 1, 1), **settings)


def sensor(**settings: Any) -> AnypointKeySensor:
    fixed = {"task_id": "wait", "store_id": "s", "partition": "p", "keys": "k", "start_from_trigger": True}
    return AnypointKeySensor(**{**fixed, **settings})


def starts(made: AnypointKeySensor) -> bool:
    assert made.start_from_trigger is (made.start_trigger_args is not None)
    return made.start_from_trigger


def logged_reason(made: AnypointKeySensor, capsys: pytest.CaptureFixture[str]) -> str:
    """What the log says when it starts on a worker."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "k", "v")
    made.keys = "k"
    context: Any = {}
    made.execute(context)
    return capsys.readouterr().out.partition("despite start_from_trigger: ")[2]


def test_off_by_default() -> None:
    with dag():
        assert not starts(sensor(start_from_trigger=False))
    assert AnypointKeySensor.start_trigger_args is None
    assert not AnypointKeySensor.start_from_trigger


@needs_3_3
@pytest.mark.parametrize(
    "keys",
    [
        "k",
        ["a", "b"],
        "done/{{ run_id }}",
        ["{{ ds }}", "{{ params.x }}", "{{ macros.ds_add(ds, 1) }}", "{{ logical_date | ds_nodash }}"],
        "{{ dag_run.conf['key'] }}",
        "{{ dag.dag_id }}/{{ task.task_id }}/{{ ts_nodash }}",
        "{% for n in range(3) %}{{ n }}{% endfor %}",
        "{not a template}",
    ],
    ids=str,
)
def test_starts_in_the_triggerer(keys: Any) -> None:
    with dag():
        made = sensor(keys=keys, timeout=77, poke_interval=7)
    assert starts(made)
    assert made.deferrable
    start: Any = made.start_trigger_args
    assert start.timeout.total_seconds() == 77
    assert start.trigger_kwargs["keys"] == keys
    assert start.trigger_kwargs["poke_interval"] == 7
    trigger = started(start.trigger_cls, start.trigger_kwargs)
    assert set(made.template_fields) <= set(vars(trigger)), "Airflow renders the fields in the trigger by name"


@task
def keys_to_wait_for() -> list[str]:
    return ["k"]


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "xcom_pull": ({"keys": "{{ ti.xcom_pull('t') }}"}, "keys is a template that uses ti"),
    "task_instance": ({"store_id": "{{ task_instance.x }}"}, "store_id is a template that uses task_instance"),
    "variable": ({"keys": ["a", "{{ var.value.x }}"]}, "keys is a template that uses var"),
    "connection": ({"partition": "{{ conn.x.host }}"}, "partition is a template that uses conn"),
    "own macro": ({"keys": "{{ my_macro() }}"}, "keys is a template that uses my_macro"),
    "statement": ({"keys": "{% if ti %}a{% endif %}"}, "keys is a template that uses ti"),
    "own filter": ({"keys": "{{ ds | my_filter }}"}, "keys is a template that the triggerer cannot render"),
    "no template": ({"keys": "{{ ds "}, "keys is a template that the triggerer cannot render"),
    "not deferrable": ({"deferrable": False}, "deferrable is off"),
}


@pytest.mark.parametrize(("settings", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_starts_on_a_worker_and_logs_the_reason(
    settings: dict[str, Any], reason: str, emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with dag(user_defined_macros={"my_macro": str}, user_defined_filters={"my_filter": str}):
        made = sensor(**settings)
    assert not starts(made)
    made.store_id, made.partition = "s", "p"
    assert logged_reason(made, capsys).startswith(reason if START_FROM_TRIGGER else "that needs Airflow 3.3")


@needs_3_3
def test_output_of_another_task_starts_it_on_a_worker(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    with dag():
        whole, part = sensor(keys=keys_to_wait_for()), sensor(task_id="part", keys=["a", keys_to_wait_for()])
    assert not starts(whole)
    assert not starts(part)
    assert "XComArg" in logged_reason(whole, capsys)


@needs_3_3
@pytest.mark.parametrize("settings", [{"render_template_as_native_obj": True}, {"jinja_environment_kwargs": {"x": 1}}])
def test_dag_with_its_own_rendering_starts_it_on_a_worker(settings: dict[str, Any]) -> None:
    with dag(**settings):
        assert not starts(sensor())


@needs_3_3
def test_task_without_dag_starts_on_a_worker() -> None:
    assert not starts(sensor())


def test_mapped_task_starts_on_a_worker() -> None:
    from airflow.serialization import serialized_objects

    name = "DagSerialization" if hasattr(serialized_objects, "DagSerialization") else "SerializedDAG"
    with dag() as made:
        AnypointKeySensor.partial(task_id="wait", store_id="s", partition="p", start_from_trigger=True).expand(
            keys=["a", "b"]
        )
    serializer = getattr(serialized_objects, name)
    mapped = serializer.from_dict(json.loads(json.dumps(serializer.to_dict(made)))).get_task("wait")
    assert mapped.is_mapped
    assert mapped.start_trigger_args is None


@needs_3_3
def test_scheduler_finds_the_arguments() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with dag() as made:
        sensor(keys="done/{{ run_id }}")
    found = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(made)))).get_task("wait")
    assert found.start_from_trigger is True
    assert found.start_trigger_args.timeout.total_seconds() > 0
    assert found.start_trigger_args.next_method == "execute_complete"


@needs_3_3
def test_missing_value_in_a_template_is_an_error_there() -> None:
    with dag():
        start: Any = sensor(keys="done/{{ ds }}").start_trigger_args
    trigger: Any = started(start.trigger_cls, start.trigger_kwargs)
    trigger.template_fields = ("keys",)
    context: Any = {"run_id": "manual"}  # a run without a logical date has no ds
    with pytest.raises(jinja2.UndefinedError, match="ds"):
        trigger.render_template_fields(context)
    with pytest.raises(jinja2.UndefinedError, match="came out as None"):
        trigger.render_template_fields({"ds": None})
    trigger.render_template_fields({"ds": "2026-01-01"})
    assert trigger.keys == "done/2026-01-01"


@needs_3_3
def test_bad_argument_fails_in_the_triggerer(emulator: Emulator) -> None:
    with dag():
        made = sensor(keys="{{ params.missing }}", start_from_trigger=True)
    assert starts(made)
    made.start_trigger_args.trigger_kwargs["keys"] = ""  # what the template comes out as
    with pytest.raises(Exception, match="keys must not be empty"):
        run(made)
    assert emulator.requests()["total"] == 0


def test_ends_in_the_triggerer(emulator: Emulator) -> None:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    made = sensor(start_from_trigger=False, end_from_trigger=True, do_xcom_push=False, poke_interval=0.01)
    assert made.deferrable
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        made.execute(context)
    hook.put_key("s", "p", "k", "v")
    assert isinstance(deferred.value.trigger, PollingTrigger)
    assert fire(deferred.value.trigger) == ENDED


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"outlets": [Asset("x")], "do_xcom_push": False}, "it has outlets"),
        ({}, "it pushes an XCom, unless do_xcom_push=False"),
    ],
)
def test_outlets_and_xcoms_end_it_on_a_worker(
    settings: dict[str, Any], reason: str, emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    AnypointObjectStoreHook().create_store("s")
    made = sensor(start_from_trigger=False, end_from_trigger=True, **settings)
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        made.execute(context)
    assert deferred.value.trigger.serialize()[1]["end_from_trigger"] is False
    made.execute_complete(context, {"status": "success", "result": ["k"]})
    assert f"Ended on a worker despite end_from_trigger: {reason}" in capsys.readouterr().out
