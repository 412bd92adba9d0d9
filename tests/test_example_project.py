"""The project that shows how to test DAGs of one's own, tested as its owner would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "example_project"


@pytest.mark.airflow
@pytest.mark.slow
def test_its_tests_pass(tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "--show-capture=no"],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    tests = re.findall(r"^(?:async )?def test_", (folder / "tests/test_orders.py").read_text(), re.M)
    assert f"{len(tests)} passed" in ended.stdout, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert ended.returncode == 0
    assert not (tmp_path / "airflow").exists()
