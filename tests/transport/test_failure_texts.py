"""A request without a response says who did not answer, the service or a proxy, and in what time; sync and async."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import TransportError
from airflow_provider_objectstore.transport import ResolvedConnection
from tests.transport.drivers import ONCE, Connect, anypoint_connection, civo_connection
from tests.transport.stub import dripping, http, serving
from tests.transport.test_retry_unreachable import full
from tests.transport.tls import tunnelling

PASSWORD = "Pr0xyPassw0rd"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def failure(connect: Connect, connection: ResolvedConnection, call: Call[Any] | None = None) -> TransportError:
    with pytest.raises(TransportError) as caught:
        connect(connection).send(call or civo.get_quota())
    assert PASSWORD not in str(caught.value)
    return caught.value


CALLS: dict[str, tuple[Any, Call[Any]]] = {
    "civo": (civo_connection, civo.get_quota()),
    "anypoint": (partial(anypoint_connection, bearer="a-bearer-token", token_call=None), anypoint.get_store("s")),
    "token": (anypoint_connection, anypoint.get_store("s")),
}


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("scheme", ["http", "https"])
class TestAProxyThatIsNotThere:
    def test_of_the_connection(self, scheme: str, service: str, connect: Connect, unused_port: int) -> None:
        make, call = CALLS[service]
        proxy = f"http://user:{PASSWORD}@127.0.0.1:{unused_port}"
        error = failure(connect, make(f"{scheme}://nowhere.invalid", proxy=proxy, retry=ONCE), call)
        said = f"the connection's proxy 127.0.0.1:{unused_port} gives no connection: [Errno 111]"
        assert f"to nowhere.invalid failed: {said}" in str(error)
        assert error.unreachable

    def test_of_the_environment(
        self, scheme: str, service: str, connect: Connect, unused_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make, call = CALLS[service]
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"user:{PASSWORD}@127.0.0.1:{unused_port}")
        error = failure(connect, make(f"{scheme}://nowhere.invalid", retry=ONCE), call)
        assert f": the environment's proxy 127.0.0.1:{unused_port} gives no connection: [Errno 111]" in str(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
class TestAProxyThatGivesNone:
    def test_no_such_name(self, scheme: str, connect: Connect) -> None:
        connection = civo_connection(f"{scheme}://127.0.0.1:9", proxy="http://no-proxy.invalid:3128", retry=ONCE)
        error = failure(connect, connection)
        assert "failed: the connection's proxy no-proxy.invalid:3128 gives no connection: " in str(error)
        assert error.unreachable

    def test_in_time(self, scheme: str, connect: Connect) -> None:
        proxy = f"http://127.0.0.1:{full()}"
        error = failure(connect, civo_connection(f"{scheme}://127.0.0.1:9", proxy=proxy, retry=ONCE, timeout=3))
        said = f"timed out: no connection through the connection's proxy 127.0.0.1:{full()} in time (timeout=3 of"
        assert said in str(error)
        assert error.unreachable


def test_a_proxy_that_refuses(connect: Connect) -> None:
    with serving(lambda request: http(b"", status="407 Proxy Authentication Required")) as proxy:
        error = failure(connect, civo_connection("https://nowhere.invalid", proxy=proxy))
    host = proxy.removeprefix("http://")
    assert f"to nowhere.invalid failed: the connection's proxy {host} gives no connection: " in str(error)
    assert "407" in str(error)


def test_a_proxy_is_not_blamed_for_the_service(certificate: str, connect: Connect) -> None:
    with Emulator() as plain, tunnelling(certificate) as (proxy, asked):
        url = plain.url.replace("http:", "https:")
        error = failure(connect, civo_connection(url, verify=certificate, proxy=proxy, retry=ONCE))
    assert asked
    assert "the connection's proxy" not in str(error)
    assert f"GET to {plain.url.removeprefix('http://')} failed: " in str(error)


class TestTime:
    """Said once, with the field to change."""

    def test_no_connection(self, connect: Connect) -> None:
        error = failure(connect, civo_connection(f"http://127.0.0.1:{full()}", retry=ONCE, timeout=3))
        assert "timed out: no connection in time (timeout=3 of the connection)" in str(error)

    @pytest.mark.parametrize("every", [0.05, 2.0], ids=["drips", "silent"])
    def test_no_complete_response(self, every: float, connect: Connect) -> None:
        begin = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
        with serving(lambda request: dripping(begin, every)) as url:
            error = failure(connect, civo_connection(url, retry=ONCE, timeout=0.5))
        assert "timed out: no complete response in time (timeout=0.5 of the connection)" in str(error)
        assert str(error).count("timed out") == 1
