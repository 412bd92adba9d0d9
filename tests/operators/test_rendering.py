"""A task remembers in which of its templates an expression came out as None."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_objectstore.operators.anypoint_keys import AnypointPutKeyOperator


def test_each_rendering_is_remembered_anew() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        task = AnypointPutKeyOperator(
            task_id="t", store_id="s", partition="p-{{ day }}", key="k", value="{{ day or 0 }}"
        )
    again = task.prepare_for_execution()
    task.render_template_fields({"day": None, "dag": dag}, dag.get_template_env())  # type: ignore[typeddict-item]
    assert (task._lacking, task.value) == ({"partition"}, "0")
    context: Any = {"day": 5, "dag": dag}
    again.render_template_fields(context, dag.get_template_env())
    assert (again._lacking, again.partition) == (frozenset(), "p-5")
