from __future__ import annotations

import functools
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from airflow.sdk._shared.secrets_masker.secrets_masker import _secrets_masker

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.transport import client as sync_client
from airflow_provider_objectstore.transport.state import ParentCache
from dev.database import EMPTY_DATABASES
from tests.rgw.certificate import write_certificate

ALL = os.environ.get("ALL") == "1"
"""Whether to run all that there is (``make test-all``), and not a share of what is proven below already."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Spread the files that take minutes over the first half of the run, from its beginning on.

    They mostly wait. As the last ones they would wait alone, and side by side they would all start their Airflows at
    once.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long = [path for path, tests in files.items() if _takes_minutes(path, tests)]
    short = [path for path in files if path not in long]
    every = max(1, len(short) // (2 * len(long))) if long else 1
    order = []
    for number, path in enumerate(short):
        if number % every == 0 and long:
            order.append(long.pop(0))
        order.append(path)
    items[:] = [item for path in (*order, *long) for item in files[path]]


def _takes_minutes(path: Path, tests: list[pytest.Item]) -> bool:
    airflow = any(test.get_closest_marker("airflow") for test in tests)
    return airflow or path.name in ("test_civo_backends.py", "test_kill.py", "test_nothing_grows.py", "test_wheel.py")


@pytest.fixture(scope="session", autouse=True)
def data_of_botocore() -> Iterator[None]:
    """Reading the description of S3 anew takes most of the time of a new client: all sessions share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All Airflows of a run start with a copy of the first one's database."""
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(EMPTY_DATABASES, str(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder))
        yield


@pytest.fixture(autouse=True)
def secrets_of_one_test() -> Iterator[None]:
    """For each new secret Airflow compiles a pattern of all that it has seen: each test's are forgotten."""
    masker = _secrets_masker()
    patterns, replacer = set(masker.patterns), masker.replacer
    yield
    masker.patterns, masker.replacer = patterns, replacer


@pytest.fixture(autouse=True)
def filesystems_of_one_test() -> None:
    """What Airflow and fsspec keep of a connection belongs to the test that used it first."""
    if stores := sys.modules.get("airflow.sdk.io.store"):
        stores._STORE_CACHE.clear()
    if fsspec := sys.modules.get("fsspec"):
        for kind in list(fsspec.registry.values()):
            kind.clear_instance_cache()


@pytest.fixture(scope="session")
def services() -> Iterator[Emulator]:
    """Both services with S3, started once."""
    with Emulator(Settings(creating_seconds=0.2, quota_gb=1_000_000), s3=MotoS3()) as emulator:
        yield emulator


def connect(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, **extra: Any) -> None:
    """Point the default connections at an emulator; ``extra`` goes into both."""
    for conn_id, connection in emulator.connections().items():
        fast = {"requests_per_second": 100_000, **extra}
        merged = {**connection, "extra": {**connection["extra"], **fast}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(merged))


@pytest.fixture
def emulator(services: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Both services, empty, as the default connections of both kinds."""
    services.reset()
    for state in sync_client._states.values():
        state.parents = ParentCache()  # it remembers stores from before the reset
    connect(monkeypatch, services)
    return services


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    path, key = (tmp_path_factory.mktemp("tls") / name for name in ("tls.pem", "key.pem"))
    write_certificate(path, key)
    path.write_text(path.read_text() + key.read_text())
    return str(path)


@pytest.fixture
def unused_port() -> int:
    """A port without a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


RGW_TLS = pytest.param("rgw over https", marks=pytest.mark.rgw)


@pytest.fixture(scope="module", params=["moto", RGW_TLS])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Emulator, dict[str, Any]]]:
    """An emulator of its own, on each kind of S3, and the connection that leads there."""
    from tests.rgw.backend import RgwS3

    backend = MotoS3() if request.param == "moto" else RgwS3(tls=True)
    with Emulator(Settings(creating_seconds=0), s3=backend) as emulator:
        connection = emulator.connections()["civo_default"]
        if isinstance(backend, RgwS3):
            connection["extra"] |= {"s3_endpoint": backend.tls_url, "verify": backend.ca_file}
        yield emulator, connection
