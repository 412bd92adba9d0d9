"""A call as data: what to send, what counts as success and how to read the answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_objectstore.exceptions import (
    ApiError,
    InvalidArgumentError,
    ServerError,
    UnreadableValueError,
    printable,
)

T = TypeVar("T")
Item = TypeVar("Item")

_INTEGER = re.compile(r"[+-]?[0-9]+")


MAX_DIGITS = 350
"""Most digits and largest exponent of a number, either way: more than any float has, and quick to compute with."""
_TOO_LARGE = 10**MAX_DIGITS
MAX_BODY_BYTES = 16 * 1024 * 1024
"""Largest body of an answer, decompressed."""
MAX_EMPTY_PAGES = 100
"""Pages without an item, one after another, after which a listing is given up."""


def number(text: str) -> float | Decimal:
    """
    Read a JSON number with a fraction or an exponent: a float where that is written the same, else a Decimal.

    :raises ValueError: beyond :data:`MAX_DIGITS`.
    """
    try:
        exact = Decimal(text) if len(text) <= 2 * MAX_DIGITS else None
    except InvalidOperation:
        exact = None
    if exact is None or not fits(exact):
        raise ValueError(f"the number {text[:20]}… is out of range")
    near = float(text)
    return near if Decimal(repr(near)) == exact else exact


def whole_number(text: str) -> int:
    """
    Read a JSON number without fraction and exponent.

    :raises ValueError: beyond :data:`MAX_DIGITS`.
    """
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the number {text[:20]}… is out of range")
    return int(text)


def fits(number: int | float | Decimal) -> bool:
    """Tell whether a number is finite and within :data:`MAX_DIGITS`, so that it can be written and read back."""
    if isinstance(number, Decimal):
        small = number.is_finite() and abs(number.adjusted()) <= MAX_DIGITS
        return small and len(number.as_tuple().digits) <= MAX_DIGITS
    return math.isfinite(number) if isinstance(number, float) else bool(-_TOO_LARGE < number < _TOO_LARGE)


def parse_json(text: bytes | str) -> Any:
    """
    Parse JSON, exact in numbers.

    :raises ValueError: if it is no JSON, holds NaN or Infinity, or a number beyond :data:`MAX_DIGITS`.
    :raises RecursionError: if it is nested too deeply.
    """
    return json.loads(text, parse_float=number, parse_int=whole_number, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_PAGES = frozenset({"text/html", "application/xhtml+xml"})


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
        return parse_json(self.body) if self.body.strip() else None

    def json_object(self) -> dict[str, Any] | None:
        """Return the body if it is a JSON object, else None: gateways answer in plain text or HTML."""
        try:
            parsed = self.json()
        except (ValueError, RecursionError):
            return None
        return parsed if isinstance(parsed, dict) else None

    @property
    def is_json_or_empty(self) -> bool:
        """Whether the body is of a kind that the services answer with."""
        try:
            self.json()
        except (ValueError, RecursionError):
            return False
        return True

    @property
    def is_page(self) -> bool:
        """Whether the media type is that of a web page."""
        return self._media_type in _PAGES

    @property
    def may_be_json(self) -> bool:
        """Whether a body that is not there, as of a HEAD, could be JSON or nothing."""
        return not self._media_type or "json" in self._media_type or self.headers.get("content-length") == "0"

    @property
    def _media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """
    One page of a listing.

    :param next: the token of the page after it, None at the end.
    :param number: its own token, where the service says it.
    """

    items: tuple[Item, ...]
    next: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a flow: wait this many seconds before the next."""

    seconds: float


_STATUSES: Mapping[str, frozenset[int]] = {"GET": frozenset({200}), "HEAD": frozenset({200, 204})}
"""The 2xx statuses of what reads. For what writes any 2xx counts: the contracts are thin there."""


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
    :param unrouted: whether an answer says that the service does not know ``method`` on this path.
    :param page_parameter: the query parameter that takes a page token.
    :param continued: whether it asks for a page after a listing's first.
    :param first_page: the token of a listing's first page, where the service says pages' numbers.
    :param parent: the call that reads what the object is in. A 404 is the object's only while that is there.
    :param absence: whether a 404 can mean that the object is not there although its parent is.
    :param max_body_bytes: largest body of a success.
    :param settle: for a call that is not repeatable, the look-up that tells what became of it: the result
        it would have had, or None.
    :param secrets: what of its body must never be shown. Masked before it is sent, taken out of errors.
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
    unrouted: Callable[[Reply], bool] = field(default=lambda reply: False, repr=False)
    page_parameter: str | None = field(default=None, repr=False)
    continued: bool = field(default=False, repr=False)
    first_page: str | None = field(default=None, repr=False)
    parent: Call[Any] | None = field(default=None, repr=False)
    absence: bool = field(default=True, repr=False)
    max_body_bytes: int = field(default=MAX_BODY_BYTES, repr=False)
    settle: Callable[[], Flow[T | None]] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return printable(f"{self.operation} ({self.subject})" if self.subject else self.operation)

    def at(self, token: str) -> Call[T]:
        """Return this call for the page with this token."""
        assert self.page_parameter is not None
        kept = tuple(pair for pair in self.query if pair[0] != self.page_parameter)
        return replace(self, query=(*kept, (self.page_parameter, token)), continued=True)

    def interpret(self, reply: Reply) -> T:
        """
        Return what the reply says, or raise the error that it is.

        An answer counts only with a status that the operation has, and with a body of a kind that it can have.
        """
        succeeded = 200 <= reply.status < 300
        if reply.status == 404 or succeeded or reply.status in self.accept:
            self._check_origin(reply)
        if not (succeeded or reply.status in self.accept):
            raise self.failure(self, reply)
        try:
            result = self.read(reply)
        except UnreadableValueError as error:
            raise UnreadableValueError(f"{self}: {error}", status=reply.status) from None
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError, ArithmeticError) as cause:
            raise self.broken(reply, f"a body that does not follow its contract ({type(cause).__name__})") from cause
        if self.first_page is not None and isinstance(result, Page):
            asked = dict(self.query).get(str(self.page_parameter), self.first_page)
            if result.number != asked and (self.continued or result.number is not None):
                raise self.broken(reply, f"page {result.number} of the listing instead of page {asked}")
        return result

    def broken(self, reply: Reply, what: str) -> ServerError:
        """Return the error for an answer that cannot be the service's answer to this."""
        return ServerError(f"{self}: the service answered {reply.status} with {what}", status=reply.status)

    def _check_origin(self, reply: Reply) -> None:
        if self.method == "HEAD":
            foreign = reply.is_page or not reply.may_be_json
        elif self.method == "GET" and reply.status == 200:  # reading it will tell more
            foreign = reply.is_page and bool(reply.body.strip())
        else:
            foreign = (reply.is_page and bool(reply.body.strip())) or not reply.is_json_or_empty
        if foreign:
            raise self.broken(
                reply,
                f"{reply.headers.get('content-type') or 'text'} instead of JSON. It comes from something in between "
                "(a gateway, a proxy, a login page), so it says nothing about the object: check the connection's host",
            )
        if reply.status == 404 and self.continued:
            raise self.broken(reply, "no further page: the listing broke off in the middle. Run this again")
        expected = _STATUSES.get(self.method)
        if expected and 200 <= reply.status < 300 and reply.status not in expected:
            raise self.broken(reply, "a status that is none of this operation's")


Flow: TypeAlias = Generator[Any, Any, T]
"""Several calls and what is made of their answers, written once: yields calls and pauses, is sent results."""


class Paging(Generic[Item]):
    """
    Goes through the pages of a listing, and refuses to go round in circles.

    :param call: the call for the first page.
    """

    def __init__(self, call: Call[Page[Item]]) -> None:
        self.call: Call[Page[Item]] | None = call
        """The call for the next page; None at the end."""
        self._seen: set[str] = set()
        self._empty = 0
        self._unsure = False

    def counts(self, page: Page[Item]) -> bool:
        """
        Take in the answer to :attr:`call`; tell whether its items count.

        A page after the first that has no items and no successor may be the end, or an answer that got lost on the way:
        it is asked for again, and counts if it is the same.
        """
        call = self.call
        assert call is not None
        if call.continued and not page.items and not page.next and not self._unsure:
            self._unsure = True
            return False
        self._unsure = False
        self._empty = 0 if page.items else self._empty + 1
        if page.next and page.next in self._seen:
            raise ServerError(f"{call}: the service repeats a page token, so the listing would never end")
        if self._empty > MAX_EMPTY_PAGES:
            raise ServerError(f"{call}: {self._empty} pages in a row are empty, so the listing would never end")
        if page.next:
            self._seen.add(page.next)
        self.call = call.at(page.next) if page.next else None
        return True


def every(call: Call[Page[Item]]) -> Flow[list[Item]]:
    """List all pages."""
    found: list[Item] = []
    paging = Paging(call)
    while paging.call is not None:
        page = yield paging.call
        if paging.counts(page):
            found.extend(page.items)
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
    """
    Read an integer of at most 18 digits, which may come as text or as a number with a zero fraction.

    :raises ValueError: for anything else.
    """
    if isinstance(value, str) and len(value) <= MAX_DIGITS and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not fits(value):
        raise ValueError(f"not an integer: {str(value)[:20]!r}")
    whole = int(value)
    if whole != value or not -(10**18) < whole < 10**18:
        raise ValueError("not an integer, or a very large one")
    return whole


def boolean(value: Any) -> bool:
    """Read a boolean that may come as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"not a boolean: {value!r}")
