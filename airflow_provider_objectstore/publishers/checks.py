"""Check publishers before there is anything to publish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.arguments import Reader, check_untemplated
from airflow_provider_objectstore.hooks.missing_connections import missing_connection as explain

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException


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
        check_untemplated(f"{name} of {type(publisher).__name__}", value, "publishers")
        read(name, value)


@contextmanager
def naming_missing_connection(publisher: Any, conn_id: str) -> Iterator[None]:
    """
    Let Airflow's error about a missing connection name the publisher.

    :param publisher: the publisher that uses the connection.
    :param conn_id: id of the connection.
    :raises AirflowNotFoundException: if Airflow does not find the connection.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException:
        raise missing_connection(publisher, conn_id) from None


def missing_connection(publisher: Any, conn_id: str) -> AirflowNotFoundException:
    """
    Return the error for a connection that Airflow does not find, which is no permanent one: see
    :mod:`airflow_provider_objectstore.hooks.missing_connections`.

    :param publisher: the publisher that uses the connection.
    :param conn_id: id of the connection.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    return AirflowNotFoundException(f"{publisher} cannot publish: {explain(conn_id)}")
