"""Purges and waits of which a worker or a triggerer is killed. ``-rP`` prints the figures."""

from __future__ import annotations

import time

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.conftest import connect
from tests.distributed.cluster import Cluster
from tests.distributed.requests import Rate

pytestmark = pytest.mark.distributed


@pytest.fixture
def hook(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> AnypointObjectStoreHook:
    connect(monkeypatch, service)
    return AnypointObjectStoreHook()


def fill(hook: AnypointObjectStoreHook, store: str, partitions: int, keys: int) -> None:
    hook.create_store(store)
    for number in range(partitions):
        values = {**{f"k-{key:03}": "v" for key in range(keys)}, "stays": "v"}
        hook.put_many(store, f"p{number:02}", values).raise_failed()


def left(hook: AnypointObjectStoreHook, store: str, partitions: int) -> list[list[str]]:
    return [list(hook.list_keys(store, f"p{number:02}")) for number in range(partitions)]


def deletes(operation: str) -> bool:
    return operation == "anypoint.delete_key"


def test_purge_of_which_a_worker_is_killed(cluster: Cluster, service: Emulator, hook: AnypointObjectStoreHook) -> None:
    fill(hook, "purge", 50, 40)
    run_id = cluster.trigger("purge")
    start = time.monotonic()
    with Rate(service, deletes) as rate:
        cluster.wait(lambda: cluster.states("purge")["success"] >= 4, 300, "4 partitions are purged")
        cluster.wait(lambda: cluster.runs_a_task("worker-1", "purge"), 60, "the worker is at work")
        cluster.kill("worker-1")
        killed = time.monotonic() - start
        time.sleep(15)
        cluster.start("worker-1")
        cluster.wait(lambda: cluster.run_state("purge", run_id) != "running", 900, "the purge ends")
    tries = "SELECT max(try_number), sum(try_number - 1) FROM task_instance WHERE dag_id = 'purge'"
    ((most, repeated),) = cluster.databases.query(tries)
    print(
        f"50 partitions with 2,000 keys: {time.monotonic() - start:.0f} s, worker killed after {killed:.0f} s; "
        f"{repeated} tasks repeated; at most {rate.highest(10):.1f} deletions per second over 10 s, budget 40"
    )
    assert cluster.states("purge") == {"success": 50}, cluster.component_logs()
    assert left(hook, "purge", 50) == [["stays"]] * 50
    assert most > 1, "none was running when the worker was killed"
    assert rate.highest(10) <= 40 * 1.1, "four slots with 10 requests per second each"


def test_two_workers_purge_faster_than_one(cluster: Cluster, hook: AnypointObjectStoreHook) -> None:
    took = {}
    fill(hook, "purge_wide", 24, 60)
    for workers in (2, 1):
        if workers == 1:
            hook.delete_store("purge_wide")
            fill(hook, "purge_wide", 24, 60)
            cluster.kill("worker-2")
        start = time.monotonic()
        run_id = cluster.trigger("purge_wide")
        cluster.wait(lambda r=run_id: cluster.run_state("purge_wide", r) not in ("queued", "running"), 600, "it ends")
        took[workers] = time.monotonic() - start
        assert cluster.run_state("purge_wide", run_id) == "success"
        assert left(hook, "purge_wide", 24) == [["stays"]] * 24
    cluster.start("worker-2")
    print(f"24 partitions with 1,440 keys, 8 slots: {took[2]:.0f} s with two workers, {took[1]:.0f} s with one")


def test_500_waits_of_which_a_triggerer_is_killed(
    cluster: Cluster, service: Emulator, hook: AnypointObjectStoreHook
) -> None:
    hook.create_store("waits")
    dags = [f"waits_{part}" for part in range(5)]
    runs = {dag_id: cluster.trigger(dag_id) for dag_id in dags}

    def count(state: str) -> int:
        return sum(cluster.states(dag_id)[state] for dag_id in dags)

    started = cluster.wait(lambda: count("deferred") == 500, 600, "all wait")
    by_triggerer = (
        "SELECT count(*) FROM trigger WHERE classpath LIKE '%%AnypointKeyTrigger' AND triggerer_id IS NOT NULL "
        "GROUP BY triggerer_id"
    )
    cluster.wait(lambda: sum(n for (n,) in cluster.databases.query(by_triggerer)) >= 500, 120, "all are assigned")
    shares = [number for (number,) in cluster.databases.query(by_triggerer)]
    with Rate(service, lambda operation: operation == "anypoint.key_exists") as rate:
        time.sleep(25)
        cluster.kill("triggerer-1")
        keys = [f"{part}-{number:02}" for part in range(5) for number in range(100)]
        hook.put_many("waits", "p", dict.fromkeys(keys, "v")).raise_failed()
        ended = cluster.wait(lambda: count("success") == 500, 300, "all have ended")
        cluster.start("triggerer-1")
    print(
        f"500 waits began within {started:.0f} s, by triggerer: {shares}; with one killed they ended within "
        f"{ended:.0f} s; at most {rate.highest(10):.1f} requests per second over 10 s, budget 100"
    )
    assert len(shares) == 2
    for dag_id, run_id in runs.items():
        cluster.wait(lambda d=dag_id, r=run_id: cluster.run_state(d, r) == "success", 60, f"{dag_id} succeeds")
    assert rate.highest(10) <= 100 * 1.1, "50 requests per second of each triggerer"
