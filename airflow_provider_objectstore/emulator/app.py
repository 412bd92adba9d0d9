"""The emulator as an ASGI application: routing, rate limit, faults, counters and the control interface."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any
from urllib.parse import unquote

from airflow_provider_objectstore.emulator import asgi, control
from airflow_provider_objectstore.emulator.anypoint import accounts, statistics
from airflow_provider_objectstore.emulator.anypoint import operations as anypoint
from airflow_provider_objectstore.emulator.anypoint import state as anypoint_state
from airflow_provider_objectstore.emulator.anypoint.parsing import TOO_MANY_REQUESTS
from airflow_provider_objectstore.emulator.asgi import Message, Receive, Send
from airflow_provider_objectstore.emulator.civo import operations as civo
from airflow_provider_objectstore.emulator.civo import state as civo_state
from airflow_provider_objectstore.emulator.civo.object_stores import CivoState
from airflow_provider_objectstore.emulator.civo.parsing import civo_error
from airflow_provider_objectstore.emulator.clock import Clock
from airflow_provider_objectstore.emulator.faults import Fault, Faults
from airflow_provider_objectstore.emulator.messages import (
    Abort,
    Operation,
    Request,
    Response,
    json_response,
    method_not_allowed,
)
from airflow_provider_objectstore.emulator.rate_limiter import RateLimiter
from airflow_provider_objectstore.emulator.request_log import RequestLog
from airflow_provider_objectstore.emulator.s3.backend import S3Worker
from airflow_provider_objectstore.emulator.settings import Settings
from airflow_provider_objectstore.emulator.state import FORMAT, VERSION, State

logger = logging.getLogger(__name__)

METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
UNMATCHED = "unmatched"
OPERATIONS = frozenset({*anypoint.NAMES, *statistics.NAMES, *accounts.NAMES, *civo.NAMES, UNMATCHED})


class App:
    """Both control planes on one port, and the control interface below ``/_emulator``."""

    def __init__(self, settings: Settings, s3: S3Worker | None, s3_url: str | None) -> None:
        self.settings = settings
        self.clock = Clock(settings)
        self.log = RequestLog(self.clock, OPERATIONS)
        self.accounts = accounts.Accounts(settings, self.clock)
        self.anypoint = anypoint.AnypointState(settings, self.accounts, self.clock)
        self.civo = CivoState(settings, s3, s3_url, self.clock)
        self.faults = Faults(settings.seed, OPERATIONS)
        self._changes = 0
        rate = settings.requests_per_second
        self._rate_limiter = None if rate is None else RateLimiter(rate, self.clock.monotonic)

    # ---- control interface ----------------------------------------------------------------------

    async def reset(self) -> None:
        """Return to the state and the clock at the start. Access tokens stay valid."""
        self.log.reset()
        if self._rate_limiter is not None:
            self._rate_limiter.reset()
        self.faults.set([])
        self.anypoint.data.reset()
        self.anypoint.statistics.reset()
        self.accounts.go_back(self.clock.advanced)
        self.clock.advanced = 0.0
        self._changes += 1
        await self.civo.reset()

    def requests(self) -> dict[str, Any]:
        """Return how many requests there were, by operation and status."""
        return self.log.counts()

    def advance(self, seconds: Any) -> None:
        """Let time pass. Raise ``ValueError`` if ``seconds`` is not a number ≥ 0."""
        self.clock.advance(seconds)
        self.count_change()

    async def dump(self) -> dict[str, Any]:
        """Return the whole state, once S3 has made all changes that it was asked for."""
        async with self.civo.settled():
            state = {
                "format": FORMAT,
                "version": VERSION,
                "advanced_seconds": self.clock.advanced,
                "anypoint": anypoint_state.dump(self.anypoint),
                "civo": civo_state.dump(self.civo),
            }
            return state | {"s3": await self.civo.dump_s3()}

    async def load(self, state: State) -> None:
        """
        Replace the whole state. The clock is only ever advanced by it.

        :raises StateError: if there is no S3 for the state's objects. Nothing is changed then.
        """
        async with self.civo.settled():
            await self.civo.load_s3(state.s3)
            self.clock.advanced = max(self.clock.advanced, state.advanced)
            anypoint_state.load(self.anypoint, state.anypoint)
            civo_state.load(self.civo, state.civo)
            self._changes += 1

    def count_change(self) -> None:
        """Let :meth:`changes` return something else."""
        self._changes += 1

    async def changes(self) -> tuple[int, int]:
        """Return numbers that are others after each request that may have changed the state."""
        return self._changes + self.log.last_id, await self.civo.s3_changes()

    # ---- requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        raw_path: str = scope["raw_path"].decode("latin-1")
        if raw_path.startswith("/_emulator/") or not asgi.is_local(scope["headers"]):
            await asgi.send_response(send, method, await control.respond(self, method, raw_path, scope, receive))
            return
        name, operation = self._route(method, raw_path)
        faults = self.faults.draw(name) if self.faults.active else []
        for fault in faults:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds or 0)
        last = faults[-1] if faults else None
        if last is not None and last.kind == "reset_before":
            self.log.add(name, method, raw_path, "reset")
            await asgi.reset_connection(receive, send)
            return
        body = b"" if method in METHODS_WITHOUT_BODY else await asgi.read_body(receive)
        if body is None:
            return
        if last is not None and last.kind in ("status", "garbage"):
            response = _fault_response(last)
        else:
            request = Request(method, scope["query_string"], scope["headers"], body)
            response = await self._execute(name, operation, request, scope["client"][0])
        if last is not None and last.kind == "reset_after":
            self.log.add(name, method, raw_path, "reset")
            await asgi.reset_connection(receive, send)
            return
        self.log.add(name, method, raw_path, response.status)
        await asgi.send_response(send, method, response)

    async def _execute(self, name: str, operation: Operation, request: Request, client: str) -> Response:
        if len(request.body) > asgi.MAX_BODY_BYTES:
            return json_response(413, {"message": f"A body has at most {asgi.MAX_BODY_BYTES} bytes"})
        try:
            if self._rate_limiter is not None:
                self._check_rate(self._rate_limiter, name.partition(".")[0], client)
            response = operation(request)
            return response if isinstance(response, Response) else await response
        except Abort as abort:
            return abort.response
        except Exception:
            logger.exception("The emulator failed at %s", name)
            return json_response(500, {"message": "The emulator failed; its log says why"})

    def _check_rate(self, rate_limiter: RateLimiter, service: str, client: str) -> None:
        if service not in ("anypoint", "civo") or rate_limiter.allow(service, client):
            return
        if service == "anypoint":
            error = Abort(json_response(429, TOO_MANY_REQUESTS))
        else:
            error = civo_error("rate_limit_exceeded")
        if self.settings.retry_after is not None:
            seconds = str(math.ceil(self.settings.retry_after)).encode()
            error.response.headers.append((b"retry-after", seconds))
        raise error

    def _route(self, method: str, raw_path: str) -> tuple[str, Operation]:
        """Return the operation's name and the operation. ``%2F`` does not separate segments."""
        segments = raw_path.split("/")
        if "%" in raw_path:
            try:
                segments = [unquote(segment, errors="strict") for segment in segments]
            except UnicodeDecodeError:
                return UNMATCHED, lambda request: json_response(400, {"message": "The path is not UTF-8"})
        found = self._find_operation(method, segments)
        if found is not None:
            return found
        if allowed := [other for other in METHODS if self._find_operation(other, segments)]:
            return UNMATCHED, lambda request: method_not_allowed(allowed)
        return UNMATCHED, lambda request: json_response(404, {"message": "No such resource"})

    def _find_operation(self, method: str, segments: list[str]) -> tuple[str, Operation] | None:
        match segments:
            case ["", "api", "v1", "organizations", *rest]:
                found = anypoint.route(self.anypoint, method, rest)
                return found or statistics.route(self.anypoint, method, rest)
            case ["", "v2", *rest]:
                return civo.route(self.civo, method, rest)
            case ["", "accounts", *rest]:
                return accounts.route(self.accounts, method, rest)
        return None


def _fault_response(fault: Fault) -> Response:
    body, media_type = fault.payload()
    headers = {"content-type": media_type} if media_type else {}
    headers |= {name.lower(): str(value) for name, value in (fault.headers or {}).items()}
    assert fault.status is not None
    return Response(fault.status, body, [(name.encode(), value.encode()) for name, value in headers.items()])
