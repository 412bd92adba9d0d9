from __future__ import annotations

import asyncio
import inspect
import json
import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, InvalidTriggerError
from airflow_provider_objectstore.triggers import change_trigger
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from tests.triggers.waiting import answers, revived
from tests.triggers.watching import GET, LIST, Keys, event_trigger, until, watching


async def test_fires_for_what_appears_and_changes(emulator: Emulator, keys: Keys) -> None:
    async with watching(emulator) as watch:
        for value, value_type in (("secret", "STRING"), ("changed", "STRING"), (7, "NUMBER"), (b"7", "BINARY")):
            await keys.put("a", value)
            await watch.snapshots(5)
            payload = {"store_id": "s", "partition": "p", "keys": {"a": value_type}, "pending": 0}
            assert watch.fired == [payload], "once, and not again while it holds"
            watch.fired.clear()
        await keys.put("a", b"7", metadata={"n": 1})
        await watch.snapshots()
        assert watch.keys() == ["a"]
        await keys.put("a", b"7", metadata={"n": 1})
        await watch.snapshots()
        assert watch.keys() == []


async def test_log_names_what_is_watched(emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        async with watching(emulator) as watch:
            await watch.snapshots()
            await keys.put("new")
            await watch.snapshots()
    place = "store s, partition p through connection anypoint_default"
    assert f"First snapshot of {place}: 0 keys exist" in caplog.text
    assert f"1 of the keys of {place} appeared or changed: an event" in caplog.text


@pytest.mark.slow
async def test_first_poll_fires_nothing(emulator: Emulator, keys: Keys) -> None:
    await keys.put("old")
    async with watching(emulator) as watch:
        await watch.snapshots()
        await keys.put("new")
        await watch.snapshots()
        assert watch.keys() == ["new"]


async def test_fires_again_for_what_comes_back(emulator: Emulator, keys: Keys) -> None:
    await keys.put("a")
    async with watching(emulator) as watch:
        await keys.delete("a")
        await watch.snapshots()
        assert watch.keys() == []
        await keys.put("a")
        await watch.snapshots()
        assert watch.keys() == ["a"]


@pytest.mark.parametrize(
    ("key_filter", "expected"),
    [
        ({}, ["in/a", "in/b/c", "out"]),
        ({"begins_with": "in/"}, ["in/a", "in/b/c"]),
        ({"begins_with": "nothing"}, []),
    ],
    ids=str,
)
async def test_selects_by_prefix(
    emulator: Emulator, keys: Keys, key_filter: dict[str, str], expected: list[str]
) -> None:
    async with watching(emulator, **key_filter) as watch:
        await keys.put_many(["out", "in/b/c", "in/a"])
        await watch.snapshots(3)
        assert sorted(watch.keys()) == expected


async def test_selects_exact_keys_and_lists_nothing(emulator: Emulator, keys: Keys) -> None:
    async with watching(emulator, snapshots=0, keys=["b", "a"]) as watch:
        await until(lambda: answers(emulator, GET).get("404", 0) >= 4)
        for key in ("a", "c", "b"):
            await keys.put(key)
            await until(lambda key=key: any(key in event["keys"] for event in watch.fired) or key == "c")
        assert watch.keys() == ["a", "b"]
    assert answers(emulator, LIST) == {}


@pytest.mark.parametrize("key_filter", [{"begins_with": "a b"}, {"keys": ["a b1", "a b2"]}], ids=str)
async def test_selects_keys_with_a_space_as_the_service_stores_them(
    emulator: Emulator, keys: Keys, key_filter: dict[str, Any]
) -> None:
    await keys.put_many(["a b1", "ab"])
    async with watching(emulator, snapshots=0, **key_filter) as watch:
        await until(lambda: answers(emulator, GET).get("200", 0) >= 2)
        await keys.put("a b2")
        await until(lambda: watch.fired)
        await keys.put("a b1", "changed")
        await until(lambda: len(watch.fired) >= 2)
        assert watch.keys() == ["a+b2", "a+b1"]


async def test_never_blocks_the_loop(emulator: Emulator, keys: Keys) -> None:
    await keys.put_many([f"k{number}" for number in range(300)])
    await keys.put("large", "x" * 9_000_000)
    longest = 0.0
    async with watching(emulator):
        for _ in range(300):
            before = time.thread_time()  # what else this machine does counts for nothing
            await asyncio.sleep(0.002)
            longest = max(longest, time.thread_time() - before)
    assert longest < 0.2, "Airflow warns from there on"


async def test_fires_once_for_all_changes_of_a_poll(emulator: Emulator, keys: Keys) -> None:
    async with watching(emulator, poke_interval=0.5) as watch:
        await keys.put_many(["c", "a", "b"])
        await watch.snapshots()
        (event,) = watch.fired
    assert list(event["keys"]) == ["a", "b", "c"]


async def test_events_are_apart(emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_trigger, "EVENT_DISTANCE", distance := 0.6)
    times: list[float] = []

    class Timed(list[dict[str, Any]]):
        def append(self, payload: dict[str, Any]) -> None:
            times.append(time.monotonic())
            super().append(payload)

    started = time.monotonic()
    async with watching(emulator) as watch:
        watch.fired = fired = Timed()
        for number in range(30):
            await keys.put(f"k{number:02}")
            await asyncio.sleep(0.05)
        await until(lambda: sum(len(event["keys"]) for event in fired) == 30)
        assert watch.keys() == sorted(f"k{number:02}" for number in range(30)), "each once"
    assert times[0] >= started + distance, "there may have been an event just before the start"
    assert all(later - earlier >= distance for earlier, later in pairwise(times))


def test_serializes_every_parameter() -> None:
    trigger = AnypointKeyEventTrigger("s", "p", ("b", "a", "b"), None, 5, "other", "eu-west-1")
    classpath, arguments = trigger.serialize()
    assert classpath == "airflow_provider_objectstore.triggers.anypoint.AnypointKeyEventTrigger"
    assert list(arguments) == list(inspect.signature(AnypointKeyEventTrigger).parameters)
    assert arguments == json.loads(json.dumps(arguments))
    assert revived(trigger).serialize() == trigger.serialize()  # type: ignore[arg-type]


def test_equal_triggers_have_equal_hashes() -> None:
    def hash_of(**settings: Any) -> int:
        return BaseEventTrigger.hash(*event_trigger(**settings).serialize())

    assert hash_of(keys=["b", "a"]) == hash_of(keys=("a", "b", "a"))
    assert hash_of(keys="a") == hash_of(keys=["a"])
    assert hash_of(begins_with="a b") == hash_of(begins_with="a+b")
    assert hash_of(keys="a") != hash_of(keys="b")
    assert hash_of(begins_with="a") != hash_of(keys="a")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"keys": ["a"], "begins_with": "a"}, "not both"),
        ({"keys": []}, "at least one name"),
        ({"keys": {"a": 1}}, "list of at least one name"),
        ({"keys": "None"}, "not the text 'None'"),
        ({"keys": "['a', 'b']"}, "text of a list"),
        ({"keys": ["a", 7]}, "must be text"),
        ({"keys": ["a|b"]}, "does not allow"),
        ({"keys": ["x" * 1025]}, "at most 1,024"),
        ({"keys": ".."}, "address something else"),
        ({"begins_with": 7}, "begins_with must be text"),
        ({"begins_with": ""}, "begins_with must not be empty"),
        ({"begins_with": "a|"}, "does not allow"),
        ({"store_id": ""}, "store_id must not be empty"),
        ({"region": ""}, "region must not be empty"),
        ({"anypoint_conn_id": " "}, "anypoint_conn_id must not be empty"),
        ({"partition": None}, "partition must be text"),
        ({"partition": "{{ ds }}"}, "partition is .*, but event triggers, which have no run, are not templated"),
        ({"keys": ["a", "{% if x %}b{% endif %}"]}, "keys is .* not templated"),
        ({"anypoint_conn_id": "{{ var.value.conn }}"}, "anypoint_conn_id is .* not templated"),
        ({"poke_interval": 0}, "more than 0"),
        ({"poke_interval": float("nan")}, "must be seconds"),
        ({"poke_interval": "soon"}, "no number of seconds"),
    ],
    ids=str,
)
def test_refuses_arguments(emulator: Emulator, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named) as refused:
        Asset("a", watchers=[AssetWatcher(name="w", trigger=event_trigger(**settings))])
    assert isinstance(refused.value, TypeError), "what a triggerer survives"
    assert type(refused.value) is InvalidTriggerError, "a name for users"
    assert emulator.requests()["total"] == 0


@pytest.mark.parametrize("interval", [60, "60", timedelta(minutes=1), "PT1M"], ids=repr)
def test_durations_are_read_alike(interval: Any) -> None:
    trigger = event_trigger(poke_interval=interval, region=" eu-west-1 ")
    assert trigger.serialize()[1]["poke_interval"] == 60
    assert trigger.shared_stream_key() == event_trigger(poke_interval=60, region="eu-west-1").shared_stream_key()
