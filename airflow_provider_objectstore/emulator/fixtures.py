"""
Fixtures for tests of DAGs that use the provider. pytest finds them by itself: see ``pytest11`` in pyproject.toml.

Every pytest of an environment with this package imports this module, so it needs no extra before a
fixture is used.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_objectstore.emulator import Emulator

_numbers = itertools.count()


@pytest.fixture(scope="session")
def objectstore_emulator() -> Iterator[Emulator]:
    """
    Run both services with S3 on free ports until the session ends. New stores are ready at once.

    Most tests want ``objectstore``, which is this emulator, emptied before each test and with connections.
    """
    from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings

    with Emulator(Settings(creating_seconds=0), s3=MotoS3()) as emulator:
        yield emulator


@pytest.fixture
def objectstore_connections(
    objectstore_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """
    Empty the emulator and point Airflow's ``anypoint_default`` and ``civo_default`` at it. Return both by id.

    They are environment variables, ``AIRFLOW_CONN_…``, until the test ends. For further connections to the same
    emulator, set ``AIRFLOW_CONN_<ID>`` to the JSON of one of these.
    """
    objectstore_emulator.reset()
    connections = objectstore_emulator.connections()
    number = next(_numbers)
    for conn_id, connection in connections.items():
        # Clients of equal connections share what they know, such as which stores exist: each test has its own.
        connection["extra"]["requests_per_second"] += number
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
    return connections


@pytest.fixture
def objectstore(objectstore_emulator: Emulator, objectstore_connections: dict[str, dict[str, Any]]) -> Emulator:
    """
    Both services, empty, for one test, sync or async. Airflow's ``anypoint_default`` and ``civo_default`` lead there.

    ``seed(stores=…, buckets=…)`` writes values and objects, ``values(store)`` and ``objects(bucket)`` read them;
    ``faults([…])`` makes operations fail; ``advance(timedelta(days=31))`` lets time pass; ``log("anypoint.put_key")``
    returns what was requested; ``dump()`` and ``load(state)`` are the whole state; ``reset()`` empties everything
    once more. ``monkeypatch.setattr(objectstore.settings, "creating_seconds", 5)`` changes how the services behave.
    """
    return objectstore_emulator
