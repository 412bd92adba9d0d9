from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    RateLimitedError,
    ResourceFailedError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor, AnypointPartitionSensor
from airflow_provider_objectstore.triggers.poll import PollFailedError, PollTrigger, answer_of, passing
from airflow_provider_objectstore.triggers.waits import KeysTrigger, ObjectStoreTrigger
from tests.triggers.waiting import ATTEMPTS, answers, events, once, revived, run

HEAD = "anypoint.key_exists"


def keys_trigger(**settings: Any) -> KeysTrigger:
    fixed = {
        "anypoint_conn_id": "anypoint_default",
        "store_id": "s",
        "partition": "p",
        "keys": ["a"],
        "poke_interval": 0.01,
    }
    return KeysTrigger(**{**fixed, **settings})


def store_trigger(**settings: Any) -> ObjectStoreTrigger:
    return ObjectStoreTrigger(
        **{"civo_conn_id": "civo_default", "object_store": "photos", "poke_interval": 0.01, **settings}
    )


TRIGGERS = {
    "keys": keys_trigger(region="eu-west-1", keys=("a", "b"), require="any", max_consecutive_errors=2, max_wait=60),
    "object store": store_trigger(region="NYC1", max_consecutive_errors=2, max_wait=60),
}


@pytest.fixture
def key_hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_serializes_to_plain_values(trigger: PollTrigger) -> None:
    classpath, arguments = trigger.serialize()
    assert classpath == f"airflow_provider_objectstore.triggers.waits.{type(trigger).__name__}"
    assert set(arguments) >= {"region", "poke_interval", "max_consecutive_errors", "end_from_trigger"}
    again = revived(trigger)
    assert type(again) is type(trigger)
    assert json.dumps(again.serialize()) == json.dumps(trigger.serialize())


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_serializes_every_parameter(trigger: PollTrigger) -> None:
    _, arguments = trigger.serialize()
    public = {name: value for name, value in vars(trigger).items() if name in arguments}
    assert public == arguments
    assert all(value is not None for value in arguments.values()), "each was given above"


async def test_fires_once_and_ends(key_hook: AnypointObjectStoreHook) -> None:
    await asyncio.to_thread(key_hook.put_key, "s", "p", "a", "v")
    assert await events(keys_trigger()) == [{"status": "success", "answer": ["a"]}]


async def test_waits_between_looks(key_hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(events(keys_trigger(poke_interval=0.5)), 2.2)
    assert answers(emulator, HEAD)["404"] in range(2, 6)


async def test_can_be_cancelled(key_hook: AnypointObjectStoreHook) -> None:
    task = asyncio.create_task(events(keys_trigger(poke_interval=60)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_error_that_will_not_pass(emulator: Emulator) -> None:
    emulator.faults([{"operation": HEAD, "kind": "status", "status": 403}])
    (event,) = await events(keys_trigger())
    assert event["status"] == "failed"
    assert event["final"] is True
    assert "answered 403" in event["message"]
    assert "Manage Store Data" in event["message"]


async def test_errors_that_may_pass(emulator: Emulator) -> None:
    emulator.faults([{"operation": HEAD, "kind": "status", "status": 503}])
    (event,) = await events(keys_trigger(max_consecutive_errors=2))
    assert (event["status"], event["final"]) == ("failed", False)
    assert answers(emulator, HEAD) == {"503": 3 * ATTEMPTS}


async def test_connection_that_cannot_be_used_where_the_triggerer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", "{}")
    (event,) = await events(store_trigger())
    assert (event["status"], event["final"]) == ("failed", True)
    assert "civo_default" in event["message"]


async def test_failed_store(emulator: Emulator) -> None:
    store = {"id": "7", "name": "photos", "status": "failed"}
    page = {"page": 1, "pages": 1, "items": [store]}
    emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 200, "body": page}])
    (event,) = await events(store_trigger())
    assert (event["status"], event["final"]) == ("failed", True)
    assert "has failed" in event["message"]


async def test_answer_of_the_store_is_plain(emulator: Emulator) -> None:
    created = await asyncio.to_thread(CivoObjectStoreHook().create_object_store, "photos")
    (event,) = await events(store_trigger())
    assert event["status"] == "success"
    assert (event["answer"]["id"], event["answer"]["status"]) == (created.id, "ready")


@pytest.mark.parametrize(
    "bad", [{"keys": []}, {"keys": ""}, {"keys": {"a": 1}}, {"keys": None}, {"require": "some"}, {"store_id": ".."}]
)
async def test_checks_what_the_database_brings(bad: dict[str, Any], emulator: Emulator) -> None:
    (event,) = await events(keys_trigger(**bad))
    assert (event["status"], event["final"]) == ("failed", True)
    assert emulator.requests()["total"] == 0


async def test_many_at_once_share_a_token(key_hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    keys = [f"k{n}" for n in range(20)]
    await asyncio.to_thread(lambda: key_hook.put_many("s", "p", dict.fromkeys(keys, "v")).raise_failed())
    before = sum(answers(emulator, "accounts.token").values())
    found = await asyncio.gather(*(events(keys_trigger(keys=[key])) for key in keys))
    assert [event["answer"] for (event,) in found] == [[key] for key in keys]
    assert sum(answers(emulator, "accounts.token").values()) - before == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TransportError("m"), True),
        (TransportError("m", request_sent=False), True),
        (TransportError("m", permanent=True), False),
        (RateLimitedError("m", status=429), True),
        (ServerError("m", status=500), True),
        (ApiError("m", status=400), False),
        (AuthenticationError("m", status=401), False),
        (PermissionDeniedError("m", status=403), False),
        (NotFoundError("m", status=404), False),
        (ConflictError("m", status=409), False),
        (ResourceFailedError("m"), False),
        (ConfigurationError("m"), False),
        (InvalidArgumentError("m"), False),
        (ObjectStoreError("m"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_passing(error: ObjectStoreError, expected: bool) -> None:
    assert passing(error) is expected


@pytest.mark.parametrize("answer", [["a"], {"id": "1"}, 0, "", []], ids=repr)
def test_answer_of(answer: Any) -> None:
    assert answer_of({"status": "success", "answer": answer}) == answer


def test_failure_of() -> None:
    with pytest.raises(PollFailedError, match="why") as caught:
        answer_of({"status": "failed", "message": "why", "final": True})
    assert caught.value.final
    assert pickle.loads(pickle.dumps(caught.value)).final


@pytest.mark.parametrize("event", [None, {}, {"status": "done"}, {"status": "success"}, 7], ids=repr)
def test_no_event_of_ours(event: Any) -> None:
    with pytest.raises(AirflowException, match="no event that can be understood"):
        answer_of(event)


class BrokenTrigger(KeysTrigger):
    def check(self) -> Any:
        raise ZeroDivisionError("what nobody foresaw")
        yield


async def test_whatever_happens_there_is_an_event(emulator: Emulator) -> None:
    trigger = BrokenTrigger(anypoint_conn_id="anypoint_default", store_id="s", partition="p", keys=["k"])
    (event,) = [event async for event in trigger.run()]
    assert event.payload["status"] == "failed"
    assert "ZeroDivisionError" in event.payload["message"]
    with pytest.raises(PollFailedError):
        answer_of(event.payload)


class TestBackoff:
    """Deferred waits become rarer as those on a worker do."""

    @pytest.mark.parametrize(("poke_interval", "max_wait"), [(60, None), (0.5, None), (60, 100), (0, 3), (7, 7)])
    def test_as_airflows_sensors_do(self, poke_interval: float, max_wait: float | None) -> None:
        arguments: Any = {"poke_interval": poke_interval, "max_wait": max_wait, "exponential_backoff": True}
        sensor = AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="k", timeout=10**8, **arguments)
        trigger = revived(keys_trigger(**arguments))
        for number in range(1, 20):
            theirs, ours = set(), set()
            for start in range(200):
                theirs.add(sensor._get_next_poke_interval(start, lambda: 0, number))
                ours.add(trigger._interval(number))
            least = max(int(poke_interval * 2 ** (number - 2)), 1)
            for intervals in (theirs, ours):
                assert min(intervals) >= min(least, max_wait or least)
                assert max(intervals) <= min(2 * least - 1, max_wait or 2 * least)
            if least >= 8 and not max_wait:
                assert len(ours) > 4, "at random, so that many waits do not look at once"

    def test_it_never_overflows(self) -> None:
        trigger = keys_trigger(poke_interval=60, exponential_backoff=True)
        assert trigger._interval(10**6) < 1e12

    def test_without_it(self) -> None:
        assert {keys_trigger(poke_interval=7, max_wait=1)._interval(number) for number in range(1, 9)} == {7}

    @pytest.mark.parametrize("given", [{}, {"exponential_backoff": "True", "max_wait": "PT4S"}], ids=str)
    def test_sensors_hand_it_over(self, given: dict[str, Any], key_hook: AnypointObjectStoreHook) -> None:
        sensor = AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="k", deferrable=True, **given)
        context: Any = {}
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        _, arguments = deferred.value.trigger.serialize()
        assert (arguments["exponential_backoff"], arguments["max_wait"]) == ((True, 4) if given else (False, None))


class TestAMissingStore:
    """It may come, as what would be in it; the log says once that it is missing."""

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
