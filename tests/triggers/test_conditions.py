from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor, AnypointPartitionSensor
from airflow_provider_objectstore.triggers.conditions import CivoUsageTrigger
from airflow_provider_objectstore.triggers.polling import PollingTrigger
from tests.triggers.polling_triggers import HEAD, key_trigger, object_store_trigger
from tests.triggers.waiting import answers, events, once, revived, run

TRIGGERS = {
    "keys": key_trigger(
        region="eu-west-1", keys=("a", "b"), require="any", max_consecutive_errors=2, max_wait=60, timeout=90
    ),
    "object store": object_store_trigger(
        region="NYC1", max_consecutive_errors=2, max_wait=60, timeout=90, min_size_gb=500
    ),
    "usage": CivoUsageTrigger(civo_conn_id="c", object_store="photos", region="NYC1", max_wait=60, timeout=90),
}


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_serializes_to_plain_values(trigger: PollingTrigger) -> None:
    classpath, arguments = trigger.serialize()
    assert classpath == f"airflow_provider_objectstore.triggers.conditions.{type(trigger).__name__}"
    assert set(arguments) >= {"region", "poke_interval", "max_consecutive_errors", "end_from_trigger"}
    again = revived(trigger)
    assert type(again) is type(trigger)
    assert json.dumps(again.serialize()) == json.dumps(trigger.serialize())


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_serializes_every_parameter(trigger: PollingTrigger) -> None:
    _, arguments = trigger.serialize()
    public = {name: value for name, value in vars(trigger).items() if name in arguments}
    assert public == arguments
    assert all(value is not None for value in arguments.values()), "each was given above"


async def test_says_how_many_keys_are_missing(
    key_hook: AnypointObjectStoreHook, capfd: pytest.CaptureFixture[str]
) -> None:
    trigger = key_trigger(keys=["a", "b", "c"], poke_interval=0.01)
    await asyncio.to_thread(key_hook.put_key, "s", "p", "b", "v")
    waiting = asyncio.create_task(events(trigger))
    while "2 of 3 keys" not in trigger.missing():
        await asyncio.sleep(0.01)
    assert trigger.missing() == "2 of 3 keys ('a', 'c') of partition 'p', store 's'"
    for key in "ac":
        await asyncio.to_thread(key_hook.put_key, "s", "p", key, "v")
    (event,) = await waiting
    assert event["result"] == ["a", "b", "c"], "in the order given, though 'b' was there first"
    printed = "".join(capfd.readouterr())
    assert "Waiting for 3 of 3 keys ('a', 'b', 'c')" in printed
    assert printed.count("Not yet: 2 of 3 keys ('a', 'c')") == 1


async def test_failed_store(emulator: Emulator) -> None:
    store = {"id": "7", "name": "photos", "status": "failed"}
    page = {"page": 1, "pages": 1, "items": [store]}
    emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 200, "body": page}])
    (event,) = await events(object_store_trigger())
    assert (event["status"], event["non_retryable"]) == ("failed", True)
    assert "has failed" in event["message"]


async def test_result_of_the_object_store_is_plain(emulator: Emulator) -> None:
    created = await asyncio.to_thread(CivoObjectStoreHook().create_object_store, "photos")
    (event,) = await events(object_store_trigger())
    assert event["status"] == "success"
    assert (event["result"]["id"], event["result"]["status"]) == (created.id, "ready")


@pytest.mark.parametrize(
    "bad", [{"keys": []}, {"keys": ""}, {"keys": {"a": 1}}, {"keys": None}, {"require": "some"}, {"store_id": ".."}]
)
async def test_checks_what_the_database_brings(bad: dict[str, Any], emulator: Emulator) -> None:
    (event,) = await events(key_trigger(**bad))
    assert (event["status"], event["non_retryable"]) == ("failed", True)
    assert emulator.requests()["total"] == 0


class TestMissingStore:
    """It may be created later; the log says once that it is missing."""

    @pytest.mark.parametrize("kind", [AnypointKeySensor, AnypointPartitionSensor])
    @pytest.mark.parametrize("deferrable", [False, True])
    def test_the_wait_goes_on(
        self,
        kind: type[Any],
        deferrable: bool,
        emulator: Emulator,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        head = HEAD if kind is AnypointKeySensor else "anypoint.partition_exists"
        keys = {"keys": "k"} if kind is AnypointKeySensor else {}
        sensor = kind(task_id="t", store_id="s", partition="p", poke_interval=0.01, deferrable=deferrable, **keys)

        def appear() -> None:
            hook = AnypointObjectStoreHook()
            hook.create_store("s")
            hook.put_key("s", "p", "k", "v")

        with once(lambda: answers(emulator, head).get("404", 0) >= 5, appear):
            assert run(sensor)
        warned = capsys.readouterr().out.count("The store itself is missing")
        assert warned == (2 if deferrable else 1), "once on the worker, once in the triggerer"
