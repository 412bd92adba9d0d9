"""Keep a connection after a HEAD request. Imports aiohttp, so it is imported where it is used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from typing import Self

    from aiohttp.connector import Connection


class KeepingResponse(aiohttp.ClientResponse):
    """
    Keeps the connection after a HEAD whose response names no length, as HTTP allows.

    aiohttp expects a body that ends with the connection, and closes it: with TLS, each poll that finds nothing would
    cost a handshake. Seen in 3.14. Private: the protocol's ``read`` and ``_should_close``.
    """

    async def start(self, connection: Connection) -> Self:
        """Read status and headers."""
        protocol: Any = connection.protocol
        if self.method != "HEAD" or protocol is None:
            return await super().start(connection)  # type: ignore[return-value]
        protocol.read = partial(_read_head, protocol)
        try:
            return await super().start(connection)  # type: ignore[return-value]
        finally:
            del protocol.read


async def _read_head(protocol: Any) -> tuple[Any, Any]:
    message, payload = await type(protocol).read(protocol)
    names_length = "content-length" in message.headers or "transfer-encoding" in message.headers
    closes = message.version < aiohttp.HttpVersion11 or "close" in message.headers.get("connection", "").lower()
    if not (names_length or closes or message.upgrade):
        protocol._should_close = False
    return message, payload
