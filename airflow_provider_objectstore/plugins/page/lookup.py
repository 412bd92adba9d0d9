"""Which connection an address opens: the one that the user may read, looked up once for all that a card needs."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_objectstore.compat.api_server import (
    METADATA_DATABASE,
    get_connection,
    is_stored,
    lookup_problem,
    lookup_problems,
    stored_connections,
    team_of,
)
from airflow_provider_objectstore.exceptions import ConfigurationError, ObjectStoreError
from airflow_provider_objectstore.hooks.connection_fields import shown_type
from airflow_provider_objectstore.plugins.page.access import require_rights
from airflow_provider_objectstore.plugins.page.services import PageAnypointHook, PageCivoHook, Threads, Turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Connection

PageHook: TypeAlias = PageAnypointHook | PageCivoHook

KEPT = 5.0
"""Seconds for which a connection is not looked up again."""
_HOOKS: Mapping[str, type[PageHook]] = {"anypoint": PageAnypointHook, "civo": PageCivoHook}


@dataclass(frozen=True, slots=True)
class Found:
    """
    What Airflow finds by an id.

    :param hook: the connection's hook; None if there is no connection that can be used.
    :param problem: why there is none.
    :param ids: all ids that may stand for it. It is for those who may read each of them. Empty if it is exactly the
        connection of the metadata database for which the right was checked already.
    :param team: the team for which it was looked up; None for none.
    """

    hook: PageHook | None
    problem: ObjectStoreError | None
    ids: frozenset[str]
    team: str | None


class Opener:
    """
    Opens connections for users.

    :param turns: runs the look-ups.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns, self._threads = turns, Threads(4)

    async def open(self, connection_id: str, user: Any, service: str | None = None) -> PageHook:
        """
        Return the hook of a connection.

        :param connection_id: its id, for which the user's right was checked.
        :param user: who wants to see something of it.
        :param service: the type that it must have; None for any that the page shows.
        :raises HTTPException: if the user may not read all that Airflow may take for this id.
        :raises ObjectStoreError: if there is no such connection, or none that can be used.
        """
        found = await self._turns.run(connection_id, "connection", KEPT, partial(look_up, connection_id))
        # What is kept may be of a team that had the connection a moment ago.
        if found.team is not None or found.ids - {connection_id}:
            await self._threads.run(partial(require_rights, user, found.ids | {connection_id}, found.team))
        if found.hook is None:
            assert found.problem is not None
            raise copy(found.problem)
        if service not in (None, found.hook.conn_type):
            raise ConfigurationError(
                f"connection {connection_id!r} is of type {found.hook.conn_type!r}, not {service!r}"
            )
        return found.hook


def look_up(connection_id: str) -> Found:
    """
    Look a connection up as Airflow does, for the team that it belongs to.

    :param connection_id: its id.
    """
    team = team_of(connection_id)
    try:
        connection = get_connection(connection_id, team)
    except AirflowNotFoundException:
        connection = None
    except Exception as error:
        failed = _failed(connection_id, f"a secrets backend: {lookup_problem(error)}")
        return Found(None, failed, same_ids(connection_id), team)
    # Some databases ignore case: the right was checked for the id as it is in the address.
    if connection is None or connection.conn_id != connection_id:
        return _not_found(connection_id, team)
    ids = frozenset[str]() if is_stored(connection) else same_ids(connection_id)
    try:
        return Found(_hook_of(connection), None, ids, team)
    except ObjectStoreError as error:
        return Found(None, copy(error), ids, team)


def _not_found(connection_id: str, team: str | None) -> Found:
    problems = lookup_problems(connection_id, team)
    ids = same_ids(connection_id)
    if set(problems) == {METADATA_DATABASE} and connection_id in stored_connections():
        ids = frozenset()
    if problems:
        reason = "; ".join(f"{where}: {what}" for where, what in problems.items())
        return Found(None, _failed(connection_id, reason), ids, team)
    absent = ConfigurationError(
        f"there is no connection {connection_id!r}, or the API server cannot see it: workers may have environment "
        "variables and secrets backends of their own"
    )
    return Found(None, absent, ids, team)


def _failed(connection_id: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"connection {connection_id!r} could not be looked up: {reason}")


def _hook_of(connection: Connection) -> PageHook:
    conn_id, conn_type = str(connection.conn_id), str(connection.conn_type or "")
    if conn_type not in _HOOKS:
        raise ConfigurationError(
            f"connection {conn_id!r} is of {shown_type(conn_type)}, which is neither anypoint nor civo"
        )
    try:
        return _HOOKS[conn_type].of(connection)
    except (AttributeError, TypeError, ValueError) as error:
        if isinstance(error, ObjectStoreError):
            raise
        raise ConfigurationError(
            f"connection {conn_id!r} cannot be used: one of its fields is of a wrong kind ({type(error).__name__})"
        ) from None


def same_ids(connection_id: str) -> frozenset[str]:
    """
    Return the ids that Airflow may take for the same outside of its metadata database, where case does not count.

    :param connection_id: an id.
    """
    upper = connection_id.upper()
    stored = {conn_id for conn_id in stored_connections() if conn_id.upper() == upper}
    return frozenset({connection_id, connection_id.lower(), upper, upper.lower(), *stored})
