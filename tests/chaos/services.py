"""The emulator of both services behind the faults, and S3 behind the same faults on the same port."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any
from unittest import mock

import aiohttp
from yarl import URL

from airflow_provider_objectstore.emulator import Emulator, server
from airflow_provider_objectstore.emulator.app import App
from airflow_provider_objectstore.emulator.asgi import read_body, reset_connection, send_response
from airflow_provider_objectstore.emulator.messages import Response, json_response
from tests.chaos import faults
from tests.chaos.faults import PAGE, RETRY_AFTER, FaultMix, Kind, Seen

STALL_SECONDS = 1.5
DRIP_SECONDS = 12.0
MAX_ECHO = 2000
_HOP = (b"connection", b"transfer-encoding", b"expect", b"keep-alive", b"date", b"server")


class ChaosApp(App):
    """Both services and, under every other path, S3; with a fault mix in front of all of them."""

    mix: FaultMix

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mix = FaultMix()
        self.open_requests = 0
        self.tokens: set[str] = set()
        """All tokens that were ever issued."""
        self._pages: dict[str, bytes] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.open_requests += 1
        try:
            await self._respond(scope, receive, send)
        finally:
            self.open_requests -= 1

    async def _respond(self, scope: Any, receive: Any, send: Any) -> None:
        seen = Seen(scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"))
        kind, chance = self.mix.draw(seen)
        if kind is None:
            await self._serve(seen, scope, receive, send)
            return
        if kind.name == "cut before the effect":
            await reset_connection(receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        if kind.name == "token revoked":
            self.accounts._tokens.clear()
            await self._serve(seen, scope, once(body), send)
            return
        answer = Recorder()
        if kind.effect:
            await self._serve(seen, scope, once(body), answer)
        if not kind.effect and kind.name.startswith("stall"):
            await stall(receive)
            await reset_connection(receive, send)
        elif kind.name in faults.PAGES:
            body = faults.early_end(seen) if kind.name == "listing ends early" else self._pages.get(seen.listing, b"")
            await send_response(send, seen.method, Response(200, body, [(b"content-type", b"application/json")]))
        elif kind.effect:
            await self._break(kind, chance, answer, seen, receive, send)
        else:
            await self._replace(kind, seen, scope, body, send)

    async def _serve(self, seen: Seen, scope: Any, receive: Any, send: Any) -> None:
        if seen.is_s3 and not seen.path.startswith("/_emulator/"):
            await self._forward(seen, scope, receive, send)
            return
        answer = Recorder()
        await super().__call__(scope, receive, answer)
        self.tokens |= self.accounts._tokens.keys()
        if seen.method == "GET":
            self._pages[seen.listing] = answer.body
        await answer.replay(send)

    async def _replace(self, kind: Kind, seen: Seen, scope: Any, body: bytes, send: Any) -> None:
        """Respond instead of the service. Errors repeat what was sent, secrets included."""
        html = [(b"content-type", b"text/html")]
        responses = {
            "HTML with 200": Response(200, PAGE.encode(), html),
            "text with 200": Response(200, b"ready", [(b"content-type", b"text/plain")]),
            "404 of a gateway": Response(404, PAGE.encode(), html),
        }
        response = responses.get(kind.name) or _error(kind, seen, scope, body)
        await send_response(send, seen.method, response)

    async def _break(self, kind: Kind, chance: Any, answer: Recorder, seen: Seen, receive: Any, send: Any) -> None:
        """Execute the request and spoil the response."""
        if kind.name.startswith(("500", "503")):
            await send_response(send, seen.method, _error(kind, seen, {"headers": []}, b""))
        elif kind.name == "wrong JSON types":
            answer.body = faults.with_wrong_type(answer.body, chance)
            await answer.replay(send, length=seen.method != "HEAD" and answer.status != 204)
        elif kind.name == "body truncated" and answer.body:
            await answer.truncate(send, chance.randrange(len(answer.body)))
        elif kind.name == "body that drips" and answer.body and not seen.is_s3:
            await answer.drip(send)
        else:
            if kind.name.startswith("stall"):
                await stall(receive)
            await reset_connection(receive, send)

    async def _forward(self, seen: Seen, scope: Any, receive: Any, send: Any) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        body = await read_body(receive)
        headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"] if name not in _HOP]
        url = URL(f"{self.backend_url}{seen.path}{'?' if seen.query else ''}{seen.query}", encoded=True)
        async with self._session.request(seen.method, url, headers=headers, data=body or None) as response:
            content = await response.read()
            kept = [(name.lower(), value) for name, value in response.raw_headers if name.lower() not in _HOP]
            await send({"type": "http.response.start", "status": response.status, "headers": kept})
            await send({"type": "http.response.body", "body": content})

    backend_url = ""

    async def close(self) -> None:
        """Close the connections to S3."""
        if self._session is not None:
            await self._session.close()


class Recorder:
    """Takes a response instead of the connection."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 200, [], b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            self.body += message.get("body", b"")

    async def replay(self, send: Any, *, length: bool = False) -> None:
        """Send the response; ``length``: with its present length."""
        headers = self.headers
        if length:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers = [*headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    async def truncate(self, send: Any, size: int) -> None:
        """Send the beginning, and end the connection."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body[:size], "more_body": True})
        send.__self__.transport.close()

    async def drip(self, send: Any) -> None:
        """Send a longer response, a byte now and then; then end the connection."""
        headers = [pair for pair in self.headers if pair[0] != b"content-length"]
        headers.append((b"content-length", b"1000"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        ends = time.monotonic() + DRIP_SECONDS
        while time.monotonic() < ends and not send.__self__.transport.is_closing():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(0.1)
        send.__self__.transport.close()


async def stall(receive: Any) -> None:
    """Respond nothing until the client has gone, or for a time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STALL_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass


def once(body: bytes) -> Any:
    """Return what receives a body that was already read."""

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _error(kind: Kind, seen: Seen, scope: Any, body: bytes) -> Response:
    status = int(kind.name[:3])
    sent = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    echo = f"you sent {sent} and {body[:MAX_ECHO].decode(errors='replace')}"
    if seen.is_s3:
        code = "InternalError" if status == 500 else "SlowDown"
        xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>try again</Message></Error>"
        response = Response(status, xml.encode(), [(b"content-type", b"application/xml")])
    else:
        response = json_response(status, {"message": echo, "reason": echo, "code": "busy"})
    if kind.name == "429 with Retry-After":
        response.headers.append((b"retry-after", RETRY_AFTER.encode()))
    return response


class ChaosEmulator(Emulator):
    """An emulator behind a fault mix. S3 is behind it too: at the address of the control planes."""

    _app: ChaosApp

    def start(self) -> None:
        """Start serving."""
        with mock.patch.object(server, "App", ChaosApp):
            super().start()
        self._app.backend_url = self.s3_url or ""

    def stop(self) -> None:
        """Stop serving."""
        self._call(self._app.close())
        super().stop()

    @property
    def mix(self) -> FaultMix:
        """The faults."""
        return self._app.mix

    @property
    def app(self) -> ChaosApp:
        """The services' state, to look at what is true."""
        return self._app

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return connections, with S3 behind the faults."""
        connections = super().connections()
        connections["civo_default"]["extra"]["s3_endpoint"] = self.url
        return connections

    def wait_until_quiet(self, seconds: float = 20) -> None:
        """Wait until no request is under way, so that the state is what the requests have made of it."""
        ends = time.monotonic() + seconds
        while self._app.open_requests or self._app.civo._tasks:
            assert time.monotonic() < ends, "requests that do not end"
            threading.Event().wait(0.002)
