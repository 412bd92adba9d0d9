"""With hours between two polls, none is thrown away: the next one may come after the triggerer's next restart."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.triggers import change_trigger
from tests.triggers.manager import Manager
from tests.triggers.waiting import answers
from tests.triggers.watching import GET, Keys, State, event_trigger, until, watch_of_keys, watching

HOURS = 12 * 3600.0


@pytest.fixture
async def state(emulator: Emulator, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> State:
    """A state from before a change: the key ``new`` appears while nothing polls."""
    state = State()
    async with watching(emulator, state, snapshots=0, poke_interval=HOURS):
        await until(lambda: state)
    await keys.put("new")
    monkeypatch.setattr(change_trigger, "EVENT_DISTANCE", 1.5)
    return state


async def test_the_first_poll_after_a_restart_fires_once_an_event_may_come(emulator: Emulator, state: State) -> None:
    async with watching(emulator, state, snapshots=1, poke_interval=HOURS) as watch:
        await until(lambda: watch.fired, 30)
        assert watch.keys() == ["new"]


async def test_an_end_before_that_loses_nothing(
    emulator: Emulator, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(state)
    monkeypatch.setattr(change_trigger, "EVENT_DISTANCE", HOURS / 2)
    async with watching(emulator, state, snapshots=1, poke_interval=HOURS) as watch:
        await until(lambda: answers(emulator, GET).get("200", 0) >= 1)
        assert watch.fired == []
    assert state == before
    monkeypatch.setattr(change_trigger, "EVENT_DISTANCE", 1.5)
    async with watching(emulator, state, snapshots=1, poke_interval=HOURS) as watch:
        await until(lambda: watch.fired, 30)
        assert watch.keys() == ["new"]


async def test_a_state_store_that_fails_is_tried_again(
    emulator: Emulator, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(change_trigger, "STATE_RETRY", 0.05)
    state.broken = "aget"
    async with watching(emulator, state, snapshots=1, poke_interval=HOURS) as watch:
        await until(lambda: "The state store cannot be read" in caplog.text, 30)
        state.broken = None
        await until(lambda: watch.fired, 30)
        assert watch.keys() == ["new"]


async def test_one_that_joins_siblings_does_not_wait_for_their_next_poll(
    emulator: Emulator, keys: Keys, state: State, manager: Manager
) -> None:
    watch = watch_of_keys(emulator)
    manager.start(event_trigger(begins_with="x", poke_interval=HOURS))
    await watch.snapshots(1)
    joined = manager.start(event_trigger(poke_interval=HOURS), state)
    await until(lambda: joined == ["new"], 30)
