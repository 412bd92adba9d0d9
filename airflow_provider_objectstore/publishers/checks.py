"""Check publishers before there is anything to publish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_objectstore.arguments import Reader
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError
from airflow_provider_objectstore.hooks.missing_connections import missing_connection as explain


def check_fields(publisher: Any, **readers: Reader) -> None:
    """
    Check a publisher's fields when it is created.

    :param publisher: the publisher.
    :param readers: by field, the function of :mod:`airflow_provider_objectstore.arguments` that checks it.
    :raises InvalidArgumentError: naming the field. Templates and outputs of tasks are refused too: Airflow does not
        render the fields of publishers.
    """
    for name, read in readers.items():
        value = getattr(publisher, name)
        if hasattr(value, "iter_references") or (isinstance(value, str) and ("{{" in value or "{%" in value)):
            raise InvalidArgumentError(
                f"{name} of {type(publisher).__name__} is {value!r}, but publishers are not templated: build the value "
                "in Python, or give ids that need no template"
            )
        read(name, value)


@contextmanager
def naming_missing_connection(publisher: Any, conn_id: str) -> Iterator[None]:
    """
    Turn Airflow's error about a missing connection into one that names the publisher.

    :param publisher: the publisher that uses the connection.
    :param conn_id: id of the connection.
    :raises ConfigurationError: if the connection does not exist.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException as error:
        raise missing_connection(publisher, conn_id) from error


def missing_connection(publisher: Any, conn_id: str) -> ConfigurationError:
    """
    Return the error for a connection that does not exist.

    :param publisher: the publisher that uses the connection.
    :param conn_id: id of the connection.
    """
    return ConfigurationError(f"{publisher} cannot publish: {explain(conn_id)}")
