from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow import settings
from fastapi import FastAPI
from sqlalchemy import delete
from starlette.testclient import TestClient

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.plugins.object_stores import URL_PREFIX
from airflow_provider_objectstore.plugins.page.app import SafePage, build_app
from airflow_provider_objectstore.plugins.page.views import all_views

USERS = {"ann": "admin", "olga": "op", "uma": "user", "vic": "viewer"}
FRAGMENT = {"X-Objectstore-Fragment": "1"}
DOCUMENT = {"Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="session")
def metadata_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A metadata database of its own with all tables, and Airflow's simple auth manager with a user of each role."""
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.models import import_all_models
    from airflow.models.base import Base

    folder = tmp_path_factory.mktemp("metadata")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{folder}/airflow.db")
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(f"{n}:{r}" for n, r in USERS.items()))
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(folder / "passwords"))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        settings.configure_vars()
        settings.configure_orm()
        import_all_models()
        Base.metadata.create_all(settings.engine)
        init_auth_manager()
        yield
    settings.configure_vars()
    settings.configure_orm()


def signed_in(user: str) -> dict[str, str]:
    """Return the cookie of a user who is signed in."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    found: Any = SimpleAuthManagerUser(username=user, role=USERS[user].upper())
    return {"_token": get_auth_manager().generate_jwt(found)}


class Browser:
    """
    What a browser does, without one.

    :param app: Airflow's API server, of which it sees the page only.
    """

    def __init__(self, app: FastAPI) -> None:
        self._client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)

    def get(self, path: str, user: str | None = "ann", headers: Mapping[str, str] | None = None) -> Any:
        """
        Request an address of the page.

        :param path: the path below the page's own.
        :param user: who is signed in; None for nobody.
        :param headers: further headers.
        """
        self._client.cookies.clear()
        if user:
            self._client.cookies.update(signed_in(user))
        return self._client.get(f"{URL_PREFIX}{path}", headers=headers)

    def whole(self, path: str, user: str | None = "ann") -> Any:
        """Open a page with its content, as a browser without scripts does."""
        return self.get(f"{path}{'&' if '?' in path else '?'}whole=1", user, DOCUMENT)

    def fragment(self, path: str, user: str | None = "ann") -> Any:
        """Request the content of a view, as the script does."""
        return self.get(path, user, FRAGMENT)


@pytest.fixture
def app() -> FastAPI:
    """The page's application, with nothing kept from earlier tests."""
    return build_app(all_views())


@pytest.fixture
def browser(metadata_database: None, app: FastAPI) -> Browser:
    """A browser before the page."""
    root = FastAPI()
    root.mount(URL_PREFIX, SafePage(app))
    return Browser(root)


@pytest.fixture
def store_connection(metadata_database: None) -> Iterator[Callable[..., None]]:
    """Stores connections in the metadata database, until the test ends."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    def store(conn_id: str, connection: Mapping[str, Any], **extra: Any) -> None:
        fields = {**connection, "extra": json.dumps({**connection.get("extra", {}), **extra})}
        with create_session() as session:
            session.add(Connection(conn_id=conn_id, **fields))

    yield store
    with create_session() as session:
        session.execute(delete(Connection))


@pytest.fixture
def stored(
    services: Emulator, store_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Emulator:
    """Both services, empty, as the connections ``mule`` and ``buckets`` of the metadata database."""
    services.reset()
    known = services.connections()
    store_connection("mule", known["anypoint_default"], requests_per_second=100_000)
    store_connection("buckets", known["civo_default"], requests_per_second=100_000)
    return services
