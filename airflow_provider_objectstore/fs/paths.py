"""The connection in a path: fsspec and its users honour ``conn_id@``, and never ignore it."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from functools import partial
from typing import Any, ClassVar

from airflow_provider_objectstore.exceptions import InvalidArgumentError


class PathOfConnection(str):
    """A path without its URL's protocol, with the connection of that URL."""

    conn_id: str

    @classmethod
    def of(cls, path: str, conn_id: str) -> PathOfConnection:
        """Return a path that remembers its connection."""
        instance = cls(path)
        instance.conn_id = conn_id
        return instance


class _StripProtocol:
    """
    ``_strip_protocol`` as fsspec calls it, on a class and on a filesystem.

    A class has no connection, so it returns a path that remembers the URL's. A filesystem refuses any but its own.
    """

    def __get__(self, fs: ConnectionInPathMixin | None, kind: type[ConnectionInPathMixin]) -> Any:
        return partial(_strip_protocol, kind.protocol, fs)


class ConnectionInPathMixin:
    """For both filesystems: each uses one connection, and refuses URLs of another."""

    protocol: ClassVar[str]
    conn_id: str
    _default_conn_id: ClassVar[str]
    _of_connection: ClassVar[frozenset[str]] = frozenset()
    """Options that the connection decides: given ones would be ignored."""

    _strip_protocol = _StripProtocol()

    def _check_options(self, options: Collection[str]) -> None:
        """
        Refuse options that say where to work, and that fsspec would ignore: the default connection would be used.

        :raises InvalidArgumentError: naming the option, and the one that is meant.
        """
        for name in options:
            if name in self._of_connection:
                raise InvalidArgumentError(
                    f"{self.protocol}:// has no option {name!r}: connection {self.conn_id!r} decides that. Leave it "
                    "out, or name another connection with conn_id"
                )
            meant = ["conn_id"] if name.endswith("conn_id") else get_close_matches(name, ("conn_id", "region"), 1, 0.7)
            if meant:
                raise InvalidArgumentError(
                    f"{self.protocol}:// has no option {name!r}, and would use connection {self.conn_id!r} without it: "
                    f"give {meant[0]}"
                )

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        """Return a filesystem's arguments from a URL; ``fsspec.open`` and ``url_to_fs`` call this."""
        conn_id = _split(str(path))[0]
        return {"conn_id": conn_id} if conn_id else {}

    def _missing(self: Any, path: str) -> FileNotFoundError:
        return FileNotFoundError(f"{self.protocol}://{path} does not exist [{self.hook.where}]")

    def unstrip_protocol(self, name: str) -> str:
        """Return a path's URL, with the connection unless that is the default one."""
        conn = "" if self.conn_id == self._default_conn_id else f"{self.conn_id}@"
        return f"{self.protocol}://{conn}{self._strip_protocol(name)}"


def _strip_protocol(protocol: str, fs: ConnectionInPathMixin | None, path: Any) -> Any:
    """Return a path, or a list of them, without protocol, connection and outer slashes."""
    if isinstance(path, list):
        return [_strip_protocol(protocol, fs, each) for each in path]
    if path is None or isinstance(path, (bytes, int)):
        raise InvalidArgumentError(f"a path of {protocol}:// is text such as '{protocol}://…', not {path!r}")
    text = str(path)
    conn_id = None
    if text.startswith(f"{protocol}://"):
        conn_id, text = _split(text)
    if isinstance(path, PathOfConnection):
        conn_id = path.conn_id
    elif not isinstance(path, str):  # a UPath has the connection beside its path
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
    """Return the connection id in a URL, or an empty text, and the path. An id that came out empty is refused."""
    place, slash, rest = url.partition("://")[2].partition("/")
    conn_id, at, store = place.rpartition("@")
    if at and not conn_id:
        raise InvalidArgumentError(f"{url!r} has an empty connection before its '@': leave both out for the default")
    return conn_id, store + slash + rest
