from __future__ import annotations

import json
import os
from typing import Any

import requests

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.fixtures import objectstore_connections, objectstore_emulator

__all__ = ["objectstore_connections", "objectstore_emulator"]


def test_connections_are_in_the_environment(objectstore_connections: dict[str, dict[str, Any]]) -> None:
    for conn_id, connection in objectstore_connections.items():
        assert json.loads(os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"]) == connection


def create_store(connection: dict[str, Any]) -> int:
    return requests.post(
        f"{connection['host']}/v2/objectstores?region=LON1",
        json={"name": "store"},
        headers={"Authorization": f"bearer {connection['password']}"},
    ).status_code


def test_each_test_starts_empty(
    objectstore_emulator: Emulator, objectstore_connections: dict[str, dict[str, Any]]
) -> None:
    assert create_store(objectstore_connections["civo_default"]) == 200
    assert objectstore_emulator.requests()["total"] == 1


def test_each_test_starts_empty_again(
    objectstore_emulator: Emulator, objectstore_connections: dict[str, dict[str, Any]]
) -> None:
    assert objectstore_emulator.requests()["total"] == 0
    assert create_store(objectstore_connections["civo_default"]) == 200
