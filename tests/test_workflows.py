"""GitHub's workflows call targets of the Makefile: all that ``.ci/run`` calls, and none that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
TARGETS = set(re.findall(r"^([a-z0-9.-]+):", (ROOT / "Makefile").read_text(), re.M))
WHEN = True  # YAML 1.1 takes "on" for a boolean


def steps(workflow: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for job in WORKFLOWS[workflow]["jobs"].values():
        yield from ((job, step) for step in job["steps"])


def targets(workflow: str) -> set[str]:
    """What a workflow makes, with each value of its matrix."""
    found = set()
    for job, step in steps(workflow):
        for command in re.findall(r"^make (.+)$", step.get("run", ""), re.M):
            values = job.get("strategy", {}).get("matrix", {}).get("target", [""])
            found |= {command.replace("${{ matrix.target }}", value) for value in values}
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_its_targets_exist(name: str) -> None:
    assert targets(name) - TARGETS == set()
    assert targets(name)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_it_uses_nothing_that_may_change_and_has_few_rights(name: str) -> None:
    used = [step["uses"] for _, step in steps(name) if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 360 for job in WORKFLOWS[name]["jobs"].values())
    assert all("${{ github." not in step.get("run", "") for _, step in steps(name))  # no text of others in a shell


def test_a_change_is_checked_as_here() -> None:
    assert set(WORKFLOWS["ci"][WHEN]) == {"push", "pull_request"}
    here = re.findall(r"^make (?:-\S+ )*(?:--\S+ )?(.+)$", (ROOT / ".ci/run").read_text(), re.M)
    called = {word for command in here for word in re.sub(r"ARGS=.*", "", command).split() if word in TARGETS}
    assert called >= {"lint", "demo", "test"}
    assert called | {"docs", "test-fast"} <= targets("ci")
    later = {"test-distributed"} <= targets("nightly") and {"test-matrix", "test-airflow-3.2"} <= targets("weekly")
    assert later
    assert all(WORKFLOWS[name][WHEN]["schedule"] for name in ("nightly", "weekly"))


def test_a_release_is_what_was_checked_and_needs_no_token() -> None:
    release = WORKFLOWS["release"]
    assert release[WHEN] == {"push": {"tags": ["v[0-9]*"]}}
    assert {"wheel-check", "dist"} <= targets("release")
    publish = release["jobs"]["publish"]
    assert (publish["needs"], publish["permissions"]) == ("build", {"id-token": "write"})
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()


def test_the_checks_of_a_release_fit_the_files() -> None:
    """The workflow reads the version and the changelog by their forms."""
    assert re.search(r'^__version__ = "[\d.]+"$', (ROOT / "airflow_provider_objectstore/__init__.py").read_text(), re.M)
    template = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text())
    assert {"name", "description", "body"} <= set(template)
