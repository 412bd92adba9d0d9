from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.fs.buckets import create

Requests = Callable[[], dict[str, int]]
PROD = {"osv2": "prod_anypoint", "civo": "prod_civo"}
DEFAULT = {"osv2": "anypoint_default", "civo": "civo_default"}


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


@pytest.fixture
def reports(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store and a bucket named ``reports``, of the default connections."""
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    AnypointObjectStoreHook().create_store("reports")
    create(CivoObjectStoreHook(), "reports")


@pytest.fixture
def only_prod(emulator: Emulator, reports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of their own reach ``reports``; with the default connections nothing works."""
    for conn_id, connection in emulator.connections().items():
        connection["extra"]["requests_per_second"] = 100_000
        monkeypatch.setenv(f"AIRFLOW_CONN_PROD_{conn_id.removesuffix('_default').upper()}", json.dumps(connection))
        broken = {**connection, "password": "not-the-password"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(broken))


@pytest.fixture(params=DEFAULT)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fs(scheme: str) -> Any:
    return fsspec.filesystem(scheme, skip_instance_cache=True)


@pytest.fixture
def base(scheme: str) -> str:
    return f"{scheme}://{DEFAULT[scheme]}@reports"


@pytest.fixture
def local() -> Iterator[Path]:
    with TemporaryDirectory(prefix="local[1]-") as folder:
        yield Path(folder)


@pytest.fixture
def has_keys(osv2: Any, requests: Requests) -> Any:
    """The filesystem with a file at each depth."""
    osv2.pipe({f"store/p/{name}": name.encode() for name in ("a", "b/c", "b/d/e", "b/d/f")})
    requests()
    return osv2


@pytest.fixture
def hook(served: tuple[Emulator, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> CivoObjectStoreHook:
    """The account has a credential and its bucket, ``photos``."""
    emulator, connection = served
    emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("mine").access_key_id)
    return hook
