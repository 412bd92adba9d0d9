from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.transport import client as sync_client
from tests.transport.drivers import AsyncDriver, Connect, Driver, SyncDriver, anypoint_connection, civo_connection


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens drivers of one kind; every test that uses it runs sync and async."""
    sync_client._states.clear()  # without the tokens of earlier tests
    with ExitStack() as stack:
        yield lambda connection: request.param(connection, stack)


@pytest.fixture
def stores(connect: Connect, emulator: Emulator) -> Driver:
    """Object Store v2 with a store ``s``; the token is fetched."""
    driver = connect(anypoint_connection(emulator.url))
    driver.send(anypoint.create_store("s"))
    return driver


@pytest.fixture
def buckets(connect: Connect, emulator: Emulator) -> Driver:
    """Civo."""
    return connect(civo_connection(emulator.url))
