"""A proxy that is spoken to over TLS, and a server of any bytes behind it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.transport.stub import Answer, serving


@contextmanager
def tunnelling(certificate: str) -> Iterator[tuple[str, list[str]]]:
    """
    Start a proxy that opens tunnels; yield its address, and the hosts to which it was asked for one.

    :param certificate: a file with its certificate and key.
    """
    asked: list[str] = []

    def tunnel(connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        target = head.split()[1].decode()
        asked.append(target)
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as beyond:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _join(connection, beyond)

    with _over_tls(certificate, tunnel) as port:
        yield f"https://127.0.0.1:{port}", asked


@contextmanager
def serving_over_tls(certificate: str, answer: Callable[[bytes], Answer]) -> Iterator[str]:
    """Start a server that answers each request over TLS; yield its address. The rest is as in :func:`serving`."""
    with serving(answer) as plain:

        def forward(connection: socket.socket) -> None:
            with socket.create_connection(("127.0.0.1", int(plain.rpartition(":")[2]))) as beyond:
                _join(connection, beyond)

        with _over_tls(certificate, forward) as port:
            yield f"https://127.0.0.1:{port}"


@contextmanager
def _over_tls(certificate: str, serve: Callable[[socket.socket], None]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def start(plain: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=start, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def _join(one: socket.socket, other: socket.socket) -> None:
    """Send on what either side sends, until one of them ends."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join()
