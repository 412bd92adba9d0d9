"""What publishers can check of themselves before there is anything to publish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_objectstore.api.arguments import Reader
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError


def check_fields(publisher: Any, **readers: Reader) -> None:
    """
    Check a publisher's fields when it is made.

    :param readers: how each is read, by its name.
    :raises InvalidArgumentError: naming the field. Templates and outputs of tasks are refused too: Airflow does not
        look into publishers, so they would be taken as they stand.
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
def resolving(publisher: Any, conn_id: str) -> Iterator[None]:
    """
    Name the publisher where the connection that it uses is not there.

    :raises ConfigurationError: saying which connection to create.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"{publisher} cannot publish: there is no connection {conn_id!r}. Create it, or name one that is there"
        ) from error
