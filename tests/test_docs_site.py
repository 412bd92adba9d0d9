"""What ``make docs`` makes from the code is complete. The site itself is built by ``make docs``."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from dev import docs

ROOT = Path(__file__).parents[1]
REFERENCE = {path.name: path.read_text() for path in ROOT.glob("docs/reference/*.md")}
TASKS = [
    item
    for item in docs.public()
    if item.area in ("operators", "transfers", "sensors") and not docs._is_base(item.value)
]


def test_every_public_class_is_in_the_reference() -> None:
    described = set(" ".join(re.findall(r"^```\{everything-of\} (.+)$", "\n".join(REFERENCE.values()), re.M)).split())
    assert {item.area for item in docs.public()} - described == set()
    pages = {name.removesuffix(".md") for name in REFERENCE} - {"index"}
    assert set(re.findall(r"^(\w+)$", REFERENCE["index.md"], re.M)) == pages


@pytest.mark.parametrize("item", TASKS, ids=lambda item: item.value.__name__)
def test_docstrings_say_what_goes_into_xcom(item: docs.Public) -> None:
    _, xcom = docs.split_xcom((inspect.getdoc(item.value) or "").split("\n"))
    assert bool(xcom) == docs.returns_something(item.value), xcom


def test_the_table_has_every_task() -> None:
    table = docs.task_table(["operators", "transfers", "sensors"])
    assert [name for name in (item.name for item in TASKS) if f":py:class:`~{name}`" not in table] == []
    fields = "``anypoint_conn_id``, ``region``, ``store_id``, ``partition``, ``key``, ``if_missing``"
    assert f"{fields}\n     - nothing" in table
    assert (
        "``keys``, ``require``\n     - the list of keys that were found, in the order in which they are given." in table
    )


def test_compatibility_is_that_of_the_project() -> None:
    page = (ROOT / "docs/compatibility.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = "".join(re.findall(r"^\| (`.*?) \|", page[page.index("## Extras") :], re.M))
    assert set(re.findall(r"`(\w+)`", extras)) == set(project["optional-dependencies"])
    (oldest,) = (found[1] for need in project["dependencies"] if (found := re.fullmatch(r"apache-airflow>=(.*)", need)))
    assert f"(from {oldest})" in page
    pythons = [name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r"Python :: 3\.\d", name)]
    assert f"| Python | {', '.join(pythons)} |" in page


def test_files_outside_of_docs_are_downloads() -> None:
    page = "[a](../README.md#two-commands) [b](../LICENSE) [c](hooks.md#usage)"
    assert docs._with_downloads(page) == "[a](path:../README.md) [b](path:../LICENSE) [c](hooks.md#usage)"


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in ROOT.glob("docs/**/*.md")]
    shown = re.findall(r"^([\w/-]+)$", docs.navigation(pages), re.M)
    expected = {name for name in pages if "/" not in name} - {"index"} | {"reference/index"}
    assert sorted(shown) == sorted(expected)


def test_troubleshooting_has_every_error() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    classes = page[page.index("## By the class") : page.index("## By the message")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", classes, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == {*docs.error_classes(), "AirflowNotFoundException"}


def test_every_message_says_what_to_do_or_is_explained() -> None:
    explanations = docs.explanations()
    assert not any("likewise" in (row.cause, row.remedy) for row in explanations)
    found = list(docs.messages([*docs.error_classes(), "OSError"]))
    unexplained = [
        f"{message.module}: {message.text}"
        for message in found
        if not docs.says_what_to_do(message.text) and not any(row.matches(message.text) for row in explanations)
    ]
    assert unexplained == [], "say what to do, or add a row to docs/troubleshooting.md"
    stale = [row.message for row in explanations if not any(row.matches(message.text) for message in found)]
    assert stale == [], "docs/troubleshooting.md explains what no code says"
    assert len(found) > 200


@pytest.mark.parametrize(
    "cause",
    [
        lambda: AnypointObjectStoreHook("no_anypoint").get_store("orders"),
        lambda: CivoObjectStoreHook("no_civo").find_object_store(" "),
        lambda: AnypointObjectStoreHook().put_key("orders", "2026", "a|b", 1),
        lambda: AnypointObjectStoreHook().put_many("orders", "2026", {"a b": 1, "a+b": 2}),
    ],
    ids=["connection", "name", "key", "keys"],
)
def test_messages_are_those_that_are_raised(cause: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", '{"conn_type": "anypoint", "login": "a", "password": "b"}')
    for conn_id in ("NO_ANYPOINT", "NO_CIVO"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", '{"conn_type": "http"}')
    with pytest.raises(ObjectStoreError) as raised:
        cause()
    patterns = [docs.Explanation(message.text, "", "") for message in docs.messages([type(raised.value).__name__])]
    specific = [row for row in patterns if len(row.message.replace("…", "")) > 15]
    assert any(row.matches(str(raised.value)) for row in specific), raised.value
