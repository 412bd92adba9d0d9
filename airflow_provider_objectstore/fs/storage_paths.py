"""From an argument of an operator to a path of Airflow, which leads where the argument's text says, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.arguments import path_segments
from airflow_provider_objectstore.compat.paths import paths_lack_container
from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


def storage_path(what: str, path: Any, conn_id: str | None = None) -> ObjectStoragePath:
    """
    Return the path that an argument means. Airflow reads a text as a URL, and drops or cuts names with ``#`` or ``?``.

    :param what: the argument's name, for the error.
    :param path: the argument, as text or as a path object.
    :param conn_id: connection of the path, instead of one in its text.
    :raises InvalidArgumentError: if the path that Airflow makes of it is another one, or lacks its bucket.
    """
    from airflow.sdk import ObjectStoragePath

    if isinstance(path, ObjectStoragePath) and conn_id is None:
        return path
    # Before Airflow 3.2, a None that is given goes before the connection in the text.
    found = ObjectStoragePath(str(path), **({} if conn_id is None else {"conn_id": conn_id}))
    place, *names = path_segments(str(path))
    place = place.rpartition("@")[2]
    if not place and not found.fs.root_marker and not paths_lack_container():
        raise InvalidArgumentError(f"{what} has an empty bucket or store: {path}. Check what its template refers to")
    wanted = [place, *names] if place else names
    there = found.path.strip("/").split("/")
    if there[-len(wanted) :] != wanted and there != names:  # the path of some filesystems has no host
        raise InvalidArgumentError(
            f"{what} is {path}, of which Airflow makes {found}, another place: it drops '#' and '?' at the end, tabs, "
            "and segments that are '.'. Take a folder of another name"
        )
    return found
