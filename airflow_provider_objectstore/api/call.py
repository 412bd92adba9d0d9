"""A call as data: what to send, what counts as success and how to read the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_objectstore.exceptions import ApiError, InvalidArgumentError, ServerError

T = TypeVar("T")
Item = TypeVar("Item")


def number(text: str) -> float | Decimal:
    """Read a JSON number with a fraction: a float where that is written the same, else a Decimal."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {text} is out of range") from None
    near = float(text)
    return near if Decimal(repr(near)) == exact else exact


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A service's answer.

    :param status: HTTP status.
    :param headers: header values by lower-case name.
    :param body: the raw body, empty for HEAD.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Parse the body, exact in numbers; an empty body is None. Raise ``ValueError`` if it is no JSON."""
        return json.loads(self.body, parse_float=number) if self.body else None

    def json_object(self) -> dict[str, Any] | None:
        """Return the body if it is a JSON object, else None: gateways answer in plain text or HTML."""
        try:
            parsed = self.json()
        except (ValueError, RecursionError):
            return None
        return parsed if isinstance(parsed, dict) else None

    @property
    def unrouted(self) -> bool:
        """Whether the service does not know this method on this path at all (not: has no such object)."""
        return self.status == 405 or (self.status == 404 and self.json_object() is None)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing; ``next`` is the token of the page after it, None at the end."""

    items: tuple[Item, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a flow: wait this many seconds before the next."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One operation on one object, ready to be carried.

    :param operation: the operation's name, such as ``anypoint.get_key``.
    :param subject: the object in words, for messages: ``key 'last' of orders/eu``.
    :param method: HTTP method.
    :param path: percent-encoded path below the root.
    :param read: turns a successful reply into the result; raises ``LookupError``, ``TypeError`` or
        ``ValueError`` where the reply is not what the contract says.
    :param failure: turns an error reply into the error to raise.
    :param root: which of the connection's base addresses the path is under.
    :param query: query parameters, not yet encoded.
    :param body: JSON body.
    :param content_type: media type of the body.
    :param accept: statuses beyond 2xx that are answers, not errors.
    :param repeatable: whether sending it twice does what sending it once does.
    :param authorized: whether it carries the connection's token.
    :param alternative: the method to use where the service does not know ``method`` on this path.
    :param page_parameter: the query parameter that takes a page token.
    :param settle: for a call that is not repeatable, the look-up that tells what became of it: the result
        it would have had, or None.
    """

    operation: str
    subject: str
    method: str
    path: str
    read: Callable[[Reply], T] = field(repr=False)
    failure: Callable[[Call[Any], Reply], ApiError] = field(repr=False)
    root: str = "api"
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    content_type: str = field(default="application/json", repr=False)
    accept: frozenset[int] = field(default=frozenset(), repr=False)
    repeatable: bool = True
    authorized: bool = field(default=True, repr=False)
    alternative: str | None = field(default=None, repr=False)
    page_parameter: str | None = field(default=None, repr=False)
    settle: Callable[[], Flow[T | None]] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.operation} ({self.subject})" if self.subject else self.operation

    def at(self, token: str) -> Call[T]:
        """Return this call for the page with this token."""
        assert self.page_parameter is not None
        kept = tuple(pair for pair in self.query if pair[0] != self.page_parameter)
        return replace(self, query=(*kept, (self.page_parameter, token)))

    def interpret(self, reply: Reply) -> T:
        """Return what the reply says, or raise the error that it is."""
        if not (200 <= reply.status < 300 or reply.status in self.accept):
            raise self.failure(self, reply)
        try:
            return self.read(reply)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as cause:
            raise ServerError(
                f"{self}: the service answered {reply.status} with a body that does not follow its contract "
                f"({type(cause).__name__})",
                status=reply.status,
            ) from cause


Flow: TypeAlias = Generator[Any, Any, T]
"""Several calls and what is made of their answers, written once: yields calls and pauses, is sent results."""


def next_page(call: Call[Page[Item]], page: Page[Item], seen: set[str]) -> Call[Page[Item]] | None:
    """Return the call for the page after this one, None at the end; refuse to go round in circles."""
    if not page.next:
        return None
    if page.next in seen:
        raise ServerError(f"{call}: the service repeats a page token, so the listing would never end")
    seen.add(page.next)
    return call.at(page.next)


def every(call: Call[Page[Item]]) -> Flow[list[Item]]:
    """List all pages."""
    found: list[Item] = []
    seen: set[str] = set()
    following: Call[Page[Item]] | None = call
    while following is not None:
        page = yield following
        found.extend(page.items)
        following = next_page(following, page, seen)
    return found


def segment(kind: str, value: str) -> str:
    """
    Percent-encode one path segment.

    :param kind: what it identifies, for the message.
    :raises InvalidArgumentError: if it is no text, empty, ``.`` or ``..``: HTTP libraries would fold those
        into an address of something else.
    """
    if not isinstance(value, str):
        raise InvalidArgumentError(f"the {kind} must be text, not {type(value).__name__}: {value!r}")
    if value in ("", ".", ".."):
        raise InvalidArgumentError(f"the {kind} must not be {value!r}: it would address something else")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"the {kind} is not valid Unicode text: {value!r}") from None


def query_string(query: tuple[tuple[str, str], ...]) -> str:
    """Encode query parameters, with ``%20`` for a space and ``%2F`` for a slash."""
    return urlencode(query, quote_via=quote, safe="")


def dump(value: Any) -> str:
    """Return JSON without spaces; raise ``TypeError`` or ``ValueError`` for what is none."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(body: Mapping[str, Any]) -> bytes:
    """Encode a JSON object; a top-level Decimal is written as the exact number that it is."""
    members = [
        f"{json.dumps(name)}:{value if isinstance(value, Decimal) else dump(value)}" for name, value in body.items()
    ]
    return f"{{{','.join(members)}}}".encode()


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def check_flag(name: str, flag: bool | None) -> None:
    """
    Refuse a flag that is neither True, False nor None, such as the text that a template makes of one.

    :raises InvalidArgumentError: naming it.
    """
    if flag is not None and not isinstance(flag, bool):
        raise InvalidArgumentError(f"{name} must be True or False, not {flag!r}")


def words(reply: Reply, *names: str) -> str:
    """Return the service's own words from an error reply: the first of these members, else the raw text."""
    parsed = reply.json_object() or {}
    for name in names:
        if parsed.get(name):
            return str(parsed[name])[:500]
    return reply.body.decode(errors="replace").strip()[:500]


def integer(value: Any) -> int:
    """Read an integer that may come as text or as a number with a zero fraction."""
    if isinstance(value, bool) or value != value or int(value) != float(value):
        raise ValueError(f"not an integer: {value!r}")
    return int(value)


def boolean(value: Any) -> bool:
    """Read a boolean that may come as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"not a boolean: {value!r}")
