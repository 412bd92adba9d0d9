"""Many changes at once: each reaches a run, soon. ``-rP`` prints the figures."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.conftest import connect
from tests.distributed.cluster import Cluster
from tests.distributed.events import Events

pytestmark = pytest.mark.distributed

QUIET = 15
WAITING = "SELECT 1 FROM asset_dag_run_queue WHERE target_dag_id = %s UNION ALL "
ACTIVE = "SELECT 1 FROM dag_run WHERE dag_id = %s AND state IN ('queued', 'running')"


@pytest.fixture
def hook(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> AnypointObjectStoreHook:
    connect(monkeypatch, service)
    hook = AnypointObjectStoreHook()
    if "events" not in [store.store_id for store in hook.list_stores()]:
        hook.create_store("events")
    if "p" in hook.list_partitions("events"):
        # Each poll reads all keys that a DAG watches: with those of earlier tests it takes 20 s.
        hook.delete_many("events", "p", list(hook.list_keys("events", "p"))).raise_failed()
    return hook


def write(hook: AnypointObjectStoreHook, keys: list[str]) -> None:
    hook.put_many("events", "p", dict.fromkeys(keys, "v")).raise_failed()


def watch(cluster: Cluster, hook: AnypointObjectStoreHook, dag_id: str, **prefixes: str) -> None:
    """Unpause a DAG, and wait until the triggers of its assets are past their first poll."""
    ((paused,),) = cluster.databases.query("SELECT is_paused FROM dag WHERE dag_id = %s", dag_id) or [(True,)]
    if not paused:
        return
    cluster.unpause(dag_id)
    for asset, prefix in prefixes.items():
        events, number = Events(cluster.databases, asset), 0
        while not events.all():
            write(hook, [f"{prefix}first-{number}"])
            number += 1
            time.sleep(2)
            assert number < 60, cluster.component_logs()
    time.sleep(QUIET)


class TestAirflowItself:
    """Why the trigger fires once for many changes. If this fails, Airflow has improved: see ``EVENT_DISTANCE``."""

    def test_the_last_events_of_a_burst_get_no_run(self, cluster: Cluster) -> None:
        cluster.unpause("plain")
        path = Path(cluster.environment["BURSTS"])
        without_run = {}
        for number in (1, 30):
            without_run[number] = []
            for _ in range(5):
                events = Events(cluster.databases, "plain")
                path.write_text(str(number))
                cluster.wait(lambda e=events, n=number: len(e.all()) == n, 60, "the events are stored")
                time.sleep(QUIET)
                without_run[number].append(events.without_run())
                assert events.all()[0].runs == 1
            print(f"5 bursts of {number} events: without a run after {QUIET} s: {without_run[number]}")
        assert not any(without_run[1])
        assert any(without_run[30])

        everything = Events(cluster.databases, "plain")
        path.write_text("1")
        cluster.wait(lambda: everything.all() and not everything.without_run(), 60, "the next event has its run")


@pytest.mark.parametrize("number", [1, 30, 300])
def test_every_change_reaches_a_run(cluster: Cluster, hook: AnypointObjectStoreHook, number: int) -> None:
    watch(cluster, hook, "keys", keys="k/")
    for burst in range(3):
        events = Events(cluster.databases, "keys")
        keys = [f"k/{number}-{burst}-{key:03}" for key in range(number)]
        write(hook, keys)
        took = cluster.wait(lambda e=events, k=keys: set(k) <= set(e.keys()), 120, "each key is in the events of a run")
        found = events.all()
        print(f"{number} keys: {len(found)} events, in runs after {took:.1f} s; {events.without_run()} without a run")
        assert took < 60
        assert Counter(events.keys(found)) == Counter(keys), "each once"
        assert [event.runs for event in found] == [1] * len(found)
        time.sleep(QUIET)


def test_siblings_with_an_asset_each(cluster: Cluster, hook: AnypointObjectStoreHook) -> None:
    watch(cluster, hook, "siblings", left="s/l", right="s/r")
    events = Events(cluster.databases, "left", "right")
    keys = [f"s/{side}{number:02}" for number in range(30) for side in "lr"]
    write(hook, keys)
    took = cluster.wait(lambda: set(keys) <= set(events.keys()), 120, "each key is in the events of a run")
    print(f"2 assets, {len(keys)} keys: {len(events.all())} events, in runs after {took:.1f} s")
    assert took < 60
    assert not events.without_run()


def test_another_dag_sweeps_where_no_more_runs_may_be_active(cluster: Cluster, hook: AnypointObjectStoreHook) -> None:
    watch(cluster, hook, "slow", slow="w/")
    cluster.wait(lambda: not cluster.databases.query(WAITING + ACTIVE, "slow", "slow"), 300, "no run is to come")
    events = Events(cluster.databases, "slow")
    for number in range(3):
        write(hook, [f"w/{number}"])
        cluster.wait(lambda n=number: len(events.all()) == n + 1, 30, "the event is stored")
    cluster.wait(lambda: not cluster.databases.query(WAITING + ACTIVE, "slow", "slow"), 300, "no run is to come")
    left = events.without_run()
    assert left, "an event came while an earlier one waited"

    cluster.trigger("sweep")
    took = cluster.wait(lambda: not events.without_run(), 120, "all have a run")
    print(f"at max_active_runs, {left} of 3 events had no run; swept, they were in one after {took:.1f} s")
    assert set(events.keys()) == {"w/0", "w/1", "w/2"}
