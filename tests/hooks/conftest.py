from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from airflow_provider_objectstore.transport import ResolvedConnection
from tests.hooks.connections import PLACE, SECRET, Resolve


@pytest.fixture(params=["sync", "async"])
def resolve(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[ObjectStoreHook, Any], ResolvedConnection]:
    """Resolves a hook's connection, given as a URI or as fields, as the sync and the async client do."""

    def run(hook: ObjectStoreHook, connection: str | dict[str, Any]) -> ResolvedConnection:
        stored = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv(f"AIRFLOW_CONN_{hook._conn_id.upper()}", stored)
        return hook.resolve() if request.param == "sync" else asyncio.run(hook._resolve_async())

    return run


@pytest.fixture
def anypoint(resolve: Resolve) -> Resolve:
    """Resolves an ``anypoint`` connection that is complete except for what a test changes."""

    def run(hook: dict[str, Any] | None = None, **changes: Any) -> ResolvedConnection:
        extra = {**PLACE, **changes.pop("extra", {})}
        fields = {"conn_type": "anypoint", "login": "app", "password": SECRET, "extra": extra, **changes}
        return resolve(AnypointObjectStoreHook(**(hook or {})), fields)

    return run


@pytest.fixture
def civo(resolve: Resolve) -> Resolve:
    """Resolves a ``civo`` connection that is complete except for what a test changes."""

    def run(hook: dict[str, Any] | None = None, **changes: Any) -> ResolvedConnection:
        extra = {"region": "LON1", **changes.pop("extra", {})}
        fields = {"conn_type": "civo", "password": SECRET, "extra": extra, **changes}
        return resolve(CivoObjectStoreHook(**(hook or {})), fields)

    return run


@pytest.fixture(params=["anypoint", "civo"])
def either(request: pytest.FixtureRequest, anypoint: Resolve, civo: Resolve) -> Resolve:
    """Resolves a connection of either kind."""
    return anypoint if request.param == "anypoint" else civo


@pytest.fixture
def stores(emulator: Emulator) -> AnypointObjectStoreHook:
    """The hook, with a store ``s``."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook


@pytest.fixture
def backend_hook(served: tuple[Emulator, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> CivoObjectStoreHook:
    """A Civo hook on each kind of S3."""
    emulator, connection = served
    emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
    return CivoObjectStoreHook()
