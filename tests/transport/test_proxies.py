"""Proxies of a connection and of the environment: which are taken, and that their passwords are not shown."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.exceptions import ConfigurationError, ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.transport import ResolvedConnection
from airflow_provider_objectstore.transport.proxies import passwords
from airflow_provider_objectstore.transport.retry import RetryPolicy

PASSWORD = "Pr0xyPassw0rd"
IN_BASE64 = base64.b64encode(f"user:{PASSWORD}".encode()).decode()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def refusing() -> Iterator[int]:
    """The port of a proxy that lets nobody through and repeats what it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def refuse(self) -> None:
            said = f"denied for {self.headers['proxy-authorization']}".encode()
            self.send_response(407, "Proxy Authentication Required")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_CONNECT = refuse

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def closed() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def once(connection: ResolvedConnection) -> ResolvedConnection:
    return replace(connection, retry=RetryPolicy(attempts=1, deadline=1e-6))


def ask_sync(hook: CivoObjectStoreHook) -> Any:
    resolve = hook.resolve
    hook.resolve = lambda: once(resolve())  # type: ignore[method-assign]
    return hook.get_quota()


def ask_async(hook: CivoObjectStoreHook) -> Any:
    resolve = hook._resolve_async

    async def resolve_once() -> ResolvedConnection:
        return once(await resolve())

    async def ask() -> Any:
        hook._resolve_async = resolve_once  # type: ignore[method-assign]
        async with hook.async_client() as client:
            return await client.send(civo.get_quota())

    return asyncio.run(ask())


PROXIES = {
    "refusing": "http://user:{password}@127.0.0.1:{refusing}",
    "refusing https": "https://user:{password}@127.0.0.1:{refusing}",
    "without scheme": "user:{password}@127.0.0.1:{closed}",
    "closed": "http://user:{password}@127.0.0.1:{closed}",
    "port out of range": "http://user:{password}@127.0.0.1:99999",
    "no host": "http://user:{password}@",
    "space": "http://us er:{password}@127.0.0.1:{closed}",
    "slash in the password": "http://user:{password}/x@127.0.0.1:{closed}",
    "slash after digits": "http://user:12/{password}@127.0.0.1:{closed}",
    "socks": "socks5://user:{password}@127.0.0.1:{closed}",
}
MALFORMED = {"port out of range", "no host", "space", "slash in the password", "slash after digits", "socks"}


@pytest.mark.parametrize("where", ["extra", "environment"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", PROXIES)
@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
def test_the_password_is_not_shown(
    where: str,
    scheme: str,
    kind: str,
    ask: Callable[[CivoObjectStoreHook], Any],
    refusing: int,
    closed: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = PROXIES[kind].format(password=PASSWORD, refusing=refusing, closed=closed)
    extra = {"region": "LON1", "timeout": 5}
    if where == "extra":
        extra["proxy"] = proxy
    else:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    connection = {"conn_type": "civo", "host": f"{scheme}://nowhere.invalid", "password": "a-key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
    with pytest.raises(ObjectStoreError) as caught:
        ask(CivoObjectStoreHook())
    shown = "".join((*traceback.format_exception(caught.value), caplog.text))
    assert PASSWORD not in shown
    assert IN_BASE64 not in shown
    if kind in MALFORMED or (kind, where) == ("without scheme", "extra"):
        assert isinstance(caught.value, ConfigurationError)
        assert "http(s) URL" in str(caught.value)
        assert "SOCKS is not supported" in str(caught.value)


def test_socks_for_other_hosts_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy")
    connection = ResolvedConnection(base_urls={"api": "http://example.com"}, secrets=())
    with pytest.raises(ConfigurationError, match=r"environment names for example\.com must be"):
        connection.proxies  # noqa: B018
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert ResolvedConnection(base_urls={"api": "http://example.com"}, secrets=()).proxies == {"api": None}
    own = ResolvedConnection(base_urls={"api": "http://example.org"}, secrets=(), proxy="http://proxy")
    assert own.proxies == {"api": "http://proxy"}, "the connection's wins"


def test_a_proxy_without_scheme_is_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy:3128")
    assert ResolvedConnection(base_urls={"api": "http://example.com"}, secrets=()).proxies == {
        "api": "http://proxy:3128"
    }


def test_passwords_in_every_form() -> None:
    assert set(passwords("http://user:p%40w@proxy", None, "user:plain@proxy", "http://user@proxy", "", "http://p")) == {
        "p%40w",
        "p@w",
        base64.b64encode(b"user:p@w").decode(),
        "plain",
        base64.b64encode(b"user:plain").decode(),
    }


def test_the_environments_are_secrets_of_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{PASSWORD}@proxy")
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({"password": "a-key", "extra": {"region": "LON1"}}))
    assert {PASSWORD, IN_BASE64, "a-key"} <= set(CivoObjectStoreHook().resolve().secrets)
