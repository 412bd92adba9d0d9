from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from tests.triggers.waiting import answers, once, run

HEAD = "anypoint.key_exists"


@pytest.fixture(params=[False, True], ids=["poke", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    """A hook to a service with the store ``s``."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook


def sensor(keys: Any, **settings: Any) -> AnypointKeySensor:
    fixed = {"task_id": "wait", "store_id": "s", "partition": "p", "poke_interval": 0.01, "timeout": 20}
    return AnypointKeySensor(**{**fixed, "keys": keys, **settings})


def put(hook: AnypointObjectStoreHook, *keys: str) -> None:
    for key in keys:
        hook.put_key("s", "p", key, "v")


@pytest.mark.parametrize("keys", ["a", ["a"], ("a", "b"), ["a", "a"]], ids=repr)
def test_finds_all(keys: str | Sequence[str], deferrable: bool, hook: AnypointObjectStoreHook) -> None:
    put(hook, "a", "b")
    assert run(sensor(keys, deferrable=deferrable)) == sorted(set(keys))


@pytest.mark.smoke
def test_waits_for_all(deferrable: bool, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    put(hook, "a")
    with once(lambda: answers(emulator, HEAD).get("404", 0) >= 3, lambda: put(hook, "b")):
        assert run(sensor(["a", "b"], deferrable=deferrable)) == ["a", "b"]


def test_requests_only_missing_keys(deferrable: bool, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    put(hook, "a")
    with once(lambda: answers(emulator, HEAD).get("404", 0) >= 4, lambda: put(hook, "b")):
        run(sensor(["a", "b"], deferrable=deferrable))
    asked = emulator.requests()["by_operation"]
    # Each key is found once, and the first one once more by the triggerer, which starts from nothing.
    assert asked[HEAD]["204"] == (3 if deferrable else 2)
    assert asked[HEAD]["404"] >= 4
    assert asked["anypoint.get_store"] == {"200": 2 if deferrable else 1}, "the store itself is requested once"
    assert set(asked) - {"accounts.token", "anypoint.get_store"} == {"anypoint.create_store", "anypoint.put_key", HEAD}


def test_remembers_what_was_found_before_an_error(
    deferrable: bool, hook: AnypointObjectStoreHook, emulator: Emulator
) -> None:
    put(hook, "a", "b")
    emulator.faults([{"operation": HEAD, "kind": "status", "status": 404, "times": 1}])
    assert run(sensor(["a", "b"], deferrable=deferrable)) == ["a", "b"]
    assert answers(emulator, HEAD)["204"] == (3 if deferrable else 2), "'b' is not asked for again by the same process"


def test_waits_for_any(deferrable: bool, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    with once(lambda: answers(emulator, HEAD).get("404", 0) >= 6, lambda: put(hook, "b")):
        assert run(sensor(["a", "b", "c"], require="any", deferrable=deferrable)) == ["b"]


def test_any_stops_at_the_first(deferrable: bool, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    put(hook, "a", "b")
    assert run(sensor(["a", "b"], require="any", deferrable=deferrable)) == ["a"]
    assert answers(emulator, HEAD) == {"204": 1}


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "ä+ö", "?x=1#y"])
def test_keys_with_special_characters(key: str, deferrable: bool, hook: AnypointObjectStoreHook) -> None:
    put(hook, key)
    assert run(sensor(key, deferrable=deferrable)) == [key]


def test_waits_for_a_missing_store(deferrable: bool, emulator: Emulator) -> None:
    hook = AnypointObjectStoreHook()

    def appear() -> None:
        hook.create_store("s")
        put(hook, "a")

    with once(lambda: answers(emulator, HEAD).get("404", 0) >= 3, appear):
        assert run(sensor("a", deferrable=deferrable)) == ["a"]


class Lazy(Sequence[str]):
    """Keys as they come out of a mapped task's XCom: a sequence that is no list."""

    def __getitem__(self, index: Any) -> Any:
        return ["a", "b"][index]

    def __len__(self) -> int:
        return 2


def test_lazy_sequence_of_keys(deferrable: bool, hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    with once(lambda: answers(emulator, HEAD).get("404", 0) >= 3, lambda: put(hook, "a", "b")):
        assert sorted(run(sensor(Lazy(), deferrable=deferrable))) == ["a", "b"]


BAD: list[dict[str, Any]] = [
    {"keys": []},
    {"keys": ()},
    {"keys": None},
    {"keys": 5},
    {"keys": {"a": 1}},
    {"keys": ""},
    {"keys": ["a", ""]},
    {"keys": ["a", ".."]},
    {"keys": ["a", None]},
    {"keys": ["a|b"]},
    {"keys": ["k" * 1025]},
    {"keys": ["ä" * 513]},
    {"keys": "a", "require": "some"},
    {"keys": "a", "require": None},
    {"keys": "a", "store_id": ""},
    {"keys": "a", "store_id": ".."},
    {"keys": "a", "partition": "."},
    {"keys": "a", "partition": None},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:40])
def test_bad_input_sends_nothing(bad: dict[str, Any], deferrable: bool, emulator: Emulator) -> None:
    """Constants are refused when the DAG is parsed, rendered values by the task."""
    with pytest.raises((AirflowFailException, InvalidArgumentError)):
        run(sensor(**{"keys": "a", **bad}, deferrable=deferrable, timeout=0.2))
    rendered = sensor("{{ x }}", deferrable=deferrable, timeout=0.2)
    for name, value in bad.items():
        setattr(rendered, name, value)
    with pytest.raises(AirflowFailException):
        run(rendered)
    assert emulator.requests()["total"] == 0


def test_templates() -> None:
    task = sensor("{{ ds }}", store_id="s-{{ ds }}", partition="p-{{ ds }}", anypoint_conn_id="c-{{ ds }}", region="r")
    context: Any = {"ds": "2026-01-02"}
    task.render_template_fields(context)
    assert task.keys == "2026-01-02"
    assert (task.store_id, task.partition, task.anypoint_conn_id) == ("s-2026-01-02", "p-2026-01-02", "c-2026-01-02")


def test_region_goes_into_the_trigger(emulator: Emulator) -> None:
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        sensor("a", deferrable=True, region="us-east-1").execute(context)
    assert deferred.value.trigger.serialize()[1]["region"] == "us-east-1"
