"""What the server of ``wire.py`` does wrong, by name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator

from tests.chaos.wire import Exchange, Misbehaviour

EVIL = b'{"keyId":"evil","id":"evil","name":"evil","valueType":"STRING","stringValue":"evil"}'
"""The body of a response that nobody has asked for."""


def replies(*headers: str | bytes, **kw: object) -> Callable[[Exchange], None]:
    """Return what replies with more headers, another status, length or body."""
    return lambda exchange: exchange.reply(*headers, **kw)  # type: ignore[arg-type]


def closing(*headers: str | bytes, **kw: object) -> Callable[[Exchange], None]:
    """Return what replies and closes the connection."""

    def act(exchange: Exchange) -> None:
        exchange.reply(*headers, **kw)  # type: ignore[arg-type]
        exchange.close()

    return act


def raw(data: bytes) -> Callable[[Exchange], None]:
    """Return what sends these bytes and closes the connection."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.close()

    return act


def packed(pack: Callable[[bytes], bytes], encoding: str) -> Callable[[Exchange], None]:
    """Return what replies with a compressed body, as sent with this Content-Encoding."""
    return lambda exchange: exchange.reply(f"Content-Encoding: {encoding}", body=pack(exchange.good))


def chunks(frame: Callable[[bytes], bytes], *headers: str, close: bool = True) -> Callable[[Exchange], None]:
    """Return what replies in chunks, framed by a function of the body."""

    def act(exchange: Exchange) -> None:
        exchange.chunked(frame(exchange.good), *headers)
        exchange.open = not close

    return act


def cut(frame: Callable[[Exchange], bytes], *, by_reset: bool) -> Callable[[Exchange], None]:
    """Return what sends the beginning of a response, and then closes or resets the connection."""

    def act(exchange: Exchange) -> None:
        exchange.send(frame(exchange))
        exchange.server.stopped.wait(0.02)  # a reset would overtake the bytes
        exchange.reset() if by_reset else exchange.close()

    return act


def bomb(mib: int, header: bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\x03") -> bytes:
    """Return the beginning of gzip, or of another format: so many spaces, and no end."""
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    return header + (compress.compress(b" " * 2**20) + compress.flush(zlib.Z_FULL_FLUSH)) * mib


def raw_deflate(body: bytes) -> bytes:
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compress.compress(body) + compress.flush()


def whole(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def halves(exchange: Exchange) -> tuple[bytes, bytes]:
    return exchange.good[: len(exchange.good) // 2], exchange.good[len(exchange.good) // 2 :]


def in_parts(exchange: Exchange) -> None:
    head = exchange.response(body=b"", length=str(len(exchange.good)))
    for byte in head + (b"" if exchange.request.method == "HEAD" else exchange.good):
        exchange.send(bytes([byte]))


def truncated(exchange: Exchange) -> bytes:
    return exchange.response(length=str(len(exchange.good) + 10))


def with_late_garbage(exchange: Exchange) -> None:
    exchange.reply()
    exchange.server.stopped.wait(0.01)
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(EVIL), EVIL))


def in_head(exchange: Exchange) -> None:
    """Respond to HEAD with a body as well."""
    exchange.reply()
    if exchange.request.method == "HEAD":
        exchange.send(exchange.good)


ANOTHER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(EVIL), EVIL)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LONG_LINE = b"a" * 2**20


def _lengths() -> Iterator[tuple[str, Misbehaviour]]:
    """The body is not as long as it is said to be."""
    yield "length too long", Misbehaviour(cut(truncated, by_reset=False), "error")
    yield "length too long, kept open", Misbehaviour(lambda e: (e.send(truncated(e)), e.hang())[0], "error", waits=True)
    yield "length too short", Misbehaviour(replies(length="5"), "error")
    for name, value in {
        "negative": "-5",
        "not a number": "abc",
        "hexadecimal": "0x20",
        "huge": "9" * 40,
        "with an underscore": "1_0",
        "of Arabic digits": "\u0661\u0662".encode().decode("latin-1"),
    }.items():
        yield f"length {name}", Misbehaviour(closing(length=value))
    yield "length twice, the same", Misbehaviour(lambda e: e.reply(f"Content-Length: {len(e.good)}"))
    yield "length twice, different", Misbehaviour(closing("Content-Length: 5"))
    yield "length and chunks", Misbehaviour(chunks(whole, "Content-Length: 5"))
    yield "no length, then closed", Misbehaviour(closing(length=None), "result")


def _chunks() -> Iterator[tuple[str, Misbehaviour]]:
    """Chunks whose framing is broken, and some that are odd but right."""
    yield "chunks", Misbehaviour(chunks(whole, close=False), "result")
    yield (
        "chunks of one byte",
        Misbehaviour(
            chunks(lambda b: b"".join(b"1\r\n%c\r\n" % byte for byte in b) + b"0\r\n\r\n", close=False), "result"
        ),
    )
    yield (
        "chunks with extensions",
        Misbehaviour(chunks(lambda b: b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(b), b), close=False), "result"),
    )
    yield (
        "chunks with trailers",
        Misbehaviour(chunks(lambda b: whole(b)[:-2] + b"X-Sum: 1\r\n\r\n", close=False), "result"),
    )
    broken = {
        "bad size": lambda b: b"ZZ\r\n%s\r\n0\r\n\r\n" % b,
        "negative size": lambda b: b"-%x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
        "no size": lambda b: b"\r\n%s\r\n0\r\n\r\n" % b,
        "size too long": lambda b: b"%x\r\n%s\r\n0\r\n\r\n" % (len(b) + 50, b),
        "no end": lambda b: whole(b)[:-5],
        "cut in a chunk": lambda b: whole(b)[: len(b) // 2],
        "huge size": lambda b: b"F" * 200 + b"\r\n" + b,
    }
    for name, frame in broken.items():
        yield f"chunks, {name}", Misbehaviour(chunks(frame), "error")
    odd = {
        "size too short": lambda b: b"2\r\n%s\r\n0\r\n\r\n" % b,
        "no last line": lambda b: whole(b)[:-2],
        "size line of 1 MB": lambda b: b"%x;" % len(b) + LONG_LINE + b"\r\n" + b + b"\r\n0\r\n\r\n",
        "trailer garbage": lambda b: whole(b)[:-2] + b"\x00\xff no header\r\n\r\n",
        "trailer of 1 MB": lambda b: whole(b)[:-2] + b"X: " + LONG_LINE + b"\r\n\r\n",
    }
    for name, frame in odd.items():
        yield f"chunks, {name}", Misbehaviour(chunks(frame))
    yield (
        "chunks, other coding",
        Misbehaviour(lambda e: (e.reply("Transfer-Encoding: gzip, x", length=None), e.close())[0]),
    )


def _encodings() -> Iterator[tuple[str, Misbehaviour]]:
    """Compressed bodies."""
    yield "gzip", Misbehaviour(packed(gzip.compress, "gzip"), "result")
    yield "deflate", Misbehaviour(packed(zlib.compress, "Deflate"), "result")
    yield "deflate without its header", Misbehaviour(packed(raw_deflate, "deflate"))
    yield "gzip in two members", Misbehaviour(packed(lambda b: gzip.compress(b[:5]) + gzip.compress(b[5:]), "gzip"))
    yield "gzip cut short", Misbehaviour(packed(lambda b: gzip.compress(b)[:-6], "gzip"), "error")
    yield "gzip with a wrong sum", Misbehaviour(packed(lambda b: gzip.compress(b)[:-8] + b"\0" * 8, "gzip"), "error")
    yield "gzip that is none", Misbehaviour(packed(bytes, "gzip"), "error")
    yield "gzip, then garbage", Misbehaviour(packed(lambda b: gzip.compress(b) + b"garbage" * 1000, "gzip"))
    for encoding in ("br", "zstd", "gzip, gzip", "identity, gzip", "gzip;q=1", "\xff\xfe"):
        yield f"encoding {encoding!r}", Misbehaviour(packed(gzip.compress, encoding), "error")
    yield (
        "encoding twice",
        Misbehaviour(lambda e: e.reply("Content-Encoding: gzip", "Content-Encoding: gzip", body=gzip.compress(e.good))),
    )
    yield "gzip bomb", Misbehaviour(packed(lambda b: bomb(128), "gzip"), "error")
    yield (
        "gzip bomb as an error",
        Misbehaviour(lambda e: e.reply("Content-Encoding: gzip", body=bomb(128), status="400 Bad Request"), "error"),
    )


def _connections() -> Iterator[tuple[str, Misbehaviour]]:
    """Connections that end at odd times."""
    yield "closed when accepted", Misbehaviour(lambda e: e.close(), early=True)
    yield "reset when accepted", Misbehaviour(lambda e: e.reset(), early=True)
    yield "silent when accepted", Misbehaviour(lambda e: (e.hang(), e.close())[0], early=True, waits=True)
    yield (
        "a response before the request",
        Misbehaviour(lambda e: (e.send(ANOTHER), e.close())[0], early=True, misleads=True),
    )
    for way, by_reset in (("closed", False), ("reset", True)):
        for where, frame in {
            "after the request": lambda e: b"",
            "in the status line": lambda e: b"HTTP/1.1 2",
            "in the headers": lambda e: b"HTTP/1.1 200 OK\r\nContent-Type: app",
            "after the headers": lambda e: e.response()[: -len(e.good)] if e.request.method != "HEAD" else b"HTTP",
            "in the body": lambda e: e.response()[:-5],
        }.items():
            yield f"{way} {where}", Misbehaviour(cut(frame, by_reset=by_reset), "error")
        act = cut(lambda e: b"", by_reset=by_reset)
        yield f"{way} after the request's head", Misbehaviour(act, "error", takes="head")
    yield "closed after the response, unannounced", Misbehaviour(closing(), "result")
    yield "Connection: close, and kept open", Misbehaviour(replies("Connection: close"), "result")
    yield "Connection: keep-alive, and closed", Misbehaviour(closing("Connection: keep-alive"), "result")
    yield "Connection mixed", Misbehaviour(replies("Connection: close, keep-alive", "Connection: upgrade"))
    yield "HTTP/1.0", Misbehaviour(closing(version="HTTP/1.0"), "result")
    yield "HTTP/1.0 without length", Misbehaviour(closing(version="HTTP/1.0", length=None), "result")
    yield "HTTP/1.0, kept alive", Misbehaviour(replies("Connection: keep-alive", version="HTTP/1.0"), "result")
    yield "a response before the request's body", Misbehaviour(replies(), takes="head")
    yield (
        "an error before the request's body",
        Misbehaviour(closing(body=b'{"message":"no"}', status="503 Busy"), takes="head"),
    )
    yield "two responses at once", Misbehaviour(lambda e: e.send(e.response() + ANOTHER))
    yield "garbage after the response", Misbehaviour(lambda e: e.send(e.response() + b"\x00garbage\r\n\r\n"))
    yield "another response later", Misbehaviour(with_late_garbage)
    yield "a body in response to HEAD", Misbehaviour(in_head)


def _slow() -> Iterator[tuple[str, Misbehaviour]]:
    """Responses that take too long."""
    yield "no response", Misbehaviour(lambda e: e.hang(), "error", waits=True)
    yield "status line drips", Misbehaviour(lambda e: e.drip(b"HTTP/1.1 200 ", b"K"), "error", waits=True)
    yield "headers drip", Misbehaviour(lambda e: e.drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"), "error", waits=True)
    yield "body drips", Misbehaviour(lambda e: e.drip(e.response(body=b"", length="100000")), "error", waits=True)
    yield "chunks drip", Misbehaviour(lambda e: (e.chunked(b""), e.drip(b"", b"1\r\n \r\n"))[0], "error", waits=True)
    yield "100 Continue for ever", Misbehaviour(lambda e: e.drip(b"", CONTINUE), "error", waits=True)
    yield (
        "102 Processing for ever",
        Misbehaviour(lambda e: e.drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "error", waits=True),
    )
    yield "byte by byte", Misbehaviour(in_parts, "result")
    yield "after some 100 Continue", Misbehaviour(lambda e: e.send(CONTINUE * 3 + e.response()), "result")
    yield (
        "after early hints",
        Misbehaviour(lambda e: e.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + e.response()), "result"),
    )


def _headers() -> Iterator[tuple[str, Misbehaviour]]:
    """Odd headers."""
    yield "a header of 1 MB", Misbehaviour(lambda e: (e.reply(b"X-A: " + LONG_LINE), e.close())[0], "error")
    yield "a header of 7 KB", Misbehaviour(lambda e: e.reply(b"X-A: " + LONG_LINE[:7000]), "result")
    yield "5,000 headers", Misbehaviour(lambda e: (e.reply(*(f"X-{n}: a" for n in range(5000))), e.close())[0])
    yield "40 headers", Misbehaviour(lambda e: e.reply(*(f"X-{n}: a" for n in range(40))), "result")
    yield "a header with NUL", Misbehaviour(closing(b"X-A: a\x00b"))
    yield "a header name with NUL", Misbehaviour(closing(b"X-\x00A: a"))
    yield "headers that are no UTF-8", Misbehaviour(replies(b"X-A: \xff\xfe\xe9", b"X-Request-Id: \xc3\x28"))
    yield (
        "an error with headers that are no UTF-8",
        Misbehaviour(replies(b"X-Request-Id: \xff\xfe", b"Retry-After: \xff", status="400 \xff", body=b"\xff\x00\xfe")),
    )
    yield "a header without colon", Misbehaviour(closing("no header"))
    yield "a folded header", Misbehaviour(replies("X-A: a\r\n  folded"))
    yield "lines that end in LF", Misbehaviour(lambda e: (e.send(e.response().replace(b"\r\n", b"\n")), e.close())[0])
    yield "Set-Cookie", Misbehaviour(replies("Set-Cookie: a=b; Path=/", "Set-Cookie: c=d"), "result")
    yield "Set-Cookie that is broken", Misbehaviour(replies(b"Set-Cookie: a=\xff; Expires=xx; Domain=.evil; =;"))
    yield "body with NULs", Misbehaviour(replies(body=b"\x00" * 50), "error")
    yield "body that is no UTF-8", Misbehaviour(replies(body=b'{"keyId":"\xff\xfe"}'), "error")
    yield "body in UTF-16", Misbehaviour(lambda e: e.reply(body=e.good.decode().encode("utf-16")))
    yield "no body", Misbehaviour(replies(body=b""), misleads=True)
    yield "the body of another", Misbehaviour(replies(body=EVIL), misleads=True)


def _statuses() -> Iterator[tuple[str, Misbehaviour]]:
    """Status lines that are none, or that cannot be."""
    for line in ("HTTP/1.1 abc OK", "HTTP/9.9 200 OK", "HTTP/1.1", "HTP/1.1 200 OK", "ICY 200 OK", "\x00\x01\x02"):
        yield f"status line {line!r}", Misbehaviour(raw(line.encode() + b"\r\nContent-Length: 2\r\n\r\n{}"))
    yield "a status line of 1 MB", Misbehaviour(raw(b"HTTP/1.1 200 " + LONG_LINE + b"\r\n\r\n{}"), "error")
    yield "a status line without text", Misbehaviour(replies(status="200 "), "result")
    yield "SSH", Misbehaviour(raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "error")
    yield "HTTP/2", Misbehaviour(raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18), "error")
    yield "TLS alert", Misbehaviour(raw(b"\x15\x03\x01\x00\x02\x02\x16"), "error")
    for status in ("999 What", "000 None", "099 Low", "600 High", "1000 Long", "-200 OK", "2 00"):
        yield f"status {status}", Misbehaviour(closing(status=status))
    yield "101 Switching Protocols", Misbehaviour(closing("Upgrade: x", "Connection: upgrade", status="101 Switching"))
    yield "204 with a body", Misbehaviour(replies(status="204 No Content"), misleads=True)
    yield "205 with a body", Misbehaviour(replies(status="205 Reset Content"), misleads=True)
    yield "206", Misbehaviour(replies("Content-Range: bytes 0-9/100", status="206 Partial Content"))
    yield "304", Misbehaviour(replies(status="304 Not Modified", body=b"", length=None), "error")
    yield "304 with a body", Misbehaviour(replies(status="304 Not Modified"), "error")
    yield (
        "401",
        Misbehaviour(replies("WWW-Authenticate: Basic realm=x", status="401 No", body=b"{}"), "error", refuses=True),
    )
    yield "407", Misbehaviour(replies("Proxy-Authenticate: Basic realm=x", status="407 No", body=b"{}"), "error")
    yield "408", Misbehaviour(closing(status="408 Request Timeout", body=b""))
    yield "421", Misbehaviour(replies(status="421 Misdirected", body=b"{}"), "error")
    yield (
        "an error that repeats the secrets",
        Misbehaviour(
            lambda e: e.reply(
                f"X-Request-Id: {e.request.headers.get('authorization')}",
                status="400 Bad Request",
                body=str({**e.request.headers, "body": e.request.body}).encode(),
            ),
            "error",
        ),
    )


def _redirects() -> Iterator[tuple[str, Misbehaviour]]:
    """Redirects, to another host, to itself, and to nowhere. The port of another host is the server's ``elsewhere``."""
    for status in ("301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"):
        yield (
            f"{status[:3]} to another host",
            Misbehaviour(
                lambda e, status=status: e.reply(f"Location: http://localhost:{e.server.elsewhere}/x", status=status),  # type: ignore[misc]
                "error",
            ),
        )
    locations = {
        "another port": lambda e: f"http://127.0.0.1:{e.server.elsewhere}{e.request.target}",
        "a user": lambda e: (
            f"http://{e.request.headers.get('authorization', '')[7:]}:pw@127.0.0.1:{e.server.elsewhere}/"
        ),
        "itself": lambda e: e.request.target,
        "no scheme": lambda e: f"//127.0.0.1:{e.server.elsewhere}/",
        "a file": lambda e: "file:///etc/passwd",
        "a bad port": lambda e: "http://x:99999999/",
        "a bad address": lambda e: "http://[::1",
        "bytes": lambda e: "http://x/\xff\xfe",
        "nowhere": lambda e: "",
    }
    for name, location in locations.items():
        yield (
            f"307 to {name}",
            Misbehaviour(
                lambda e, location=location: e.reply(f"Location: {location(e)}", status="307 Temporary"),  # type: ignore[misc]
                "error",
            ),
        )
    yield (
        "Refresh to another host",
        Misbehaviour(lambda e: e.reply(f"Refresh: 0; url=http://127.0.0.1:{e.server.elsewhere}/"), "result"),
    )


MISBEHAVIOURS: dict[str, Misbehaviour] = {
    name: misbehaviour
    for group in (_lengths, _chunks, _encodings, _connections, _slow, _headers, _statuses, _redirects)
    for name, misbehaviour in group()
}
