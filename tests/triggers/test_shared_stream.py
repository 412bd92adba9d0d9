from __future__ import annotations

from typing import Any

from airflow_provider_objectstore.emulator import Emulator
from tests.triggers.manager import ACK_TIMEOUT, Manager
from tests.triggers.watching import GET, LIST, Keys, State, event_trigger, until, watch_of_keys


async def test_siblings_share_polls(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch = watch_of_keys(emulator)
    await keys.put_many([f"in/{number}" for number in range(9)])
    key_filters: list[dict[str, Any]] = [{}, {"begins_with": "in/"}, {"keys": ["a"]}, {"keys": ["b", "a"]}]
    fired = [manager.start(event_trigger(**key_filter)) for key_filter in key_filters]
    await watch.snapshots(3)
    before = emulator.requests()["by_operation"]
    await watch.snapshots(5)
    after = emulator.requests()["by_operation"]
    listings, reads, missing = (
        after[operation][status] - before[operation][status]
        for operation, status in ((LIST, "200"), (GET, "200"), (GET, "404"))
    )
    assert abs(reads - 9 * listings) <= 9
    assert abs(missing - 2 * listings) <= 2
    for key in ("a", "b", "in/x"):
        await keys.put(key)
        await watch.snapshots(3)
    assert fired == [["a", "b", "in/x"], ["in/x"], ["a"], ["a", "b"]]


async def test_a_key_with_a_space_is_one_key_to_all_siblings(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch = watch_of_keys(emulator)
    key_filters: list[dict[str, Any]] = [{}, {"begins_with": "a"}, {"begins_with": "a b"}, {"keys": ["a b1"]}]
    fired = [manager.start(event_trigger(**key_filter)) for key_filter in key_filters]
    await watch.snapshots(3)
    await keys.put("a b1")
    await watch.snapshots(3)
    assert fired == [["a+b1"]] * 4


async def test_one_that_joins_later_begins_with_its_own_first_poll(
    emulator: Emulator, keys: Keys, manager: Manager
) -> None:
    watch = watch_of_keys(emulator)
    manager.start(event_trigger(begins_with="x"))
    await keys.put("old")
    await watch.snapshots()
    late = manager.start(event_trigger(keys=["old", "new"]))
    await watch.snapshots(3)
    await keys.put("new")
    await watch.snapshots(3)
    assert late == ["new"]


async def test_other_settings_share_nothing(manager: Manager) -> None:
    different = [{}, {"region": "eu-west-1"}, {"partition": "q"}, {"store_id": "t"}, {"poke_interval": 9}]
    found = {event_trigger(**settings).shared_stream_key() for settings in different}  # type: ignore[arg-type]
    assert len(found) == len(different)


async def test_state_is_written_after_events_are_stored(emulator: Emulator, keys: Keys, manager: Manager) -> None:
    watch, state = watch_of_keys(emulator), State()
    fired = manager.start(event_trigger(), state)
    await until(lambda: state)
    before = dict(state)
    await keys.put("a")
    await watch.snapshots(4)
    assert fired == ["a"]
    assert state == before, "Airflow has not confirmed yet that the event is stored"
    manager.confirm(0)
    await until(lambda: state != before)
    await manager.stop()
    again = manager.start(event_trigger(), state)
    await watch.snapshots(3)
    assert again == []


async def test_an_event_that_is_never_stored_fires_again_and_holds_up_no_sibling(
    emulator: Emulator, keys: Keys, manager: Manager
) -> None:
    from airflow.triggers.shared_stream import AckTimeout

    watch, states = watch_of_keys(emulator), [State(), State()]
    triggers: list[dict[str, Any]] = [{"keys": ["a"]}, {}]
    lost, kept = (manager.start(event_trigger(**one), state) for one, state in zip(triggers, states, strict=True))
    await until(lambda: all(states))
    before = [dict(state) for state in states]
    await keys.put("a")
    await until(lambda: lost == kept == ["a"])
    manager.now += ACK_TIMEOUT / 2
    await keys.put("b")
    await until(lambda: kept == ["a", "b"])  # so it has got all snapshots from before the clock went on
    manager.confirm(1)
    manager.now += ACK_TIMEOUT / 2
    await until(manager.tasks[0].done)
    assert isinstance(manager.tasks[0].exception(), AckTimeout)
    await until(lambda: states[1] != before[1])
    await watch.snapshots(3)
    await manager.stop()
    assert states[0] == before[0], "it has no event that Airflow has not stored"
    again = [manager.start(event_trigger(**one), state) for one, state in zip(triggers, states, strict=True)]
    await watch.snapshots(3)
    assert again == [["a"], []]
