"""The control interface: what is below ``/_emulator``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_provider_objectstore.emulator import asgi
from airflow_provider_objectstore.emulator.fields import StateError
from airflow_provider_objectstore.emulator.messages import Response, json_response, method_not_allowed
from airflow_provider_objectstore.emulator.state import parse

if TYPE_CHECKING:
    from airflow_provider_objectstore.emulator.app import App

MAX_STATE_BYTES = 256 * 1024 * 1024
"""Most that a request may load."""
NOT_LOCAL = (
    "Only programs on this machine may send requests: Host must be 127.0.0.1, localhost or [::1], "
    "and a browser may not send them for another site's page"
)


async def respond(app: App, method: str, path: str, scope: asgi.Message, receive: asgi.Receive) -> Response:
    """Respond to a request below ``/_emulator``, or to one that does not come from this machine."""
    if not asgi.is_local(scope["headers"]):
        return json_response(403, {"message": NOT_LOCAL})
    name = path.removeprefix("/_emulator/")
    if name not in ROUTES:
        return json_response(404, {"message": f"Known are {', '.join(ROUTES)}"})
    handler = ROUTES[name].get(method)
    if handler is None:
        return method_not_allowed(ROUTES[name])
    limit = MAX_STATE_BYTES if name == "state" else asgi.MAX_BODY_BYTES
    body = b"" if method == "GET" else await asgi.read_body(receive, limit) or b""
    if len(body) > limit:
        return json_response(413, {"message": f"A body has at most {limit} bytes here"})
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    try:
        return await handler(app, query, body)
    except StateError as error:
        return json_response(error.status, {"message": str(error)})
    except (ValueError, RecursionError) as error:
        return json_response(400, {"message": str(error)})
    except RuntimeError as error:  # of the S3 backend
        return json_response(500, {"message": str(error)})


async def health(app: App, query: dict[str, str], body: bytes) -> Response:
    """Respond that the emulator runs."""
    return json_response(200, {"status": "ok", "s3_endpoint": app.civo.s3_url})


async def count_requests(app: App, query: dict[str, str], body: bytes) -> Response:
    """Count requests by operation and status."""
    return json_response(200, app.requests())


async def read_log(app: App, query: dict[str, str], body: bytes) -> Response:
    """Return the last requests."""
    _check_names(query, "operation", "since")
    since = query.get("since", "0")
    if not since.isdecimal() or not since.isascii():
        raise ValueError("since must be the id of a request, an integer")
    return json_response(200, app.log.read(query.get("operation", "*"), int(since)))


async def set_faults(app: App, query: dict[str, str], body: bytes) -> Response:
    """Replace all faults."""
    app.faults.set(json.loads(body))
    return Response(204)


async def reset(app: App, query: dict[str, str], body: bytes) -> Response:
    """Delete everything."""
    await app.reset()
    return Response(204)


async def read_clock(app: App, query: dict[str, str], body: bytes) -> Response:
    """Return the time."""
    return json_response(200, {"now": app.clock.timestamp(), "advanced_seconds": app.clock.advanced})


async def advance_clock(app: App, query: dict[str, str], body: bytes) -> Response:
    """Let time pass."""
    fields = json.loads(body)
    if not isinstance(fields, dict) or set(fields) != {"advance_seconds"}:
        raise ValueError('The body must be {"advance_seconds": <number>}')
    app.advance(fields["advance_seconds"])
    return await read_clock(app, query, b"")


async def dump_state(app: App, query: dict[str, str], body: bytes) -> Response:
    """Return the whole state."""
    return json_response(200, await app.dump())


async def load_state(app: App, query: dict[str, str], body: bytes) -> Response:
    """Replace the whole state."""
    await app.load(parse(body))
    return Response(204)


def _check_names(query: dict[str, str], *known: str) -> None:
    if unknown := sorted(set(query) - set(known)):
        raise ValueError(f"unknown parameters {', '.join(unknown)}; known are {', '.join(known)}")


Handler = Callable[["App", dict[str, str], bytes], Awaitable[Response]]

ROUTES: dict[str, dict[str, Handler]] = {
    "health": {"GET": health},
    "requests": {"GET": count_requests},
    "log": {"GET": read_log},
    "faults": {"POST": set_faults},
    "reset": {"POST": reset},
    "clock": {"GET": read_clock, "POST": advance_clock},
    "state": {"GET": dump_state, "PUT": load_state},
}
"""Name and method → what responds."""
