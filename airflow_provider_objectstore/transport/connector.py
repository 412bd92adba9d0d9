"""The connector of ``aiohttp``, without connections on which something came that nobody has requested."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from urllib3.util.wait import wait_for_read


class CleanConnector(aiohttp.TCPConnector):
    """
    Reuses a connection only if nothing has arrived on it since its last response.

    A proxy or a server may send something while a connection is idle, such as a late response or a 408. ``aiohttp``
    would take it for the response to the next request, and each later response for that to the request after it.

    :param suspected: returns a time; connections that were used before are not used again.
    :param arguments: those of ``aiohttp.TCPConnector``.
    """

    def __init__(self, suspected: Callable[[], float], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._suspected = suspected
        self._used: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    async def connect(self, *arguments: Any, **more: Any) -> Any:
        """Return an idle connection or a new one."""
        while True:
            connection = await super().connect(*arguments, **more)
            protocol = connection.protocol
            used = self._used.get(protocol)
            if used is None or (used > self._suspected() and not _has_received(protocol)):
                self._used[protocol] = time.monotonic()
                return connection
            connection.close()


def _has_received(protocol: Any) -> bool:
    """Tell whether something has arrived on an idle connection, or its end; the event loop may have been busy since."""
    socket = protocol.transport and protocol.transport.get_extra_info("socket")
    return bool(protocol.should_close) or (socket is not None and wait_for_read(socket, timeout=0))
