"""What is in a file, and what is told of it. Files are collected in memory and written whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from fsspec.compression import compr

from airflow_provider_objectstore.api.values import Value


class Upload(io.BytesIO):
    """
    Passes on what was written to it when it is closed, unless its ``with`` block fails.

    :param deliver: takes the whole file.
    :param held: what the file begins with: its contents so far.
    """

    compression: str | None = None

    def __init__(self, deliver: Callable[[bytes], None], held: bytes) -> None:
        super().__init__()
        self.write(held)
        self._deliver = deliver
        self._held = held

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
            value = self.getvalue()
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
    """Return what a file is stored as: text where it is some."""
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        return bytes(raw)


def bytes_of(value: Value | None) -> bytes:
    """Return what a value reads as."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode()


def file_info(name: str, size: int | None) -> dict[str, Any]:
    """Return fsspec's description of a file."""
    return {"name": name, "size": size, "type": "file"}


def folder_info(name: str) -> dict[str, Any]:
    """Return fsspec's description of a folder."""
    return {"name": name, "size": 0, "type": "directory"}
