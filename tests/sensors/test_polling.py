"""What holds for every sensor, on a worker and deferred."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from traceback import format_exception
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk.bases.sensor import AirflowRescheduleException

from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor, AnypointPartitionSensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor
from airflow_provider_objectstore.sensors.polling import BasePollingSensor
from tests.conftest import connect
from tests.features import START_FROM_TRIGGER
from tests.triggers.waiting import ATTEMPTS, answers, once, run


def test_an_outage_does_not_outlast_the_time_out(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection would try for two minutes."""
    extra = {"organization_id": "o", "environment_id": "e"}
    connection = {
        "conn_type": "anypoint",
        "host": f"http://127.0.0.1:{unused_port}",
        "login": "a",
        "password": "secret",
    }
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps({**connection, "extra": extra}))
    begin = time.monotonic()
    with pytest.raises(
        AirflowSensorTimeout,
        match=r"Still missing: key 'k' of partition 'p', store 's' \[connection any.*The last poll failed.*refused",
    ):
        keys_sensor(task_id="wait", timeout=1, poke_interval=0.1, deferrable=False).execute({})
    with pytest.raises(AirflowSensorTimeout, match=r"not found within 1 s: key 'k'.*The last poll failed.*refused"):
        keys_sensor(task_id="wait", timeout=1).resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    sensor = keys_sensor(task_id="wait", timeout=100)
    sensor._started = float("-inf")
    assert sensor.poke({}) is False
    assert time.monotonic() - begin < 60


def test_a_wait_stays_in_one_place(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    AnypointObjectStoreHook().create_store("s")
    AnypointObjectStoreHook().put_key("s", "p", "here", "v")
    with Emulator(Settings()) as other:
        connect(monkeypatch, other)
        AnypointObjectStoreHook().create_store("s")
        AnypointObjectStoreHook().put_key("s", "p", "there", "v")
        connect(monkeypatch, emulator)
        sensor = keys_sensor(task_id="wait", keys=["here", "there"], deferrable=False)
        assert sensor.poke({}) is False
        connect(monkeypatch, emulator, requests_per_second=99_999)
        assert sensor.poke({}) is False, "another pace is no other place"
        connect(monkeypatch, other)
        message = r"edited meanwhile and leads elsewhere: start again \[connection anypoint_default, environment"
        with pytest.raises(AirflowFailException, match=message):
            sensor.poke({})
        connect(monkeypatch, emulator)
        assert sensor.poke({}) is False


def test_silent_fail_without_a_connection_says_that_nothing_is_known() -> None:
    sensor = keys_sensor(
        task_id="wait", anypoint_conn_id="nowhere", silent_fail=True, timeout=0.1, poke_interval=0.01, deferrable=False
    )
    with pytest.raises(AirflowSensorTimeout, match=r"store 's'\. The last poll failed, so .*nowhere"):
        sensor.execute({})


@dataclass(frozen=True)
class Case:
    """
    A sensor and its object.

    :param operation: the operation that it polls with.
    :param appear: creates the object that it waits for.
    :param missing: how it is named in logs and errors.
    """

    new: Callable[..., BasePollingSensor]
    operation: str
    connection: str
    appear: Callable[[], Any]
    missing: str

    def sensor(self, **settings: Any) -> BasePollingSensor:
        with DAG("waiting", schedule=None, start_date=datetime(2026, 1, 1)):
            return self.new(**{"task_id": "wait", "poke_interval": 0.01, "timeout": 20, **settings})


def keys_sensor(**settings: Any) -> BasePollingSensor:
    return AnypointKeySensor(**{"store_id": "s", "partition": "p", "keys": "k", **settings})


def partition_sensor(**settings: Any) -> BasePollingSensor:
    return AnypointPartitionSensor(**{"store_id": "s", "partition": "p", **settings})


def store_sensor(**settings: Any) -> BasePollingSensor:
    return CivoObjectStoreSensor(**{"object_store": "photos", **settings})


def put_key() -> None:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "k", "v")


CASES = {
    "key": Case(keys_sensor, "anypoint.key_exists", "anypoint_default", put_key, "key 'k' of partition 'p', store 's'"),
    "partition": Case(
        partition_sensor, "anypoint.partition_exists", "anypoint_default", put_key, "partition 'p' of store 's'"
    ),
    "object store": Case(
        store_sensor,
        "civo.list_object_stores",
        "civo_default",
        lambda: CivoObjectStoreHook().create_object_store("photos"),
        "object store 'photos' to be ready",
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest, emulator: Emulator) -> Case:
    found: Case = request.param
    return found


MODES: dict[str, dict[str, bool]] = {
    "poke": {"deferrable": False},
    "deferrable": {"deferrable": True},
    "ending in the triggerer": {"deferrable": True, "end_from_trigger": True, "do_xcom_push": False},
    "starting there": {"start_from_trigger": True},
    "starting and ending there": {"start_from_trigger": True, "end_from_trigger": True, "do_xcom_push": False},
}


@pytest.fixture(params=MODES.values(), ids=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, bool]:
    found: dict[str, bool] = request.param
    return found


def test_object_that_is_there(case: Case, mode: dict[str, bool]) -> None:
    case.appear()
    found = run(case.sensor(**mode))
    assert found
    assert json.loads(json.dumps(found)) == found


def test_object_that_appears_while_it_waits(case: Case, mode: dict[str, bool], emulator: Emulator) -> None:
    with once(lambda: sum(answers(emulator, case.operation).values()) >= 3, case.appear):
        assert run(case.sensor(**mode))


def test_first_poll_needs_no_triggerer(case: Case) -> None:
    case.appear()
    if case.operation.startswith("civo."):
        run(case.sensor(deferrable=False))  # until it is ready
    context: Any = {}
    assert case.sensor(deferrable=True).execute(context)


def test_reschedule(case: Case, emulator: Emulator) -> None:
    sensor = case.sensor(mode="reschedule", deferrable=False)
    context: Any = {"ti": SimpleNamespace(get_first_reschedule_date=lambda context: None)}
    with pytest.raises(AirflowRescheduleException):
        sensor.execute(context)
    case.appear()
    run(case.sensor(deferrable=False))
    assert case.sensor(mode="reschedule", deferrable=False).execute(context)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_permanent_errors_fail_at_once(case: Case, mode: dict[str, bool], status: int, emulator: Emulator) -> None:
    emulator.faults([{"operation": case.operation, "kind": "status", "status": status}])
    with pytest.raises(AirflowFailException, match=f"answered {status}") as caught:
        run(case.sensor(**mode))
    assert "".join(format_exception(caught.value)).count(str(caught.value)) == 1, "the log says it once"
    # A fresh token is tried where there can be one.
    assert sum(answers(emulator, case.operation).values()) <= {400: 1, 401: 4, 403: 2}[status]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_permanent_errors_fail_a_wait_that_has_begun(
    case: Case, mode: dict[str, bool], status: int, emulator: Emulator
) -> None:
    def fail() -> None:
        emulator.faults([{"operation": case.operation, "kind": "status", "status": status}])

    with (
        once(lambda: sum(answers(emulator, case.operation).values()) >= 3, fail),
        pytest.raises(AirflowFailException, match=f"answered {status}"),
    ):
        run(case.sensor(**mode))


TRANSIENT = {
    "500": {"kind": "status", "status": 500},
    "429": {"kind": "status", "status": 429},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
@pytest.mark.slow
def test_transient_errors_are_tolerated(
    case: Case, mode: dict[str, bool], fault: dict[str, Any], emulator: Emulator
) -> None:
    case.appear()
    emulator.faults([{"operation": case.operation, "times": 2 * ATTEMPTS, **fault}])
    assert run(case.sensor(**mode, max_consecutive_errors=2))


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_transient_errors_that_stay_fail_in_the_end(
    case: Case, mode: dict[str, bool], fault: dict[str, Any], emulator: Emulator
) -> None:
    emulator.faults([{"operation": case.operation, **fault}])
    with pytest.raises(ObjectStoreError, match=case.operation if "status" in fault else "failed: ") as caught:
        run(case.sensor(**mode, max_consecutive_errors=2))
    assert not isinstance(caught.value, AirflowFailException), "the task's retries apply"
    polls = sum(answers(emulator, case.operation).values()) / ATTEMPTS
    if polls:  # a request that is reset may not be counted
        began_on_worker = not (START_FROM_TRIGGER and "start_from_trigger" in mode)
        assert polls == (4 if mode.get("deferrable", began_on_worker) else 3), "plus the worker's poll"


def test_errors_with_success_between_are_not_in_a_row(case: Case, mode: dict[str, bool], emulator: Emulator) -> None:
    fails = {"operation": case.operation, "kind": "status", "status": 500, "times": 2 * ATTEMPTS}

    def asked() -> int:
        return answers(emulator, case.operation).get("500", 0)

    def missing() -> int:
        return sum(n for status, n in answers(emulator, case.operation).items() if status != "500")

    def again() -> None:
        emulator.faults([fails])

    emulator.faults([fails])
    with (
        once(lambda: asked() == 2 * ATTEMPTS and missing() >= 3, again),
        once(lambda: asked() == 4 * ATTEMPTS, case.appear),
    ):
        assert run(case.sensor(**mode, max_consecutive_errors=2))


def test_timeout(case: Case, mode: dict[str, bool]) -> None:
    with pytest.raises(AirflowSensorTimeout) as caught:
        run(case.sensor(**mode, timeout=0.1))
    assert case.missing in str(caught.value)
    assert f"[connection {case.connection}, " in str(caught.value)
    assert "region " in str(caught.value)


def test_timeout_with_soft_fail_skips(case: Case, mode: dict[str, bool]) -> None:
    with pytest.raises(AirflowSkipException) as caught:
        run(case.sensor(**mode, timeout=0.1, soft_fail=True))
    assert case.missing in str(caught.value)


def test_object_that_is_there_at_the_end_of_the_timeout(case: Case, mode: dict[str, bool]) -> None:
    case.appear()
    if case.operation.startswith("civo."):
        run(case.sensor(deferrable=False))  # until it is ready
    timed_out = {"error": "Trigger timeout"}
    context: Any = {}
    assert case.sensor(**mode).resume_execution("__fail__", timed_out, context)


SKIPPING = {
    "permanent": {"kind": "status", "status": 403},
    "transient": {"kind": "status", "status": 500},
}


@pytest.mark.parametrize("fault", SKIPPING.values(), ids=SKIPPING)
@pytest.mark.parametrize("setting", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("begun", [False, True], ids=["at first", "later"])
def test_skips_instead_of_failing(
    case: Case, mode: dict[str, bool], fault: dict[str, Any], setting: str, begun: bool, emulator: Emulator
) -> None:
    def fail() -> None:
        emulator.faults([{"operation": case.operation, **fault}])

    polls = 3 if begun else 0
    with (
        once(lambda: sum(answers(emulator, case.operation).values()) >= polls, fail),
        pytest.raises(AirflowSkipException, match=r"^Skipping: .*(answered|Connection|connection)"),
    ):
        if not begun:
            fail()
        run(case.sensor(**mode, max_consecutive_errors=0, **{setting: True}))


@pytest.mark.parametrize(
    ("setting", "outcome"),
    [
        ({}, AirflowFailException),
        ({"soft_fail": True}, AirflowSkipException),
        ({"never_fail": True}, AirflowSkipException),
    ],
)
def test_unusable_connection(
    case: Case,
    mode: dict[str, bool],
    setting: dict[str, bool],
    outcome: type[Exception],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{case.connection.upper()}", "{}")
    with pytest.raises(outcome, match=r"password.* is missing"):
        run(case.sensor(**mode, **setting))
    assert emulator.requests()["total"] == 0


@pytest.mark.parametrize(
    ("setting", "outcome"),
    [
        ({}, AirflowException),
        ({"soft_fail": True}, AirflowSkipException),
        ({"never_fail": True}, AirflowSkipException),
    ],
)
def test_missing_connection(
    case: Case,
    mode: dict[str, bool],
    setting: dict[str, bool],
    outcome: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(f"AIRFLOW_CONN_{case.connection.upper()}")
    with pytest.raises(outcome, match=r"Airflow finds no connection '") as caught:
        run(case.sensor(**mode, **setting))
    assert not isinstance(caught.value, AirflowFailException), "the task's retries apply"


UNKNOWN_EVENTS: list[Any] = [
    None,
    {},
    {"status": "maybe"},
    {"status": "success"},
    {"status": "failed"},
    {"status": "failed", "message": "m"},
    {"status": "failed", "message": None, "non_retryable": True},
    "success",
    ["status", "success"],
]


@pytest.mark.parametrize("event", UNKNOWN_EVENTS, ids=repr)
def test_events_of_another_kind(case: Case, event: Any) -> None:
    context: Any = {}
    with pytest.raises(AirflowException, match="sent an event that cannot be understood"):
        case.sensor().resume_execution("execute_complete", {"event": event}, context)


def test_event_with_a_failure(case: Case) -> None:
    context: Any = {}
    event = {"status": "failed", "message": "broken for good", "non_retryable": True}
    with pytest.raises(AirflowFailException, match="broken for good") as caught:
        case.sensor().resume_execution("execute_complete", {"event": event}, context)
    assert "".join(format_exception(caught.value)).count("broken for good") == 1, "the log says it once"


def test_deferrable_by_default_as_configured(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not case.sensor().deferrable
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    assert case.sensor().deferrable
    assert not case.sensor(deferrable=False).deferrable
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        case.sensor(timeout=77).execute(context)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout.total_seconds() == 77


def test_settings_go_into_the_trigger(case: Case) -> None:
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        case.sensor(deferrable=True, poke_interval=7, max_consecutive_errors=3).execute(context)
    _, arguments = deferred.value.trigger.serialize()
    assert arguments["poke_interval"] == 7
    assert arguments["max_consecutive_errors"] == 3
    assert case.connection in arguments.values()
