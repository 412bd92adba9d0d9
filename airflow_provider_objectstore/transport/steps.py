"""
How a call is carried, written once for both colours.

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
    NotFoundError,
    ObjectStoreError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.transport.pacing import Pacer
from airflow_provider_objectstore.transport.target import Target

T = TypeVar("T")

EARLY = 60
"""A token is replaced this many seconds before it expires."""


@dataclass(frozen=True, slots=True)
class NeedToken:
    """A step: a usable token is needed; ``refused`` is one that the service did not take."""

    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Mask:
    """A step: this secret has come to be known and must never be shown."""

    secret: str


class State:
    """What all clients of one resolved connection share, in one process or on one event loop."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.pacer = Pacer(target.requests_per_second)
        self.alternatives: set[str] = set()
        """Operations whose alternative method is the one that this service knows."""
        self.token: str | None = target.bearer
        self.token_good_until = float("inf")
        self.retries = 0
        self.fetches = 0
        self.fetch_error: ObjectStoreError | None = None

    def usable_token(self, refused: str | None) -> str | None:
        """Return the token if there is one, it is not about to expire, and it is not the refused one."""
        good = self.token != refused and time.monotonic() < self.token_good_until
        return self.token if good else None


def carry(call: Call[T], state: State) -> Generator[Any, Any, T]:
    """Carry a call to its result: with retries, and with the look-up that settles an unknown outcome."""
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
            return (yield from _attempt(call, state))
        except NotFoundError:
            if lost and call.method == "DELETE":
                return call.interpret(Reply(204, {}))  # the request whose answer was lost deleted it
            raise
        except ObjectStoreError as error:
            # A refusal (429, 401) is an answer: nothing was done, and a 404 after it means what it says.
            lost = lost or isinstance(error, ServerError) or getattr(error, "request_sent", False)
            if progress is None:
                progress = state.target.retry.begin(begun)
            progress.set_exception(sys.exc_info())  # type: ignore[arg-type]
        while isinstance(do := progress.retry_object.iter(progress), DoSleep):
            progress.prepare_for_next_attempt()
            state.retries += 1
            yield Pause(do)


def _attempt(call: Call[T], state: State) -> Generator[Any, Any, T]:
    token: str | None = None
    renewable = call.authorized and state.target.token_call is not None
    for last in (not renewable, True):
        if call.authorized:
            token = yield NeedToken(refused=token)
        try:
            reply = yield from _exchange(call, state, token)
            if reply.status == 401 and not last:
                continue
            return call.interpret(reply)
        except (TransportError, ServerError) as error:
            if call.repeatable or (isinstance(error, TransportError) and not error.request_sent):
                raise _named(error, call) from error.__cause__
            raise OutcomeUnknownError(
                f"{call}: it is not known whether this took effect, and it is not repeated because it might "
                f"then happen twice. {error}"
            ) from error
    raise AssertionError("unreachable")


def _named(error: TransportError | ServerError, call: Call[Any]) -> TransportError | ServerError:
    """Put the operation into an error of the carrier, which knows only the request."""
    if isinstance(error, ServerError):
        return error
    return TransportError(f"{call}: {error}", request_sent=error.request_sent, permanent=error.permanent)


def _exchange(call: Call[Any], state: State, token: str | None) -> Generator[Any, Any, Reply]:
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
        reply: Reply = yield state.target.request(call, method, token)
        if reply.status == 429:
            state.pacer.refused(cuts, state.target.retry.pause_of(reply.headers.get("retry-after")))
        else:
            state.pacer.taken()
        if not (reply.unrouted and method != methods[-1]):
            break
    else:
        raise AssertionError("unreachable")
    if method == call.alternative and not reply.unrouted:
        state.alternatives.add(call.operation)
    if 300 <= reply.status < 400:
        host = urlsplit(reply.headers.get("location", "")).hostname or "another address"
        raise ApiError(
            f"{call}: the service answered {reply.status}, a redirect to {host}. It is not followed, because the "
            "token would go along: check the connection's host",
            status=reply.status,
        )
    if reply.status >= 400:
        said = state.target.scrub(reply.body.decode(errors="replace"), token, state.token)
        reply = replace(reply, body=said.encode())
    return reply


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
        fetched: Token = yield from _attempt(call, state)
        state.fetch_error = None
    except ObjectStoreError as error:
        state.fetch_error = error
        raise
    finally:
        state.fetches += 1
    yield Mask(fetched.value)
    state.token = fetched.value
    state.token_good_until = time.monotonic() + fetched.expires_in - min(EARLY, fetched.expires_in / 2)
    return fetched.value
