"""A server that sends any bytes: for responses that the emulator does not send."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

Answer = bytes | Iterable[bytes]
"""The bytes to send, at once or in parts."""

LOGIN_PAGE = b'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Sign in</title></head><body/></html>'
"""Well-formed XML, so that an S3 client takes it for a response without any field."""

DRIP_SECONDS = 20


def http(body: bytes = b"", *headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """Return a response that closes the connection."""
    lines = [
        f"HTTP/1.1 {status}",
        f"content-length: {len(body)}",
        f"content-type: {kind}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def dripping(begin: bytes = b"", every: float = 0.05) -> Iterator[bytes]:
    """Yield the beginning of a response, and then a byte now and then, far beyond every deadline of the tests."""
    yield begin
    ends = time.monotonic() + DRIP_SECONDS
    while time.monotonic() < ends:
        time.sleep(every)
        yield b" "


@contextmanager
def serving(answer: Callable[[bytes], Answer], port: int = 0) -> Iterator[str]:
    """Start a server that answers each request, given as head and body; yield its address."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _accept(listener: socket.socket, answer: Callable[[bytes], Answer]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Callable[[bytes], Answer]) -> None:
    with connection:
        try:
            request = _request(connection)
            if not request:
                return
            response = answer(request)
            for part in [response] if isinstance(response, bytes) else response:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
        except OSError:
            return


def _request(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            return b""
        head += part
    begin, _, body = head.partition(b"\r\n\r\n")
    if b"expect: 100-continue" in begin.lower() and not body:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in begin.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < (lengths or [0])[0]:
        body += connection.recv(65536)
    return begin + b"\r\n\r\n" + body
