"""What ``make docs`` makes from the code is complete. The site itself is built by ``make docs``."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from dev import docs

ROOT = Path(__file__).parents[1]
REFERENCE = {path.name: path.read_text() for path in ROOT.glob("docs/reference/*.md")}
TASKS = [item for item in docs.public() if item.area in ("operators", "sensors") and not docs._is_base(item.value)]


def test_every_public_class_is_in_the_reference() -> None:
    described = set(re.findall(r"^```\{everything-of\} (\w+)$", "\n".join(REFERENCE.values()), re.M))
    assert {item.area for item in docs.public()} - described == set()
    pages = {name.removesuffix(".md") for name in REFERENCE} - {"index"}
    assert set(re.findall(r"^(\w+)$", REFERENCE["index.md"], re.M)) == pages


@pytest.mark.parametrize("item", TASKS, ids=lambda item: item.value.__name__)
def test_docstrings_say_what_goes_into_xcom(item: docs.Public) -> None:
    _, xcom = docs.split_xcom((inspect.getdoc(item.value) or "").split("\n"))
    assert bool(xcom) == docs.returns_something(item.value), xcom


def test_the_table_has_every_task() -> None:
    table = docs.task_table(["operators", "sensors"])
    assert [name for name in (item.name for item in TASKS) if f":py:class:`~{name}`" not in table] == []
    fields = "``anypoint_conn_id``, ``region``, ``store_id``, ``partition``, ``key``, ``if_missing``"
    assert f"{fields}\n     - nothing" in table
    assert "``keys``, ``require``\n     - the list of keys that were found." in table
