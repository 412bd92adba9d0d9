from __future__ import annotations

import asyncio
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
    is_transient,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger
from airflow_provider_objectstore.triggers.polling import PollFailedError, validate_event
from tests.triggers.polling_triggers import HEAD, key_trigger, object_store_trigger
from tests.triggers.waiting import ATTEMPTS, answers, events, revived


async def test_fires_once_and_ends(key_hook: AnypointObjectStoreHook) -> None:
    await asyncio.to_thread(key_hook.put_key, "s", "p", "a", "v")
    assert await events(key_trigger()) == [{"status": "success", "result": ["a"]}]


async def test_waits_between_polls(key_hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(events(key_trigger(poke_interval=0.5)), 2.2)
    assert answers(emulator, HEAD)["404"] in range(2, 6)


async def test_can_be_cancelled(key_hook: AnypointObjectStoreHook) -> None:
    task = asyncio.create_task(events(key_trigger(poke_interval=60)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_permanent_error(emulator: Emulator) -> None:
    emulator.faults([{"operation": HEAD, "kind": "status", "status": 403}])
    (event,) = await events(key_trigger())
    assert event["status"] == "failed"
    assert event["non_retryable"] is True
    assert "answered 403" in event["message"]
    assert "Manage Store Data" in event["message"]


async def test_transient_errors(emulator: Emulator) -> None:
    emulator.faults([{"operation": HEAD, "kind": "status", "status": 503}])
    (event,) = await events(key_trigger(max_consecutive_errors=2))
    assert (event["status"], event["non_retryable"]) == ("failed", False)
    assert answers(emulator, HEAD) == {"503": 3 * ATTEMPTS}


async def test_connection_that_cannot_be_used_where_the_triggerer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", "{}")
    (event,) = await events(object_store_trigger())
    assert (event["status"], event["non_retryable"]) == ("failed", True)
    assert "civo_default" in event["message"]


async def test_many_at_once_share_a_token(key_hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    keys = [f"k{n}" for n in range(20)]
    await asyncio.to_thread(lambda: key_hook.put_many("s", "p", dict.fromkeys(keys, "v")).raise_failed())
    before = sum(answers(emulator, "accounts.token").values())
    found = await asyncio.gather(*(events(key_trigger(keys=[key])) for key in keys))
    assert [event["result"] for (event,) in found] == [[key] for key in keys]
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
def test_is_transient(error: ObjectStoreError, expected: bool) -> None:
    assert is_transient(error) is expected


@pytest.mark.parametrize("result", [["a"], {"id": "1"}, 0, "", []], ids=repr)
def test_validate_event_of_a_success(result: Any) -> None:
    assert validate_event({"status": "success", "result": result}) == result


def test_validate_event_of_a_failure() -> None:
    with pytest.raises(PollFailedError, match="why") as caught:
        validate_event({"status": "failed", "message": "why", "non_retryable": True})
    assert caught.value.non_retryable
    assert pickle.loads(pickle.dumps(caught.value)).non_retryable


@pytest.mark.parametrize("event", [None, {}, {"status": "done"}, {"status": "success"}, 7], ids=repr)
def test_validate_event_of_another_kind(event: Any) -> None:
    with pytest.raises(AirflowException, match="sent an event that cannot be understood"):
        validate_event(event)


class BrokenTrigger(AnypointKeyTrigger):
    def poll_once(self) -> Any:
        raise ZeroDivisionError("unexpected")
        yield


async def test_any_error_is_an_event(emulator: Emulator) -> None:
    trigger = BrokenTrigger(anypoint_conn_id="anypoint_default", store_id="s", partition="p", keys=["k"])
    (event,) = [event async for event in trigger.run()]
    assert event.payload["status"] == "failed"
    assert "ZeroDivisionError" in event.payload["message"]
    with pytest.raises(PollFailedError):
        validate_event(event.payload)


class TestBackoff:
    """Deferred sensors poll less and less often, as sensors on a worker do."""

    @pytest.mark.parametrize(("poke_interval", "max_wait"), [(60, None), (0.5, None), (60, 100), (0, 3), (7, 7)])
    def test_as_airflows_sensors_do(self, poke_interval: float, max_wait: float | None) -> None:
        arguments: Any = {"poke_interval": poke_interval, "max_wait": max_wait, "exponential_backoff": True}
        sensor = AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="k", timeout=10**8, **arguments)
        trigger = revived(key_trigger(**arguments))
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
                assert len(ours) > 4, "at random, so that many sensors do not poll at the same time"

    def test_it_never_overflows(self) -> None:
        trigger = key_trigger(poke_interval=60, exponential_backoff=True)
        assert trigger._interval(10**6) < 1e12

    def test_without_it(self) -> None:
        assert {key_trigger(poke_interval=7, max_wait=1)._interval(number) for number in range(1, 9)} == {7}

    @pytest.mark.parametrize("given", [{}, {"exponential_backoff": "True", "max_wait": "PT4S"}], ids=str)
    def test_sensors_pass_it_on(self, given: dict[str, Any], key_hook: AnypointObjectStoreHook) -> None:
        sensor = AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="k", deferrable=True, **given)
        context: Any = {}
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        _, arguments = deferred.value.trigger.serialize()
        assert (arguments["exponential_backoff"], arguments["max_wait"]) == ((True, 4) if given else (False, None))
