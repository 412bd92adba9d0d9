"""Whether a task can start in the triggerer, where Airflow renders its templates on the event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.version_compat import get_base_airflow_version_tuple

if TYPE_CHECKING:
    from jinja2 import Environment

    from airflow_provider_objectstore.sensors.base import WaitSensor

LOCAL = frozenset(
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
"""What a template may use there: everything else in a context asks the database, which blocks that loop for good."""


def obstacle(sensor: WaitSensor) -> str | None:
    """Return why a sensor cannot start in the triggerer; None if it can."""
    if get_base_airflow_version_tuple() < (3, 3):
        return "that needs Airflow 3.3"
    if not sensor.deferrable:
        return "deferrable is off"
    if not sensor.has_dag():  # type: ignore[no-untyped-call]
        return "it was made outside its DAG"
    if sensor.dag.render_template_as_native_obj or sensor.dag.jinja_environment_kwargs:
        return "its DAG renders templates in a way that the triggerer does not"
    environment = sensor.new_wait().get_template_env()
    for name in sensor.template_fields:
        for value in _leaves(getattr(sensor, name)):
            if why := _obstacle_in(value, environment):
                return f"{name} {why}"
    return None


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _obstacle_in(value: Any, environment: Environment) -> str | None:
    from jinja2 import TemplateSyntaxError, meta

    if value is None or isinstance(value, (bool, int, float)):
        return None
    if not isinstance(value, str):
        return f"holds a {type(value).__name__}, which only a worker can resolve"
    if "{" not in value:
        return None
    try:
        environment.from_string(value)
        unknown = meta.find_undeclared_variables(environment.parse(value)) - LOCAL
    except TemplateSyntaxError as error:
        return f"is a template that the triggerer cannot render ({error})"
    return f"is a template that uses {', '.join(sorted(unknown))}" if unknown else None
