"""What Airflow's own backends of common.io keep in an object store."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from importlib.util import find_spec

from airflow.sdk import DAG, Asset, ObjectStoragePath, task

WATCHED = Asset("watched")
LARGE = {"rows": list(range(1000)), "text": "ä/%"}

with DAG("xcoms", schedule=None):

    @task
    def large():
        return LARGE

    @task
    def small():
        return 1

    @task
    def pulled(large, small):
        assert (large, small) == (LARGE, 1)

    @task
    def paths():
        base = ObjectStoragePath(os.environ["TEST_BASE"]) / "mapped"
        found = [base / f"{number} %2F.txt" for number in range(3)]
        for path in found:
            path.write_text(path.name)
        return found

    @task
    def read(path):
        assert isinstance(path, ObjectStoragePath)
        assert "_default@" in str(path)
        return path.read_text() == path.name

    @task
    def all_read(results):
        assert list(results) == [True] * 3

    pulled(large(), small())
    all_read(read.expand(path=paths()))

if find_spec("airflow.sdk.state"):  # Airflow 3.3
    with DAG("states", schedule=None):

        @task
        def of_the_task(task_state_store):
            state = task_state_store
            assert state.get("none") is None
            assert state.get("none", 5) == 5
            for value in ({"a": ["ä", 1, None]}, "text", 0, 1.5, True, [], "x" * 100_000):
                state.set("key/ %2F", value)
                assert state.get("key/ %2F") == value
            state.delete("key/ %2F")
            state.delete("key/ %2F")
            assert state.get("key/ %2F") is None
            state.set("one", 1)
            state.set("two", 2)
            state.clear()
            assert (state.get("one"), state.get("two")) == (None, None)
            state.set("left", "behind")

        @task(inlets=[WATCHED])
        def of_the_asset(asset_state_store):
            state = asset_state_store
            state.set("one", {"a": 1})
            assert state.get("one") == {"a": 1}
            state.delete("one")
            assert state.get("one") is None
            state.set("two", 2)
            state.clear()
            assert state.get("two") is None
            state.set("left", "for others")

        @task(inlets=[WATCHED])
        def of_the_asset_elsewhere(asset_state_store):
            assert asset_state_store[WATCHED].get("left") == "for others"

        @task(retries=1, retry_delay=timedelta(seconds=0))
        def killed(task_state_store, ti):
            place = task_state_store.get("place", 0)
            print(f"try {ti.try_number} begins at {place}")
            for number in range(place, 6):
                task_state_store.set("place", number + 1)
                if number == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            return place

        @task
        def resumed(place):
            assert place == 3

        of_the_task()
        of_the_asset() >> of_the_asset_elsewhere()
        resumed(killed())
