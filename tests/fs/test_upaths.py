"""``UPath`` knows both filesystems: it warns of none, and reads a URL as they do."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GROUP = "universal_pathlib.implementations"
SCRIPT = """
import pickle
from upath import UPath

for url in ("civo://prod@bucket/folder/file", "osv2://prod@store/partition/key"):
    path = UPath(url)
    again = pickle.loads(pickle.dumps(path))
    print(path.protocol, path.path, path.parent.path, path.storage_options["conn_id"], again == path)
"""


@pytest.mark.slow
def test_paths_in_a_new_process(tmp_path: Path) -> None:
    """As installed: the entry points of an environment that was set up before they were added are not there."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    installed = tmp_path / "points-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: points\nVersion: 1\n")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": path, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "civo bucket/folder/file bucket/folder prod True",
        "osv2 store/partition/key store/partition prod True",
    ]
    assert "UserWarning" not in done.stderr
