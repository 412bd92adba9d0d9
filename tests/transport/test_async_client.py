"""The async client: what clients on one event loop share, and until when."""

from __future__ import annotations

import asyncio

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.transport import AsyncClient
from tests.transport.drivers import anypoint_connection, count


def test_sessions_are_shared_and_end(emulator: Emulator) -> None:
    async def main() -> None:
        connection = anypoint_connection(emulator.url)
        async with AsyncClient(connection) as one, AsyncClient(connection) as other:
            session = one._state.session
            assert session is other._state.session
            await asyncio.gather(*(client.send(anypoint.list_stores()) for client in (one, other)))
        assert session.closed
        async with AsyncClient(connection) as again:
            assert again._state is one._state  # token and pace stay
            await again.send(anypoint.list_stores())

    asyncio.run(main())
    assert count(emulator, "accounts.token") == 1
