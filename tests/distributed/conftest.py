"""One Airflow for all tests of this folder: it takes a minute to start."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from tests.distributed.cluster import Cluster
from tests.distributed.databases import Databases
from tests.distributed.prepare import POSTGRES, REDIS

# `make test-distributed` has an environment of its own with what Celery and PostgreSQL need.
if importlib.util.find_spec("airflow.providers.celery") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """PostgreSQL and Redis."""
    with Databases(POSTGRES.prepare(), REDIS.prepare()) as databases:
        yield databases


@pytest.fixture(scope="session")
def service() -> Iterator[Emulator]:
    """The services, for the whole session and without a rate limit of their own."""
    with Emulator(Settings(creating_seconds=0.2), s3=MotoS3()) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def cluster(databases: Databases, service: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running Airflow with the DAGs of ``tests/distributed/dags``, all paused."""
    folder = tmp_path_factory.mktemp("airflow")
    connections = service.connections()
    connections["anypoint_default"]["extra"]["requests_per_second"] = 50
    pools = {"purge": 4, "purge_wide": 8, "waits": 512}
    with Cluster(databases, folder, Path(__file__).with_name("dags"), connections, pools) as cluster:
        yield cluster
