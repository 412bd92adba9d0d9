"""Connections that differ in their labels share everything else; each client keeps its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import AuthenticationError, ObjectStoreError
from airflow_provider_objectstore.transport import AsyncClient, Client, ResolvedConnection
from airflow_provider_objectstore.transport.bulk import BulkRunner
from tests.transport.drivers import ONCE, anypoint_connection, civo_connection

PLACES = {name: f" [connection {name}, environment e, region r]" for name in ("one", "two")}


def connections(emulator: Emulator, **changes: Any) -> list[ResolvedConnection]:
    found = [
        anypoint_connection(
            emulator.url, labels={"conn_id": name, "environment_id": "e", "region": "r"}, retry=ONCE, **changes
        )
        for name in PLACES
    ]
    assert found[0].digest == found[1].digest, "they share session, token and pace"
    return found


async def send(clients: list[AsyncClient]) -> list[Any]:
    return await asyncio.gather(*(client.send(anypoint.get_store("s")) for client in clients), return_exceptions=True)


@pytest.fixture(params=["service", "token"])
def same(request: pytest.FixtureRequest, emulator: Emulator) -> list[ResolvedConnection]:
    """Two connections with the same settings, which fail at the service or already for the token they share."""
    if request.param == "service":
        return connections(emulator)
    return connections(emulator, token_call=access.connected_app_token("emulator-client", "wrong"), secrets=("wrong",))


def test_sync(same: list[ResolvedConnection]) -> None:
    for connection, place in zip(same, PLACES.values(), strict=True):
        with pytest.raises(ObjectStoreError) as raised:
            Client(connection).send(anypoint.get_store("s"))
        assert str(raised.value).endswith(place)
        assert str(raised.value).count("[connection") == 1


def test_async_at_once(same: list[ResolvedConnection]) -> None:
    async def main() -> list[Any]:
        async with AsyncClient(same[0]) as one, AsyncClient(same[1]) as two:
            return await send([one, two])

    for error, place in zip(asyncio.run(main()), PLACES.values(), strict=True):
        assert str(error).endswith(place)
        assert str(error).count("[connection") == 1


def test_bulk(same: list[ResolvedConnection]) -> None:
    for connection, place in zip(same, PLACES.values(), strict=True):
        (error,) = BulkRunner(connection).send_all({"k": anypoint.get_store("s")}).failed.values()
        assert str(error).endswith(place)


def test_a_name_that_does_not_print_is_escaped() -> None:
    error = ObjectStoreError("It failed").placed("connection a\nb")
    assert str(error) == "It failed [connection a\\nb]"
    assert error.placed("connection a\nb") is error


Refreshed = Callable[[ResolvedConnection, ResolvedConnection, ResolvedConnection], Any]


def refreshed_sync(first: ResolvedConnection, own: ResolvedConnection, latest: ResolvedConnection) -> Any:
    Client(first)
    return Client(own, refresh_connection=lambda: latest).send(civo.get_quota())


def refreshed_async(first: ResolvedConnection, own: ResolvedConnection, latest: ResolvedConnection) -> Any:
    async def look_up() -> ResolvedConnection:
        return latest

    async def main() -> Any:
        async with AsyncClient(first), AsyncClient(own, refresh_connection=look_up) as client:
            return await client.send(civo.get_quota())

    return asyncio.run(main())


@pytest.mark.parametrize("refreshed", [refreshed_sync, refreshed_async])
def test_a_rotated_connection_is_compared_with_the_clients_own(refreshed: Refreshed, emulator: Emulator) -> None:
    """The labels, of which ``s3_endpoint`` counts, are not those of the client that was there first."""
    rotated = civo_connection(emulator.url, labels={"conn_id": "c", "s3_endpoint": "https://s3.example.com"})
    edited = replace(rotated, bearer="old-key", secrets=("old-key",))
    before = replace(edited, labels={"conn_id": "c"})
    assert refreshed(before, edited, rotated).objectstore_gb_limit
    with pytest.raises(AuthenticationError, match="leads elsewhere"):
        refreshed(edited, before, rotated)
