"""Each sensor says what it waits for, where, how often and until when; what is missing; how it ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSensorTimeout, BaseSensorOperator

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor, AnypointPartitionSensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor, CivoUsageSensor
from airflow_provider_objectstore.triggers import polling
from tests.features import START_FROM_TRIGGER
from tests.hooks.buckets import create
from tests.operators.test_civo_usage import holds
from tests.sensors.test_polling import MODES
from tests.test_structure import public_classes
from tests.triggers.waiting import once, run

CIVO = "connection civo_default, region LON1"
ANYPOINT = "connection anypoint_default, environment emulator-env, region us-east-1"


@dataclass(frozen=True)
class Case:
    """
    A sensor.

    :param missing: how it names what is missing.
    :param appear: lets what it waits for appear, all of it.
    :param found: how it names what it has found.
    """

    sensor: type[BaseSensorOperator]
    fields: dict[str, Any]
    where: str
    missing: str
    appear: Callable[[Emulator], Any]
    found: str

    def build(self, **settings: Any) -> BaseSensorOperator:
        with DAG("waiting", schedule=None, start_date=datetime(2026, 1, 1)):
            return self.sensor(**{"task_id": "wait", "poke_interval": 0.01, "timeout": 20, **self.fields, **settings})


def put(*keys: str) -> None:
    AnypointObjectStoreHook().create_store("s")
    for key in keys:
        AnypointObjectStoreHook().put_key("s", "p", key, "v")


PLACE = {"store_id": "s", "partition": "p"}
CASES = [
    Case(
        AnypointKeySensor,
        {**PLACE, "keys": ["a", "b"]},
        ANYPOINT,
        "2 of 2 keys ('a', 'b') of partition 'p', store 's'",
        lambda _: put("a", "b"),
        "['a', 'b']",
    ),
    Case(AnypointPartitionSensor, PLACE, ANYPOINT, "partition 'p' of store 's'", lambda _: put("a"), "p"),
    Case(
        CivoObjectStoreSensor,
        {"object_store": "music"},
        CIVO,
        "object store 'music' to be ready",
        lambda _: create(CivoObjectStoreHook(), "music"),
        "music",
    ),
    Case(
        CivoUsageSensor,
        {"object_store": "photos"},
        CIVO,
        "80.0% of object store 'photos' to be used",
        lambda emulator: holds(emulator, 450),
        "'share': 0.9",
    ),
]


def test_every_sensor_has_a_case() -> None:
    sensors = {kind for kind in public_classes("sensors") if issubclass(kind, BaseSensorOperator)}
    assert sensors - {kind for kind in sensors if kind.__name__.startswith("Base")} == {case.sensor for case in CASES}


@pytest.fixture(params=CASES, ids=lambda case: case.sensor.__name__)
def case(request: pytest.FixtureRequest, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    create(CivoObjectStoreHook(), "photos")
    found: Case = request.param
    return found


@pytest.fixture(params=MODES.values(), ids=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, bool]:
    found: dict[str, bool] = request.param
    return found


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_success(case: Case, mode: dict[str, bool], emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    before = emulator.requests()["total"]
    with once(lambda: emulator.requests()["total"] >= before + 4, lambda: case.appear(emulator)):
        run(case.build(**mode))
    printed = lines(capsys)
    starts = [line for line in printed if f"Waiting for {case.missing}" in line]
    assert starts, printed
    for line in starts:
        assert ": a poll every 0.01 s, for at most 20 s" in line
        assert line.count(f"[{case.where}]") == 1
    on_a_worker = not (START_FROM_TRIGGER and mode.get("start_from_trigger"))
    assert bool(re.search(r", until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \[", starts[0])) is on_a_worker
    found = [line for line in printed if "Found: " in line and case.found in line]
    assert any(f"[{case.where}]" in line for line in found), printed
    assert not [line for line in printed if "[error" in line]


@pytest.mark.parametrize("deferrable", [False, True])
def test_time_out(case: Case, deferrable: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AirflowSensorTimeout) as caught:
        run(case.build(deferrable=deferrable, timeout=0.2))
    assert case.missing in str(caught.value)
    assert str(caught.value).endswith(f"[{case.where}]")
    printed = lines(capsys)
    assert any("Not yet: " in line and case.missing in line for line in printed), printed
    assert sum(", until " in line for line in printed) == 1, "the poll after the time-out begins no new wait"


def test_a_long_wait_says_from_time_to_time_what_is_missing(
    case: Case, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(polling, "LOG_SECONDS", 0)
    before = emulator.requests()["total"]
    with once(lambda: emulator.requests()["total"] >= before + 20, lambda: case.appear(emulator)):
        run(case.build(deferrable=True))
    assert sum("Not yet: " in line for line in lines(capsys)) > 3


def test_a_wait_that_is_rescheduled_tells_no_end(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of its polls is in a process of its own, and only Airflow knows when the first one was."""
    case.build(mode="reschedule").poke({})
    assert "for at most 20 s [" in capsys.readouterr().out


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_long_name_is_told_as_far_as_it_fits(
    deferrable: bool, emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service allows 256 characters, and a list has as many names as one likes."""
    keys = [f"{number}  {'k' * 230}" for number in range(2)]
    with pytest.raises(AirflowSensorTimeout, match="keys \\('0  kkk"):
        run(CASES[0].build(keys=keys, deferrable=deferrable, timeout=0.2))
    put(*keys)
    assert run(CASES[0].build(keys=keys, deferrable=deferrable)) == keys
    printed = lines(capsys)
    assert any("Waiting for 2 of 2 keys ('0  kkk" in line for line in printed), printed
    assert any("Found: ['0  kkk" in line for line in printed), printed
    assert max(map(len, printed)) < 1000
