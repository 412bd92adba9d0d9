"""The async client keeps a connection after a HEAD, whatever length the response names."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.transport import AsyncClient
from tests.transport.drivers import anypoint_connection

REQUESTS = 5


async def connections_for(lines: bytes) -> int:
    """Send requests to a server that answers each with these lines. Return how many connections it got."""
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(lines)
            if b"close" in lines or b"HTTP/1.0" in lines:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        connection = replace(anypoint_connection(url), token_call=None, bearer="token")
        async with AsyncClient(connection) as client:
            for number in range(REQUESTS):
                assert await client.send(anypoint.key_exists("s", "p", f"k{number}"))
    return opened


@pytest.mark.parametrize(
    ("lines", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", REQUESTS),
        (b"HTTP/1.0 200 OK\r\n\r\n", REQUESTS),
    ],
    ids=["no length", "length", "chunked", "204", "the server closes", "HTTP 1.0"],
)
def test_connections_for_requests_one_after_the_other(lines: bytes, connections: int) -> None:
    assert asyncio.run(asyncio.wait_for(connections_for(lines), 60)) == connections
