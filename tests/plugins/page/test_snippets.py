from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.plugins.page import snippets

NAMES = ["orders", "q\"uo'te\\", "\u202eright to left", "ключ"]


def run(code: str) -> Any:
    """Run a snippet as a DAG file does; return the task."""
    *before, call = code.partition("\n\n")
    names: dict[str, Any] = {}
    exec("".join(before), names)
    assert code.isascii()
    return eval(call, names)


@pytest.mark.parametrize("name", NAMES)
def test_deleting(name: str) -> None:
    task = run(snippets.purge("mule", name, name, name) or "")
    assert (task.store_id, task.partitions, task.key_prefix) == (name, [name], name)
    assert task.anypoint_conn_id == "mule"
    assert "key_prefix" not in (snippets.purge("mule", "a", "b", None) or "")
    task = run(snippets.delete_key("mule", name, name, name) or "")
    assert (task.store_id, task.partition, task.key) == (name, name, name)


@pytest.mark.parametrize("name", ["{{ conn.mule.password }}", "{% if a %}", "{# a #}", "new\nline"])
def test_a_name_that_airflow_would_render_or_refuse_is_in_no_code(name: str) -> None:
    assert snippets.purge("mule", "a", name, None) is None
    assert snippets.purge("mule", "a", "b", name) is None
    assert snippets.delete_key("mule", "a", "b", name) is None


def test_buckets_and_credentials() -> None:
    assert run(snippets.grow("buckets")).civo_conn_id == "buckets"
    assert run(snippets.rotate("buckets")).publishers[0].conn_id == "s3_of_the_consumers"
