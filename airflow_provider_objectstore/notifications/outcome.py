"""What a callback's context says about the run or task that called back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airflow_provider_objectstore.exceptions import ObjectStoreError


def describe(context: Mapping[str, Any], callback: object = None) -> dict[str, Any]:
    """
    Return what ended, and how, as plain data.

    ``event`` is ``task``, ``dag_run`` or ``deadline``. Members that such an event does not have are None, and so is the
    state of a task that is gone if Airflow does not say whether it will be tried again.

    :param context: the context of a callback of a task or DAG, or of a ``DeadlineAlert``.
    :param callback: the callback as the task has it.
    :raises ObjectStoreError: if it is none of these.
    """
    if "deadline" in context:
        return _deadline(context)
    if "reason" in context:  # Airflow gives DAG callbacks one, and no others
        return _dag_run(context)
    if context.get("ti") is not None:
        return _task(context, callback)
    raise ObjectStoreError(
        "the context is not one of a callback of a task, a DAG or a DeadlineAlert, so that there is nothing to tell. "
        "Give the value yourself"
    )


def _deadline(context: Mapping[str, Any]) -> dict[str, Any]:
    run = context.get("dag_run")
    return {
        **_base("deadline", _member(run, "dag_id"), _member(run, "dag_run_id"), run),
        "state": _text(_member(run, "state")),
        "deadline": _text(context["deadline"]["deadline_time"]),
    }


def _dag_run(context: Mapping[str, Any]) -> dict[str, Any]:
    run, reason = context.get("dag_run"), context["reason"]
    return {
        **_base("dag_run", context["dag"].dag_id, context["run_id"], run),
        # A run that has no tasks comes without its dag_run.
        "state": _text(_member(run, "state")) or ("success" if reason == "success" else "failed"),
        "reason": _text(reason),
    }


def _task(context: Mapping[str, Any], callback: object) -> dict[str, Any]:
    ti = context["ti"]
    map_index = getattr(ti, "map_index", None)
    return {
        **_base("task", ti.dag_id, ti.run_id, context.get("dag_run")),
        "task_id": ti.task_id,
        "map_index": None if map_index in (None, -1) else map_index,
        "try_number": ti.try_number,
        "state": _task_state(ti, callback),
        "log_url": ti.log_url,
    }


def _task_state(ti: Any, callback: object) -> str | None:
    if getattr(ti, "start_date", None):
        return _text(ti.state)
    # The DAG processor calls back for a task that is gone, and does not say which of its callbacks this is.
    held_by = {
        state
        for state, name in (("up_for_retry", "on_retry_callback"), ("failed", "on_failure_callback"))
        if any(one is callback for one in _listed(getattr(ti.task, name, None)))
    }
    if len(held_by) > 1 and ti.try_number > (getattr(ti, "max_tries", 0) or 0):
        return "failed"
    return held_by.pop() if len(held_by) == 1 else None


def _listed(callbacks: Any) -> Sequence[Any]:
    return callbacks if isinstance(callbacks, Sequence) else [callbacks]


def _base(event: str, dag_id: str, run_id: str, run: Any) -> dict[str, Any]:
    from airflow.providers.common.compat.sdk import conf

    ui = conf.get("api", "base_url", fallback="http://localhost:8080/").rstrip("/")
    return {
        "event": event,
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": None,
        "map_index": None,
        "try_number": None,
        "state": None,
        "logical_date": _text(_member(run, "logical_date")),
        "reason": None,
        "deadline": None,
        "run_url": f"{ui}/dags/{dag_id}/runs/{quote(run_id)}",
        "log_url": None,
    }


def _member(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(getattr(value, "value", value))
