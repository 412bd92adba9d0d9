"""
Fixtures for tests of DAGs that use the provider. pytest finds them by itself: see ``pytest11`` in pyproject.toml.

Every pytest of an environment with this package imports this module, so it needs no extra before a
fixture is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_objectstore.emulator import Emulator


@pytest.fixture(scope="session")
def objectstore_emulator() -> Iterator[Emulator]:
    """Run both services with S3 on free ports until the session ends. New stores are ready at once."""
    from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings

    with Emulator(Settings(creating_seconds=0), s3=MotoS3()) as emulator:
        yield emulator


@pytest.fixture
def objectstore_connections(
    objectstore_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """
    Empty the emulator and point Airflow's ``anypoint_default`` and ``civo_default`` at it.

    :return: both connections by id, as :meth:`Emulator.connections` returns them.
    """
    objectstore_emulator.reset()
    connections = objectstore_emulator.connections()
    for conn_id, connection in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
    return connections
