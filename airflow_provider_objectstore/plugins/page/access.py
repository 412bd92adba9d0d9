"""
Who may see what. Every route of the page is added here, so that none can lack its check.

A FastAPI application of a plugin is not protected by Airflow: each route has to ask for the user itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_connection
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_objectstore.compat.api_server import readable_connections, readable_ids
from airflow_provider_objectstore.plugins.connection_ids import has_address

SERVICES = ("anypoint", "civo")
"""The types of connections that the page shows."""
CONNECTION = "{connection_id:path}"
"""How a route's path ends that shows something of a connection. An id may contain slashes."""

_may_read_connection = requires_access_connection("GET")


@dataclass(frozen=True, slots=True)
class ListedConnection:
    """
    A connection of the metadata database.

    :param id: its id.
    :param service: its type, ``anypoint`` or ``civo``.
    """

    id: str
    service: str


class GuardedRouter:
    """Adds routes. All are GET, need a signed-in user, and those of a connection the right to read that connection."""

    def __init__(self) -> None:
        self.router = APIRouter(dependencies=[Depends(_refuse_other_sites), Depends(get_user)])

    def add(self, path: str, endpoint: Callable[..., Any]) -> None:
        """
        Add a route that shows nothing of a connection.

        :param path: its path.
        :param endpoint: what answers it.
        :raises ValueError: if the path names a connection.
        """
        if "{connection_id" in path:
            raise ValueError(f"{path} shows something of a connection: use add_for_connection")
        self._add(path, endpoint, [])

    def add_for_connection(self, path: str, endpoint: Callable[..., Any]) -> None:
        """
        Add a route that shows something of a connection: its path gets the connection's id at its end.

        :param path: its path up to there, with a slash at its end.
        :param endpoint: what answers it; it gets the ``connection_id`` for which the right was checked.
        """
        self._add(f"{path}{CONNECTION}", endpoint, [Depends(_require_id), Depends(_may_read_connection)])

    def _add(self, path: str, endpoint: Callable[..., Any], dependencies: list[Any]) -> None:
        self.router.add_api_route(
            path, endpoint, methods=["GET"], dependencies=dependencies, response_model=None, response_class=Response
        )


def connections_of(user: GetUserDep) -> list[ListedConnection]:
    """
    Return the connections of the metadata database that a user may read, by id. A dependency of routes.

    Those of environment variables and secrets backends are not there: Airflow cannot list them.
    """
    found = readable_connections(get_auth_manager(), user, SERVICES)
    return [ListedConnection(conn_id, service) for conn_id, service in sorted(found.items())]


def require_rights(user: Any, connection_ids: Collection[str], team: str | None) -> None:
    """
    Refuse a user who may not read each of some ids of connections. It blocks.

    :param user: the user.
    :param connection_ids: the ids.
    :param team: the team whose connections they are; None for none.
    :raises HTTPException: if the user may not.
    """
    if len(readable_ids(get_auth_manager(), user, connection_ids, team)) < len(connection_ids):
        raise HTTPException(403, SPELLINGS)


def lacks_session(error: StarletteHTTPException) -> bool:
    """
    Tell whether Airflow refused a request because nobody is signed in.

    :param error: the error of Airflow's own check.
    """
    return error.status_code == 401 or error.detail == "Invalid JWT token"


def sign_in_address(request: Request) -> str:
    """Return where to sign in and come back to the page: Airflow's own route, which asks the auth manager."""
    root: str = request.scope["root_path"]
    base = root.rpartition("/")[0]
    return f"{base}/api/v2/auth/login?next={quote(root + '/')}"


def _require_id(connection_id: str) -> None:
    """Refuse an address without id, which auth managers may take for all connections, and ids that lead elsewhere."""
    if not has_address(connection_id):
        raise HTTPException(404, "The address names no connection")


def is_fragment(request: Request) -> bool:
    """Tell whether the page's script asks for a view's content, without the page around it."""
    return request.headers.get("x-objectstore-fragment") == "1"


def is_whole(request: Request) -> bool:
    """
    Tell whether a browser without scripts asks for a page with a view's content.

    It says that it will show the answer as a page. An image in a text does not, nor does a program that follows links.
    """
    shows = request.headers.get("sec-fetch-dest") in ("document", "iframe")
    return shows and request.query_params.get("whole") == "1"


FOREIGN = "Only Airflow's own UI may ask for this"
SPELLINGS = (
    "What Airflow finds by this id is not the connection of its metadata database. In environment variables and "
    "secrets backends case need not count: you need the right to read this id in lower and upper case, and as the "
    "database has it."
)


def reason_of(error: StarletteHTTPException) -> str:
    """
    Return why a request was refused, for people.

    :param error: the error, of this page or of Airflow's own checks.
    """
    if error.status_code == 403 and error.detail not in (FOREIGN, SPELLINGS):
        return "You may not read this connection."
    return str(error.detail)


def _refuse_other_sites(request: Request) -> None:
    """Refuse to read because another site made a browser ask, or ahead of time: reading can prolong a value's life."""
    foreign = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    ahead = "prefetch" in request.headers.get("sec-purpose", "")
    if (foreign or ahead) and (is_fragment(request) or is_whole(request)):
        raise HTTPException(403, FOREIGN)
