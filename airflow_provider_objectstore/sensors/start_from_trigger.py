"""Whether a task can start in the triggerer, where Airflow renders its templates on the event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.compat.triggerer import supports_start_from_trigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator
    from jinja2 import Environment

    from airflow_provider_objectstore.triggers.polling import PollingTrigger

TRIGGERER_SAFE_CONTEXT = frozenset(
    {
        "dag",
        "dag_run",
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "logical_date",
        "macros",
        "params",
        "partition_date",
        "partition_key",
        "run_id",
        "task",
        "task_instance_key_str",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)
"""What templates may use there. Anything else in a context reads the database, which blocks the event loop for ever."""


def reason_not_startable(task: BaseOperator, trigger: PollingTrigger, *, deferrable: bool) -> str | None:
    """
    Return why a task cannot start in the triggerer; None if it can.

    :param task: the task.
    :param trigger: the trigger that it would start with.
    :param deferrable: whether the task defers at all.
    """
    if not supports_start_from_trigger():
        return "that needs Airflow 3.3"
    if not deferrable:
        return "deferrable is off"
    if not task.has_dag():  # type: ignore[no-untyped-call]
        return "it was created outside its DAG"
    if task.dag.render_template_as_native_obj or task.dag.jinja_environment_kwargs:
        return "its DAG renders templates in a way that the triggerer does not"
    environment = trigger.get_template_env()
    for name in task.template_fields:
        for value in _leaves(getattr(task, name)):
            if reason := _reason_in(value, environment):
                return f"{name} {reason}"
    return None


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values in a nested field."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _reason_in(value: Any, environment: Environment) -> str | None:
    """Return why the triggerer cannot render a value; None if it can."""
    from jinja2 import TemplateSyntaxError, meta

    if value is None or isinstance(value, (bool, int, float)):
        return None
    if not isinstance(value, str):
        return f"holds a {type(value).__name__}, which only a worker can resolve"
    if "{" not in value:
        return None
    try:
        environment.from_string(value)
        unsafe = meta.find_undeclared_variables(environment.parse(value)) - TRIGGERER_SAFE_CONTEXT
    except TemplateSyntaxError as error:
        return f"is a template that the triggerer cannot render ({error})"
    return f"is a template that uses {', '.join(sorted(unsafe))}" if unsafe else None
