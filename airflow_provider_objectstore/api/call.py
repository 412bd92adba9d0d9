"""A call as data: what to send, what counts as success and how to read the response."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeAlias, TypeVar

from airflow_provider_objectstore.api.encoding import parse_json
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ServerError,
    UnreadableValueError,
    printable,
)

T = TypeVar("T")
Item = TypeVar("Item")

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Largest body of a response in bytes, decompressed."""

Query: TypeAlias = tuple[tuple[str, str], ...]
"""Query parameters, not yet encoded."""

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class Response:
    """
    An HTTP response.

    :param status: HTTP status.
    :param headers: header values by lower-case name.
    :param body: the raw body, decompressed; empty for HEAD.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """
        Parse the body, exact in numbers; an empty body is None.

        :raises ValueError: if it is not JSON.
        :raises RecursionError: if it is nested too deeply.
        """
        return parse_json(self.body) if self.body.strip() else None

    def json_object(self) -> dict[str, Any] | None:
        """Return the body if it is a JSON object, else None: gateways answer in plain text or HTML."""
        try:
            parsed = self.json()
        except (ValueError, RecursionError):
            return None
        return parsed if isinstance(parsed, dict) else None

    @property
    def retry_after(self) -> str | None:
        """The ``Retry-After`` header; a date counts from the response's own, as this machine's clock may differ."""
        header = self.headers.get("retry-after")
        try:
            until, now = parsedate_to_datetime(str(header)), parsedate_to_datetime(self.headers["date"])
            return str((until - now).total_seconds())
        except (LookupError, TypeError, ValueError, OverflowError):
            return header

    @property
    def is_json_or_empty(self) -> bool:
        """Whether the body is JSON or empty, as the services' bodies are."""
        try:
            self.json()
        except (ValueError, RecursionError):
            return False
        return True

    @property
    def is_html(self) -> bool:
        """Whether the media type is HTML."""
        return self._media_type in HTML_TYPES

    @property
    def may_be_json(self) -> bool:
        """Whether the body that a HEAD leaves out could be JSON or empty."""
        return not self._media_type or "json" in self._media_type or self.headers.get("content-length") == "0"

    @property
    def _media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """
    One page of a listing.

    :param items: its items.
    :param next: the token of the next page; None on the last one.
    :param number: its own token; None where the service does not return it.
    :param last: the number of the last page, where pages are numbered.
    :param ids: the ids of its items, where pages are numbered.
    """

    items: tuple[Item, ...]
    next: str | None = None
    number: str | None = None
    last: int | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """
    A step of a flow: wait before the next step.

    :param seconds: how long.
    """

    seconds: float


_READ_STATUSES: Mapping[str, frozenset[int]] = {"GET": frozenset({200}), "HEAD": frozenset({200, 204})}
"""The 2xx statuses of reads. For writes every 2xx is a success: the contracts say little there."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One operation on one object, as data. :mod:`airflow_provider_objectstore.transport` executes it.

    :param operation: the operation's name, such as ``anypoint.get_key``.
    :param subject: the object in words, for messages: ``store orders, partition eu, key 'last'``.
    :param method: HTTP method.
    :param path: percent-encoded path below the base URL.
    :param read: turns a successful response into the result; raises ``LookupError``, ``TypeError`` or
        ``ValueError`` if the response does not follow the contract.
    :param failure: turns an error response into the error to raise.
    :param base_url: name of the connection's base URL that the path is below.
    :param query: query parameters, not yet encoded.
    :param body: JSON body; None for none.
    :param content_type: media type of the body.
    :param ok_statuses: statuses outside 2xx that are no errors and that ``read`` understands.
    :param idempotent: whether sending it twice has the same effect as sending it once.
    :param authorized: whether it is sent with the connection's token.
    :param fallback_method: the HTTP method to use if the service does not support ``method`` on this path.
    :param is_method_unsupported: tells from a response whether the service does not support the method on this path.
    :param page_parameter: the query parameter for a page token, of a listing.
    :param is_next_page: whether it requests a page after a listing's first.
    :param first_page: the token of a listing's first page, where the service returns page numbers.
    :param parent: the call that reads the store which contains the object. A 404 means that the object is absent only
        while that store exists.
    :param can_be_absent: whether a 404 can mean that the object is absent although its parent exists.
    :param absence_is_goal: whether a 404 after a lost response shows that a DELETE was done. It does not where what it
        names may have ended in another way.
    :param max_body_bytes: largest body of a successful response, decompressed.
    :param reconcile: for a call that is not idempotent: finds out what became of it after its response was lost. The
        result is the call's result, or None if nothing was found.
    :param about: the names of the object, the outermost first, such as store, partition and key.
    :param secrets: secrets in the body. They are masked before it is sent, and redacted in errors.
    """

    operation: str
    subject: str
    method: str
    path: str
    read: Callable[[Response], T] = field(repr=False)
    failure: Callable[[Call[Any], Response], ApiError] = field(repr=False)
    base_url: str = "api"
    query: Query = field(default=(), repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    content_type: str = field(default="application/json", repr=False)
    ok_statuses: frozenset[int] = field(default=frozenset(), repr=False)
    idempotent: bool = True
    authorized: bool = field(default=True, repr=False)
    fallback_method: str | None = field(default=None, repr=False)
    is_method_unsupported: Callable[[Response], bool] = field(default=lambda response: False, repr=False)
    page_parameter: str | None = field(default=None, repr=False)
    is_next_page: bool = field(default=False, repr=False)
    first_page: str | None = field(default=None, repr=False)
    parent: Call[Any] | None = field(default=None, repr=False)
    can_be_absent: bool = field(default=True, repr=False)
    absence_is_goal: bool = field(default=True, repr=False)
    max_body_bytes: int = field(default=MAX_BODY_BYTES, repr=False)
    reconcile: Callable[[], Flow[T | None]] | None = field(default=None, repr=False)
    about: tuple[str, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return printable(f"{self.operation} ({self.subject})" if self.subject else self.operation)

    def for_page(self, token: str) -> Call[T]:
        """
        Return the call for another page of this listing.

        :param token: the page's token.
        """
        assert self.page_parameter is not None
        kept = tuple(pair for pair in self.query if pair[0] != self.page_parameter)
        return replace(self, query=(*kept, (self.page_parameter, token)), is_next_page=True)

    def interpret(self, response: Response) -> T:
        """
        Return the result of a response, or raise its error.

        A response counts only if its status and the kind of its body are possible for this operation.

        :raises ApiError: as the service answered.
        :raises ServerError: if the response does not follow the contract, or does not come from the service.
        """
        succeeded = 200 <= response.status < 300
        if response.status == 404 or succeeded or response.status in self.ok_statuses:
            self._check_origin(response)
        if not (succeeded or response.status in self.ok_statuses):
            raise self.failure(self, response)
        try:
            result = self.read(response)
        except UnreadableValueError as error:
            raise UnreadableValueError(f"{self}: {error}", status=response.status) from None
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError, ArithmeticError) as cause:
            raise self.invalid(
                response, f"a body that does not follow its contract ({type(cause).__name__})"
            ) from cause
        if self.first_page is not None and isinstance(result, Page):
            requested = dict(self.query).get(str(self.page_parameter), self.first_page)
            if result.number != requested and (self.is_next_page or result.number is not None):
                raise self.invalid(response, f"page {result.number} of the listing instead of page {requested}")
        return result

    def invalid(self, response: Response, what: str) -> ServerError:
        """
        Return the error for a response that cannot be the service's response to this call.

        :param what: what it answered with, in words.
        """
        return ServerError(f"{self}: the service answered {response.status} with {what}", status=response.status)

    def _check_origin(self, response: Response) -> None:
        if self.method == "HEAD":
            foreign = response.is_html or not response.may_be_json
        elif self.method == "GET" and response.status == 200:  # read() checks it more closely
            foreign = response.is_html and bool(response.body.strip())
        else:
            foreign = (response.is_html and bool(response.body.strip())) or not response.is_json_or_empty
        if foreign:
            raise self.invalid(
                response,
                f"{response.headers.get('content-type') or 'text'} instead of JSON. It comes from something in between "
                "(a gateway, a proxy, a login page), so it says nothing about the object: check the connection's host",
            )
        if response.status == 404 and self.is_next_page:
            raise self.invalid(response, "no further page: the listing ended in the middle. Run this again")
        expected = _READ_STATUSES.get(self.method)
        if expected and 200 <= response.status < 300 and response.status not in expected:
            raise self.invalid(response, "a status that this operation does not have")


@dataclass(frozen=True, slots=True)
class Token:
    """
    An access token.

    :param value: the token.
    :param expires_in: its lifetime in seconds.
    """

    value: str = field(repr=False)
    expires_in: float


def fits_header(token: str) -> bool:
    """Tell whether a token can be sent in the ``Authorization`` header: visible ASCII characters only."""
    return token.isascii() and token.isprintable() and " " not in token


Flow: TypeAlias = Generator[Any, Any, T]
"""A generator that yields calls and pauses, is sent their results, and returns its own. Runs sync and async."""


def drop_none(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def error_message(response: Response, *names: str) -> str:
    """
    Return the service's message from an error response.

    :param names: members of the JSON body that may hold it, in order; without any of them, the body is the message.
    """
    parsed = response.json_object() or {}
    for name in names:
        if parsed.get(name):
            return str(parsed[name])[:500]
    return response.body.decode(errors="replace").strip()[:500]
