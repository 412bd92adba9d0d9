"""Open files of ``osv2://``, and how values become files. Files are read and written whole."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fsspec.compression import compr
from fsspec.spec import AbstractBufferedFile

from airflow_provider_objectstore.exceptions import UnreadableValueError

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.values import Entry, Value


class Download(AbstractBufferedFile):  # type: ignore[misc]
    """
    A file that is open for reading. It knows its size and cannot be written.

    :param fs: its filesystem.
    :param path: its path there.
    :param contents: all of it.
    """

    def __init__(self, fs: Any, path: str, contents: bytes, block_size: int | None = None) -> None:
        cache = {"cache_type": "all", "cache_options": {"data": contents}, "size": len(contents)}
        super().__init__(fs, path, "rb", block_size or "default", **cache)
        self.details = file_info(path, len(contents))
        self._contents = contents

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._contents[start:end]


class Upload(io.BufferedIOBase):
    """
    A file that is open for writing. It is sent when it is closed, unless something fails before. It cannot be read.

    :param path: its path on ``osv2://``.
    :param send: called with the whole file.
    :param existing: the contents to append to; empty for a new file.
    """

    compression: str | None = None

    def __init__(self, path: str, send: Callable[[bytes], None], existing: bytes) -> None:
        super().__init__()
        self._path = path
        self._file = io.BytesIO()
        self._file.write(existing)
        self._send = send
        self._existing = existing
        self._handled = sys.exception()

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: contents that are not yet sent can be overwritten."""
        return True

    def write(self, data: Any, /) -> int:
        """Buffer contents."""
        return self._file.write(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        """Cut off the contents after a position."""
        return self._file.truncate(size)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Close without sending."""
        self._handled = None
        super().close()

    def close(self) -> None:
        """
        Send the contents.

        ``fsspec.open``, pyarrow and others call this method alone, also where a ``with`` block fails: an exception that
        is being handled now, and was not when the file was opened, came before its end.

        :raises BaseException: that exception; nothing is sent then.
        """
        if self.closed:
            return
        error, value = sys.exception(), self._file.getvalue()
        is_new = error is not self._handled
        self.discard()
        if error is not None and is_new:
            error.add_note(f"osv2://{self._path} was not written: it was open when this was raised")
            raise error
        if self.compression:
            compressed = io.BytesIO()
            with compr[self.compression](compressed, mode="w") as file:
                file.write(value[len(self._existing) :])
            value = self._existing + compressed.getvalue()
        self._send(value)


class TextUpload(io.TextIOWrapper):
    """A text file that is open for writing."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            self.buffer.discard()  # type: ignore[attr-defined]
        super().__exit__(kind, error, traceback)


def value_of(raw: bytes) -> Value:
    """
    Return the value that a file is stored as: text if it is valid UTF-8 without NUL characters, else bytes.

    Contents with NUL characters are UTF-16 or UTF-32 without a byte-order mark, or no text at all.
    """
    raw = bytes(raw)
    try:
        return raw if b"\0" in raw else raw.decode()
    except UnicodeDecodeError:
        return raw


def bytes_of(entry: Entry, path: str) -> bytes:
    """Return an entry's value as a file's contents; see :func:`require_value`."""
    value = require_value(entry, path)
    return value if isinstance(value, bytes) else str(value).encode()


def require_value(entry: Entry, path: str) -> Value:
    """
    Return an entry's value.

    :raises UnreadableValueError: if the value is missing, as for an unknown type: it is never read as empty.
    """
    if entry.value is None:
        raise UnreadableValueError(
            f"osv2://{path} cannot be read: the service returns a value of type {entry.value_type} for it, and only "
            "STRING, BINARY and NUMBER are known. Read it with the program that wrote it"
        )
    return entry.value


_MARKS = {
    "utf-8-sig": {"utf-8": codecs.BOM_UTF8},
    "utf-16": {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE},
    "utf-32": {"utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE},
}


def text_arguments(fs: Any, path: str, mode: str, keywords: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """
    Return the arguments to write a text with, and what it begins with.

    UTF-16 and UTF-32 begin with a byte-order mark, once. ``io.TextIOWrapper`` writes none where a file cannot seek, and
    another with everything that is appended.

    :param fs: the file's filesystem.
    :param path: its path there.
    :param mode: of ``open``.
    :param keywords: the other arguments of ``open``.
    :return: the arguments for the text's encoding, and the byte-order mark of a new file.
    """
    encoding = None if keywords.get("encoding") == "locale" else keywords.get("encoding")
    marks = _MARKS.get(codecs.lookup(encoding).name) if encoding and "b" not in mode and "r" not in mode else None
    if not marks:
        return keywords, ""
    beginning = b""
    if "a" in mode:
        try:
            with fs.open(path, "rb", compression=keywords.get("compression")) as file:
                beginning = file.read(4)
        except FileNotFoundError:
            pass
    native = list(marks)[0 if sys.byteorder == "little" else -1]
    found = (name for name, mark in marks.items() if beginning.startswith(mark))
    return {**keywords, "encoding": next(found, native)}, "" if beginning else "\ufeff"


def file_info(name: str, size: int | None) -> dict[str, Any]:
    """Return fsspec's description of a file."""
    return {"name": name, "size": size, "type": "file"}


def folder_info(name: str) -> dict[str, Any]:
    """Return fsspec's description of a folder."""
    return {"name": name, "size": 0, "type": "directory"}
