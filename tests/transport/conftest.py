from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.transport import blocking
from tests.transport.carriers import Async, Blocking, Carrier, Connect, civo_in_london, osv2


@pytest.fixture(params=[Blocking, Async], ids=["blocking", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens carriers of one colour; every test that uses it runs in both."""
    blocking._states.clear()  # tokens of earlier tests would hide what a cold client does
    with ExitStack() as stack:
        yield lambda target: request.param(target, stack)


@pytest.fixture
def stores(connect: Connect, emulator: Emulator) -> Carrier:
    """Object Store v2 with a store ``s``, token fetched, counters at zero but for those."""
    carrier = connect(osv2(emulator.url))
    carrier.send(anypoint.create_store("s"))
    return carrier


@pytest.fixture
def buckets(connect: Connect, emulator: Emulator) -> Carrier:
    """Civo."""
    return connect(civo_in_london(emulator.url))


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
