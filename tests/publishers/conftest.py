from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks import connection_fields
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.publishers.servers import PASSWORDS, ApiServer, Gateway

API = "airflow_api"


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is tried twice, almost without a wait, and a connection that is refused as briefly."""
    fast = partial(RetryPolicy, attempts=2, deadline=1, initial_wait=0.001, max_wait=0.2)
    monkeypatch.setattr(connection_fields, "RetryPolicy", fast)


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each Airflow connection was looked up."""
    from airflow.providers.common.compat.sdk import BaseHook

    counts: Counter[str] = Counter()
    get_connection = BaseHook.get_connection

    def count(conn_id: str) -> Any:
        counts[conn_id] += 1
        return get_connection(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(count))
    return counts


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(tmp_path_factory.mktemp("airflow")) as server:
        yield server


@pytest.fixture(scope="module")
def database(api_server: ApiServer) -> Iterator[None]:
    """Makes this process look connections up in the API server's database, as the scheduler does."""
    settings, crypto = import_module("airflow.settings"), import_module("airflow.models.crypto")

    def configure() -> None:
        if hasattr(crypto, "_fernet"):
            crypto._fernet = None
        else:
            crypto.get_fernet.cache_clear()
        settings.dispose_orm()
        settings.configure_vars()
        settings.configure_orm()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", api_server.database)
        patch.setenv("AIRFLOW__CORE__FERNET_KEY", api_server.fernet_key)
        configure()
        yield
    configure()


Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Sets the connection to Airflow's API; a field that is None is left out."""

    def change(url: str, **fields: Any) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        connection = {
            "conn_type": "http",
            "schema": "http",
            "host": host,
            "port": int(port or 80),
            "login": "admin",
            "password": PASSWORDS["admin"],
            **fields,
        }
        fields = {name: value for name, value in connection.items() if value is not None}
        monkeypatch.setenv(f"AIRFLOW_CONN_{API.upper()}", json.dumps(fields))

    return change


@pytest.fixture
def airflow(
    api_server: ApiServer, database: None, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """A real Airflow with its API as the connection ``airflow_api``, and no connections of its own."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    configure(api_server.url)
    yield api_server
    for connection in api_server.call("GET", "/connections")["connections"]:
        api_server.call("DELETE", f"/connections/{connection['connection_id']}")


@pytest.fixture
def gateway(airflow: ApiServer, configure: Configure) -> Iterator[Gateway]:
    """A gateway in front of that Airflow, as the connection ``airflow_api``."""
    with Gateway(airflow.url) as gateway:
        configure(gateway.url)
        yield gateway


@pytest.fixture
def credential(emulator: Emulator) -> S3Options:
    """The keys of an existing bucket ``photos``."""
    hook = CivoObjectStoreHook()
    owner = hook.create_credential("team")
    hook.create_object_store("photos", access_key_id=owner.access_key_id)
    return hook.s3_options("photos")


@pytest.fixture
def rotated(emulator: Emulator, credential: S3Options) -> S3Options:
    """Other keys."""
    hook = CivoObjectStoreHook()
    return hook.s3_options_of(hook.create_credential("team-2"))
