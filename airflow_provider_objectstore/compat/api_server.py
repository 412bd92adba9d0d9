"""What the page asks Airflow's API server, as far as versions differ or it is private."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from typing import Any


def readable_connections(manager: Any, user: Any, conn_types: Collection[str]) -> dict[str, str]:
    """
    Return the connections of the metadata database that a user may read: types by id. For the API server only.

    Private: the models, and that the details of a connection name its team, as in Airflow's own routes.

    :param manager: the auth manager.
    :param user: the user.
    :param conn_types: the types of connections to look for.
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
    from airflow.models.connection import Connection as Stored  # noqa: TID251 - only tasks have no metadata database
    from airflow.providers.common.compat.sdk import conf
    from airflow.utils.session import create_session  # noqa: TID251
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        found = session.execute(select(Stored.conn_id, Stored.conn_type).where(Stored.conn_type.in_(conn_types)))
        types = {row.conn_id: row.conn_type for row in found}
    in_teams = conf.getboolean("core", "multi_team", fallback=False)

    def is_readable(conn_id: str) -> bool:
        details = ConnectionDetails(conn_id=conn_id, team_name=Stored.get_team_name(conn_id) if in_teams else None)
        return bool(manager.is_authorized_connection(method="GET", details=details, user=user))

    return {conn_id: conn_type for conn_id, conn_type in types.items() if is_readable(conn_id)}


def frames_follow_addresses() -> bool:
    """
    Return whether ``/plugin/<page>/<path>`` of Airflow's UI shows that path in the page's frame.

    Remove when Airflow >= 3.3 is required. Nothing else tells what the UI can: the module came with the same version.
    """
    return find_spec("airflow.sdk.state") is not None
