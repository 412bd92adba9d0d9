"""Contexts that Airflow gives rarely; the others are those of real callbacks, in test_anypoint.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.notifications.outcome import describe

CALLBACK, OTHER = object(), object()


@pytest.mark.parametrize(
    ("reason", "state"), [("success", "success"), ("timed_out", "failed"), ("all_tasks_deadlocked", "failed")]
)
def test_a_run_of_which_only_the_reason_is_known(reason: str, state: str) -> None:
    found = describe({"dag": SimpleNamespace(dag_id="d"), "run_id": "r", "reason": reason})
    assert (found["event"], found["dag_id"], found["run_id"]) == ("dag_run", "d", "r")
    assert (found["state"], found["reason"], found["logical_date"]) == (state, reason, None)


@pytest.mark.parametrize(
    ("on_retry", "on_failure", "max_tries", "state"),
    [
        ([CALLBACK], [OTHER], 0, "up_for_retry"),
        ([OTHER], [OTHER, CALLBACK], 3, "failed"),
        (None, CALLBACK, 3, "failed"),
        ([CALLBACK], [CALLBACK], 0, "failed"),
        ([CALLBACK], [CALLBACK], 3, None),
        ([], [], 0, None),
    ],
)
def test_a_task_that_is_gone(on_retry: Any, on_failure: Any, max_tries: int, state: str | None) -> None:
    """Airflow says of it that it is running."""
    task = SimpleNamespace(on_retry_callback=on_retry, on_failure_callback=on_failure)
    names = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "log_url": "u"}
    ti = SimpleNamespace(state="running", task=task, max_tries=max_tries, **names)
    assert describe({"ti": ti}, CALLBACK)["state"] == state


def test_nothing_to_tell() -> None:
    with pytest.raises(ObjectStoreError, match="Give the value yourself"):
        describe({"dag_run": {}})
