"""Requests, responses and JSON as the emulator's operations handle them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import parse_qsl

Headers = Iterable[tuple[bytes, bytes]]

MAX_DEPTH = 100


class Response:
    """Status, body and headers. Sending adds ``Content-Length``."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self.headers = list(headers)


class Abort(Exception):
    """Ends an operation with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Request:
    """A request. ``path`` holds the decoded segments that the operation works on; the route sets it."""

    __slots__ = ("body", "headers", "method", "path", "query_string")

    def __init__(self, method: str, query_string: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.method = method
        self.path: list[str] = []
        self.query_string = query_string
        self.headers = headers
        self.body = body

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters. The last one counts if a name is repeated."""
        return parse_query(self.query_string)

    def header(self, name: bytes) -> str:
        """Return a header's value, ``""`` if it is missing. ``name`` is in lower case."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return ""

    def bearer_token(self) -> str:
        """Return what follows ``Bearer`` in the ``Authorization`` header, ``""`` if there is none."""
        scheme, _, value = self.header(b"authorization").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""


Operation = Callable[[Request], Response | Awaitable[Response]]


@lru_cache(maxsize=1024)
def parse_query(query_string: bytes) -> dict[str, str]:
    """Return a query string's parameters. Callers share the result: do not change it."""
    return dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))


def loads(text: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """
    Parse JSON, numbers exactly (:class:`int` or :class:`~decimal.Decimal`).

    :raises ValueError: if the text is not JSON, nested deeper than ``max_depth``, or has a number that does not fit.
    """
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_reject_constant)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError("the JSON cannot be stored") from error
    level = [value]
    for _ in range(max_depth):
        level = [child for item in level if isinstance(item, dict | list) for child in _children(item)]
        if not level:
            return value
    raise ValueError(f"the JSON is nested deeper than {max_depth}")


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _children(item: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item


def dumps(value: Any) -> str:
    """Write JSON, a :class:`~decimal.Decimal` with the digits that were read."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dumps(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def json_response(status: int, value: Any, headers: Headers = ()) -> Response:
    """Return a response with a JSON body."""
    return Response(status, dumps(value).encode(), [(b"content-type", b"application/json"), *headers])


def text_response(status: int, text: str) -> Response:
    """Return a response in plain text, as gateways and frameworks send it."""
    return Response(status, text.encode(), [(b"content-type", b"text/plain; charset=utf-8")])


def method_not_allowed(allowed: Iterable[str]) -> Response:
    """Return the response to a method that a resource does not have."""
    response = text_response(405, "Method Not Allowed")
    response.headers.append((b"allow", ", ".join(allowed).encode()))
    return response
