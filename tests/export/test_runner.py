"""An export or copy has all that was in the store the whole time, whatever page tokens mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.export.folder import ExportFolder
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator
from tests.listings import after_pages, delete
from tests.triggers.waiting import answers

KEYS = [f"k{number:03}" for number in range(100)]
Move = Callable[..., dict[str, Any]]
Held = dict[str, set[str]]


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook


@pytest.fixture(params=[AnypointExportOperator, AnypointCopyStoreOperator], ids=["export", "copy"])
def move(request: pytest.FixtureRequest, tmp_path: Any) -> Move:
    """Exports or copies the store; one value at a time, so that most is listed late."""

    def run() -> dict[str, Any]:
        places = (
            {"store_id": "s", "path": f"file://{tmp_path}/export"}
            if request.param is AnypointExportOperator
            else {"source": "s", "target": "t"}
        )
        done: dict[str, Any] = request.param(task_id="t", max_concurrency=1, **places).execute({})
        return done

    return run


@pytest.fixture
def moved(tmp_path: Any, emulator: Emulator) -> Callable[[], Held]:
    """Returns the keys by partition that an export or copy has."""

    def held() -> Held:
        folder = ExportFolder(ObjectStoragePath(f"file://{tmp_path}/export"))
        if not (tmp_path / "export").exists():
            return {name: set(values) for name, values in emulator.values("t").items()}
        from airflow_provider_objectstore.api.encoding import parse_json

        lines = [parse_json(line) for line in folder.lines(folder.manifest())]
        found: Held = {}
        for line in lines:
            found.setdefault(line["partition"], set()).add(line["keyId"])
        assert len(lines) == sum(map(len, found.values())), "each value once"
        return found

    return held


def test_keys_that_vanish_hide_none(
    hook: AnypointObjectStoreHook,
    move: Move,
    moved: Callable[[], Held],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook.put_many("s", "p", dict.fromkeys(KEYS, 1)).raise_failed()
    after_pages(monkeypatch, emulator, "keys", {1: delete("s", "p", *KEYS[:10]), 6: delete("s", "p", KEYS[10])})
    done = move()
    assert moved()["p"] >= set(KEYS[11:])
    assert done["values"] == len(moved()["p"])


def test_partitions_that_vanish_hide_none(
    hook: AnypointObjectStoreHook,
    move: Move,
    moved: Callable[[], Held],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    partitions = [f"p{number:02}" for number in range(40)]
    for partition in partitions:
        hook.put_key("s", partition, "k", 1)
    after_pages(monkeypatch, emulator, "partitions", {1: delete("s", "p00", "k")})
    move()
    assert moved().keys() >= set(partitions[1:])


def test_a_partition_that_vanishes_after_it_was_listed(
    hook: AnypointObjectStoreHook,
    move: Move,
    moved: Callable[[], Held],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook.put_many("s", "p", dict.fromkeys(KEYS[:30], 1)).raise_failed()
    hook.put_key("s", "q", "k", 1)
    after_pages(monkeypatch, emulator, "keys", {2: delete("s", "p", *KEYS[:30])})
    done = move()
    assert moved()["q"] == {"k"}
    assert done["missing_partitions"] == 0


def test_what_never_rests_is_an_error(
    hook: AnypointObjectStoreHook, move: Move, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.put_many("s", "p", dict.fromkeys(KEYS, 1)).raise_failed()
    after_pages(monkeypatch, emulator, "keys", {page: delete("s", "p", KEYS[page]) for page in range(1, 60)})
    with pytest.raises(
        ObjectStoreError, match=r"store s, partition p\): it was listed 10 times, and something vanished"
    ):
        move()


def test_what_rests_costs_a_second_listing_of_long_partitions_alone(
    hook: AnypointObjectStoreHook, move: Move, emulator: Emulator
) -> None:
    hook.put_many("s", "long", dict.fromkeys(KEYS, 1)).raise_failed()
    hook.put_many("s", "short", dict.fromkeys(KEYS[:25], 1)).raise_failed()
    move()
    assert sum(answers(emulator, "anypoint.list_keys").values()) == 2 * 4 + 1
    assert sum(answers(emulator, "anypoint.list_partitions").values()) == 1
