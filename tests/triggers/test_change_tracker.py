from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeAlias

import pytest

from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.triggers import change_tracker
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, KeyState, Snapshot
from tests.conftest import connect
from tests.triggers.waiting import answers
from tests.triggers.watching import LIST, Keys, State, event_trigger, until, watching

Move: TypeAlias = Callable[..., Awaitable[Keys]]


@pytest.mark.slow
async def test_1000_keys_at_once(emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"k{number:04}" for number in range(1000)]
    state = State()
    async with watching(emulator, state) as watch:
        await keys.put_many(names)
        await until(lambda: sum(len(event["keys"]) for event in watch.fired) >= 1000, 60)
        assert sorted(watch.keys()) == names
        assert len(json.dumps(state)) < 65_535 - 1000
    monkeypatch.setattr(change_tracker, "MAX_KEYS", 400)
    await keys.put_many(names, "changed")
    async with watching(emulator, state, snapshots=0) as watch:
        await until(lambda: len(watch.fired) >= 3, 60)
        assert [(len(event["keys"]), event["pending"]) for event in watch.fired] == [(400, 600), (400, 200), (200, 0)]
        assert watch.keys() == names, "the rest follows, in order"
        await asyncio.sleep(0.3)
        assert watch.keys() == []


class TestAnEventIsBounded:
    """What does not fit into an event comes with a later one."""

    def looks(self, changing: Sequence[str], times: int) -> Iterator[tuple[list[str], int]]:
        """What each of so many looks finds if these keys change between any two of them."""
        tracker = change_tracker.ChangeTracker([], "state", "store s")
        tracker.known = {}
        for number in range(times):
            states = {key: KeyState("STRING", str(number)) for key in sorted(changing)}
            yield tracker.changes(Snapshot(frozenset(), states), KeyFilter(None))

    def test_by_the_number_of_keys(self) -> None:
        ((first, pending),) = self.looks([f"k{number:04}" for number in range(2500)], 1)
        assert (first[0], first[-1], len(first), pending) == ("k0000", "k0999", 1000, 1500)

    def test_by_the_length_of_their_names(self) -> None:
        ((first, pending),) = self.looks([f"{number:01024}" for number in range(300)], 1)
        assert (len(first), pending) == (195, 105)

    def test_keys_that_always_change_hold_back_no_others(self) -> None:
        keys = [f"k{number:04}" for number in range(2500)]
        found = [key for fired, _ in self.looks(keys, 3) for key in fired]
        assert len(found) == 3000
        assert set(found) == set(keys)


async def test_remembers_over_a_restart(emulator: Emulator, keys: Keys) -> None:
    state = State()
    await keys.put_many(["held", "changed", "gone"])
    async with watching(emulator, state):
        pass
    await keys.put("changed", "new")
    await keys.put("appeared")
    await keys.delete("gone")
    for expected in (["appeared", "changed"], []):
        async with watching(emulator, state, snapshots=3) as watch:
            assert watch.keys() == expected
    (stored,) = state.values()
    assert len(json.loads(stored).keys() - {"place"}) == 3, "what is gone is forgotten"
    assert not any(word in stored for word in ("held", "changed", "new"))


async def test_remembers_an_empty_partition(emulator: Emulator, keys: Keys) -> None:
    state = State()
    async with watching(emulator, state):
        pass
    await keys.put("a")
    async with watching(emulator, state) as watch:
        assert watch.keys() == ["a"]


async def test_another_key_filter_has_its_own_state(emulator: Emulator, keys: Keys) -> None:
    state = State()
    async with watching(emulator, state), watching(emulator, state, begins_with="a"):
        await until(lambda: len(state) == 2)


async def test_a_crash_repeats_events_and_loses_none(emulator: Emulator, keys: Keys) -> None:
    state = State()
    async with watching(emulator, state):
        pass
    await keys.put_many(["a", "b"])
    trigger = event_trigger()
    trigger.asset_state_store = state  # type: ignore[assignment]
    events = trigger.run()
    assert (await anext(events)).payload["keys"] == {"a": "STRING", "b": "STRING"}
    await events.aclose()  # type: ignore[attr-defined]
    async with watching(emulator, state) as watch:
        assert watch.keys() == ["a", "b"]


async def test_state_store_that_fails(emulator: Emulator, keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    state = State()
    async with watching(emulator, state):
        pass
    await keys.put("a")
    state.broken = "aget"
    async with watching(emulator, state, snapshots=4) as watch:
        assert watch.keys() == [], "without its state it would begin with a first poll, and lose this"
        state.broken = None
        await watch.snapshots()
        assert watch.keys() == ["a"]
        state.broken = "aset"
        await keys.put("b")
        await watch.snapshots(4)
        assert watch.keys() == ["b"]
        state.broken = None
        await watch.snapshots()
    async with watching(emulator, state) as watch:
        assert watch.keys() == []
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text


async def test_one_state_for_several_assets(emulator: Emulator, keys: Keys) -> None:
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


class TestAnotherPlace:
    """What is known of a place says nothing about another one, to which the connection was edited."""

    @pytest.fixture
    def move(self, emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
        """Leads the connection to another service, which has the key ``there``, and back."""
        with Emulator(Settings()) as other:
            connect(monkeypatch, other)
            AnypointObjectStoreHook().create_store("s")
            AnypointObjectStoreHook().put_key("s", "p", "there", "v")
            connect(monkeypatch, emulator)

            async def move(to: Emulator | None = None, **extra: Any) -> Keys:
                connect(monkeypatch, to or other, **extra)
                before = sum(answers(to or other, LIST).values())
                await until(lambda: sum(answers(to or other, LIST).values()) >= before + 2, 60)
                return Keys(AnypointObjectStoreHook())

            yield move

    async def test_begins_with_a_first_snapshot(
        self, emulator: Emulator, keys: Keys, move: Move, caplog: pytest.LogCaptureFixture
    ) -> None:
        await keys.put("here")
        with caplog.at_level("INFO"):
            async with watching(emulator) as watch:
                there = await move()
                assert watch.keys() == []
                await there.put("new")
                await until(lambda: watch.fired)
                assert watch.keys() == ["new"]
        assert "through connection anypoint_default, which was edited and leads elsewhere: 1 keys exist" in caplog.text

    async def test_also_after_a_restart(self, emulator: Emulator, keys: Keys, move: Move) -> None:
        await keys.put("here")
        state = State()
        async with watching(emulator, state):
            await until(lambda: state)
        async with watching(emulator, state, snapshots=0) as watch:
            there = await move()
            await there.put("new")
            await until(lambda: watch.fired)
            assert watch.keys() == ["new"]
            await move(emulator)
            assert watch.keys() == []
        assert len(state) == 1

    async def test_a_store_that_is_missing_there_fires_with_its_first_key(
        self, emulator: Emulator, keys: Keys, move: Move
    ) -> None:
        state = State()
        async with watching(emulator, state, snapshots=0) as watch:
            there = await move()
            AnypointObjectStoreHook().delete_store("s")
            await keys.put("here")
            await move(emulator)
            await move()
            AnypointObjectStoreHook().create_store("s")
            await there.put("there")
            await until(lambda: watch.fired)
            assert watch.keys() == ["there"]

    async def test_another_pace_is_no_other_place(self, emulator: Emulator, keys: Keys, move: Move) -> None:
        state = State()
        async with watching(emulator, state):
            await until(lambda: state)
        await keys.put("new")
        async with watching(emulator, state, snapshots=0) as watch:
            await move(emulator, requests_per_second=99_999, timeout=29)
            assert watch.keys() == ["new"]

    async def test_a_state_of_an_earlier_version_is_of_this_place(
        self, emulator: Emulator, keys: Keys, move: Move
    ) -> None:
        state = State()
        await keys.put_many(["held", "changed"])
        async with watching(emulator, state):
            await until(lambda: state)
        (name,) = state
        state[name] = json.dumps({key: mark for key, mark in json.loads(state[name]).items() if key != "place"})
        await keys.put("changed", "new")
        async with watching(emulator, state) as watch:
            assert watch.keys() == ["changed"]
        state[name] = json.dumps({key: mark for key, mark in json.loads(state[name]).items() if key != "place"})
        async with watching(emulator, state) as watch:
            assert watch.keys() == []
        async with watching(emulator, state, snapshots=0) as watch:
            await move()
            assert watch.keys() == []
