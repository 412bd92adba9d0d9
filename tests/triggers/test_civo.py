from __future__ import annotations

import asyncio
import gc
import inspect
import json
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.triggers import bucket_objects
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger
from tests.conftest import ALL
from tests.transport.stub import http
from tests.triggers.buckets import BUCKET, Bucket, Front, Polls, bucket_trigger, watching_bucket
from tests.triggers.manager import Manager
from tests.triggers.waiting import revived
from tests.triggers.watching import State, Watch, until

pytestmark = pytest.mark.slow


async def test_fires_once_for_what_appears(bucket: Bucket, polls: Polls) -> None:
    async with watching_bucket(polls) as watch:
        await bucket.put("in/a.csv", body=b"day,orders")
        await watch.snapshots(5)
        (event,) = watch.fired
        described = await bucket.call("head_object", Key="in/a.csv")
        details = event["keys"]["in/a.csv"]
        modified = datetime.fromisoformat(details.pop("last_modified"))
        assert event == {
            "bucket": BUCKET,
            "keys": {"in/a.csv": {"etag": described["ETag"].strip('"'), "size": 10}},
            "pending": 0,
        }
        assert modified == described["LastModified"]


async def test_the_first_poll_fires_nothing(bucket: Bucket, polls: Polls) -> None:
    await bucket.put("old")
    async with watching_bucket(polls) as watch:
        await bucket.put("new")
        await watch.snapshots()
        assert watch.keys() == ["new"]


async def test_fires_once_for_all_changes_of_a_poll(bucket: Bucket, front: Front, polls: Polls) -> None:
    async with watching_bucket(polls) as watch:
        front.instead = lambda query: http(status="503 Slow")
        await watch.snapshots()
        await bucket.put("c", "a", "b")
        front.instead = lambda query: None
        await watch.snapshots()
        (event,) = watch.fired
    assert list(event["keys"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, ["a", "in/a.csv", "in/a.txt", "in/b/a.csv", "inner/a.csv"]),
        ({"prefix": "in/"}, ["in/a.csv", "in/a.txt", "in/b/a.csv"]),
        ({"suffix": ".csv"}, ["in/a.csv", "in/b/a.csv", "inner/a.csv"]),
        ({"prefix": "in/", "suffix": ".csv"}, ["in/a.csv", "in/b/a.csv"]),
        ({"prefix": "nothing/"}, []),
        ({"keys": "a"}, ["a"]),
        ({"keys": ["in/b/a.csv", "in/a", "a"]}, ["a", "in/b/a.csv"]),
    ],
    ids=str,
)
async def test_selects(bucket: Bucket, polls: Polls, selection: dict[str, Any], expected: list[str]) -> None:
    async with watching_bucket(polls, **selection) as watch:
        await bucket.put("a", "in/a.csv", "in/a.txt", "in/b/a.csv", "inner/a.csv")
        await watch.snapshots()
        assert sorted(watch.keys()) == expected


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats what may help, here without waiting."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


class TestRequests:
    """What a poll costs, as S3 sees it."""

    async def test_of_exact_keys(self, bucket: Bucket, front: Front, polls: Polls) -> None:
        await bucket.put("in/a", "in/a1", "in/b")
        async with watching_bucket(polls, keys=["in/a", "in/a1", "missing"], poke_interval=1):
            await until(lambda: len(front.prefixes) >= 6)
        assert sorted(front.prefixes[:3]) == sorted(front.prefixes[3:6]) == ["in/a", "in/a1", "missing"]

    async def test_of_pages(self, bucket: Bucket, front: Front, polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_objectstore.hooks.bucket_listing.PAGE_SIZE", 3)
        await bucket.put(*(f"in/{number}" for number in range(7)), "other")
        async with watching_bucket(polls, prefix="in/", suffix="6", poke_interval=1) as watch:
            await until(lambda: len(front.prefixes) >= 6)
            assert front.prefixes[:6] == ["in/"] * 6, "three pages each, whatever the suffix"
            await bucket.put("in/6")
            await bucket.put("in/7")
            await bucket.put("in/66")
            await watch.snapshots(3)
            assert "in/66" in (found := watch.keys())
            assert "in/7" not in found

    async def test_keys_are_looked_up_once(self, bucket: Bucket, emulator: Emulator, polls: Polls) -> None:
        before = emulator.requests()["by_operation"].get("civo.list_credentials", {}).get("200", 0)
        async with watching_bucket(polls, snapshots=20):
            pass
        assert emulator.requests()["by_operation"]["civo.list_credentials"]["200"] == before + 1

    async def test_siblings_share_listings(self, bucket: Bucket, front: Front, polls: Polls, manager: Manager) -> None:
        await bucket.put(*(f"in/{number}" for number in range(5)))
        selections: list[dict[str, Any]] = [
            {"prefix": "in/"},
            {"prefix": "in/a"},
            {"prefix": "in/", "suffix": ".csv"},
            {"keys": ["in/x", "out"]},
        ]
        fired = [manager.start(bucket_trigger(**selection)) for selection in selections]
        watch = Watch(polls)
        await watch.snapshots(3)
        before, requests = polls(), len(front.prefixes)
        await watch.snapshots(10)
        listed = front.prefixes[requests:]
        assert set(listed) == {"in/", "out"}
        assert abs(listed.count("in/") - (polls() - before)) <= 2, "one listing for the four of them"
        for key in ("in/a.csv", "in/x", "out", "elsewhere"):
            await bucket.put(key)
            await watch.snapshots(3)
        assert fired == [["in/a.csv", "in/x"], ["in/a.csv"], ["in/a.csv"], ["in/x", "out"]]


@pytest.mark.slow
async def test_never_blocks_the_loop(bucket: Bucket, polls: Polls) -> None:
    names = [f"in/{number:05}" for number in range(2000 if ALL else 1100)]
    await asyncio.gather(*(bucket.put(*names[first::8]) for first in range(8)))
    longest = 0.0
    gc.collect()
    gc.disable()  # the garbage of other tests counts for nothing, nor does what else this machine does
    try:
        async with watching_bucket(polls, snapshots=0) as watch:
            while polls() < 4:
                before = time.thread_time()
                await asyncio.sleep(0.002)
                longest = max(longest, time.thread_time() - before)
            assert watch.fired == []
    finally:
        gc.enable()
    assert longest < 0.2, "Airflow warns from there on"


class TestRestarts:
    async def test_remembers(self, bucket: Bucket, polls: Polls) -> None:
        state = State()
        await bucket.put("held", "changed", "gone")
        async with watching_bucket(polls, state):
            pass
        await bucket.put("changed", body=b"new")
        await bucket.put("appeared")
        await bucket.delete("gone")
        for expected in (["appeared", "changed"], []):
            async with watching_bucket(polls, state, snapshots=3) as watch:
                assert watch.keys() == expected
        (stored,) = state.values()
        assert len(json.loads(stored).keys() - {"place"}) == 3, "what is gone is forgotten"
        assert not any(word in stored for word in ("held", "changed", "appeared"))

    async def test_another_selection_has_its_own_state(self, bucket: Bucket, polls: Polls) -> None:
        state = State()
        selections: list[dict[str, Any]] = [{}, {"prefix": "a"}, {"suffix": "a"}, {"keys": "a"}]
        for selection in selections:
            async with watching_bucket(polls, state, **selection):
                pass
        assert len(state) == len(selections)

    async def test_an_object_is_one_small_mark(self, bucket: Bucket, polls: Polls) -> None:
        state = State()
        await bucket.put(*(f"{number}-{'x' * 100}" for number in range(20)))
        async with watching_bucket(polls, state):
            pass
        (stored,) = state.values()
        assert len(stored) == 20 * 40 + 29, "and where it was taken"


async def test_too_many_objects_are_refused(
    bucket: Bucket, polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bucket_objects, "MAX_OBJECTS", 3)
    await bucket.put("a", "b", "c", "in/d", "in/e")
    async with watching_bucket(polls) as watch:
        await until(lambda: "more than 3 objects are watched in bucket photos: narrow" in caplog.text)
        assert watch.fired == []
    async with watching_bucket(polls, prefix="in/") as watch:
        await bucket.put("in/f")
        await watch.snapshots()
        assert watch.keys() == ["in/f"]


def test_serializes_every_parameter() -> None:
    trigger = CivoObjectEventTrigger("photos", ("b", "a", "b"), None, None, 5, "other", "NYC1")
    classpath, arguments = trigger.serialize()
    assert classpath == "airflow_provider_objectstore.triggers.civo.CivoObjectEventTrigger"
    assert list(arguments) == list(inspect.signature(CivoObjectEventTrigger).parameters)
    assert arguments == json.loads(json.dumps(arguments))
    assert revived(trigger).serialize() == trigger.serialize()  # type: ignore[arg-type]


def test_equal_triggers_have_equal_hashes() -> None:
    def hash_of(**settings: Any) -> int:
        return BaseEventTrigger.hash(*bucket_trigger(**settings).serialize())

    assert hash_of(keys=["b", "a"]) == hash_of(keys=("a", "b", "a"))
    assert hash_of(keys="a") == hash_of(keys=["a"])
    assert len({hash_of(keys="a"), hash_of(keys="b"), hash_of(prefix="a"), hash_of(suffix="a")}) == 4


def test_other_settings_share_nothing() -> None:
    different: list[dict[str, Any]] = [
        {},
        {"region": "NYC1"},
        {"bucket": "other"},
        {"civo_conn_id": "c"},
        {"poke_interval": 9},
    ]
    assert len({bucket_trigger(**settings).shared_stream_key() for settings in different}) == len(different)
    assert bucket_trigger(prefix="a").shared_stream_key() == bucket_trigger(keys="b").shared_stream_key()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"keys": ["a"], "prefix": "a"}, "not both"),
        ({"keys": ["a"], "suffix": "a"}, "not both"),
        ({"keys": []}, "at least one name"),
        ({"keys": "None"}, "not the text 'None'"),
        ({"keys": "['a', 'b']"}, "text of a list"),
        ({"keys": ["a", 7]}, "must be text"),
        ({"keys": ["ä" * 513]}, "has 1,026 bytes in UTF-8; at most 1,024"),
        ({"keys": "\ud800"}, "not valid Unicode"),
        ({"prefix": 7}, "prefix must be text"),
        ({"prefix": ""}, "prefix must not be empty"),
        ({"suffix": ""}, "suffix must not be empty"),
        ({"suffix": "x" * 1025}, "at most 1,024"),
        ({"bucket": ""}, "bucket must not be empty"),
        ({"bucket": "a/b"}, "bucket: .*must not hold white space or a slash"),
        ({"bucket": None}, "bucket must be text"),
        (
            {"prefix": "in/{{ ds }}/"},
            "prefix is 'in/{{ ds }}/', but event triggers, which have no run, are not templated",
        ),
        ({"region": ""}, "region must not be empty"),
        ({"civo_conn_id": " "}, "civo_conn_id must not be empty"),
        ({"poke_interval": 0}, "more than 0"),
        ({"poke_interval": "soon"}, "no number of seconds"),
    ],
    ids=str,
)
def test_refuses_arguments(emulator: Emulator, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named) as refused:
        Asset("a", watchers=[AssetWatcher(name="w", trigger=bucket_trigger(**settings))])
    assert isinstance(refused.value, TypeError), "what a triggerer survives"
    assert emulator.requests()["total"] == 0


@pytest.mark.parametrize("interval", [60, "60", timedelta(minutes=1), "PT1M"], ids=repr)
def test_durations_are_read_alike(interval: Any) -> None:
    trigger = bucket_trigger(poke_interval=interval, region=" NYC1 ")
    assert trigger.serialize()[1]["poke_interval"] == 60
    assert trigger.shared_stream_key() == bucket_trigger(poke_interval=60, region="NYC1").shared_stream_key()
