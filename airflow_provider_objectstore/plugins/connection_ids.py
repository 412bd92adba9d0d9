"""Which ids of connections an address can hold."""

from __future__ import annotations

MAX_LENGTH = 250
"""Characters of an id. Airflow stores no longer ones."""


def has_address(connection_id: str) -> bool:
    r"""
    Tell whether an id can be a part of an address, and can never lead elsewhere.

    Browsers and servers take ``..`` as a step up, and some take ``\`` as a slash. Airflow's UI decodes an address once
    more, so that ``%2f`` becomes one. DAG authors choose ids, without any right to connections.

    :param connection_id: the id.
    """
    steps = {"", ".", ".."} & {segment.strip() for segment in connection_id.split("/")}
    unusual = any(letter in "\\%" or not letter.isprintable() for letter in connection_id)
    return not steps and not unusual and len(connection_id) <= MAX_LENGTH
