"""What is in a file, and what is told of it. Files are read and written whole."""

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
    from airflow_provider_objectstore.api.values import Entry, Value


class Download(AbstractBufferedFile):  # type: ignore[misc]
    """
    A file that was opened for reading: it knows its size, and cannot be written.

    :param fs: its filesystem.
    :param path: its path there.
    :param contents: the whole of it.
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
    Passes on what was written to it when it is closed, unless its ``with`` block fails. It cannot be read.

    :param deliver: takes the whole file.
    :param held: what the file begins with: its contents so far.
    """

    compression: str | None = None

    def __init__(self, deliver: Callable[[bytes], None], held: bytes) -> None:
        super().__init__()
        self._file = io.BytesIO()
        self._file.write(held)
        self._deliver = deliver
        self._held = held

    def writable(self) -> bool:
        """Tell that this is to be written."""
        return True

    def seekable(self) -> bool:
        """Tell that what is not yet sent can be written over."""
        return True

    def write(self, data: Any, /) -> int:
        """Collect contents."""
        return self._file.write(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        """Cut off what follows a position."""
        return self._file.truncate(size)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Forget what was collected."""
        super().close()

    def close(self) -> None:
        """Write what was collected."""
        if not self.closed:
            value = self._file.getvalue()
            super().close()
            if self.compression:
                packed = io.BytesIO()
                with compr[self.compression](packed, mode="w") as file:
                    file.write(value[len(self._held) :])
                value = self._held + packed.getvalue()
            self._deliver(value)


class TextUpload(io.TextIOWrapper):
    """The same for text."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            self.buffer.discard()  # type: ignore[attr-defined]
        super().__exit__(kind, error, traceback)


def value_of(raw: bytes) -> Value:
    """
    Return what a file is stored as: text where it is some.

    Text has no NUL characters: what has some is UTF-16 or UTF-32 without a mark, or no text at all.
    """
    raw = bytes(raw)
    try:
        return raw if b"\0" in raw else raw.decode()
    except UnicodeDecodeError:
        return raw


def bytes_of(entry: Entry, path: str) -> bytes:
    """Return what an entry reads as; see :func:`known`."""
    value = known(entry, path)
    return value if isinstance(value, bytes) else str(value).encode()


def known(entry: Entry, path: str) -> Value:
    """
    Return an entry's value.

    :raises UnreadableValueError: for one that is not there, or of a type that is not known; it is never empty.
    """
    if entry.value is None:
        raise UnreadableValueError(
            f"osv2://{path} cannot be read: the service gives a value of type {entry.value_type} for it, and of these "
            "types only STRING, BINARY and NUMBER are known. Read it with the program that wrote it"
        )
    return entry.value


_MARKS = {
    "utf-8-sig": {"utf-8": codecs.BOM_UTF8},
    "utf-16": {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE},
    "utf-32": {"utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE},
}


def text_form(fs: Any, path: str, mode: str, how: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """
    Return how a text is written, and what it begins with.

    UTF-16 and UTF-32 begin with a byte-order mark, once. ``io.TextIOWrapper`` writes none where a file cannot seek, and
    another with everything that is appended.

    :param fs: the file's filesystem.
    :param path: its path there.
    :param mode: of ``open``.
    :param how: the other keywords of ``open``.
    """
    encoding = None if how.get("encoding") == "locale" else how.get("encoding")
    forms = _MARKS.get(codecs.lookup(encoding).name) if encoding and "b" not in mode and "r" not in mode else None
    if not forms:
        return how, ""
    beginning = b""
    if "a" in mode:
        try:
            with fs.open(path, "rb", compression=how.get("compression")) as file:
                beginning = file.read(4)
        except FileNotFoundError:
            pass
    native = list(forms)[0 if sys.byteorder == "little" else -1]
    found = (name for name, mark in forms.items() if beginning.startswith(mark))
    return {**how, "encoding": next(found, native)}, "" if beginning else "\ufeff"


def file_info(name: str, size: int | None) -> dict[str, Any]:
    """Return fsspec's description of a file."""
    return {"name": name, "size": size, "type": "file"}


def folder_info(name: str) -> dict[str, Any]:
    """Return fsspec's description of a folder."""
    return {"name": name, "size": 0, "type": "directory"}
