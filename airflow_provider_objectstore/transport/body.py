"""Reads the body of an answer within bounds: what it grows to when it is decompressed counts."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

MAX_ERROR_BYTES = 1024 * 1024
"""Largest body of an error."""


class TooLargeError(Exception):
    """A body is larger than it may be."""


class BodyReader:
    """
    Collects and decompresses a body.

    :param status: HTTP status of the answer.
    :param headers: its headers, by lower-case name.
    :param limit: most bytes of a success, decompressed.
    :raises ValueError: if it is encoded in a way that was not asked for.
    """

    def __init__(self, status: int, headers: Mapping[str, str], limit: int) -> None:
        self._limit = limit if 200 <= status < 300 else min(limit, MAX_ERROR_BYTES)
        self._parts: list[bytes] = []
        self._size = 0
        self._decompress: zlib._Decompress | None = None
        said = headers.get("content-encoding", "identity")
        encoding = said.strip().lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._decompress = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header is recognised
        elif encoding not in ("", "identity"):
            raise ValueError(f"the content encoding {said[:200]!r} was not asked for")

    def feed(self, chunk: bytes) -> None:
        """
        Take the next part of a body as it came.

        :raises TooLargeError: if it is too large now.
        :raises ValueError: if it cannot be decompressed.
        """
        if self._decompress is not None:
            try:
                chunk = self._decompress.decompress(chunk, self._limit - self._size + 1)
            except zlib.error as error:
                raise ValueError(f"the body cannot be decompressed: {error}") from error
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLargeError(f"the answer is larger than {self._limit:,} bytes")
        self._parts.append(chunk)

    def whole(self) -> bytes:
        """
        Return the body.

        :raises ValueError: if it is not whole.
        """
        if self._decompress is not None and self._parts and not self._decompress.eof:
            raise ValueError("the compressed body is cut short")
        return b"".join(self._parts)
