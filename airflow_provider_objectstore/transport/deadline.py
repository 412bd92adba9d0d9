"""
A total time for a request with ``requests``, which knows only a time for each part of an answer.

A server that sends a byte now and then would hold a worker for ever. So every read of a connection waits no longer
than what is left of the request's time.
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


def set_deadline(ends: float) -> None:
    """Let reads of this thread's next request end at this moment of the monotonic clock."""
    _request.ends = ends


class _Reader(socket.SocketIO):
    """Reads from a socket, at most until the request's time is over."""

    def __init__(self, connected: Any, ends: float) -> None:
        super().__init__(connected, "r")
        self._connected = connected
        self._each = connected.gettimeout()
        self._ends = ends
        self.at_end = False

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._connected.settimeout(left if self._each is None else min(self._each, left))
        count = super().readinto(buffer)
        self.at_end = count == 0
        return count


class _Connected:
    """A connected socket whose files read with a deadline."""

    def __init__(self, connected: Any) -> None:
        self._connected = connected

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return a file that reads the answer."""
        self.reader = _Reader(self._connected, getattr(_request, "ends", float("inf")))
        self._connected._io_refs += 1  # as socket.makefile does: the file's end closes a socket that nobody else uses
        return io.BufferedReader(self.reader)


class _Response(HTTPResponse):
    """An answer; what comes before it for information only (102, 103) is passed over, as 100 is by itself."""

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Deadline:
    """What both kinds of connections do."""

    sock: Any
    response_class = _Response

    def getresponse(self) -> BaseHTTPResponse:
        """Read status and headers; the body is read through the same file."""
        with self._reading() as connected:
            response: BaseHTTPResponse = super().getresponse()  # type: ignore[misc]
        if connected.reader.at_end:  # http.client takes that for the end of the headers
            self.close()  # type: ignore[attr-defined]
            raise ConnectionError("the answer broke off in its headers")
        return response

    def _tunnel(self) -> None:
        with self._reading():
            super()._tunnel()  # type: ignore[misc]

    @contextmanager
    def _reading(self) -> Iterator[_Connected]:
        real, self.sock = self.sock, _Connected(self.sock)
        wrapped = self.sock
        try:
            yield wrapped
        finally:
            if self.sock is wrapped:
                self.sock = real


class _HTTPConnection(_Deadline, HTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_Deadline, HTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """The adapter of ``requests``, with connections that heed :func:`set_deadline`."""

    _POOLS = {"http": _HTTPPool, "https": _HTTPSPool}  # noqa: RUF012

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._POOLS
        return manager
