"""The emulator as an ASGI application: routing, authorization, rate limit, faults and counters."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from airflow_provider_objectstore.emulator import (
    accounts,
    anypoint,
    anypoint_request,
    civo,
    civo_request,
)
from airflow_provider_objectstore.emulator.buckets import Buckets
from airflow_provider_objectstore.emulator.faults import Fault, Faults
from airflow_provider_objectstore.emulator.messages import (
    Answered,
    Operation,
    Request,
    Response,
    json_response,
    method_not_allowed,
)
from airflow_provider_objectstore.emulator.s3 import S3Worker
from airflow_provider_objectstore.emulator.settings import Settings

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODILESS = frozenset({"GET", "HEAD", "DELETE"})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CONTROLS = {"health": "GET", "requests": "GET", "reset": "POST", "faults": "POST"}
MAX_BODY_BYTES = 64 * 1024 * 1024  # the largest value with each character escaped
UNMATCHED = "unmatched"
LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d*)?", re.IGNORECASE)
FOREIGN = "Only programs on this machine are answered: Host must be 127.0.0.1, localhost or [::1], and no site may ask"


class Budget:
    """Token buckets, one per client address and service."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, service: str, client: str) -> bool:
        """Whether one more request is within the budget."""
        now = self._clock()
        full = max(1.0, self._rate)
        left, since = self._buckets.get((service, client), (full, now))
        left = min(full, left + (now - since) * self._rate)
        allowed = left >= 1
        self._buckets[service, client] = (left - 1 if allowed else left), now
        return allowed

    def refill(self) -> None:
        """Start anew."""
        self._buckets.clear()


class App:
    """Both control planes on one port; ``/_emulator`` steers them."""

    def __init__(self, settings: Settings, s3: S3Worker | None, s3_url: str | None) -> None:
        self.settings = settings
        self.accounts = accounts.Accounts(settings)
        self.anypoint = anypoint.AnypointState(settings, self.accounts)
        self.civo = Buckets(settings, s3, s3_url)
        self.faults = Faults(settings.seed)
        self._counts: Counter[tuple[str, int | str]] = Counter()
        rate = settings.requests_per_second
        self._budget = None if rate is None else Budget(rate, settings.clock)

    # ---- steering -------------------------------------------------------------------------------

    async def reset(self) -> None:
        """Back to the state of the start; tokens stay valid."""
        self._counts.clear()
        if self._budget is not None:
            self._budget.refill()
        self.faults.set([])
        self.anypoint.data.reset()
        await self.civo.reset()

    def requests(self) -> dict[str, Any]:
        """How many requests there were, by operation and status."""
        by_operation: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self._counts.items(), key=str):
            by_operation.setdefault(operation, {})[str(status)] = count
        return {"total": self._counts.total(), "by_operation": by_operation}

    async def _steer(self, method: str, path: str, scope: Message, receive: Receive) -> Response:
        if not is_local(scope["headers"]):
            return json_response(403, {"message": FOREIGN})
        name = path.removeprefix("/_emulator/")
        if name not in CONTROLS:
            return json_response(404, {"message": f"Known are {', '.join(CONTROLS)}"})
        if method != CONTROLS[name]:
            return method_not_allowed([CONTROLS[name]])
        match name:
            case "health":
                return json_response(200, {"status": "ok", "s3_endpoint": self.civo.s3_url})
            case "requests":
                return json_response(200, self.requests())
            case "reset":
                await self.reset()
            case _:
                try:
                    self.faults.set(json.loads(await _body(receive) or b""))
                except (ValueError, RecursionError) as error:
                    return json_response(400, {"message": str(error)})
        return Response(204)

    # ---- requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        raw: str = scope["raw_path"].decode("latin-1")
        if raw.startswith("/_emulator/") or not is_local(scope["headers"]):
            await _answer(send, method, await self._steer(method, raw, scope, receive))
            return
        name, operation = self._route(method, raw)
        hits = self.faults.draw(name) if self.faults.active else []
        for fault in hits:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds or 0)
        last = hits[-1] if hits else None
        if last is not None and last.kind == "reset_before":
            self._counts[name, "reset"] += 1
            await _drop(receive, send)
            return
        body = b"" if method in BODILESS else await _body(receive)
        if body is None:
            return
        if last is not None and last.kind in ("status", "garbage"):
            response = _instead(last)
        else:
            request = Request(method, scope["query_string"], scope["headers"], body)
            response = await self._carry_out(name, operation, request, scope["client"][0])
        if last is not None and last.kind == "reset_after":
            self._counts[name, "reset"] += 1
            await _drop(receive, send)
            return
        self._counts[name, response.status] += 1
        await _answer(send, method, response)

    async def _carry_out(self, name: str, operation: Operation, request: Request, client: str) -> Response:
        if len(request.body) > MAX_BODY_BYTES:
            return json_response(413, {"message": f"A body has at most {MAX_BODY_BYTES} bytes"})
        try:
            if self._budget is not None:
                self._spend(self._budget, name.partition(".")[0], client)
            answer = operation(request)
            return answer if isinstance(answer, Response) else await answer
        except Answered as answered:
            return answered.response
        except Exception:
            logger.exception("The emulator failed at %s", name)
            return json_response(500, {"message": "The emulator failed; its log says why"})

    def _spend(self, budget: Budget, service: str, client: str) -> None:
        if service not in ("anypoint", "civo") or budget.take(service, client):
            return
        if service == "anypoint":
            error = Answered(json_response(429, anypoint_request.TOO_MANY_REQUESTS))
        else:
            error = civo_request.refusal("rate_limit_exceeded")
        if self.settings.retry_after is not None:
            seconds = str(math.ceil(self.settings.retry_after)).encode()
            error.response.headers.append((b"retry-after", seconds))
        raise error

    def _route(self, method: str, raw: str) -> tuple[str, Operation]:
        """The operation's name and what carries it out. ``%2F`` stays inside its segment."""
        segments = raw.split("/")
        if "%" in raw:
            try:
                segments = [unquote(segment, errors="strict") for segment in segments]
            except UnicodeDecodeError:
                return UNMATCHED, lambda request: json_response(400, {"message": "The path is not UTF-8"})
        found = self._operation(method, segments)
        if found is not None:
            return found
        if allowed := [other for other in METHODS if self._operation(other, segments)]:
            return UNMATCHED, lambda request: method_not_allowed(allowed)
        return UNMATCHED, lambda request: json_response(404, {"message": "No such resource"})

    def _operation(self, method: str, segments: list[str]) -> tuple[str, Operation] | None:
        match segments:
            case ["", "api", "v1", "organizations", *rest]:
                return anypoint.route(self.anypoint, method, rest)
            case ["", "v2", *rest]:
                return civo.route(self.civo, method, rest)
            case ["", "accounts", *rest]:
                return accounts.route(self.accounts, method, rest)
        return None


def _instead(fault: Fault) -> Response:
    body, media_type = fault.payload()
    headers = {"content-type": media_type} if media_type else {}
    headers |= {name.lower(): str(value) for name, value in (fault.headers or {}).items()}
    assert fault.status is not None
    return Response(fault.status, body, [(name.encode(), value.encode()) for name, value in headers.items()])


@lru_cache(maxsize=64)
def _is_loopback(host: bytes) -> bool:
    return LOOPBACK.fullmatch(host) is not None


def is_local(headers: list[tuple[bytes, bytes]]) -> bool:
    """
    Whether a program on this machine asks, and no page of another site in a browser.

    Such a page is told by ``Origin`` and ``Sec-Fetch-Site``, or, where its own name was made to lead here, by ``Host``.
    """
    fields = dict(headers)
    host = fields.get(b"host", b"localhost")
    if not _is_loopback(host) or fields.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return False
    origin = fields.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == host


async def _body(receive: Receive) -> bytes | None:
    """
    The body; of one that is too large only so much that it shows.

    :return: ``None`` if the client went away before the body's end.
    """
    parts: list[bytes] = []
    left = MAX_BODY_BYTES + 1
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"][:left])
        left -= len(parts[-1])
        if not message["more_body"]:
            return b"".join(parts)


async def _answer(send: Send, method: str, response: Response) -> None:
    headers, body = response.headers, response.body
    if method == "HEAD" or response.status in (204, 304):
        body = b""
    else:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _drop(receive: Receive, send: Send) -> None:
    """Reset the TCP connection. ASGI has no word for it: uvicorn's object behind ``send`` has the transport."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
