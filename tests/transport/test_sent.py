"""What the service may have received is not sent again, whatever the error looks like; sync and async."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import requests

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.exceptions import OutcomeUnknownError, TransportError
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.transport.drivers import Connect, anypoint_connection, civo_connection
from tests.transport.stub import http, serving

QUICK = RetryPolicy(attempts=3, deadline=2, initial_wait=0.01, max_wait=0.02)
CREATE: Call[Any] = replace(civo.create_credential("mine"), reconcile=None)
HANDLED: dict[str, Callable[[], Exception]] = {
    "refused": lambda: requests.ConnectTimeout("Connection refused"),
    "untrusted": lambda: ssl.SSLCertVerificationError("certificate verify failed"),
    "of the author": lambda: ValueError("my secret hunter2"),
}


@contextmanager
def losing(first_line: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads each request, answers a line that is no HTTP, or nothing, and keeps what it received."""
    received: list[bytes] = []

    def answer(request: bytes) -> bytes:
        received.append(request)
        return first_line

    with serving(answer) as url:
        yield url, received


@pytest.mark.parametrize("kind", HANDLED)
def test_what_the_caller_handles_says_nothing(kind: str, connect: Connect) -> None:
    """Python makes it the context of each error that is raised meanwhile."""
    with losing() as (url, received):
        try:
            raise HANDLED[kind]()
        except Exception:
            with pytest.raises(OutcomeUnknownError) as raised:
                connect(civo_connection(url, retry=QUICK)).send(CREATE)
    assert len(received) == 1
    assert "hunter2" not in str(raised.value)
    assert "refused" not in str(raised.value)


def test_a_delete_whose_response_is_lost_is_done(connect: Connect) -> None:
    answers = [b"", b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"]
    with serving(lambda request: answers.pop(0)) as url:
        try:
            raise requests.ConnectTimeout("Connection refused")
        except Exception:
            connect(civo_connection(url, retry=QUICK)).send(civo.delete_credential("id"))
    assert answers == []


def test_a_line_like_that_of_a_proxy(connect: Connect) -> None:
    with losing(b"Tunnel connection failed: 503 x\r\n\r\n") as (url, received), pytest.raises(OutcomeUnknownError):
        connect(civo_connection(url, retry=QUICK)).send(CREATE)
    assert len(received) == 1


@contextmanager
def plain_after_tls(certificate: str) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads one request over TLS, and then sends plain text."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    received: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with context.wrap_socket(connection, server_side=True) as secured:
                received.append(secured.recv(65536))
                time.sleep(0.2)  # a body in a record of its own
                descriptor = os.dup(secured.fileno())
                os.write(descriptor, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                os.close(descriptor)
                time.sleep(0.2)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", received


def test_tls_that_breaks_after_the_handshake(connect: Connect, certificate: str) -> None:
    with plain_after_tls(certificate) as (url, received), pytest.raises(OutcomeUnknownError):
        connect(civo_connection(url, retry=QUICK, verify=certificate)).send(CREATE)
    assert len(received) == 1


def test_an_outage_costs_the_time_once(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    driver = connect(civo_connection(f"http://127.0.0.1:{port}", retry=replace(QUICK, deadline=0.5)))
    tries = []
    for _ in range(20):
        with pytest.raises(TransportError) as raised:
            driver.send(civo.get_quota())
        tries.append("Tried" in str(raised.value))
    assert tries == [True] + [False] * 19


def test_another_host_that_answers_ends_no_outage(connect: Connect, unused_port: int) -> None:
    """A token that is fetched for each call, and the statistics, which are elsewhere: both are reached."""
    usage = anypoint.get_organization_usage("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")

    def answer(request: bytes) -> bytes:
        token = b'{"access_token": "t", "expires_in": 0.000001}'
        return http(token) if request.startswith(b"POST") else http(b"[]")

    with serving(answer) as url:
        nowhere = f"http://127.0.0.1:{unused_port}"
        urls = anypoint_access.base_urls(nowhere, url, "emulator-org", "emulator-env", url)
        driver = connect(anypoint_connection(url, base_urls=urls, retry=replace(QUICK, deadline=0.5)))
        tries = []
        for _ in range(10):
            with pytest.raises(TransportError) as raised:
                driver.send(anypoint.get_store("s"))
            tries.append("Tried" in str(raised.value))
            assert driver.send(usage) == ()
    assert tries == [True] + [False] * 9


def test_an_outage_is_over_with_the_first_answer(connect: Connect, unused_port: int) -> None:
    """A service that comes back often refuses a request or two before it works."""
    answers = [http(b"{}", status="503 Service Unavailable"), http(b"[]")]
    driver = connect(civo_connection(f"http://127.0.0.1:{unused_port}", retry=replace(QUICK, deadline=0.5)))
    with pytest.raises(TransportError):
        driver.send(civo.list_regions())
    with serving(lambda _: answers.pop(0), unused_port):
        assert driver.send(civo.list_regions()) == ()


def test_tokens_that_are_out_of_reach_are_no_outage_of_the_stores(connect: Connect, unused_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stores = f"http://127.0.0.1:{listener.getsockname()[1]}"
    tokens = f"http://127.0.0.1:{unused_port}"
    urls = anypoint_access.base_urls(stores, tokens, "emulator-org", "emulator-env", stores)
    driver = connect(anypoint_connection(tokens, base_urls=urls, retry=replace(QUICK, deadline=0.5)))
    tries = []
    for _ in range(5):
        with pytest.raises(TransportError, match="could not get a token") as raised:
            driver.send(anypoint.get_store("s"))
        tries.append("Tried" in str(raised.value))
    with serving(lambda _: http(b'{"access_token": "fetched-token", "expires_in": 3600}'), unused_port):
        for _ in range(5):
            with pytest.raises(TransportError, match="GET to") as raised:
                driver.send(anypoint.get_store("s"))
            tries.append("Tried" in str(raised.value))
    assert tries == 2 * [True, False, False, False, False]
