"""What clients send, sync and async: the request target, TLS, proxies, redirects, rate."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_provider_objectstore import __version__
from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.call import Call, Page
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import ApiError, InvalidArgumentError, TransportError
from tests.transport.drivers import Connect, anypoint_connection, civo_connection

Listen = Callable[[bytes], tuple[int, list[bytes]]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a server that keeps what it is sent and answers with the same bytes each time."""
    sockets = []

    def start(answer: bytes) -> tuple[int, list[bytes]]:
        received: list[bytes] = []
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    received.append(connection.recv(65536))
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1], received

    yield start
    for server in sockets:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


TARGETS: list[tuple[Call[object], bytes]] = [
    (
        anypoint.put_key("s/1", "p 2", "a/../b%2e%2E.~é|"[:-1], "v"),
        b"PUT /api/v1/organizations/emulator-org/environments/emulator-env/stores/s%2F1/partitions/p%202/keys/"
        b"a%2F..%2Fb%252e%252E.~%C3%A9?confirmable=false",
    ),
    (
        anypoint.list_partitions("...").for_page("my list/8 +&="),
        b"GET /api/v1/organizations/emulator-org/environments/emulator-env/stores/.../partitions?"
        b"nextPageToken=my%20list%2F8%20%2B%26%3D",
    ),
    (
        anypoint.acknowledge("s", "p", "k:1", "c/1?#"),
        b"POST /api/v1/organizations/emulator-org/environments/emulator-env/stores/s/partitions/p/keys/k%3A1/"
        b"confirmations/c%2F1%3F%23",
    ),
    (anypoint.list_regions(), b"GET /api/v1/organizations/emulator-org/regions"),
]


@pytest.mark.parametrize(("call", "target"), TARGETS)
def test_the_request_target_is_ours_to_the_byte(
    call: Call[object], target: bytes, connect: Connect, listen: Listen
) -> None:
    port, received = listen(OK)
    driver = connect(anypoint_connection(f"http://127.0.0.1:{port}", bearer="token", token_call=None))
    with suppress(ApiError):  # `{}` is not an answer to each of them
        driver.send(call)
    head, _, _ = received[0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert line == target + b" HTTP/1.1"
    assert f"User-Agent: airflow-provider-objectstore/{__version__}".encode() in headers
    assert b"Authorization: Bearer token" in headers


def test_every_civo_call_says_its_region(connect: Connect, listen: Listen) -> None:
    port, received = listen(OK)
    driver = connect(civo_connection(f"http://127.0.0.1:{port}"))
    for call in (civo.get_object_store("1"), civo.update_object_store("1", max_size_gb=500)):
        with pytest.raises(ApiError):
            driver.send(call)
    assert received[0].startswith(b"GET /v2/objectstores/1?region=LON1 ")
    patched = next(request for request in received if request.startswith(b"PATCH"))
    assert patched.startswith(b"PATCH /v2/objectstores/1?region=LON1 ")


@pytest.mark.parametrize("name", ["", ".", ".."])
@pytest.mark.parametrize(
    "build",
    [
        lambda name: anypoint.get_store(name),
        lambda name: anypoint.delete_partition("s", name),
        lambda name: anypoint.delete_key("s", "p", name),
        lambda name: anypoint.put_key("s", "p", name, "v"),
        lambda name: anypoint.reject("s", "p", "k", name),
        lambda name: civo.delete_object_store(name),
        lambda name: civo.delete_credential(name),
        lambda name: civo.create_object_store(name),
        lambda name: anypoint_access.base_urls("http://h", "http://h", "o", name),
    ],
)
def test_identifiers_that_would_fold_the_path_are_refused(name: str, build: Callable[[str], object]) -> None:
    with pytest.raises(InvalidArgumentError, match="would address something else"):
        build(name)


def test_a_redirect_is_not_followed(connect: Connect, listen: Listen) -> None:
    elsewhere, stolen = listen(OK)
    location = f"http://localhost:{elsewhere}/steal".encode()
    port, _ = listen(
        b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    driver = connect(anypoint_connection(f"http://127.0.0.1:{port}", bearer="token", token_call=None))
    with pytest.raises(ApiError, match="a redirect to localhost"):
        driver.send(anypoint.get_store("s"))
    assert stolen == []


def test_netrc_does_not_replace_the_token(
    connect: Connect, listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    port, received = listen(OK)
    driver = connect(anypoint_connection(f"http://127.0.0.1:{port}", bearer="token", token_call=None))
    with pytest.raises(ApiError):
        driver.send(anypoint.get_store("s"))
    assert b"Authorization: Bearer token" in received[0]
    assert b"Basic" not in received[0]


@pytest.mark.parametrize("given", ["connection", "environment", "environment, but not for this host"])
def test_proxies(
    given: str, connect: Connect, listen: Listen, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    port, received = listen(OK)
    proxy = f"http://user:pass@127.0.0.1:{port}"
    if given != "connection":
        monkeypatch.setenv("http_proxy", proxy)
    if given.endswith("host"):
        monkeypatch.setenv("no_proxy", "127.0.0.1")
    driver = connect(
        anypoint_connection(emulator.url, proxy=proxy if given == "connection" else None, bearer="t", token_call=None)
    )
    with pytest.raises(ApiError):
        driver.send(anypoint.get_store("s"))
    if given.endswith("host"):
        assert received == []
    else:
        assert received[0].startswith(f"GET {emulator.url}/api/v1/".encode())
        assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in received[0]


def test_tls_is_verified(connect: Connect, certificate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with Emulator(certfile=certificate) as emulator:
        with pytest.raises(TransportError, match="certificate verify failed") as caught:
            connect(anypoint_connection(emulator.url)).send(anypoint.list_stores())
        assert caught.value.permanent
        assert not caught.value.request_sent
        assert emulator.requests()["total"] == 0
        for verify in (certificate, False):
            assert connect(anypoint_connection(emulator.url, verify=verify)).items(anypoint.list_stores()) == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
        assert connect(anypoint_connection(emulator.url, timeout=29)).items(anypoint.list_stores()) == []


def test_the_rate_limit_is_kept(connect: Connect, emulator: Emulator) -> None:
    driver = connect(anypoint_connection(emulator.url, requests_per_second=50))
    start = time.monotonic()
    driver.send_all([anypoint.list_stores()] * 26)
    assert time.monotonic() - start > 25 / 50


def test_a_service_that_limits(connect: Connect) -> None:
    with Emulator(Settings(requests_per_second=100, retry_after=0.05)) as emulator:
        driver = connect(anypoint_connection(emulator.url, requests_per_second=90))
        driver.send(anypoint.list_stores())
        assert driver.send_all([anypoint.list_stores()] * 60) == [Page(())] * 60
        assert "429" not in emulator.requests()["by_operation"]["anypoint.list_stores"]
