"""A TCP server that misbehaves below HTTP, and beside that is a small Object Store v2 and Civo."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

Mode = Literal["good", "once", "always"]

SECRETS = {
    "client secret": "wire-client-secret-5f2c",
    "token": "wire-access-token-9d41",
    "API key": "wire-api-key-77aa",
    "secret of a credential": "wire-credential-secret-c03e",
}
"""What must not go to another host, nor into an error or a log."""
LONGEST = 30
"""After so many seconds the server ends what would have no end: a client that still waits has no deadline."""
CREDENTIALS = "/v2/objectstore/credentials"


@dataclass(frozen=True)
class Request:
    """
    What a client has sent.

    :param method: HTTP method.
    :param target: path and query.
    :param headers: by lower-case name.
    :param body: the body; empty where the server does not read it.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def name(self) -> str:
        """The object that it is about: the last part of the path, or the name of what it creates."""
        if self.method == "POST" and self.path == CREDENTIALS:
            return str(json.loads(self.body or b"{}").get("name", ""))
        return self.path.rpartition("/")[2]


class Exchange:
    """
    One request and what is sent in response.

    :param wire: the socket.
    :param request: the request.
    :param good: the body of the right response.
    :param server: the server.
    """

    def __init__(self, wire: socket.socket, request: Request, good: bytes, server: WireServer) -> None:
        self.wire, self.request, self.good, self.server = wire, request, good, server
        self.open = True
        self._ends = time.monotonic() + LONGEST

    def goes_on(self) -> bool:
        """Whether the client may still be there, and the test still waits."""
        return not self.server.stopped.is_set() and time.monotonic() < self._ends

    def send(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self.wire.sendall(b"".join(parts))

    def reply(self, *headers: str | bytes, body: bytes | None = None, status: str = "200 OK", **kw: Any) -> None:
        """Send a response: by default the right one, with more headers."""
        self.send(self.response(*headers, body=body, status=status, **kw))

    def response(
        self,
        *headers: str | bytes,
        body: bytes | None = None,
        status: str = "200 OK",
        length: str | None = "",
        version: str = "HTTP/1.1",
    ) -> bytes:
        """
        Return a response.

        :param headers: more headers.
        :param body: the body; None for the right one.
        :param length: what Content-Length says; empty for the truth, None for no such header.
        """
        body = self.good if body is None else body
        lines: list[str | bytes] = [f"{version} {status}", *self.server.headers_of(self.request), *headers]
        if length is not None:
            lines.append(f"Content-Length: {length or len(body)}")
        head = b"\r\n".join(line if isinstance(line, bytes) else line.encode("latin-1") for line in [*lines, "", ""])
        return head if self.request.method == "HEAD" else head + body

    def chunked(self, framed: bytes, *headers: str) -> None:
        """Send a response whose body is chunked, framed as given."""
        self.send(self.response("Transfer-Encoding: chunked", *headers, body=b"", length=None), framed)

    def drip(self, begin: bytes, part: bytes = b" ", every: float = 0.1) -> None:
        """Send the beginning, and then a part now and then until the client goes; a HEAD is over without it."""
        if self.request.method == "HEAD" and begin.endswith(b"\r\n\r\n"):
            self.send(begin)
            return
        self.send(begin)
        while self.goes_on():
            self.server.stopped.wait(every)
            self.send(part)

    def flood(self, begin: bytes, part: bytes) -> None:
        """Send the beginning, and then parts as fast as they are read, until the client goes."""
        self.send(begin)
        while self.goes_on():
            self.send(part)

    def hang(self) -> None:
        """Send nothing until the client goes."""
        self.wire.settimeout(0.1)
        while self.goes_on():
            with suppress(TimeoutError):
                if not self.wire.recv(1):
                    return

    def close(self) -> None:
        """Close the connection after what was sent."""
        self.open = False

    def reset(self) -> None:
        """Close the connection at once, with a reset."""
        reset(self.wire)
        self.open = False


def reset(wire: socket.socket) -> None:
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


@dataclass(frozen=True)
class Misbehaviour:
    """
    What the server does instead of the right response.

    :param act: what it does after a request; with ``early`` after a connection is accepted.
    :param ends: how a GET may end: in its ``result``, in an ``error``, or in ``any`` of both.
    :param early: whether it acts before a request is read.
    :param takes: which part of a request is read before: all of it, or the ``head`` only.
    :param waits: whether a client has to wait until its deadline.
    :param refuses: whether it says that it has not done what was requested.
    :param misleads: whether its response to a change is well-formed, and says something else than the right one.
    """

    act: Callable[[Exchange], None]
    ends: Literal["result", "error", "any"] = "any"
    early: bool = False
    takes: Literal["all", "head"] = "all"
    waits: bool = False
    refuses: bool = False
    misleads: bool = False


@dataclass
class WireServer:
    """
    The server: right as long as its mode is ``good``.

    :param misbehaviour: what it does in the other modes, ``once`` or ``always``.
    :param at_token: whether it does that to requests for a token, instead of to all others.
    :param elsewhere: the port of another host, for redirects.
    :param context: for TLS.
    """

    misbehaviour: Misbehaviour
    at_token: bool = False
    elsewhere: int = 0
    context: ssl.SSLContext | None = None
    mode: Mode = "good"
    received: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a method came for a name."""
    applied: Counter[str] = field(default_factory=Counter)
    """How often a number was altered or a credential created, by name."""
    cookies: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self._lock = threading.Lock()
        self._acting = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.stopped.set()
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self.listener.accept()
            except OSError:
                return
            if self.stopped.is_set():
                wire.close()
                return
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self.misbehaviour.early and self._misbehaves():
                exchange = Exchange(wire, Request("GET", "/", {}, b""), b"{}", self)
                self._act(exchange)
                if not exchange.open:
                    wire.close()
                    return
            if self.context:
                wire.settimeout(5)
                wire = self.context.wrap_socket(wire, server_side=True)
                wire.settimeout(None)
            with wire, wire.makefile("rb") as file:
                while self._exchange(wire, file):
                    pass
        with suppress(OSError):
            wire.close()

    def settle(self) -> None:
        """Wait until it has done what it does wrong; a moment, where that has no end."""
        for _ in range(50):
            if not self._acting:
                return
            self.stopped.wait(0.01)

    def _act(self, exchange: Exchange) -> None:
        self._acting += 1
        try:
            self.misbehaviour.act(exchange)
        finally:
            self._acting -= 1

    def _misbehaves(self) -> bool:
        with self._lock:
            misbehaves = self.mode != "good"
            if self.mode == "once":
                self.mode = "good"
        return misbehaves

    def _exchange(self, wire: socket.socket, file: Any) -> bool:
        """Read a request and respond; return whether the connection stays open."""
        head = _read_head(file)
        if head is None:
            return False
        is_token = head.path.endswith("/oauth2/token")
        target = not self.misbehaviour.early and is_token == self.at_token
        misbehaves = target and self._misbehaves()
        whole = not misbehaves or self.misbehaviour.takes == "all"
        body = file.read(int(head.headers.get("content-length", 0))) if whole else b""
        request = Request(head.method, head.target, head.headers, body)
        self._record(request, refused=misbehaves and self.misbehaviour.refuses)
        exchange = Exchange(wire, request, self._good(request), self)
        if misbehaves:
            self._act(exchange)
            if exchange.open and not whole:
                file.read(int(head.headers.get("content-length", 0)))
        else:
            exchange.reply(*(["Connection: close"] if self.misbehaviour.early else []))
            exchange.open = not self.misbehaviour.early
        return exchange.open

    def _record(self, request: Request, *, refused: bool) -> None:
        with self._lock:
            self.received[request.method, request.name] += 1
            is_token = request.path.endswith("/oauth2/token")
            if request.method == "POST" and request.body and not is_token and not refused:
                self.applied[request.name] += 1
            if "cookie" in request.headers:
                self.cookies.append(request.headers["cookie"])

    def headers_of(self, request: Request) -> list[str]:
        """Return the headers of a right response."""
        return ["Content-Type: application/json"]

    def _good(self, request: Request) -> bytes:
        return json.dumps(self._answer(request)).encode()

    def _answer(self, request: Request) -> Any:
        name = request.name
        if request.path.endswith("/oauth2/token"):
            return {"access_token": SECRETS["token"], "expires_in": 3600}
        if request.path == CREDENTIALS and request.method == "GET":
            made = [_credential(name) for name in self.applied]
            return {"page": 1, "per_page": 100, "pages": 1, "items": made}
        if request.path == CREDENTIALS:
            return _credential(name)
        if request.path.startswith("/v2/"):
            return {"id": name, "name": f"name-of-{name}", "max_size": 500, "status": "ready"}
        if request.method == "POST":
            return {"altered": name}
        if "/keys/" in request.path:
            return {"keyId": name, "valueType": "STRING", "stringValue": f"value of {name}"}
        return {"storeId": name}


def _credential(name: str) -> dict[str, Any]:
    keys = {"access_key_id": f"access-{name}", "secret_access_key_id": SECRETS["secret of a credential"]}
    return {"id": f"id-of-{name}", "name": name, **keys, "max_size_gb": 500, "status": "ready"}


def _read_head(file: Any) -> Request | None:
    line = file.readline(65536)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (header := file.readline(65536)).strip():
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(method, target, headers, b"")


@contextmanager
def recording() -> Iterator[tuple[int, list[bytes]]]:
    """Start a server that responds to nobody; yield its port and what it receives."""
    received: list[bytes] = []

    def accept() -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            with wire, suppress(OSError):
                wire.settimeout(1)
                received.append(wire.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], received
