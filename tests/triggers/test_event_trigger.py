from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_objectstore.api.call import Page
from airflow_provider_objectstore.api.values import Entry
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers import looks
from airflow_provider_objectstore.triggers.anypoint import AnypointKeyEventTrigger
from tests.conftest import connect
from tests.triggers.waiting import answers, revived

GET, LIST = "anypoint.get_key", "anypoint.list_keys"
INTERVAL = 0.02


class State(dict[str, Any]):
    """What Airflow 3.3 gives an event trigger, in memory; values go through JSON as they do there."""

    broken: str | None = None

    async def aget(self, key: str, default: Any = None) -> Any:
        await self._do("aget")
        return json.loads(self[key]) if key in self else default

    async def aset(self, key: str, value: Any) -> None:
        await self._do("aset")
        self[key] = json.dumps(value)

    async def _do(self, what: str) -> None:
        await asyncio.sleep(0)
        if self.broken == what:
            raise RuntimeError("the state store is away")


class Watch:
    """A trigger that runs, and what it has fired."""

    def __init__(self, emulator: Emulator) -> None:
        self.fired: list[dict[str, Any]] = []
        self._emulator = emulator

    async def collect(self, trigger: AnypointKeyEventTrigger) -> None:
        async for event in trigger.run():
            self.fired.append(json.loads(json.dumps(event.payload)))

    def keys(self) -> list[str]:
        """The keys of the events since the last call."""
        fired, self.fired = self.fired, []
        return [payload["key"] for payload in fired]

    async def looks(self, number: int = 2) -> None:
        """Wait until so many looks have begun, so that one whole one lies in between; each must list."""
        start = sum(answers(self._emulator, LIST).values())
        await until(lambda: sum(answers(self._emulator, LIST).values()) >= start + number)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "not so in time"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def watching(
    emulator: Emulator, state: State | None = None, looks: int = 2, **selection: Any
) -> AsyncIterator[Watch]:
    """Run a trigger in the block, as a triggerer starts it; ``looks`` are taken first."""
    trigger = revived(event_trigger(**selection))  # type: ignore[arg-type]
    assert isinstance(trigger, AnypointKeyEventTrigger)
    trigger.asset_state_store = state  # type: ignore[assignment]
    watch = Watch(emulator)
    task = asyncio.create_task(watch.collect(trigger))
    try:
        await watch.looks(looks)
        yield watch
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def event_trigger(**settings: Any) -> AnypointKeyEventTrigger:
    return AnypointKeyEventTrigger(**{"store_id": "s", "partition": "p", "poke_interval": INTERVAL, **settings})


class Keys:
    """Writes and deletes, off the loop."""

    def __init__(self, hook: AnypointObjectStoreHook) -> None:
        self._hook = hook

    async def put(self, key: str, value: Any = "v", **more: Any) -> None:
        await asyncio.to_thread(self._hook.put_key, "s", "p", key, value, **more)

    async def put_many(self, keys: list[str], value: Any = "v") -> None:
        written = await asyncio.to_thread(self._hook.put_many, "s", "p", dict.fromkeys(keys, value))
        written.raise_failed()

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._hook.delete_key, "s", "p", key)


@pytest.fixture
def keys(emulator: Emulator) -> Keys:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return Keys(hook)


async def test_fires_for_what_appears_and_changes(emulator: Emulator, keys: Keys) -> None:
    async with watching(emulator) as watch:
        for value, value_type in (("secret", "STRING"), ("changed", "STRING"), (7, "NUMBER"), (b"7", "BINARY")):
            await keys.put("a", value)
            await watch.looks(5)
            payload = {"store_id": "s", "partition": "p", "key": "a", "value_type": value_type}
            assert watch.fired == [payload], "once, and not again while it holds"
            watch.fired.clear()
        await keys.put("a", b"7", metadata={"n": 1})
        await watch.looks()
        assert watch.keys() == ["a"]
        await keys.put("a", b"7", metadata={"n": 1})
        await watch.looks()
        assert watch.keys() == []


async def test_first_look_fires_nothing(emulator: Emulator, keys: Keys) -> None:
    await keys.put("old")
    async with watching(emulator) as watch:
        await watch.looks()
        await keys.put("new")
        await watch.looks()
        assert watch.keys() == ["new"]


async def test_fires_again_for_what_comes_back(emulator: Emulator, keys: Keys) -> None:
    await keys.put("a")
    async with watching(emulator) as watch:
        await keys.delete("a")
        await watch.looks()
        assert watch.keys() == []
        await keys.put("a")
        await watch.looks()
        assert watch.keys() == ["a"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, ["in/a", "in/b/c", "out"]),
        ({"begins_with": "in/"}, ["in/a", "in/b/c"]),
        ({"begins_with": "nothing"}, []),
    ],
    ids=str,
)
async def test_selects_by_prefix(
    emulator: Emulator, keys: Keys, selection: dict[str, str], expected: list[str]
) -> None:
    async with watching(emulator, **selection) as watch:
        await keys.put_many(["out", "in/b/c", "in/a"])
        await watch.looks(3)
        assert sorted(watch.keys()) == expected


async def test_selects_exact_keys_and_lists_nothing(emulator: Emulator, keys: Keys) -> None:
    async with watching(emulator, looks=0, keys=["b", "a"]) as watch:
        await until(lambda: answers(emulator, GET).get("404", 0) >= 4)
        for key in ("a", "c", "b"):
            await keys.put(key)
            await until(lambda key=key: key in [event["key"] for event in watch.fired] or key == "c")
        assert watch.keys() == ["a", "b"]
    assert answers(emulator, LIST) == {}


async def test_1000_keys_at_once(emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"k{number:04}" for number in range(1000)]
    state = State()
    monkeypatch.setattr(looks, "BREATH", 0.1)
    async with watching(emulator, state) as watch:
        await keys.put_many(names)
        await until(lambda: len(watch.fired) >= 1000)
        fired = watch.keys()
        assert sorted(fired) == names
        assert len(json.dumps(state)) < 65_535 - 1000
    monkeypatch.setattr(looks, "MAX_EVENTS", 400)
    await keys.put_many(names, "changed")
    async with watching(emulator, state, looks=0) as watch:
        await until(lambda: len(watch.fired) >= 1000)
        assert watch.keys() == names, "the rest follows, in order"
        await asyncio.sleep(0.3)
        assert watch.keys() == []


async def test_remembers_over_a_restart(emulator: Emulator, keys: Keys) -> None:
    state = State()
    await keys.put_many(["held", "changed", "gone"])
    async with watching(emulator, state):
        pass
    await keys.put("changed", "new")
    await keys.put("appeared")
    await keys.delete("gone")
    for expected in (["appeared", "changed"], []):
        async with watching(emulator, state, looks=3) as watch:
            assert watch.keys() == expected
    (stored,) = state.values()
    assert len(json.loads(stored)) == 3, "what is gone is forgotten"
    assert not any(word in stored for word in ("held", "changed", "new"))


async def test_remembers_an_empty_partition(emulator: Emulator, keys: Keys) -> None:
    state = State()
    async with watching(emulator, state):
        pass
    await keys.put("a")
    async with watching(emulator, state) as watch:
        assert watch.keys() == ["a"]


async def test_another_selection_has_a_memory_of_its_own(emulator: Emulator, keys: Keys) -> None:
    state = State()
    async with watching(emulator, state), watching(emulator, state, begins_with="a"):
        pass
    assert len(state) == 2


async def test_a_crash_repeats_events_and_loses_none(emulator: Emulator, keys: Keys) -> None:
    state = State()
    async with watching(emulator, state):
        pass
    await keys.put_many(["a", "b"])
    trigger = event_trigger()
    trigger.asset_state_store = state  # type: ignore[assignment]
    events = trigger.run()
    assert (await anext(events)).payload["key"] == "a"
    await events.aclose()  # type: ignore[attr-defined]
    async with watching(emulator, state) as watch:
        assert watch.keys() == ["a", "b"]


async def test_state_store_that_fails(emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    state = State()
    async with watching(emulator, state):
        pass
    await keys.put("a")
    state.broken = "aget"
    async with watching(emulator, state, looks=4) as watch:
        assert watch.keys() == [], "without its memory it would take a first look, and lose this"
        state.broken = None
        await watch.looks()
        assert watch.keys() == ["a"]
        state.broken = "aset"
        await keys.put("b")
        await watch.looks(4)
        assert watch.keys() == ["b"]
        state.broken = None
        await watch.looks()
    async with watching(emulator, state) as watch:
        assert watch.keys() == []
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text


async def test_one_memory_for_several_assets(emulator: Emulator, keys: Keys) -> None:
    class States(State):
        def __init__(self, **by_name: State) -> None:
            super().__init__()
            self._by_name = by_name

        async def _do(self, what: str) -> None:
            raise ValueError("which of them?")

    states = States(one=State(), two=State())
    async with watching(emulator, states):
        pass
    await keys.put("a")
    assert len(states._by_name["one"]) == len(states._by_name["two"]) == 1
    states._by_name["one"].clear()  # an asset that was added since
    async with watching(emulator, states) as watch:
        assert watch.keys() == ["a"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 400},
        {"kind": "reset_before"},
        {"kind": "garbage"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
@pytest.mark.parametrize("operation", [LIST, GET])
async def test_errors_end_nothing(
    emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture, fault: dict[str, Any], operation: str
) -> None:
    await keys.put_many(["a", "b"])
    async with watching(emulator) as watch:
        emulator.faults([{"operation": operation, **fault}])
        await until(lambda: len(re.findall("Could not look at store s, partition p|cannot be read", caplog.text)) >= 3)
        await keys.put("b", "changed")
        assert watch.keys() == []
        emulator.faults([])
        await watch.looks()
        assert watch.keys() == ["b"]
    levels = {record.levelno for record in caplog.records if re.search("Could not look|cannot be read", record.message)}
    assert levels == {logging.ERROR if fault.get("status") in (400, 401, 403) else logging.WARNING}
    assert "emulator-secret" not in caplog.text


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_errors_are_no_hot_loop(emulator: Emulator, keys: Keys, status: int) -> None:
    emulator.faults([{"operation": GET, "kind": "status", "status": status}])
    async with watching(emulator, looks=0, keys="a", poke_interval=0.2):
        started = time.monotonic()
        await until(lambda: sum(answers(emulator, GET).values()) >= 4)
        looks = 1 + (time.monotonic() - started) / 0.2
    requests = sum(answers(emulator, GET).values())
    assert requests <= 2 * (looks + 1), "each look asks once, and once more where that may help"


async def test_waits_for_a_connection(
    emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", '{"conn_type": "anypoint"}')
    async with watching(emulator, looks=0) as watch:
        await until(lambda: "organization_id" in caplog.text)
        assert sum(answers(emulator, LIST).values()) == 0
        connect(monkeypatch, emulator)
        await watch.looks()
        await keys.put("a")
        await watch.looks()
        assert watch.keys() == ["a"]


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


async def test_pauses_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "BREATH", 0.05)
    start = time.monotonic()
    assert [key async for key in looks.in_batches([str(number) for number in range(300)])][::100] == ["0", "100", "200"]
    assert time.monotonic() - start >= 0.1, "two pauses"


def test_names_that_cannot_be_asked_for_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    flow = looks.look("s", "p", frozenset({looks.Selection(None)}))
    assert next(flow).operation == LIST
    assert flow.send(Page(("..", "a|b", "a"))).subject.endswith("key 'a'")
    with pytest.raises(StopIteration) as end:
        flow.send(Entry("a", "v", "STRING"))
    assert list(end.value.value.seen) == ["a"]
    assert "'a|b'" in caplog.text


def test_overlapping_prefixes_are_listed_once() -> None:
    selections = [looks.Selection(None, prefix) for prefix in ("in/", "in/a", "out")]
    flow = looks.look("s", "p", frozenset({*selections, looks.Selection(frozenset({"k"}))}))
    step, queries, read = next(flow), [], []
    try:
        while True:
            listing = step.operation == LIST
            (queries if listing else read).append(step.query if listing else step.subject)
            step = flow.send(Page(("in/a1",)) if listing else Entry(None, 1, "NUMBER"))
    except StopIteration:
        pass
    assert sorted(queries) == [(("beginsWith", "in/"),), (("beginsWith", "out"),)]
    assert [subject.rpartition("key ")[2] for subject in read] == ["'in/a1'", "'k'"]


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
    assert emulator.requests()["total"] == 0


@pytest.mark.parametrize("interval", [60, "60", timedelta(minutes=1), "PT1M"], ids=repr)
def test_durations_are_read_alike(interval: Any) -> None:
    trigger = event_trigger(poke_interval=interval, region=" eu-west-1 ")
    assert trigger.serialize()[1]["poke_interval"] == 60
    assert trigger.shared_stream_key() == event_trigger(poke_interval=60, region="eu-west-1").shared_stream_key()


class TestWhatCannotBeRead:
    """Nothing fires for it: what was known of it is kept."""

    def unreadable(self, emulator: Emulator) -> None:
        emulator.faults([{"operation": GET, "kind": "garbage"}])

    async def test_a_key_that_was_known(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        async with watching(emulator) as watch:
            self.unreadable(emulator)
            await watch.looks(4)
            assert watch.keys() == []
            emulator.faults([])
            await watch.looks(4)
            assert watch.keys() == [], "it is as it was"
            await keys.put("a", "changed")
            await watch.looks(4)
            assert watch.keys() == ["a"]

    async def test_a_key_that_was_there_at_the_first_look(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        self.unreadable(emulator)
        async with watching(emulator) as watch:
            await keys.put("b")
            await watch.looks(4)
            emulator.faults([])
            await watch.looks(4)
            assert watch.keys() == ["b"], "a was there before, b appeared"

    async def test_others_fire_meanwhile(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        async with watching(emulator) as watch:
            emulator.faults([{"operation": GET, "kind": "garbage", "share": 0.5}])
            await keys.put("b")
            await until(lambda: watch.fired)
            assert watch.keys() == ["b"]

    async def test_many_in_a_row_end_the_look(self, emulator: Emulator, keys: Keys, caplog: Any) -> None:
        await keys.put_many([f"k{number}" for number in range(30)])
        self.unreadable(emulator)
        async with watching(emulator, looks=0):
            await until(lambda: "Could not look" in caplog.text)
        assert caplog.text.count("This key cannot be read") < 30

    async def test_a_store_that_goes_and_comes_again(
        self, emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture
    ) -> None:
        await keys.put("a")
        hook = AnypointObjectStoreHook()
        async with watching(emulator) as watch:
            await asyncio.to_thread(hook.delete_store, "s")
            await watch.looks(6)
            await asyncio.to_thread(hook.create_store, "s")
            await keys.put("a")
            await watch.looks(4)
            assert watch.keys() == [], "it is as it was known"
        told = [
            record.getMessage() for record in caplog.records if "The store itself is missing" in record.getMessage()
        ]
        assert len(told) == 1, told

    async def test_a_store_that_comes_with_its_first_key(self, emulator: Emulator) -> None:
        hook = AnypointObjectStoreHook()
        async with watching(emulator) as watch:
            await asyncio.to_thread(hook.create_store, "s")
            await Keys(hook).put("a")
            await watch.looks(4)
            assert watch.keys() == ["a"], "it was not there at the first look"

    async def test_a_partition_that_goes_and_comes_again(self, emulator: Emulator, keys: Keys) -> None:
        await keys.put("a")
        async with watching(emulator) as watch:
            await keys.delete("a")
            await watch.looks(4)
            await keys.put("a")
            await watch.looks(4)
            assert watch.keys() == ["a"]


class Manager:
    """Runs triggers as a triggerer of Airflow 3.3 does, without its database."""

    def __init__(self) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        self.streams = SharedStreamManager(log=logging.getLogger("streams"))  # type: ignore[arg-type]
        self.fired: dict[int, list[str]] = {}
        self.unconfirmed: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, trigger: AnypointKeyEventTrigger, state: State | None = None) -> list[str]:
        number = len(self.tasks)
        trigger.asset_state_store = state  # type: ignore[assignment]
        self.fired[number] = []
        self.tasks.append(asyncio.create_task(self._run(number, trigger)))
        return self.fired[number]

    async def _run(self, number: int, trigger: AnypointKeyEventTrigger) -> None:
        key = trigger.shared_stream_key()
        stream = self.streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                self.fired[number].append(event.payload["key"])
                persisted = self.streams.bind_pending_event(trigger_id=number, key=key)
                assert persisted is not None
                self.unconfirmed.append(persisted)
        finally:
            await self.streams.unsubscribe(number, key)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow 3.3 shares looks")
    manager = Manager()
    yield manager
    await manager.stop()
    assert not looks._watched


async def test_siblings_share_looks(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch = Watch(emulator)
    await keys.put_many([f"in/{number}" for number in range(9)])
    selections: list[dict[str, Any]] = [{}, {"begins_with": "in/"}, {"keys": ["a"]}, {"keys": ["b", "a"]}]
    fired = [manager.start(event_trigger(**selection)) for selection in selections]
    await watch.looks(3)
    before = emulator.requests()["by_operation"]
    await watch.looks(5)
    after = emulator.requests()["by_operation"]
    listings, reads, missing = (
        after[operation][status] - before[operation][status]
        for operation, status in ((LIST, "200"), (GET, "200"), (GET, "404"))
    )
    assert abs(reads - 9 * listings) <= 9
    assert abs(missing - 2 * listings) <= 2
    for key in ("a", "b", "in/x"):
        await keys.put(key)
        await watch.looks(3)
    assert fired == [["a", "b", "in/x"], ["in/x"], ["a"], ["a", "b"]]


async def test_one_that_joins_later_takes_a_first_look_of_its_own(
    emulator: Emulator, keys: Keys, manager: Manager
) -> None:
    watch = Watch(emulator)
    manager.start(event_trigger(begins_with="x"))
    await keys.put("old")
    await watch.looks()
    late = manager.start(event_trigger(keys=["old", "new"]))
    await watch.looks(3)
    await keys.put("new")
    await watch.looks(3)
    assert late == ["new"]


async def test_other_settings_share_nothing(manager: Manager) -> None:
    different = [{}, {"region": "eu-west-1"}, {"partition": "q"}, {"store_id": "t"}, {"poke_interval": 9}]
    found = {event_trigger(**settings).shared_stream_key() for settings in different}  # type: ignore[arg-type]
    assert len(found) == len(different)


async def test_memory_waits_until_events_are_stored(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch, state = Watch(emulator), State()
    fired = manager.start(event_trigger(), state)
    await until(lambda: state)
    before = dict(state)
    await keys.put("a")
    await watch.looks(4)
    assert fired == ["a"]
    assert state == before, "Airflow has not said yet that the event is stored"
    manager.streams.confirm_persisted(manager.unconfirmed)
    await until(lambda: state != before)
    await manager.stop()
    again = manager.start(event_trigger(), state)
    await watch.looks(3)
    assert again == []
