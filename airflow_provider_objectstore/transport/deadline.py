"""
A deadline for a whole request with ``requests``, which knows a timeout for each read only.

A server that sends a byte now and then would block a worker for ever. So no read of a connection waits longer than
until the deadline.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse

_request = threading.local()


def prepare_connection(ends: float, suspected: float) -> None:
    """
    Set what holds for the connection of this thread's next request. Times are by the monotonic clock.

    :param ends: the deadline of the request.
    :param suspected: connections that were used before are not used again.
    """
    _request.ends, _request.suspected, _request.sent = ends, suspected, False


def has_sent() -> bool:
    """Return whether anything of this thread's last request may have been sent to the service."""
    sent: bool = getattr(_request, "sent", True)
    return sent


class _Reader(socket.SocketIO):
    """Reads from a socket until the deadline."""

    def __init__(self, wrapped: Any, ends: float) -> None:
        super().__init__(wrapped, "r")
        self._socket = wrapped
        self._read_timeout = wrapped.gettimeout()
        self._ends = ends
        self.at_end = False

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the response was not complete in time")
        self._socket.settimeout(left if self._read_timeout is None else min(self._read_timeout, left))
        count = super().readinto(buffer)
        self.at_end = count == 0
        return count


class _Socket:
    """Wraps a connected socket: its files read with a deadline."""

    def __init__(self, wrapped: Any) -> None:
        self._socket = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return a file that reads the response."""
        self.reader = _Reader(self._socket, getattr(_request, "ends", float("inf")))
        # As socket.makefile does: closing the file closes the socket if nobody else uses it. TLS in TLS counts within.
        counted = self._socket if hasattr(self._socket, "_io_refs") else self._socket.socket
        counted._io_refs += 1
        return io.BufferedReader(self.reader)


class _Response(HTTPResponse):
    """Skips informational responses (102, 103) before the response, as ``http.client`` skips 100."""

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _DeadlineMixin:
    """Reads responses with a deadline, over HTTP and HTTPS."""

    sock: Any
    response_class = _Response
    _used = float("inf")

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again."""
        connected: bool = super().is_connected  # type: ignore[misc]
        return connected and self._used > getattr(_request, "suspected", 0.0)

    def send(self, data: Any) -> None:
        """Connect if that is still to be done, and write a part of the request."""
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        _request.sent = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> BaseHTTPResponse:
        """Read status and headers; the body is read through the same file."""
        self._used = time.monotonic()
        with self._wrapped_socket() as wrapped:
            response: BaseHTTPResponse = super().getresponse()  # type: ignore[misc]
        if wrapped.reader.at_end:  # http.client takes it for the end of the headers
            self.close()  # type: ignore[attr-defined]
            raise ConnectionError("the response broke off in its headers")
        return response

    def _tunnel(self) -> None:
        try:
            with self._wrapped_socket():
                super()._tunnel()  # type: ignore[misc]
        finally:
            _request.sent = False  # to the proxy only

    @contextmanager
    def _wrapped_socket(self) -> Iterator[_Socket]:
        original, wrapped = self.sock, _Socket(self.sock)
        self.sock = wrapped
        try:
            yield wrapped
        finally:
            if self.sock is wrapped:  # not closed meanwhile
                self.sock = original


class _HTTPConnection(_DeadlineMixin, HTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_DeadlineMixin, HTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """The adapter of ``requests``, with connections that follow :func:`prepare_connection`."""

    _POOLS = {"http": _HTTPPool, "https": _HTTPSPool}  # noqa: RUF012

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._POOLS
        return manager
