"""The connection in a path: ``conn_id@`` is honoured by fsspec and what builds on it, and never ignored."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from airflow_provider_objectstore.exceptions import InvalidArgumentError


class PathOfConnection(str):
    """A path that was cut from a URL, and the connection that the URL named."""

    conn_id: str

    @classmethod
    def of(cls, path: str, conn_id: str) -> PathOfConnection:
        """Return a path that remembers its connection."""
        made = cls(path)
        made.conn_id = conn_id
        return made


class _StripProtocol:
    """
    ``_strip_protocol`` as fsspec calls it, on a class and on a filesystem.

    A class knows no connection, so what it returns remembers the URL's. A filesystem refuses any other than its own.
    """

    def __get__(self, fs: Connected | None, kind: type[Connected]) -> Any:
        return partial(_stripped, kind.protocol, fs)


class Connected:
    """Base of both filesystems: each reaches one connection, and takes no URL of another."""

    protocol: ClassVar[str]
    conn_id: str
    _default_conn_id: ClassVar[str]
    _strip_protocol = _StripProtocol()

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        """Return what a URL says about its filesystem; ``fsspec.open`` and ``url_to_fs`` ask for it."""
        conn_id = _split(str(path))[0]
        return {"conn_id": conn_id} if conn_id else {}

    def unstrip_protocol(self, name: str) -> str:
        """Return a path's URL, with the connection unless that is the default one."""
        conn = "" if self.conn_id == self._default_conn_id else f"{self.conn_id}@"
        return f"{self.protocol}://{conn}{self._strip_protocol(name)}"


def _stripped(protocol: str, fs: Connected | None, path: Any) -> Any:
    """Return a path, or each of a list, from its first folder on: without protocol, connection and outer slashes."""
    if isinstance(path, list):
        return [_stripped(protocol, fs, it) for it in path]
    if path is None or isinstance(path, (bytes, int)):
        raise InvalidArgumentError(f"a path of {protocol}:// is text such as '{protocol}://…', not {path!r}")
    text = str(path)
    conn_id = None
    if text.startswith(f"{protocol}://"):
        conn_id, text = _split(text)
    if isinstance(path, PathOfConnection):
        conn_id = path.conn_id
    elif not isinstance(path, str):  # a UPath keeps the connection beside its path
        conn_id = conn_id or getattr(path, "storage_options", {}).get("conn_id")
    text = text.strip("/")
    if not conn_id:
        return text
    if fs is None:
        return PathOfConnection.of(text, conn_id)
    if conn_id != fs.conn_id:
        raise InvalidArgumentError(
            f"{protocol}://{conn_id}@{text} is of connection {conn_id!r}, and this filesystem is of {fs.conn_id!r}: "
            f"open that one with fsspec.filesystem({protocol!r}, conn_id={conn_id!r}), or copy between two "
            "ObjectStoragePath"
        )
    return text


def _split(url: str) -> tuple[str, str]:
    """Return the connection's id that a URL names, or nothing, and the path."""
    place, slash, rest = url.partition("://")[2].partition("/")
    conn_id, _, store = place.rpartition("@")
    return conn_id, store + slash + rest
