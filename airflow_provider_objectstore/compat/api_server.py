"""What the page asks Airflow's API server, as far as versions differ or it is private."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from inspect import signature
from typing import Any


def readable_connections(manager: Any, user: Any, conn_types: Collection[str]) -> dict[str, str]:
    """
    Return the connections of the metadata database that a user may read: types by id. For the API server only.

    Private: the models, and that the details of a connection name its team, as in Airflow's own routes.

    :param manager: the auth manager.
    :param user: the user.
    :param conn_types: the types of connections to look for.
    """
    types = {conn_id: conn_type for conn_id, conn_type in stored_connections().items() if conn_type in conn_types}
    return {conn_id: types[conn_id] for conn_id in readable_ids(manager, user, types)}


def readable_ids(manager: Any, user: Any, conn_ids: Collection[str], team: str | None = None) -> list[str]:
    """
    Return those of some ids of connections that a user may read, whether there is such a connection or not.

    Private: as for :func:`readable_connections`.

    :param manager: the auth manager.
    :param user: the user.
    :param conn_ids: the ids.
    :param team: a team whose connections of these ids the user has to be allowed to read as well; None for none.
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails

    def is_readable(conn_id: str) -> bool:
        own = team_of(conn_id)
        details = [ConnectionDetails(conn_id=conn_id, team_name=name) for name in {own, team or own}]
        return all(manager.is_authorized_connection(method="GET", details=one, user=user) for one in details)

    return [conn_id for conn_id in conn_ids if is_readable(conn_id)]


def team_of(conn_id: str) -> str | None:
    """
    Return the team that a connection of the metadata database belongs to; None without ``[core] multi_team``.

    Private: the model.

    :param conn_id: the connection's id.
    """
    from airflow.models.connection import Connection as Stored  # noqa: TID251 - only tasks have no metadata database

    return Stored.get_team_name(conn_id) if has_teams() else None


def has_teams() -> bool:
    """Return whether connections can belong to teams."""
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.getboolean("core", "multi_team", fallback=False))


def get_connection(conn_id: str, team: str | None) -> Any:
    """
    Look a connection up as Airflow does, for a team as it does for that team's tasks.

    Private: the model. ``BaseHook`` knows no teams in the API server.

    :param conn_id: the connection's id.
    :param team: the team; None for what belongs to no team.
    :raises AirflowNotFoundException: if there is none.
    """
    from airflow.models.connection import Connection as Stored  # noqa: TID251
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

    found = BaseHook.get_connection(conn_id) if team is None else Stored.get_connection_from_secrets(conn_id, team)
    # AIRFLOW_CONN__BLUE___ORDERS is of the team blue, and before Airflow 3.3 found as "_blue___orders" by others.
    if has_teams() and "___" in conn_id and not is_stored(found):
        raise AirflowNotFoundException(conn_id)
    return found


def stored_connections() -> dict[str, str]:
    """
    Return the types of all connections of the metadata database, by id. It reads neither secrets nor extras.

    Private: the model.
    """
    from airflow.models.connection import Connection as Stored  # noqa: TID251
    from airflow.utils.session import create_session  # noqa: TID251
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        return {row.conn_id: row.conn_type for row in session.execute(select(Stored.conn_id, Stored.conn_type))}


def is_stored(connection: Any) -> bool:
    """
    Return whether a connection is of the metadata database, rather than of the environment or a secrets backend.

    Private: the key of the model.

    :param connection: what Airflow's look-up has returned.
    """
    return getattr(connection, "id", None) is not None


def lookup_problems(conn_id: str, team: str | None) -> dict[str, str]:
    """
    Return why Airflow finds no connection, by the place that has one or fails: Airflow itself leaves that out.

    Private: the list of backends. No text of an error is in it, which may quote a secret.

    :param conn_id: the connection's id.
    :param team: the team for which it was looked up; None for none.
    """
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    problems: dict[str, str] = {}
    for backend in ensure_secrets_backend_loaded():
        knows_teams = "team_name" in signature(backend.get_connection).parameters
        of_team = {"team_name": team} if team and knows_teams else {}
        try:
            if connection := backend.get_connection(conn_id=conn_id, **of_team):
                connection.get_uri()  # as Airflow's own look-up does
        except Exception as error:
            problems[_name_of(backend, conn_id)] = lookup_problem(error)
    return problems


METADATA_DATABASE = "Airflow's metadata database"


def _name_of(backend: Any, conn_id: str) -> str:
    name = type(backend).__name__
    known = {
        "MetastoreBackend": METADATA_DATABASE,
        "EnvironmentVariablesBackend": f"the environment variable AIRFLOW_CONN_{conn_id.upper()}",
    }
    return known.get(name, f"the secrets backend {name}")


def lookup_problem(error: Exception) -> str:
    """
    Return what the error of a backend means, without what it says.

    :param error: the error.
    """
    from cryptography.fernet import InvalidToken

    text = str(error)
    if isinstance(error, InvalidToken) or "FERNET_KEY" in text:
        return "what is there cannot be decrypted with Airflow's present Fernet key"
    if isinstance(error, PermissionError):
        return "access is denied"
    if isinstance(error, ValueError) and "`extra`" in text:
        return "the connection's extra is no JSON object"
    return f"what is there cannot be read ({type(error).__name__})"


def frames_follow_addresses() -> bool:
    """
    Return whether ``/plugin/<page>/<path>`` of Airflow's UI shows that path in the page's frame.

    Remove when Airflow >= 3.3 is required. Nothing else tells what the UI can: the module came with the same version.
    """
    return find_spec("airflow.sdk.state") is not None
