"""Purging partitions: what is deleted and what stays, also after failures and when the task is stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout, Stats
from airflow.sdk.execution_time.timeout import timeout

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.anypoint import operations as service
from airflow_provider_objectstore.emulator.messages import Request
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.transport.bulk import DRAIN_TIMEOUT, BulkRunner
from tests.conftest import connect
from tests.listings import after_pages, delete
from tests.triggers.waiting import answers, once

pytestmark = pytest.mark.slow

Printed = pytest.CaptureFixture[str]
DELETE_PARTITION, DELETE_KEY = "anypoint.delete_partition", "anypoint.delete_key"


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook


def fill(hook: AnypointObjectStoreHook, partitions: int = 60, keys: int = 1) -> None:
    """Write ``k000``, ``k001``, … into partitions ``p000``, ``p001``, …"""
    from airflow_provider_objectstore.api import anypoint as api

    places = [(f"p{number:03}", f"k{key:03}") for number in range(partitions) for key in range(keys)]
    hook.bulk().send_all({"/".join(place): api.put_key("s", *place, "v") for place in places}).raise_failed()


def task(**settings: Any) -> AnypointPurgePartitionsOperator:
    return AnypointPurgePartitionsOperator(**{"task_id": "purge", "store_id": "s", **settings})


def purge(**settings: Any) -> dict[str, Any]:
    done: dict[str, Any] = task(**settings).execute({})  # type: ignore[typeddict-item]
    assert json.loads(json.dumps(done)) == done
    return done


def counts(done: dict[str, Any]) -> tuple[int, int, int]:
    return done["partitions"], done["keys"], done["rounds"]


def log_lines(printed: Printed) -> list[str]:
    """Return what the task has logged since the last call: Airflow prints it."""
    return re.findall(r"\] ((?:Round|Would|Partition|Purged) .*?) *(?:\[airflow|$)", printed.readouterr().out, re.M)


# ---- what is deleted -----------------------------------------------------------------------------------


def test_named_partitions_by_one_request_each(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, keys=3)
    names = [f"p{number:03}" for number in range(10)]
    done = purge(partitions=[*names, "missing"])
    assert counts(done) == (10, 0, 1)
    assert done["missing"] == 1
    assert set(done) == {"partitions", "keys", "missing", "rounds", "seconds", "retries", "throttled"}
    assert answers(emulator, DELETE_PARTITION) == {"204": 10, "404": 1}
    assert not answers(emulator, DELETE_KEY)
    assert not answers(emulator, "anypoint.list_partitions")
    assert len(list(hook.list_partitions("s"))) == 50
    assert counts(purge(partitions=names)) == (0, 0, 1), "again: nothing is left to do"


def test_one_name(hook: AnypointObjectStoreHook) -> None:
    fill(hook, 2)
    assert counts(purge(partitions="p000")) == (1, 0, 1)


def test_patterns(hook: AnypointObjectStoreHook) -> None:
    fill(hook)
    done = purge(include=["p00?", "p05*"], exclude="p0[05]3")
    assert done["partitions"] == 18
    assert [name for name in hook.list_partitions("s") if name[:3] in ("p00", "p05")] == ["p003", "p053"]
    assert len(list(hook.list_partitions("s"))) == 42


def test_keys_by_prefix(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 3, keys=120)
    assert counts(purge(partitions=["p000", "p001", "none"], key_prefix="k0")) == (0, 200, 2)
    assert [len(list(hook.list_keys("s", name))) for name in ("p000", "p001", "p002")] == [20, 20, 120]
    assert counts(purge(include="p*", key_prefix="k1")) == (0, 60, 2)
    assert not answers(emulator, DELETE_PARTITION)


def test_a_dry_run_deletes_nothing(hook: AnypointObjectStoreHook, emulator: Emulator, capsys: Printed) -> None:
    fill(hook, 30, keys=2)
    assert counts(purge(include="p00*", dry_run=True)) == (10, 0, 1)
    assert counts(purge(partitions=["p000", "none"], dry_run="True")) == (1, 0, 1)
    assert counts(purge(partitions="p001", key_prefix="k000", dry_run=True)) == (0, 1, 1)
    lines = log_lines(capsys)
    assert sum(line.startswith("Would delete partition 'p00") for line in lines) == 11
    assert "Would delete key 'k000' of partition 'p001'" in lines
    assert not [name for name in emulator.requests()["by_operation"] if "delete" in name]


def test_pages_that_shift_hide_nothing(
    hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    """Each deletion moves what follows into a page that was read."""
    fill(hook, 180)
    hook.put_many("s", "q", {f"k{number:03}": 1 for number in range(180)}).raise_failed()
    monkeypatch.setattr(emulator.settings, "positional_tokens", True)
    done = purge(include="p*")
    assert done["partitions"] == 180
    assert done["rounds"] > 2, "nothing was hidden, so this test shows nothing"
    assert list(hook.list_partitions("s")) == ["q"]
    assert purge(partitions="q", key_prefix="k")["keys"] == 180


def test_a_dry_run_counts_what_deletions_hide(
    hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    """Its one round deletes nothing that another one could miss: others do."""
    fill(hook, 60, keys=1)
    hook.put_key("s", "a", "k", 1)
    after_pages(monkeypatch, emulator, "partitions", {1: delete("s", "a", "k")})
    assert purge(include="p*", dry_run=True)["partitions"] == 60


def test_a_listing_that_lags_ends(
    hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    """What is listed and gone is no reason to go on."""
    fill(hook, 5)
    names = list(hook.list_partitions("s"))
    lagging = lambda *_: service._listing(names, None)  # noqa: E731
    monkeypatch.setitem(service.OPERATIONS, (2, "GET"), (lagging, service.DATA))
    assert counts(purge(include="p*")) == (5, 0, 2)
    assert "5 partitions or keys were listed and no longer existed" in capsys.readouterr().out


def test_something_that_keeps_writing(hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(hook, 1, keys=3)

    def delete_and_write(state: Any, request: Request) -> Any:
        store, partition, _ = service._key_address(state, request)
        state.data.write(store, partition, f"k{time.monotonic_ns()}", service.Entry("STRING", "v"))
        return service.delete_key(state, request)

    monkeypatch.setitem(service.OPERATIONS, (5, "DELETE"), (delete_and_write, service.DATA))
    with pytest.raises(ObjectStoreError, match=r"after 5 rounds store s still holds something .*may be writing"):
        purge(partitions="p000", key_prefix="k", max_rounds=4)


def test_one_round_is_enough_where_nothing_is_hidden(hook: AnypointObjectStoreHook) -> None:
    fill(hook, 1, keys=3)
    done = purge(partitions="p000", key_prefix="k", max_rounds=1)
    assert counts(done) == (0, 3, 2)
    assert done["missing"] == 0


def test_memory_is_flat(emulator: Emulator, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> None:
    data = emulator._app.anypoint.data
    # The emulator's memory counts here as well.
    monkeypatch.setattr(emulator._app.log, "_requests", deque(maxlen=1))

    def peak(keys: int) -> int:
        for number in range(keys):
            data.write(data.stores["s"], "p", f"k{number:06}", service.Entry("STRING", "v"))
        tracemalloc.start()
        assert purge(partitions="p", key_prefix="k")["keys"] == keys
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    small, large = peak(300), peak(4000)
    assert large < small + 230_000, "a list of the names alone is 300,000 bytes larger"


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "give partitions or include"),
        ({"partitions": "p", "include": "p*"}, "give partitions or include"),
        ({"partitions": "p", "exclude": "q"}, "exclude needs include"),
        ({"partitions": "DEFAULT_PARTITION"}, "DEFAULT_PARTITION of store s is deleted only with force=True"),
        ({"partitions": ["p", "_defaultPartition"], "key_prefix": "k"}, "only with force=True"),
        ({"partitions": "p", "store_id": "APP_orders__defaultPersistentObjectStore"}, "running application"),
        ({"include": "p*", "store_id": "1b2c-Object-Store"}, "running application"),
        ({"partitions": "p", "key_prefix": ""}, "key_prefix must not be empty"),
        ({"partitions": ["p", None]}, "text, not None"),
        ({"partitions": ".."}, "would address something else"),
        ({"partitions": "p", "store_id": ""}, "store_id must not be empty"),
        ({"include": "*"}, r"include=\['\*'\] matches every partition of store s, which needs force=True"),
        ({"partitions": "p", "dry_run": "perhaps"}, "dry_run must be True or False"),
        ({"partitions": "p", "force": 1}, "force must be True or False"),
        ({"partitions": "p", "max_concurrency": 0}, "max_concurrency must be an integer ≥ 1"),
        ({"partitions": "p", "max_failures": -1}, "max_failures must be an integer ≥ 0"),
        ({"partitions": "p", "requests_per_second": 0}, "requests_per_second must be above 0"),
        ({"partitions": "p", "if_empty": "shrug"}, "if_empty must be one of"),
    ],
    ids=repr,
)
def test_bad_input_asks_nothing(bad: dict[str, Any], message: str, emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        purge(**bad)
    assert emulator.requests()["total"] == 0


def test_patterns_leave_the_default_partition_out(hook: AnypointObjectStoreHook, capsys: Printed) -> None:
    fill(hook, 3)
    hook.put_key("s", "DEFAULT_PARTITION", "k", "v")
    assert counts(purge(include=["p*", "D*"])) == (3, 0, 2)
    assert list(hook.list_partitions("s")) == ["DEFAULT_PARTITION"]
    assert any("'DEFAULT_PARTITION' is left out" in line for line in log_lines(capsys))
    assert counts(purge(include="*", force="true")) == (1, 0, 2)


def test_a_running_applications_store_by_force(emulator: Emulator) -> None:
    hook, store = AnypointObjectStoreHook(), "APP_orders__defaultPersistentObjectStore"
    hook.create_store(store)
    hook.put_key(store, "DEFAULT_PARTITION", "k", "v")
    assert counts(purge(store_id=store, partitions="DEFAULT_PARTITION", force=True)) == (1, 0, 1)


def test_nothing_to_delete(hook: AnypointObjectStoreHook) -> None:
    assert counts(purge(include="zz*")) == (0, 0, 1)
    with pytest.raises(AirflowSkipException, match=r"nothing to delete in store s matches zz\*"):
        purge(include="zz*", if_empty="skip")
    with pytest.raises(ObjectStoreError, match=r"nothing to delete in store s matches p \(keys that begin with k\)"):
        purge(partitions="p", key_prefix="k", if_empty="fail")


# ---- what fails ----------------------------------------------------------------------------------


def refuse(emulator: Emulator, operation: str, status: int = 400, **fault: Any) -> None:
    emulator.faults([{"operation": operation, "kind": "status", "status": status, **fault}])


def test_single_failures_do_not_stop_it(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 100)
    refuse(emulator, DELETE_PARTITION, times=7)
    with pytest.raises(ObjectStoreError, match=r"^7 deletions in store s failed: ") as failure:
        purge(partitions=[f"p{number:03}" for number in range(100)])
    assert str(failure.value).count("answered 400") == 5, "samples, not all"
    assert "partition p0" in str(failure.value)
    assert len(list(hook.list_partitions("s"))) == 7


@pytest.mark.parametrize("what", ["partition", "partition's keys", "key"])
def test_names_that_cannot_be_addressed_stop_nothing_else(
    hook: AnypointObjectStoreHook, emulator: Emulator, what: str
) -> None:
    for partition in ("a", "b", "c"):
        hook.put_key("s", partition, ".k", "v")
    (store,) = emulator._app.anypoint.data.stores.values()
    if what != "key":
        store.partitions.put("..", store.partitions["b"])
        store.partitions.drop("b")
    else:
        store.partitions["b"].put("..", store.partitions["b"][".k"])
    named = what.split("'")[0]
    with pytest.raises(ObjectStoreError, match=rf"^1 deletions in store s failed: the {named} must not be '\.\.'"):
        purge(include="[a-c.]*", key_prefix=None if what == "partition" else ".")
    assert list(hook.list_partitions("s")) == (["b"] if what == "key" else [".."])


def test_a_listing_that_fails_stops_nothing_else(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 5, keys=3)
    refuse(emulator, "anypoint.list_keys", times=1)
    assert counts(purge(include="p*", key_prefix="k")) == (0, 15, 3)
    fill(hook, 5, keys=3)
    refuse(emulator, "anypoint.list_keys")
    with pytest.raises(ObjectStoreError, match=r"^5 deletions in store s failed: .*list_keys .*400"):
        purge(include="p*", key_prefix="k")


def test_a_dry_run_that_could_not_look_fails(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 3)
    refuse(emulator, "anypoint.partition_exists")
    with pytest.raises(ObjectStoreError, match=r"^3 deletions in store s failed"):
        purge(include="p*", dry_run=True)


@pytest.mark.parametrize("settings", [{}, {"key_prefix": "k"}, {"if_empty": "skip"}, {"dry_run": True}])
def test_a_store_that_is_not_there(hook: AnypointObjectStoreHook, settings: dict[str, Any]) -> None:
    with pytest.raises(ObjectStoreError, match="store misspelt does not exist"):
        purge(store_id="misspelt", partitions=["a", "b"], **settings)


def test_a_kill_while_the_connection_is_looked_up(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 3)
    killed = task(include="p*")
    killed.on_kill()
    with pytest.raises(ObjectStoreError, match="the task was stopped"):
        killed.execute({})
    assert not answers(emulator, DELETE_PARTITION)


def test_another_round_makes_good_what_failed(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 100)
    refuse(emulator, DELETE_PARTITION, times=7)
    assert counts(purge(include="p*")) == (100, 0, 3)


def test_what_fails_for_ever_ends_it(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 10)
    refuse(emulator, DELETE_PARTITION)
    with pytest.raises(ObjectStoreError, match=r"^10 deletions in store s failed"):
        purge(include="p*")
    assert answers(emulator, DELETE_PARTITION) == {"400": 10}


def test_too_many_failures_stop_it(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook, 100)
    refuse(emulator, DELETE_PARTITION)
    with pytest.raises(ObjectStoreError, match=r"stopped after 1[1-4] failed deletions in store s, more than max_fail"):
        purge(include="p*", max_failures=10, max_concurrency=4)
    assert answers(emulator, DELETE_PARTITION)["400"] < 20


def test_a_listing_that_is_refused(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    refuse(emulator, "anypoint.list_partitions", 403)
    with pytest.raises(PermissionDeniedError):
        purge(include="p*")
    emulator.faults([])
    with pytest.raises(NotFoundError, match="store none"):
        purge(include="p*", store_id="none")


def test_an_answer_that_was_lost(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fill(hook)
    emulator.faults([{"operation": DELETE_PARTITION, "kind": "reset_after", "times": 20}])
    done = purge(include="p*")
    assert (done["partitions"], done["retries"]) == (60, 20)


# ---- logs, metrics, asset events --------------------------------------------------------------------------------


def report_often(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.1) -> None:
    monkeypatch.setattr(BulkRunner, "__init__", _with_defaults(BulkRunner.__init__, interval=seconds))


def _with_defaults(function: Callable[..., None], **fixed: Any) -> Callable[..., None]:
    return lambda *arguments, **named: function(*arguments, **{**named, **fixed})


def test_progress(hook: AnypointObjectStoreHook, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(hook)
    report_often(monkeypatch)
    purge(partitions=[f"p{number:03}" for number in range(60)], requests_per_second=60)
    *lines, last = [line for line in log_lines(capsys) if line.startswith(("Round 1: ", "Purged "))]
    assert len(lines) >= 3
    middle = lines[len(lines) // 2]
    done, to_go = int(middle.split()[2]), int(middle.split(" to go")[0].split()[-1])
    assert 0 < done < 60
    assert done + to_go == 60
    assert "a second)" in middle
    assert re.fullmatch(r"\d+ s", middle.split(" in about ")[1])
    assert last.startswith("Purged p000, p001, p002, ")
    assert re.search(r" of store 's': 60 partitions deleted in \d+ s \(", last)


def test_metrics(hook: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, int] = {}
    monkeypatch.setattr(Stats, "incr", lambda name, count=1, **_: sent.update({name: count}), raising=False)
    fill(hook, 10)
    refuse(emulator, DELETE_PARTITION, times=2)
    with pytest.raises(ObjectStoreError):
        purge(partitions=[f"p{number:03}" for number in range(10)])
    assert sent == {"objectstore.purged.partitions": 8, "objectstore.purged.keys": 0, "objectstore.purge.failures": 2}
    sent.clear()
    purge(include="p*", dry_run=True)
    assert sent == {}


def test_outlets(hook: AnypointObjectStoreHook) -> None:
    class Event:
        def __init__(self) -> None:
            self.extra: dict[str, Any] = {}

    fill(hook, 3)
    one, other, unnamed = (hook.asset("s", name) for name in ("p000", "p001", "p002"))
    events = {asset.uri: Event() for asset in (one, other, unnamed)}
    context: Any = {"outlet_events": type("Events", (), {"__getitem__": lambda _, asset: events[asset.uri]})()}
    task(partitions=["p000", "p001"], outlets=[one, other, unnamed]).execute(context)
    purged = {"operation": "purge", "store_id": "s"}
    assert [event.extra for event in events.values()] == [
        purged | {"partition": "p000"},
        purged | {"partition": "p001"},
        {},
    ]


# ---- stopping ------------------------------------------------------------------------------------

NAMES = [f"p{number:03}" for number in range(200)]


def last_line(capsys: Printed) -> int:
    """Return the number of deleted partitions in the last log line."""
    return int([line for line in log_lines(capsys) if line.startswith("Round 1: ")][-1].split()[2])


@pytest.fixture
def paced(services: Emulator, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AnypointObjectStoreHook:
    """200 partitions, and time to stop their purge."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    fill(hook, len(NAMES))
    connect(monkeypatch, services, requests_per_second=50)
    return hook


def test_sigterm(paced: AnypointObjectStoreHook, emulator: Emulator, capsys: Printed) -> None:
    purging = task(partitions=NAMES)
    before = signal.signal(signal.SIGTERM, lambda *_: purging.on_kill())  # as Airflow's task runner does

    def terminate() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        with (
            pytest.raises(ObjectStoreError, match="the task was stopped while purging store s: run it again"),
            once(lambda: answers(emulator, DELETE_PARTITION).get("204", 0) >= 10, terminate),
        ):
            purging.execute({})  # type: ignore[typeddict-item]
    finally:
        signal.signal(signal.SIGTERM, before)
    deleted = answers(emulator, DELETE_PARTITION)["204"]
    assert 10 <= deleted < 25
    assert last_line(capsys) == deleted


def test_execution_timeout(paced: AnypointObjectStoreHook, emulator: Emulator, capsys: Printed) -> None:
    with pytest.raises(AirflowTaskTimeout), timeout(2):  # a busy machine takes a second to begin
        purge(partitions=NAMES)
    deleted = answers(emulator, DELETE_PARTITION)["204"]
    assert 0 < deleted <= 150  # what is saved up, and two seconds
    assert last_line(capsys) == deleted
    assert len(list(paced.list_partitions("s"))) == 200 - deleted


def test_a_long_pause_ends(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    refuse(emulator, DELETE_PARTITION, 429, headers={"Retry-After": "60"})
    purging, begun = task(partitions=NAMES), time.monotonic()
    with (
        pytest.raises(ObjectStoreError, match="the task was stopped"),
        once(lambda: bool(answers(emulator, DELETE_PARTITION)), purging.on_kill),
    ):
        purging.execute({})  # type: ignore[typeddict-item]
    assert time.monotonic() - begun < DRAIN_TIMEOUT


def _in_child(connection: str, settings: dict[str, Any]) -> None:
    os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"] = connection
    purge(**settings)


def test_killed_at_any_moment_and_rerun_leaves_nothing(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    """20 times, by SIGKILL; children are forked from a process that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    warm = ["airflow_provider_objectstore.transport.bulk", "aiohttp", "airflow.models.dag"]
    context.set_forkserver_preload([__name__, *warm, "airflow.sdk.execution_time.supervisor"])
    connection = os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"]
    chance = random.Random(7)
    named = [f"p{number:03}" for number in range(60)]
    settings: list[dict[str, Any]] = [{"include": "p*"}, {"include": "p*", "key_prefix": "k"}, {"partitions": named}]

    def start(number: int) -> Any:
        child = context.Process(target=_in_child, args=(connection, settings[number % 3]), daemon=True)
        child.start()
        return child

    halfway = 0
    for number in range(20):
        fill(hook, 60, keys=3 if number % 3 == 1 else 1)
        left = chance.randrange(60)
        child = start(number)
        while len(emulator_partitions(emulator)) > left and child.is_alive():
            time.sleep(0.0005)
        child.kill()
        child.join()
        halfway += 0 < len(emulator_partitions(emulator)) < 60
        again = start(number)
        again.join(30)
        assert again.exitcode == 0
        assert list(hook.list_partitions("s")) == []
    assert halfway >= 10, "the kills hit nothing"


def emulator_partitions(emulator: Emulator) -> list[str]:
    (store,) = emulator._app.anypoint.data.stores.values()
    return [name for name, entries in list(store.partitions.items()) if entries]
