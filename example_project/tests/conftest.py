"""An Airflow for the tests. Its settings are read when Airflow is imported, so they are the first thing here."""

from __future__ import annotations

# [START airflow]
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HOME = tempfile.TemporaryDirectory(prefix="airflow-")  # deleted when pytest ends
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[1] / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME.name}/airflow.db",
}


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Create the database that ``dag.test()`` writes its runs to."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    # [END airflow]
