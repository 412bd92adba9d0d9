"""Copying a store from place to place: everything of it, verified, and again without doing anything twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api.anypoint.models import Store
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.emulator.anypoint import operations as service
from airflow_provider_objectstore.emulator.messages import json_response
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from tests.operators.test_transfer import alike, contents, fill

GET, PUT = "anypoint.get_key", "anypoint.put_key"


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s", default_ttl="P5D", default_confirmation_ttl=77, encrypted=False)
    return hook


@pytest.fixture(scope="module")
def other_services() -> Iterator[Emulator]:
    with Emulator(Settings()) as emulator:
        yield emulator


@pytest.fixture
def elsewhere(other_services: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Another region, as the connection ``other``."""
    other_services.reset()
    connection = other_services.connections()["anypoint_default"]
    extra = {**connection["extra"], "region": "eu-west-1", "requests_per_second": 100_000}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**connection, "extra": extra}))
    return other_services


def copy(**settings: Any) -> dict[str, Any]:
    task = AnypointCopyStoreOperator(**{"task_id": "copy", "source": "s", "target": "t", **settings})
    done: dict[str, Any] = task.execute({})  # type: ignore[typeddict-item]
    assert json.loads(json.dumps(done)) == done
    return done


def counts(done: Mapping[str, Any]) -> dict[str, int]:
    names = ("written", "overwritten", "unchanged", "skipped", "missing")
    return {name: done[name] for name in names if done[name]}


def test_into_another_region(hook: AnypointObjectStoreHook, emulator: Emulator, elsewhere: Emulator) -> None:
    fill(emulator, 200)
    done = copy(target="s", target_conn_id="other")
    alike(contents(emulator, "s"), contents(elsewhere, "s"))
    assert (done["created"], done["values"], counts(done)) == (True, 200, {"written": 200})
    store = AnypointObjectStoreHook("other").get_store("s")
    assert (store.default_ttl_seconds, store.default_confirmation_ttl_seconds, store.encrypted) == (432000, 77, False)
    assert done["unverified"] == ["is_fixed_ttl"]
    assert sum(elsewhere.requests()["by_operation"][GET].values()) == 200, "none before the writes into a new store"

    before = puts(elsewhere)
    again = copy(target="s", target_conn_id="other")
    assert (again["created"], counts(again)) == (False, {"unchanged": 200})
    assert puts(elsewhere) == before, "a second try writes nothing"


def puts(emulator: Emulator) -> int:
    return sum(emulator.requests()["by_operation"].get(PUT, {}).values())


def requested(emulator: Emulator) -> int:
    return int(emulator.requests()["total"])


@pytest.mark.parametrize("connection", ["anypoint_default", "second"])
def test_the_same_place_under_another_name(
    hook: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    same = json.loads(json.dumps(emulator.connections()["anypoint_default"]))
    same["extra"] |= {"region": "US-EAST-1".lower(), "organization_id": "another-name-of-it"}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(same))
    before = requested(emulator)
    with pytest.raises(InvalidArgumentError, match=r"source and target are the same: store 's'.*task 'copy'"):
        copy(target="s", target_conn_id=connection, target_region="us-east-1", if_exists="overwrite")
    assert requested(emulator) == before


@pytest.mark.parametrize("wrong", [{"partitions": []}, {"source": ""}, {"target": ".."}, {"target_region": " "}])
def test_wrong_arguments_before_any_request(
    hook: AnypointObjectStoreHook, emulator: Emulator, wrong: dict[str, Any]
) -> None:
    before = requested(emulator)
    with pytest.raises(InvalidArgumentError):
        copy(**wrong)
    assert requested(emulator) == before


def test_what_is_missing_at_the_source(hook: AnypointObjectStoreHook) -> None:
    hook.put_key("s", "p", "k", 1)
    message = (
        r"^there is no store nowhere: create it, or check its name .* \[connection anypoint_default, [^:]*us-east-1\]$"
    )
    with pytest.raises(StoreNotFoundError, match=message):
        copy(source="nowhere")
    with pytest.raises(NotFoundError, match="store s has no partition q"):
        copy(partitions=["p", "q"])
    assert not hook.store_exists("t")
    assert copy(partitions="p")["partitions"] == {"p": 1}


def test_an_empty_store_is_copied_as_it_is(hook: AnypointObjectStoreHook) -> None:
    assert (copy()["created"], copy()["values"]) == (True, 0)
    assert hook.get_store("t").default_ttl_seconds == 432000


@pytest.mark.parametrize(("answer", "ttl"), [("fail", 600), ("keep", 600), ("update", 432000)])
def test_a_target_with_other_attributes(hook: AnypointObjectStoreHook, answer: Any, ttl: int) -> None:
    hook.put_key("s", "p", "k", 1)
    hook.create_store("t", default_ttl=600, encrypted=False, default_confirmation_ttl=77)
    if answer == "fail":
        with pytest.raises(ConflictError, match=r"default_ttl_seconds is 600 instead of 432000\. Nothing was written"):
            copy(if_attributes_differ=answer)
        assert list(hook.list_partitions("t")) == []
    else:
        assert counts(copy(if_attributes_differ=answer)) == {"written": 1}
    assert hook.get_store("t").default_ttl_seconds == ttl


@pytest.mark.parametrize(
    ("answer", "value", "expected"),
    [("overwrite", "ours", {"written": 1, "overwritten": 1, "unchanged": 1}), ("skip", "theirs", {}), ("fail", "", {})],
)
def test_a_key_that_differs(
    hook: AnypointObjectStoreHook, emulator: Emulator, answer: Any, value: str, expected: dict[str, int]
) -> None:
    hook.put_many("s", "p", {"same": b"1", "differs": "ours", "new": 1.5}).raise_failed()
    copy(partitions="p")
    hook.put_key("t", "p", "differs", "theirs")
    hook.delete_key("t", "p", "new")
    hook.put_key("t", "only", "there", "stays")
    before = puts(emulator)
    if answer == "fail":
        with pytest.raises(ObjectStoreError, match=r"'differs' of partition 'p' has another value.*Nothing was"):
            copy(if_exists=answer)
        assert puts(emulator) == before
        return
    done = copy(if_exists=answer)
    assert counts(done) == (expected or {"written": 1, "skipped": 1, "unchanged": 1})
    assert dict(hook.partition("t", "p")) == {"same": b"1", "differs": value, "new": 1.5}
    assert dict(hook.partition("t", "only")) == {"there": "stays"}


@pytest.mark.parametrize(
    "other", [{"metadata": {"a": True}}, {"index": 4}, {"value": "1"}, {"value": b"1"}, {"metadata": None}]
)
def test_what_counts_as_a_difference(hook: AnypointObjectStoreHook, other: dict[str, Any]) -> None:
    value = {"value": 1, "metadata": {"a": 1}, "index": 3}
    hook.put_key("s", "p", "k", **value)  # type: ignore[arg-type]
    copy()
    hook.put_key("t", "p", "k", **{**value, **other})
    assert counts(copy()) == {"overwritten": 1}
    found = hook.get_key("t", "p", "k")
    assert (found.value, found.value_type, found.metadata, found.index) == (1, "NUMBER", {"a": 1}, 3)


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"stringValue": "wrong"}, "another value"),
        ({"metadata": {}}, "another metadata"),
        ({"index": 8}, "another index"),
        ({"index": None}, ""),
    ],
)
def test_what_is_read_back_is_compared(
    hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any], said: str
) -> None:
    hook.put_key("s", "p", "k", "right", metadata={"a": 1}, index=2)

    def answer(state: Any, request: Any) -> Any:
        response = service.get_key(state, request)
        if request.path[0] == "t" and response.status == 200:
            return json_response(200, {**json.loads(response.body), **lie})
        return response

    monkeypatch.setitem(service.OPERATIONS, (5, "GET"), (answer, service.DATA))
    if said:
        with pytest.raises(ObjectStoreError, match=f"read back it has {said}"):
            copy()
    else:
        assert copy()["unverified"] == ["is_fixed_ttl", "index"], "what cannot be verified is said"


def test_what_goes_while_it_is_copied(hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> None:
    hook.put_key("s", "p", "here", 1)
    more = lambda state, request: service._listing(["expired", "p"], None)  # noqa: E731
    monkeypatch.setitem(service.OPERATIONS, (2, "GET"), (more, service.DATA))
    keys = lambda state, request: (  # noqa: E731
        service._listing([{"keyId": "gone"}, {"keyId": "here"}], None)
        if request.path[2] == "p"
        else service.list_keys(state, request)
    )
    monkeypatch.setitem(service.OPERATIONS, (4, "GET"), (keys, service.DATA))
    done = copy()
    assert (counts(done), done["missing_partitions"]) == ({"written": 1, "missing": 1}, 1)


KILLED = """
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
AnypointCopyStoreOperator(task_id="copy", source="s", target="t", max_concurrency=8).execute({})
"""


@pytest.mark.slow
def test_a_second_try_after_a_kill(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    values = 300
    fill(emulator, values)
    emulator.faults([{"operation": PUT, "kind": "delay", "seconds": 0.05}])
    before = puts(emulator)
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as task:
        while puts(emulator) - before < values // 3 and task.poll() is None:
            time.sleep(0.05)
        task.send_signal(signal.SIGKILL)
    assert task.returncode == -signal.SIGKILL
    emulator.faults([])
    time.sleep(0.2)  # for those under way
    there, written = contents(emulator, "t"), puts(emulator)
    assert 0 < len(there) < values
    source = contents(emulator, "s")
    alike({place: source[place] for place in there}, there)

    done = copy()
    assert counts(done) == {"unchanged": len(there), "written": values - len(there)}
    assert puts(emulator) - written == values - len(there)
    alike(source, contents(emulator, "t"))


def test_lineage_and_events_name_the_partitions(hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_objectstore.operators import copy_store

    hook.put_key("s", "p", "k", 1)
    reported: list[tuple[str, str]] = []
    events: list[tuple[str, Any]] = []
    monkeypatch.setattr(copy_store, "report_lineage", lambda _, side, asset: reported.append((side, asset().uri)))
    monkeypatch.setattr(
        copy_store, "emit_asset_events", lambda _outlets, _context, asset, extra: events.append((asset().uri, extra))
    )
    copy()
    place = "osv2://emulator-org.emulator-env.us-east-1"
    assert reported == [("input", f"{place}/s/p"), ("output", f"{place}/t/p")]
    assert events == [(f"{place}/t/p", {"operation": "copy", "store_id": "t", "partition": "p", "values": 1})]


def test_values_that_cannot_be_copied_are_errors(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    hook.put_key("s", "p", "odd", 1)
    emulator._app.anypoint.data.stores["s"].partitions["p"]["odd"].value_type = "LIST"
    with pytest.raises(ObjectStoreError, match="odd"):
        copy()


def test_slow_and_failing_services(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    hook.put_many("s", "p", {f"k{number}": number for number in range(60)}).raise_failed()
    emulator.faults([{"operation": name, "kind": "status", "status": 503, "times": 5} for name in (GET, PUT)])
    done = copy()
    assert done["values"] == 60
    assert done["retries"] > 0
    assert dict(hook.partition("t", "p")) == {f"k{number}": number for number in range(60)}


@pytest.mark.parametrize("exists", [False, True])
def test_a_time_to_live_that_cannot_be_set(
    exists: bool, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service returns it in milliseconds, and takes whole seconds."""
    read = AnypointObjectStoreHook.get_store

    def half_a_second(self: AnypointObjectStoreHook, store_id: str) -> Store:
        return replace(read(self, store_id), **({"default_ttl_seconds": 0.5} if store_id == "s" else {}))

    monkeypatch.setattr(AnypointObjectStoreHook, "get_store", half_a_second)
    if exists:
        hook.create_store("t")
    with pytest.raises(InvalidArgumentError, match=r"store t cannot get .*whole .*not 0.5\. Create it .*='keep'"):
        copy(if_attributes_differ="update")
