"""Without a connection nothing can have happened: a call is tried for all of its time; sync and async."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Call, Pause, Response
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ServerError, TransportError
from airflow_provider_objectstore.transport.connection import Request
from airflow_provider_objectstore.transport.execution import execute
from airflow_provider_objectstore.transport.retry import RetryPolicy
from airflow_provider_objectstore.transport.state import SharedState
from airflow_provider_objectstore.transport.steps import GetToken
from tests.transport.drivers import ONCE, Connect, anypoint_connection, civo_connection
from tests.transport.stub import dripping, http, serving

SHORT = RetryPolicy(attempts=1, deadline=1, initial_wait=0.05, max_wait=0.1)
QUOTA = b'{"objectstore_gb_limit": 7, "objectstore_gb_usage": 1}'


def nowhere(port: int, proxy: int) -> dict[str, Any]:
    """Connections without a connection, by why there is none."""
    return {
        "refused": civo_connection(f"http://127.0.0.1:{port}", retry=SHORT),
        "no such name": civo_connection("http://nowhere.invalid", retry=SHORT),
        "no connection in time": civo_connection(f"http://127.0.0.1:{full()}", retry=SHORT, timeout=0.3),
        "proxy refused": civo_connection("http://nowhere.invalid", proxy=f"http://127.0.0.1:{port}", retry=SHORT),
        "proxy without a way": civo_connection(
            "https://nowhere.invalid", proxy=f"http://127.0.0.1:{proxy}", retry=SHORT
        ),
        "token refused": anypoint_connection(f"http://127.0.0.1:{port}", retry=SHORT),
    }


_full: list[socket.socket] = []


def full() -> int:
    """Return a port whose queue is full: a connection to it is neither accepted nor refused."""
    if not _full:
        server = socket.create_server(("127.0.0.1", 0), backlog=0)
        _full.append(server)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
            _full.append(waiting)
    return int(_full[0].getsockname()[1])


@pytest.fixture(scope="module")
def stuck_proxy() -> Iterator[int]:
    """A proxy that answers 502 to every CONNECT."""
    with serving(lambda request: http(b"", status="502 Bad Gateway")) as url:
        yield int(url.rpartition(":")[2])


@pytest.mark.parametrize("why", nowhere(1, 1))
def test_it_is_tried_until_the_deadline(
    why: str, connect: Connect, unused_port: int, stuck_proxy: int, caplog: pytest.LogCaptureFixture
) -> None:
    driver = connect(nowhere(unused_port, stuck_proxy)[why])
    start = time.monotonic()
    with caplog.at_level(logging.WARNING), pytest.raises(TransportError) as caught:
        driver.send(anypoint.get_store("s") if why.startswith("token") else civo.create_object_store("b"))
    assert time.monotonic() - start >= SHORT.seconds(30)
    assert (caught.value.unreachable, caught.value.request_sent, caught.value.permanent) == (True, False, False)
    tried = re.search(r"\. Tried ([0-9]+) times in [0-9]+\.[0-9] s: check host", str(caught.value))
    assert tried
    assert int(tried[1]) > SHORT.attempts
    lines = [record.getMessage() for record in caplog.records if "Trying again" in record.getMessage()]
    assert len(lines) == int(tried[1]) - 1
    assert all(re.search(r"\(no connection so far; trying until \d\d:\d\d:\d\d UTC\)$", line) for line in lines)


def test_a_service_that_comes_up_later(connect: Connect, unused_port: int) -> None:
    policy = RetryPolicy(attempts=1, deadline=60, initial_wait=0.2, max_wait=0.2)
    driver = connect(civo_connection(f"http://127.0.0.1:{unused_port}", retry=policy))
    servers = []

    def listen() -> None:
        time.sleep(2)
        server = socket.create_server(("127.0.0.1", unused_port))
        servers.append(server)
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(http(QUOTA))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert driver.send(civo.get_quota()).objectstore_gb_limit == 7
    thread.join(5)
    servers[0].close()


class Clock:
    """A clock that moves only when a flow pauses."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def drive(policy: RetryPolicy, errors: list[str], clock: Clock, timeout: float = 30) -> tuple[list[float], Exception]:
    """Run a call, each of whose requests fails at once; return when each was sent, and the error at the end."""
    state = SharedState(civo_connection("http://127.0.0.1:1", retry=policy, timeout=timeout))
    flow = execute(civo.get_quota(), state)
    sent: list[float] = []
    step = next(flow)
    try:
        while True:
            if isinstance(step, Request):
                sent.append(clock.now - Clock.now)
                if errors[min(len(sent), len(errors)) - 1] == "503":
                    step = flow.send(Response(503, {}, b""))
                else:
                    step = flow.throw(TransportError("refused", request_sent=False, unreachable=True))
            elif isinstance(step, Pause):
                clock.now += step.seconds
                step = flow.send(None)
            else:
                assert isinstance(step, GetToken)
                step = flow.send("a-token")
    except (TransportError, ServerError) as error:
        return sent, error


@pytest.mark.parametrize(
    ("deadline", "timeout", "seconds"), [(None, 30, 120), (None, 10, 40), (300, 10, 300), (0.5, 30, 0.5)]
)
def test_the_whole_promised_time(
    deadline: float | None, timeout: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    sent, error = drive(RetryPolicy(deadline=deadline), ["refused"], clock, timeout)
    assert sent[-1] == pytest.approx(seconds)
    assert f"Tried {len(sent)} times in {seconds:.1f} s" in str(error)
    assert max(later - earlier for earlier, later in pairwise(sent)) <= 20


def test_attempts_without_a_connection_do_not_count(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    errors = [*["refused"] * 10, "503", "refused", "503"]
    with caplog.at_level(logging.WARNING):
        sent, error = drive(RetryPolicy(attempts=3, max_wait=0.01), errors, clock)
    assert isinstance(error, ServerError)
    assert len(sent) == 14  # ten and one without a connection, and three with one
    lines = [record.getMessage() for record in caplog.records if "Trying again" in record.getMessage()]
    assert [line.rpartition("(")[2].partition(";")[0] for line in lines] == [
        *["no connection so far"] * 10,
        "request 2 of at most 3)",
        "no connection",
        "request 3 of at most 3)",
    ]


class TestTls:
    """What cannot pass is not repeated."""

    def refused(self, connect: Connect, url: str, **changes: Any) -> TransportError:
        with pytest.raises(TransportError) as caught:
            connect(civo_connection(url, **changes)).send(civo.create_object_store("b"))
        assert caught.value.permanent
        assert not caught.value.request_sent
        assert "Tried" not in str(caught.value)
        return caught.value

    def test_another_name(self, connect: Connect, certificate: str) -> None:
        with Emulator(certfile=certificate) as emulator:
            url = emulator.url.replace("127.0.0.1", "localhost")
            error = self.refused(connect, url, verify=certificate)
        assert re.search("[Hh]ostname mismatch|doesn't match|not valid for", str(error))

    def test_plain_http(self, connect: Connect, emulator: Emulator) -> None:
        self.refused(connect, emulator.url.replace("http://", "https://"))


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_lets_nobody_through_is_asked_once(status: int, connect: Connect) -> None:
    asked = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return http(b"", status=f"{status} No")

    with serving(answer) as proxy, pytest.raises(TransportError, match=str(status)) as caught:
        connect(civo_connection("https://nowhere.invalid", proxy=proxy)).send(civo.get_quota())
    assert caught.value.permanent
    assert len(asked) == 1


def test_one_cause(connect: Connect, unused_port: int) -> None:
    """A log prints an error with its causes: one, short, and what the network said."""
    url, policy = f"http://127.0.0.1:{unused_port}", RetryPolicy(deadline=0.01)
    for connection in (civo_connection(url, retry=policy), anypoint_connection(url, retry=policy)):
        call: Call[Any] = anypoint.get_store("s") if connection.token_call else civo.get_quota()
        with pytest.raises(TransportError) as caught:
            connect(connection).send(call)
        cause = caught.value.__cause__
        assert isinstance(cause, ConnectionRefusedError)
        assert cause.__cause__ is None
        assert cause.__context__ is None


def test_a_time_out_has_one_cause(connect: Connect) -> None:
    with serving(lambda request: dripping(b"HTTP/1.1 200 ")) as url, pytest.raises(TransportError) as caught:
        connect(civo_connection(url, timeout=0.2, retry=ONCE)).send(civo.get_quota())
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert (caught.value.__cause__.__cause__, caught.value.__cause__.__context__) == (None, None)
