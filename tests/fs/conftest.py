from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import fsspec
import pytest
from airflow.sdk.io import store as stores

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

PROD = {"osv2": "prod_anypoint", "civo": "prod_civo"}
DEFAULT = {"osv2": "anypoint_default", "civo": "civo_default"}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fsspec and Airflow keep of a connection belongs to the test that used it first."""
    monkeypatch.setattr(stores, "_STORE_CACHE", {})
    for scheme in PROD:
        fsspec.get_filesystem_class(scheme).clear_instance_cache()


@pytest.fixture
def osv2(emulator: Emulator) -> Any:
    """The filesystem, with an empty store named ``store``."""
    AnypointObjectStoreHook().create_store("store")
    return fsspec.filesystem("osv2", skip_instance_cache=True)


@pytest.fixture
def requests(emulator: Emulator) -> Callable[[], dict[str, int]]:
    """Tells the requests by operation since it was asked last, without those for tokens."""
    seen: dict[str, int] = {}

    def count() -> dict[str, int]:
        now = {name: sum(by.values()) for name, by in emulator.requests()["by_operation"].items()}
        new = {name: number - seen.get(name, 0) for name, number in now.items() if "token" not in name}
        seen.update(now)
        return {name.partition(".")[2]: number for name, number in new.items() if number}

    return count


def make_bucket(hook: CivoObjectStoreHook, name: str) -> None:
    """Create an object store, and wait until it is ready."""
    created = hook.create_object_store(name)
    while not hook.get_object_store(created.id).ready:
        time.sleep(0.05)


@pytest.fixture
def reports(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store and a bucket named ``reports``, of the default connections."""
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    AnypointObjectStoreHook().create_store("reports")
    make_bucket(CivoObjectStoreHook(), "reports")


@pytest.fixture
def only_prod(emulator: Emulator, reports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of their own reach ``reports``; with the default connections nothing works."""
    for conn_id, connection in emulator.connections().items():
        connection["extra"]["requests_per_second"] = 100_000
        monkeypatch.setenv(f"AIRFLOW_CONN_PROD_{conn_id.removesuffix('_default').upper()}", json.dumps(connection))
        broken = {**connection, "password": "not-the-password"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(broken))
