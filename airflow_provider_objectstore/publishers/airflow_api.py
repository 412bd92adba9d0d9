"""The part of Airflow's REST API that connections are written with, and the way there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api.anypoint_access import Token, fits_header
from airflow_provider_objectstore.api.call import Call, Reply, segment, words
from airflow_provider_objectstore.exceptions import ApiError, error_for

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_objectstore.transport import Target

_API = "api"
_LOGIN = "login"
_TOKEN_SECONDS = 3600
"""How long a token is used: Airflow does not say when it ends. One refused earlier is replaced."""


def resolve(connection: Connection, problems: list[str], *secrets: str) -> Target:
    """
    Resolve the connection that leads to the API.

    :param problems: takes what is missing or wrong; the target is usable only if nothing is.
    :param secrets: what else must not appear in a log or an error.
    """
    from airflow_provider_objectstore.hooks.connections import Fields, _secrets
    from airflow_provider_objectstore.transport import Target

    fields = Fields(connection, connection.extra_dejson)
    host, scheme = connection.host or "", (connection.schema or "").lower()
    if fields.required("host", host) and "://" not in host:
        host = f"{scheme}://{host}"
        if scheme not in ("http", "https"):
            fields.problems.append("schema must be http or https")
    url = "" if fields.problems else fields.base_url("host", host, connection.port)
    login = connection.login or ""
    password = fields.secret("password (of the user in login; without login, a token)", connection.password)
    carriage = fields.carriage()
    problems += (f"connection {connection.conn_id!r}: {problem}" for problem in fields.problems)
    return Target(
        roots={_API: f"{url}/api/v2", _LOGIN: url},
        secrets=(*_secrets(password, carriage["proxy"]), *secrets),
        bearer=None if login else password,
        token_call=_token(login, password, str(connection.conn_id)) if login else None,
        **carriage,
    )


def get_connection(conn_id: str, api_conn_id: str) -> Call[dict[str, Any] | None]:
    """Read a connection, its secrets redacted; None if there is none. `GET /connections/{id}`."""

    def read(reply: Reply) -> dict[str, Any] | None:
        return None if reply.status == 404 else dict(reply.json())

    return Call(
        **_common("airflow.get_connection", conn_id, api_conn_id),
        method="GET",
        path=f"/connections/{segment('connection id', conn_id)}",
        read=read,
        accept=frozenset({404}),
    )


def create_connection(conn_id: str, api_conn_id: str, fields: Mapping[str, Any]) -> Call[bool]:
    """Create a connection; False if there is one of this id. `POST /connections`."""
    return Call(
        **_common("airflow.create_connection", conn_id, api_conn_id),
        method="POST",
        path="/connections",
        body={"connection_id": conn_id, **fields},
        read=lambda reply: reply.status != 409,
        accept=frozenset({409}),  # sent twice it creates once, and the second is answered so
    )


def update_connection(conn_id: str, api_conn_id: str, fields: Mapping[str, Any]) -> Call[None]:
    """Set these fields of a connection and leave its others. `PATCH /connections/{id}`."""
    return Call(
        **_common("airflow.update_connection", conn_id, api_conn_id),
        method="PATCH",
        path=f"/connections/{segment('connection id', conn_id)}",
        query=tuple(("update_mask", name) for name in fields),
        body={"connection_id": conn_id, **fields},
        read=lambda reply: None,
    )


def _token(login: str, password: str, api_conn_id: str) -> Call[Token]:
    return Call(
        operation="airflow.token",
        subject=f"user {login!r} of connection {api_conn_id!r}",
        method="POST",
        path="/auth/token",
        root=_LOGIN,
        body={"username": login, "password": password},
        read=_read_token,
        failure=_failure(api_conn_id),
        authorized=False,
    )


def _read_token(reply: Reply) -> Token:
    token = reply.json()["access_token"]
    if not isinstance(token, str) or not fits_header(token):
        raise TypeError("no token")
    return Token(token, _TOKEN_SECONDS)


def _common(operation: str, conn_id: str, api_conn_id: str) -> dict[str, Any]:
    subject = f"connection {conn_id!r} by way of connection {api_conn_id!r}"
    return {"operation": operation, "subject": subject, "root": _API, "failure": _failure(api_conn_id)}


def _failure(api_conn_id: str) -> Any:
    api = f"connection {api_conn_id!r}"
    hints = {
        401: f"Check login and password of {api}; without login its password is a token, which may have expired",
        403: f"The user of {api} needs the permission to read, create and edit connections, or its token is not one "
        "of this Airflow's",
        404: f"Check that host, port and schema of {api} lead to the API server of Airflow 3",
    }
    hints[405] = hints[404]

    def failure(call: Call[Any], reply: Reply) -> ApiError:
        hint = f"Look into the log of the API server that {api} leads to, then run this task again"
        return error_for(
            str(call),
            reply.status,
            reason=_said(reply),
            hint=hints.get(reply.status, hint),
            retry_after=reply.headers.get("retry-after"),
        )

    return failure


def _said(reply: Reply) -> str:
    """Return Airflow's own words, without the request that it echoes where that was not valid."""
    if reply.status == 422:
        detail = (reply.json_object() or {}).get("detail")
        items = [item for item in detail if isinstance(item, dict)] if isinstance(detail, list) else []
        return "; ".join(f"{item.get('loc')}: {item.get('type')}" for item in items)
    return words(reply, "detail", "error", "title")
