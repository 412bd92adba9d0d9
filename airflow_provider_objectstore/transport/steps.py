"""
How a call is carried, written once for sync and async.

Each function is a generator that yields what it needs done (a request sent, a pause, a token) and is sent
the outcome. :mod:`.blocking` and :mod:`.asynchronous` do these things and decide nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tenacity import DoSleep, RetryCallState

from airflow_provider_objectstore.api.anypoint_access import Token
from airflow_provider_objectstore.api.call import Call, Pause, Reply
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    NotFoundError,
    ObjectStoreError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    StoreNotFoundError,
    TransportError,
)
from airflow_provider_objectstore.transport.pacing import Pacer
from airflow_provider_objectstore.transport.target import Request, Target

T = TypeVar("T")

EARLY = 60
"""A token is replaced this many seconds before it expires."""
LONGEST_ERROR = 64 * 1024
"""Bytes of an error's body that are looked at: more is no service's, and taking secrets out of it takes time."""
PRESENT_SECONDS = 60
"""How long it is remembered that a store is there."""
MISSING_SECONDS = 1
"""How long it is remembered that a store is missing: for those who asked at the same time."""
FORBIDDEN_SECONDS = 60
"""After a 403 that a new token did not mend, a 403 is believed for so long without another one."""


@dataclass(frozen=True, slots=True)
class NeedToken:
    """A step: a usable token is needed; ``refused`` is one that the service did not take."""

    refused: str | None = None


@dataclass(frozen=True, slots=True)
class NeedParent:
    """A step: it has to be known whether what ``call`` reads is there. The outcome is the error if it is not."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Mask:
    """A step: this secret has come to be known and must never be shown."""

    secret: str


class State:
    """What all clients of one resolved connection share, in one process or on one event loop."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.retry = replace(target.retry, deadline=min(target.retry.deadline, 4 * target.timeout))
        self.pacer = Pacer(target.requests_per_second)
        self.alternatives: set[str] = set()
        """Operations whose alternative method is the one that this service knows."""
        self.token: str | None = target.bearer
        self.token_good_until = float("inf")
        self.secrets: set[str] = set()
        """What calls have carried and no error may show."""
        self.retries = 0
        self.fetches = 0
        self.fetch_error: ObjectStoreError | None = None
        self.parents = Parents()
        self._forbidden_until = 0.0

    def usable_token(self, refused: str | None) -> str | None:
        """Return the token if there is one, it is not about to expire, and it is not the refused one."""
        good = self.token != refused and time.monotonic() < self.token_good_until
        return self.token if good else None

    def is_worth_a_new_token(self, status: int, *, renewed: bool) -> bool:
        """
        Tell whether a refusal may be the token's fault: one that has ended, or that is older than what it may do now.

        :param renewed: whether the token was fetched because of such a refusal.
        """
        if status == 403 and renewed:
            self._forbidden_until = time.monotonic() + FORBIDDEN_SECONDS
        if renewed or self.target.token_call is None:
            return False
        return status == 401 or (status == 403 and time.monotonic() >= self._forbidden_until)


class Parents:
    """What is remembered of stores, by the path that reads them."""

    def __init__(self) -> None:
        self._present: dict[str, float] = {}
        self._missing: dict[str, tuple[float, NotFoundError]] = {}

    def is_present(self, path: str) -> bool:
        """Tell whether it is known to be there."""
        return self._present.get(path, 0.0) > time.monotonic()

    def missing(self, path: str) -> NotFoundError | None:
        """Return the error that said just now that it is missing."""
        until, error = self._missing.get(path, (0.0, None))
        return error if until > time.monotonic() else None

    def remember(self, path: str, error: NotFoundError | None) -> None:
        """Remember whether it is there: ``error`` says that it is not."""
        self.forget(path)
        if len(self._present) + len(self._missing) > 10_000:
            self._present, self._missing = {}, {}
        if error is None:
            self._present[path] = time.monotonic() + PRESENT_SECONDS
        else:
            self._missing[path] = time.monotonic() + MISSING_SECONDS, error

    def forget(self, path: str) -> None:
        """Ask again when it is next needed, because it may have been created or deleted."""
        self._present.pop(path, None)
        self._missing.pop(path, None)


def carry(call: Call[T], state: State) -> Generator[Any, Any, T]:
    """Carry a call to its result: with retries, and with the look-up that settles an unknown outcome."""
    for secret in call.secrets:
        state.secrets.add(secret)
        yield Mask(secret)
    try:
        return (yield from _with_retries(call, state))
    except OutcomeUnknownError as unknown:
        if call.settle is None:
            raise
        try:
            result = yield from call.settle()
        except ObjectStoreError as cause:
            raise unknown from cause
        if result is None:
            raise OutcomeUnknownError(
                f"{unknown} It was looked up and not found, but may still appear: look before trying again"
            ) from unknown
        return result


def _with_retries(call: Call[T], state: State) -> Generator[Any, Any, T]:
    begun = time.monotonic()
    progress: RetryCallState | None = None
    lost = False
    while True:
        try:
            reply, result = yield from _attempt(call, state, begun)
        except NotFoundError as error:
            yield from _believe_absence(call, error)
            if lost and ("confirmable", "true") in call.query:
                raise OutcomeUnknownError(
                    f"{call}: it was done, but its answer was lost and with it the confirmation's id. It cannot be "
                    "confirmed, so look whether the service undoes it"
                ) from error
            if lost and call.method == "DELETE":
                return call.interpret(Reply(204, {}))  # the request whose answer was lost deleted it
            raise
        except ObjectStoreError as error:
            # A refusal (429, 401) is an answer: nothing was done, and a 404 after it means what it says.
            lost = lost or (isinstance(error, (ServerError, TransportError)) and error.request_sent)
            if progress is None:
                progress = state.retry.begin(begun)
            progress.set_exception(sys.exc_info())  # type: ignore[arg-type]
        else:
            if reply.status == 404:
                yield from _believe_absence(call)
            elif call.method != "GET":
                state.parents.forget(call.path)
            return result
        while isinstance(do := progress.retry_object.iter(progress), DoSleep):
            progress.prepare_for_next_attempt()
            state.retries += 1
            yield Pause(do)


def _believe_absence(call: Call[Any], error: NotFoundError | None = None) -> Generator[Any, Any, None]:
    """Take a 404 for the object's own only while what it is in is there."""
    if call.parent is None:
        return
    missing = yield NeedParent(call.parent)
    if missing is not None:
        raise StoreNotFoundError(
            f"{call}: {call.parent.subject} does not exist, so nothing can be said about what is in it. {missing}",
            status=404,
        ) from None
    if not call.absence:
        raise ServerError(
            f"{call}: the service answered 404, although {call.parent.subject} is there. Run this again", status=404
        ) from error


def find_parent(state: State, call: Call[Any]) -> Generator[Any, Any, NotFoundError | None]:
    """Return the error that says that what ``call`` reads is missing; None if it is there. Runs under a lock."""
    if state.parents.is_present(call.path):
        return None
    if known := state.parents.missing(call.path):
        return known
    missing: NotFoundError | None = None
    try:
        yield from carry(call, state)
    except NotFoundError as error:
        missing = error
    state.parents.remember(call.path, missing)
    return missing


def _attempt(call: Call[T], state: State, begun: float) -> Generator[Any, Any, tuple[Reply, T]]:
    token: str | None = None
    for renewed in (False, True):
        if call.authorized:
            token = yield NeedToken(refused=token)
        try:
            with state.target.scrubbing(token, state.token, *state.secrets):
                reply = yield from _exchange(call, state, token, begun)
                if call.authorized and state.is_worth_a_new_token(reply.status, renewed=renewed):
                    continue
                return reply, call.interpret(reply)
        except (TransportError, ServerError) as error:
            if call.repeatable or not error.request_sent:
                raise _named(error, call) from error.__cause__
            raise OutcomeUnknownError(
                f"{call}: it is not known whether this took effect, and it is not repeated because it might "
                f"then happen twice. {error}"
            ) from error
    raise AssertionError("unreachable")


def _named(error: TransportError | ServerError, call: Call[Any]) -> TransportError | ServerError:
    """Put the operation into an error of the driver, which knows only the request."""
    if isinstance(error, ServerError):
        return error
    return TransportError(f"{call}: {error}", request_sent=error.request_sent, permanent=error.permanent)


def _exchange(call: Call[Any], state: State, token: str | None, begun: float) -> Generator[Any, Any, Reply]:
    methods = [call.method]
    if call.alternative:
        methods = [call.alternative] if call.operation in state.alternatives else [*methods, call.alternative]
    for method in methods:
        while True:
            cuts, pause = state.pacer.cuts, state.pacer.reserve()
            if pause > 0:
                yield Pause(pause)
            if cuts == state.pacer.cuts:
                break
        reply: Reply = yield _request(call, state, method, token, begun)
        if reply.status == 429:
            state.pacer.refused(cuts, state.retry.pause_of(reply.headers.get("retry-after")))
        else:
            state.pacer.taken()
        unrouted = call.unrouted(reply)
        if not (unrouted and method != methods[-1]):
            break
    else:
        raise AssertionError("unreachable")
    if method == call.alternative and not unrouted:
        state.alternatives.add(call.operation)
    if 300 <= reply.status < 400:
        raise ApiError(
            f"{call}: the service answered {reply.status}, a redirect to {_host(reply)}. It is not followed, because "
            "the token would go along: check the connection's host",
            status=reply.status,
        )
    if reply.status >= 400:
        shown = reply.body[:LONGEST_ERROR].decode(errors="replace")
        said = state.target.scrub(shown, token, state.token, *state.secrets)
        reply = replace(reply, body=said.encode(errors="replace"))
    return reply


def _request(call: Call[Any], state: State, method: str, token: str | None, begun: float) -> Request:
    # The time in which it waited for its turn is not the service's: one attempt always has the connection's timeout.
    ends = max(begun + state.retry.deadline, time.monotonic() + state.target.timeout)
    return replace(state.target.request(call, method, token), ends=ends, max_body_bytes=call.max_body_bytes)


def _host(reply: Reply) -> str:
    try:
        return urlsplit(reply.headers.get("location", "")).netloc.rpartition("@")[2] or "another address"
    except ValueError:
        return "an address that cannot be read"


def obtain_token(state: State, refused: str | None, fetches_seen: int) -> Generator[Any, Any, str]:
    """
    Return a usable token, fetching one if need be. Runs under the state's lock.

    :param refused: a token that the service did not take.
    :param fetches_seen: how many fetches there had been when this one began to wait for the lock: those who
        waited while another failed share its error instead of asking again one after the other.
    """
    if token := state.usable_token(refused):
        return token
    if state.fetch_error is not None and state.fetches != fetches_seen:
        raise state.fetch_error
    call = state.target.token_call
    assert call is not None, "a target has a bearer or a call that fetches one"
    try:
        _, fetched = yield from _attempt(call, state, time.monotonic())
        state.fetch_error = None
    except ObjectStoreError as error:
        state.fetch_error = _no_token(error, call, state)
        raise state.fetch_error from error
    finally:
        state.fetches += 1
    yield Mask(fetched.value)
    state.token = fetched.value
    state.token_good_until = time.monotonic() + fetched.expires_in - min(EARLY, fetched.expires_in / 2)
    return fetched.value


def _no_token(error: ObjectStoreError, call: Call[Token], state: State) -> ObjectStoreError:
    """
    Return the error for a call that got no token: it says nothing about the call's object.

    What the accounts' address refuses is the credentials' fault. A 404 there is the address's, or of something on the
    way, which may pass.
    """
    message = f"no token was to be had from {state.target.roots[call.root]}{call.path}: {error}"
    if isinstance(error, TransportError):
        return TransportError(message, request_sent=False, permanent=error.permanent)
    status: int | None = getattr(error, "status", None)
    if isinstance(error, RateLimitedError):
        return RateLimitedError(message, status=status, retry_after=error.retry_after, request_sent=False)
    if isinstance(error, (OutcomeUnknownError, ServerError)) or status in (404, 405):
        return ServerError(message, status=status, request_sent=False)
    return AuthenticationError(message, status=status, request_sent=False)
