"""The part of Airflow's REST API (v2) that reads and writes connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from airflow_provider_objectstore.api.call import Call, Response, Token, error_message, fits_header
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.exceptions import ApiError, error_for

Connection: TypeAlias = dict[str, Any]
"""A connection as Airflow's API shows it."""
_API = "api"
_LOGIN = "login"
_TOKEN_SECONDS = 3600
"""Seconds for which a token is used: Airflow does not return its lifetime. It is replaced earlier if rejected."""


def base_urls(url: str) -> dict[str, str]:
    """Return the base URLs of the calls of Airflow's REST API, by name."""
    return {_API: f"{url}/api/v2", _LOGIN: url}


def get_connection(conn_id: str, api_conn_id: str) -> Call[Connection | None]:
    """Read a connection, with redacted secrets; None if it does not exist. `GET /connections/{id}`."""
    return Call(**_common("airflow.get_connection", conn_id, api_conn_id), **_one(conn_id), method="GET")


def create_connection(conn_id: str, api_conn_id: str, fields: Mapping[str, Any]) -> Call[bool]:
    """Create a connection; the result is False if its id exists already. `POST /connections`."""
    return Call(
        **_common("airflow.create_connection", conn_id, api_conn_id),
        method="POST",
        path="/connections",
        body={"connection_id": conn_id, **fields},
        read=lambda response: response.status != 409,
        ok_statuses=frozenset({409}),  # sent twice, it creates one connection, and the second response is a 409
    )


def update_connection(
    conn_id: str, api_conn_id: str, conn_type: str, fields: Mapping[str, Any]
) -> Call[Connection | None]:
    """
    Set these fields of a connection and keep its other fields. `PATCH /connections/{id}`.

    The result is the connection afterwards, with redacted secrets; None if it does not exist.

    :param conn_type: the type that it is expected to have: Airflow requires one in the body. It is not set.
    :param fields: what to set.
    """
    return Call(
        **_common("airflow.update_connection", conn_id, api_conn_id),
        **_one(conn_id),
        method="PATCH",
        # The id never changes. Without it, no fields would mean all of them.
        query=tuple(("update_mask", name) for name in fields) or (("update_mask", "connection_id"),),
        body={"connection_id": conn_id, "conn_type": conn_type, **fields},
    )


def user_token(login: str, password: str, api_conn_id: str) -> Call[Token]:
    """Fetch a user's token; `POST /auth/token`."""
    return Call(
        operation="airflow.token",
        subject=f"user {login!r} of connection {api_conn_id!r}",
        method="POST",
        path="/auth/token",
        base_url=_LOGIN,
        body={"username": login, "password": password},
        read=_read_token,
        failure=_failure(api_conn_id),
        authorized=False,
    )


def _read_token(response: Response) -> Token:
    token = response.json()["access_token"]
    if not isinstance(token, str) or not fits_header(token):
        raise TypeError("no token")
    return Token(token, _TOKEN_SECONDS)


def _one(conn_id: str) -> dict[str, Any]:
    def read(response: Response) -> Connection | None:
        return None if response.status == 404 else dict(response.json())

    path = f"/connections/{segment('connection id', conn_id)}"
    return {"path": path, "read": read, "ok_statuses": frozenset({404})}


def _common(operation: str, conn_id: str, api_conn_id: str) -> dict[str, Any]:
    subject = f"connection {conn_id!r} through connection {api_conn_id!r}"
    return {"operation": operation, "subject": subject, "base_url": _API, "failure": _failure(api_conn_id)}


def _failure(api_conn_id: str) -> Any:
    api = f"connection {api_conn_id!r}"
    hints = {
        401: f"Check login and password of {api}; without login its password is a token, which may have expired",
        403: f"The user of {api} needs the permission to read, create and edit connections, or its token is not one "
        "of this Airflow's",
        404: f"Check that host, port and schema of {api} lead to the API server of Airflow 3",
    }
    hints[405] = hints[404]

    def failure(call: Call[Any], response: Response) -> ApiError:
        hint = f"Look into the log of the API server that {api} leads to, then run this task again"
        return error_for(
            str(call),
            response.status,
            reason=_message(response),
            hint=hints.get(response.status, hint),
            retry_after=response.retry_after,
        )

    return failure


def _message(response: Response) -> str:
    """Return Airflow's message. A 422 repeats the invalid request, which is left out."""
    if response.status == 422:
        detail = (response.json_object() or {}).get("detail")
        items = [item for item in detail if isinstance(item, dict)] if isinstance(detail, list) else []
        return "; ".join(f"{item.get('loc')}: {item.get('type')}" for item in items)
    return error_message(response, "detail", "error", "title")
