"""Find out whether the store that contains an object exists."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from airflow_provider_objectstore.exceptions import NotFoundError
from airflow_provider_objectstore.transport.execution import execute
from airflow_provider_objectstore.transport.state import SharedState
from airflow_provider_objectstore.transport.steps import CheckParent


def find_parent(step: CheckParent, state: SharedState) -> Generator[Any, Any, NotFoundError | None]:
    """
    Return the error that says that a store does not exist; None if it exists.

    The driver runs this under a lock, so that calls that ask at the same time send one request.

    :param step: names the call that reads the store.
    :param state: the state of the connection.
    """
    call = step.call
    if state.parents.exists(call.path):
        return None
    if known := state.parents.missing_error(call.path):
        return known
    missing: NotFoundError | None = None
    try:
        yield from execute(call, state, step.ends)
    except NotFoundError as error:
        missing = error
    state.parents.remember(call.path, missing)
    return missing
