"""Between the ASGI server and the application: read bodies, send responses, drop connections, check the origin."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from airflow_provider_objectstore.emulator.messages import Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024 * 1024  # the largest value with each character escaped
LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d*)?", re.IGNORECASE)


@lru_cache(maxsize=64)
def _is_loopback(host: bytes) -> bool:
    return LOOPBACK.fullmatch(host) is not None


def is_local(headers: list[tuple[bytes, bytes]]) -> bool:
    """
    Return whether a program on this machine sent the request, not a browser for another site's page.

    A browser names such a page in ``Origin`` and ``Sec-Fetch-Site``. If the page's own name was made to resolve to
    this machine (DNS rebinding), ``Host`` holds that name.
    """
    fields = dict(headers)
    host = fields.get(b"host", b"localhost")
    if not _is_loopback(host) or fields.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return False
    origin = fields.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == host


async def read_body(receive: Receive, limit: int | None = None) -> bytes | None:
    """
    Read the body. Of one that is too large, keep one byte more than the limit.

    :param limit: in bytes; by default ``MAX_BODY_BYTES``.
    :return: ``None`` if the client disconnected before the end of the body.
    """
    parts: list[bytes] = []
    left = (MAX_BODY_BYTES if limit is None else limit) + 1
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"][:left])
        left -= len(parts[-1])
        if not message["more_body"]:
            return b"".join(parts)


async def send_response(send: Send, method: str, response: Response) -> None:
    """Send a response. HEAD gets neither a body nor a ``Content-Length``."""
    headers, body = response.headers, response.body
    if method == "HEAD" or response.status in (204, 304):
        body = b""
    else:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reset_connection(receive: Receive, send: Send) -> None:
    """Reset the TCP connection. ASGI cannot express this: uvicorn's object behind ``send`` has the transport."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
