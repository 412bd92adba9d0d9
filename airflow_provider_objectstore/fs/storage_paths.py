"""From an argument of an operator to a path of Airflow, which leads where the argument says, or is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.compat.paths import path_conn_id, paths_lack_container
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.missing_connections import explaining_missing_connection

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_LOCATION = re.compile(
    r"/.*|(file|local)://([^/@]*@)?/.*|(?!(file|local)://)[A-Za-z][A-Za-z0-9+.:-]*://.*", flags=re.DOTALL
)
_BUCKET_ALONE = re.compile(r"[^:/]+://[^/]+/")
_LACKING_CONTAINER = re.compile(r"((?:osv2|civo)://(?:[^/@]*@)?)/")


def path(what: str, value: Any) -> Any:
    """
    Read a path or a URL, as text or as a path object. Relative paths and empty parts are refused.

    :param what: the argument's name, for the error.
    :param value: the argument.
    :raises InvalidArgumentError: if it is none, or may lead elsewhere than its writer meant.
    """
    text = path_text(what, value)
    if not _LOCATION.fullmatch(text):
        raise InvalidArgumentError(
            f"{what} must be a URL such as 's3://conn_id@bucket/folder' or 'file:///folder', or a path that begins "
            f"with '/', not {read.shown(text)}, which would be in the working directory of a worker"
        )
    place, *names = _segments(text)
    if place.startswith("@"):
        raise InvalidArgumentError(
            f"{what} has an empty connection before its '@': {read.shown(text)}. Check what its template refers to; "
            "for the default connection leave the '@' out"
        )
    if "" in names:
        raise InvalidArgumentError(
            f"{what} has an empty segment, or ends in '/': {read.shown(text)}. A name that comes out empty would mean "
            "the folder above: leave the '/' out"
        )
    return value


def path_text(what: str, value: Any) -> str:
    """
    Return the text of a path, of a path object as one would write it.

    Airflow ends a bucket of S3 in a slash, and before 3.2 writes a path of ours as ``osv2://conn_id@/store/…``.

    :param what: the argument's name, for the error.
    :param value: the argument.
    :raises InvalidArgumentError: if it is neither, or has options that its text does not have.
    """
    if not (isinstance(value, os.PathLike) or hasattr(value, "protocol")):
        return read.name(what, value)
    text = str(value)
    given = getattr(value, "storage_options", {})
    options = {name: option for name, option in given.items() if option is not None}
    if f"://{options.get('conn_id')}@" in text:
        del options["conn_id"]
    if options and "://" in text:
        named = ", ".join(sorted(options))
        raise InvalidArgumentError(
            f"{what} is a path object with options that its text {read.shown(text)} does not have: {named}. "
            "Name the connection in the text, such as 'osv2://conn_id@store/partition', and set the options there"
        )
    if _BUCKET_ALONE.fullmatch(text):
        text = text[:-1]
    return _LACKING_CONTAINER.sub(r"\1", text, count=1) if paths_lack_container() else text


def as_text(what: str, value: Any) -> Any:
    """
    Return the text of a path of Airflow, for rendering; any other value as it is.

    Airflow renders a path's text and makes a path of it again, without what comes out empty, and without a ``#`` or
    ``?`` at the end: a text can be checked. Remove when Airflow renders paths name by name.

    :param what: the name of the template field, for the error.
    :param value: its value.
    :raises InvalidArgumentError: see :func:`path_text`.
    """
    from airflow.sdk import ObjectStoragePath

    return path_text(what, value) if isinstance(value, ObjectStoragePath) else value


def storage_path(what: str, value: Any, conn_id: str | None = None) -> ObjectStoragePath:
    """
    Return the path that an argument means. Airflow reads a text as a URL, and drops or cuts names with ``#`` or ``?``.

    :param what: the argument's name, for the error.
    :param value: the argument, as text or as a path object.
    :param conn_id: connection of the path, instead of one in its text.
    :raises InvalidArgumentError: if the path that Airflow makes of it is another one, or lacks its bucket, or if there
        is no filesystem for it.
    """
    from airflow.sdk import ObjectStoragePath

    if isinstance(value, ObjectStoragePath) and conn_id is None:
        return value
    text = path_text(what, value)
    # Before Airflow 3.2, a None that is given goes before the connection in the text.
    with _explaining_no_filesystem(what, value):
        found = ObjectStoragePath(text, **({} if conn_id is None else {"conn_id": conn_id}))
    place, *names = _segments(text)
    place = place.rpartition("@")[2]
    if not place and not found.fs.root_marker:
        hint = " (before Airflow 3.2, str() of a path writes so: hand on the path itself)" * paths_lack_container()
        raise InvalidArgumentError(
            f"{what} has an empty bucket or store: {text}. Check what its template refers to{hint}"
        )
    wanted = [place, *names] if place else names
    there = found.path.strip("/").split("/")
    if there[-len(wanted) :] != wanted and there != names:  # the path of some filesystems has no host
        raise InvalidArgumentError(
            f"{what} is {text}, of which Airflow makes {found}, another place: it drops '#' and '?' at the end, tabs, "
            "and segments that are '.'. Take a folder of another name"
        )
    return found


def usable_path(what: str, value: Any, conn_id: str | None = None) -> ObjectStoragePath:
    """
    Return the path that an argument means, once Airflow has its filesystem and its connection.

    Amazon's provider takes a missing connection for none, and would use the worker's own keys.

    :param what: the argument's name, for the error.
    :param value: the argument, as text or as a path object.
    :param conn_id: connection of the path, instead of one in its text.
    :raises InvalidArgumentError: see :func:`storage_path`, and if no filesystem has the path's protocol.
    :raises AirflowNotFoundException: if Airflow does not find the connection.
    """
    from airflow.providers.common.compat.sdk import BaseHook

    found = storage_path(what, value, conn_id)
    named = path_conn_id(found)
    if named and found.protocol not in ("file", "local"):  # which use none
        with explaining_missing_connection(named):
            BaseHook.get_connection(named)
    with _explaining_no_filesystem(what, value):
        _ = found.fs
    return found


@contextmanager
def _explaining_no_filesystem(what: str, value: Any) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if isinstance(error, ObjectStoreError):
            raise
        raise InvalidArgumentError(
            f"{what} is {path_text(what, value)}, which Airflow has no filesystem for: {error}. Check what stands "
            "before '://', and whether the provider of this protocol is installed on the worker"
        ) from None


def _segments(text: str) -> list[str]:
    """Return the segments of a path or a URL. The first is bucket or host, with the connection; empty for a path."""
    return (text if text.startswith("/") else text.partition("://")[2]).split("/")
