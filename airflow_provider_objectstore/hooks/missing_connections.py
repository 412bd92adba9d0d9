"""What is said about a connection that Airflow does not find."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_objectstore.exceptions import printable


def missing_connection(conn_id: str, conn_type: str = "") -> str:
    """
    Say that Airflow does not find a connection, and what to do.

    :param conn_id: its id.
    :param conn_type: the type that it needs; empty if the caller does not know.
    """
    text = f"Airflow finds no connection {conn_id!r}. Create it{conn_type and f' with the type {conn_type}'}, or give "
    text += "the id of one that exists"
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    if variable in os.environ:  # Airflow only logs, on level DEBUG, why it could not read it
        text += f". The environment variable {variable} is set, but is no JSON and no URI that Airflow can read"
    return printable(text)


@contextmanager
def explaining_missing_connection(conn_id: str, conn_type: str = "") -> Iterator[None]:
    """
    Let Airflow's error about a missing connection say what to do.

    Its class stays Airflow's. It is no permanent error: a secrets backend or an API server that does not answer looks
    the same to Airflow.

    :param conn_id: the connection's id.
    :param conn_type: the type that it needs; empty if the caller does not know.
    :raises AirflowNotFoundException: if Airflow does not find the connection.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException:
        raise AirflowNotFoundException(missing_connection(conn_id, conn_type)) from None
