"""A hook is as good after a fork, a pickle or a copy as before: every client belongs to the process that made it."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

KEYS = 40
CHILDREN = 4


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """An emulator in a process of its own: a child that forks from its parent's would hold its sockets."""
    command = [sys.executable, "-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        yield url
        process.terminate()


@pytest.fixture
def hook(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> AnypointObjectStoreHook:
    """A hook that has been used, for a partition in which each key has a value of its own."""
    urllib.request.urlopen(urllib.request.Request(f"{elsewhere}/_emulator/reset", method="POST"))
    extra = {"organization_id": "emulator-org", "environment_id": "emulator-env", "requests_per_second": 5000}
    connection = {"conn_type": "anypoint", "host": elsewhere, "login": "emulator-client", "password": "emulator-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps({**connection, "extra": extra}))
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_many("s", "p", {f"k{number}": f"v{number}" for number in range(KEYS)}).raise_failed()
    return hook


def read_all(hook: AnypointObjectStoreHook, seen: Any) -> None:
    found: Counter[str] = Counter()
    for number in range(KEYS):
        try:
            found["right" if hook.get_key("s", "p", f"k{number}").value == f"v{number}" else "wrong"] += 1
        except Exception as error:
            found[repr(error)] += 1
    seen.put(found)


def read_many(hook: AnypointObjectStoreHook, seen: Any) -> None:
    done = hook.get_many("s", "p", [f"k{number}" for number in range(KEYS)])
    seen.put(Counter("right" if entry.value == f"v{key[1:]}" else "wrong" for key, entry in done.succeeded.items()))


def read_mapping(hook: AnypointObjectStoreHook, seen: Any) -> None:
    seen.put(Counter("right" if value == f"v{key[1:]}" else "wrong" for key, value in hook.partition("s", "p").items()))


class TestForks:
    @pytest.mark.parametrize("read", [read_all, read_many, read_mapping])
    @pytest.mark.slow
    def test_children_read_their_own_values(self, read: Any, hook: AnypointObjectStoreHook) -> None:
        processes = multiprocessing.get_context("fork")
        seen: Any = processes.Queue()
        children = [processes.Process(target=read, args=(hook, seen)) for _ in range(CHILDREN)]
        for child in children:
            child.start()
        read(hook, seen)
        found = sum((seen.get(timeout=60) for _ in range(CHILDREN + 1)), Counter[str]())
        for child in children:
            child.join(60)
        assert found == {"right": KEYS * (CHILDREN + 1)}

    def test_a_lock_that_another_thread_holds_at_the_fork(self, hook: AnypointObjectStoreHook) -> None:
        from airflow_provider_objectstore.transport import client as sync_client

        processes = multiprocessing.get_context("fork")
        seen: Any = processes.Queue()
        state = hook._client._state
        child = processes.Process(target=read_all, args=(hook, seen))
        with sync_client._states_lock, state.token_lock, state.parents_lock:
            child.start()
            time.sleep(0.1)
            assert seen.get(timeout=60) == {"right": KEYS}
        child.join(60)

    def test_a_pool_in_a_task(self, hook: AnypointObjectStoreHook) -> None:
        with multiprocessing.get_context("fork").Pool(3) as pool:
            values = pool.map(_value_of, [(hook, f"k{number}") for number in range(KEYS)])
        assert values == [f"v{number}" for number in range(KEYS)]


def _value_of(arguments: tuple[AnypointObjectStoreHook, str]) -> Any:
    hook, key = arguments
    return hook.get_key("s", "p", key).value


class TestCopies:
    @pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda hook: pickle.loads(pickle.dumps(hook))])
    def test_work_and_hold_no_secret(self, again: Any, hook: AnypointObjectStoreHook) -> None:
        assert hook.get_key("s", "p", "k1").value == "v1"
        other = again(hook)
        assert (other._cached_client, other._cached_connection) == (None, None)
        assert other.get_key("s", "p", "k1").value == "v1"
        assert b"emulator-secret" not in pickle.dumps(hook)
        assert again(hook.partition("s", "p"))["k2"] == "v2"

    def test_civo(self) -> None:
        hook = pickle.loads(pickle.dumps(CivoObjectStoreHook("c", region="LON1")))
        assert (hook.civo_conn_id, hook.region) == ("c", "LON1")
