"""The README's first DAG, done as printed in an empty home folder; only the installation is that of the tests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.server import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
QUICKSTART = README[README.index("## A first DAG") : README.index("## What it offers")]


def printed(language: str) -> list[str]:
    """The code of the section, by the language of its fence."""
    return re.findall(rf"^```{language}\n(.*?)^```", QUICKSTART, re.M | re.S)


@contextmanager
def running(command: str, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Run the emulator, on other ports if those are taken. Yield what it asks to paste."""
    for port in re.findall(r"\b\d{4}\b", command):
        command = command.replace(port, str(free_port(int(port))))
    with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True, env=environment, cwd=folder) as run:
        assert run.stdout is not None
        try:
            pasted: list[str] = []
            while len(pasted) < 2 and (line := run.stdout.readline()):
                pasted += [line] if line.startswith("export AIRFLOW_CONN_") else []
            yield "".join(pasted)
        finally:
            run.kill()


@pytest.mark.airflow
def test_the_first_dag(tmp_path: Path) -> None:
    install, emulator, airflow = printed("console")
    (dag,) = printed("python")
    (output,) = printed("text")
    (name,) = re.findall(r"\*\*Save this\*\* as `(\w+\.py)` in your DAGs folder", QUICKSTART)
    (prepare,) = re.findall(r"`(airflow db migrate)`", QUICKSTART)
    (extra,) = re.fullmatch(r"pip install '\.\[(\w+)\]'\n", install).groups()  # type: ignore[union-attr]
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    dags = tmp_path / "airflow" / "dags"
    dags.mkdir(parents=True)
    (dags / name).write_text(dag)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "_AIRFLOW"))}
    environment = {**kept, "HOME": str(tmp_path), "PATH": path}
    with running(emulator, environment, tmp_path) as pasted:
        shell = ["bash", "-euxc", f"{pasted}{prepare}\n{airflow}"]
        done = subprocess.run(shell, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-4000:]
    assert re.findall(r"loading what came after [\w -]*\w", log) == output.splitlines()


def test_it_is_read_in_three_minutes() -> None:
    words = re.sub(r"^```.*?^```|\([^)]*\.md[^)]*\)", "", README, flags=re.M | re.S).split()
    assert len(words) <= 750  # at 250 words a minute


def test_the_changelog_and_the_security_policy_have_their_forms() -> None:
    changelog, security = (ROOT / "CHANGELOG.md").read_text(), (ROOT / "SECURITY.md").read_text()
    versions = re.findall(r"^## (.+)$", changelog, re.M)
    dated = r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d"
    assert versions[0] == "[Unreleased]"
    assert [version for version in versions[1:] if not re.fullmatch(dated, version)] == []
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", changelog, re.M)) <= kinds
    assert {"Report a vulnerability", "What is supported"} <= set(re.findall(r"^## (.+)$", security, re.M))
