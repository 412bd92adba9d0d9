"""What a response may cost: memory stays bounded, however much a server sends."""

from __future__ import annotations

import gzip
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from tests.chaos.misbehaviours import CONTINUE, LONG_LINE, bomb, whole
from tests.chaos.wire import Exchange, Misbehaviour, WireServer
from tests.chaos.wire_cases import MARGIN, OPERATIONS, RETRY, Sender, connected

pytestmark = pytest.mark.slow

MIB = 2**20
ZEROS = b"\x00" * MIB

FLOODS: dict[str, Callable[[Exchange], None]] = {
    "a body": lambda e: e.flood(e.response(length="9" * 15, body=b""), ZEROS),
    "a body without length": lambda e: e.flood(e.response(length=None, body=b""), ZEROS),
    "chunks": lambda e: (e.chunked(b""), e.flood(b"", b"%x\r\n" % MIB + ZEROS + b"\r\n"))[0],
    "a chunk's size": lambda e: (e.chunked(b""), e.flood(b"", b"0" * MIB))[0],
    "a chunk's extension": lambda e: (e.chunked(b"1;"), e.flood(b"", LONG_LINE))[0],
    "a trailer": lambda e: (e.chunked(b"0\r\nX-A: "), e.flood(b"", LONG_LINE))[0],
    "trailers": lambda e: (e.chunked(b"0\r\n"), e.flood(b"", b"X-A: a\r\n" * 10_000))[0],
    "a header": lambda e: e.flood(b"HTTP/1.1 200 OK\r\nX-A: ", LONG_LINE),
    "headers": lambda e: e.flood(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n" * 10_000),
    "the status line": lambda e: e.flood(b"HTTP/1.1 200 ", LONG_LINE),
    "100 Continue": lambda e: e.flood(b"", CONTINUE * 10_000),
    "responses": lambda e: e.flood(b"", e.response() * 1000),
    "a gzip bomb of 1 GiB": lambda e: e.reply("Content-Encoding: gzip", body=bomb(1024)),
    "a deflate bomb of 1 GiB, in chunks": lambda e: e.chunked(
        whole(bomb(1024, b"\x78\xda")), "Content-Encoding: deflate"
    ),
    "what follows gzip": lambda e: e.flood(
        e.response("Content-Encoding: gzip", length="9" * 15, body=b"") + gzip.compress(e.good), ZEROS
    ),
    "a body in response to HEAD": lambda e: e.flood(e.response(), ZEROS),
}
"""What comes for ever, as fast as it is read."""
MORE = 16 * MIB
"""Memory beside a body of the largest size and what is made of it: what sockets have read and what the server sends."""


USUAL = (
    "a body without length",
    "a chunk's extension",
    "a trailer",
    "a gzip bomb of 1 GiB",
    "what follows gzip",
    "a body in response to HEAD",
)
"""The usual run's share."""
ALL = os.environ.get("CHAOS") == "all"


@pytest.mark.parametrize("service", ["anypoint", "civo"] if ALL else ["civo"])
@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("name", FLOODS if ALL else USUAL)
def test_memory(name: str, driver: str, service: str, peaks: dict[str, int]) -> None:
    service = "anypoint" if "HEAD" in name else service
    operation = OPERATIONS[service][
        "get_object_store" if service == "civo" else "key_exists" if "HEAD" in name else "get_key"
    ]
    call = operation.call("wire")
    server = WireServer(Misbehaviour(FLOODS[name]))
    with ExitStack() as stack:
        stack.callback(server.stop)
        hook = stack.enter_context(connected(service, server, 9000))
        send = Sender(hook, driver, stack)
        assert operation.result(send(operation.call("first"))) == operation.right("first")
        server.mode = "always"
        started = time.monotonic()
        tracemalloc.start()
        try:
            assert operation.result(send(call)) == operation.right("wire")
        except ObjectStoreError as error:
            assert "wire" in str(error)
            assert "bomb" not in name or "larger than" in str(error) or "timed out" in str(error)  # on a busy machine
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        peaks[f"{name}: {service}, {driver}"] = peak
        assert peak < 2 * call.max_body_bytes + MORE
        assert time.monotonic() - started < RETRY.deadline + MARGIN
        server.mode = "good"
        send.pause(server)
        assert operation.result(send(operation.call("later"))) == operation.right("later")


@pytest.fixture(scope="module")
def peaks() -> Iterator[dict[str, int]]:
    found: dict[str, int] = {}
    yield found
    for name, peak in sorted(found.items(), key=lambda item: -item[1])[:5]:
        print(f"{peak / MIB:.1f} MiB {name}")
