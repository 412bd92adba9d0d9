"""Read the body of a response within bounds: its decompressed size counts."""

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

    :param status: HTTP status of the response.
    :param headers: headers of the response, by lower-case name.
    :param limit: most bytes of a success, decompressed.
    :raises ValueError: if it has a content encoding that was not requested.
    """

    def __init__(self, status: int, headers: Mapping[str, str], limit: int) -> None:
        self._limit = limit if 200 <= status < 300 else min(limit, MAX_ERROR_BYTES)
        self._parts: list[bytes] = []
        self._size = 0
        self._decompress: zlib._Decompress | None = None
        header = headers.get("content-encoding", "identity")
        encoding = header.strip().lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._decompress = zlib.decompressobj(zlib.MAX_WBITS | 32)  # detects either header
        elif encoding not in ("", "identity"):
            raise ValueError(f"the content encoding {header[:200]!r} was not requested")

    def feed(self, chunk: bytes) -> None:
        """
        Add the next part of the body, as received.

        :raises TooLargeError: if the body is too large.
        :raises ValueError: if it cannot be decompressed.
        """
        if self._decompress is not None:
            if self._decompress.eof:  # zlib would keep all that follows
                raise ValueError("the compressed body goes on after its end")
            try:
                chunk = self._decompress.decompress(chunk, self._limit - self._size + 1)
            except zlib.error as error:
                raise ValueError(f"the body cannot be decompressed: {error}") from error
            if self._decompress.unused_data:
                raise ValueError("the compressed body goes on after its end")
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLargeError(f"the response is larger than {self._limit:,} bytes")
        self._parts.append(chunk)

    def whole(self) -> bytes:
        """
        Return the body.

        :raises ValueError: if the compressed body is incomplete.
        """
        if self._decompress is not None and self._parts and not self._decompress.eof:
            raise ValueError("the compressed body is incomplete")
        return b"".join(self._parts)
