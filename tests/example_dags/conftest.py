from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dev.database import create_database
from tests.example_dags.runs import EXAMPLES, PREPARE
from tests.forks import Forks


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """An Airflow with an empty database."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    create_database(environment)
    with Forks(PREPARE, environment) as forks:
        yield forks
