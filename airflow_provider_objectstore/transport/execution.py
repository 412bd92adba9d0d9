"""
Execute a call: send it at its turn, retry it, and confirm what its response means. Written once for sync and async.

Each function is a flow, see :mod:`.steps`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tenacity import DoSleep

from airflow_provider_objectstore.api.call import Call, Pause, Response
from airflow_provider_objectstore.exceptions import (
    ApiError,
    NotFoundError,
    ObjectStoreError,
    OutcomeUnknownError,
    ServerError,
    StoreNotFoundError,
    TransportError,
)
from airflow_provider_objectstore.transport.redaction import redact_members
from airflow_provider_objectstore.transport.retry import CallState
from airflow_provider_objectstore.transport.state import CallTime, SharedState
from airflow_provider_objectstore.transport.steps import CheckParent, GetToken, MaskSecret

T = TypeVar("T")

MAX_ERROR_TEXT = 64 * 1024
"""Bytes of an error's body that are read: a service never sends more, and redacting takes time."""


def execute(call: Call[T], state: SharedState, ends: float = float("inf")) -> Generator[Any, Any, T]:
    """
    Execute a call: with retries, and with a look-up where its outcome is unknown.

    :param call: the call.
    :param state: the state of the connection.
    :param ends: when its last attempt may start, by the monotonic clock, if the connection allows more.
    :raises ObjectStoreError: one of its subclasses.
    """
    for secret in call.secrets:
        state.secrets.add(secret)
        yield MaskSecret(secret)
    try:
        return (yield from _with_retries(call, state, ends))
    except OutcomeUnknownError as unknown:
        if call.reconcile is None:
            raise
        return (yield from _reconcile(call.reconcile(), unknown))


def _reconcile(lookup: Generator[Any, Any, T | None], unknown: OutcomeUnknownError) -> Generator[Any, Any, T]:
    """Return what a create made although its response was lost; raise ``unknown`` if that cannot be found."""
    try:
        result = yield from lookup
    except ObjectStoreError as cause:
        raise unknown from cause
    if result is None:
        raise OutcomeUnknownError(
            f"{unknown}. It was looked up and not found, but may still appear: check before trying again"
        ) from unknown.__cause__
    return result


def _with_retries(call: Call[T], state: SharedState, ends: float) -> Generator[Any, Any, T]:
    call_time = CallTime(call, state, ends)
    retry_state: CallState | None = None
    response_lost = False
    while True:
        try:
            response, result = yield from attempt(call, state, call_time)
        except NotFoundError as error:
            yield from _confirm_absence(call, call_time.ends, error)
            if not response_lost:
                raise
            return _result_of_lost_response(call, error)
        except ObjectStoreError as error:
            # After a 429 or 401 nothing was done, so a later 404 means what it says.
            response_lost |= isinstance(error, (ServerError, TransportError)) and error.request_sent
            if retry_state is None:
                call_time.note_failure()
                retry_state = state.connection.retry.begin(call_time.began, call_time.ends)
            retry_state.set_exception(sys.exc_info())  # type: ignore[arg-type]
        else:
            if response.status == 404:
                yield from _confirm_absence(call, call_time.ends)
            elif call.method != "GET":
                state.parents.forget(call.path)
            return result
        yield from _wait_for_next_attempt(retry_state, state)


def _wait_for_next_attempt(retry_state: CallState, state: SharedState) -> Generator[Any, Any, None]:
    """Wait as the retry policy says; raise the last error if it allows no further attempt."""
    try:
        action = retry_state.retry_object.iter(retry_state)
    except ObjectStoreError as error:
        raise retry_state.with_attempts(error) from error.__cause__
    while isinstance(action, DoSleep):
        retry_state.prepare_for_next_attempt()
        state.retries += 1
        yield Pause(action)
        action = retry_state.retry_object.iter(retry_state)


def _result_of_lost_response(call: Call[T], error: NotFoundError) -> T:
    """Return the result of a call that finds nothing after an earlier attempt whose response was lost."""
    if ("confirmable", "true") in call.query:
        raise OutcomeUnknownError(
            f"{call}: it may have been done, but the response was lost and with it the confirmation id. It cannot be "
            "confirmed: check whether the service undoes it"
        ) from error
    if call.method != "DELETE":
        raise error
    if not call.absence_is_goal:
        raise OutcomeUnknownError(
            f"{call}: it is not known whether this was done. The response to an earlier request was lost, and what the "
            f"service does not find now may have ended otherwise, or never have been there: check the object. {error}"
        ) from error
    return call.interpret(Response(204, {}))  # the earlier attempt deleted it


def _confirm_absence(call: Call[Any], ends: float, error: NotFoundError | None = None) -> Generator[Any, Any, None]:
    """
    Confirm that a 404 is about the object: its store must exist.

    :raises StoreNotFoundError: if the store does not exist.
    :raises ServerError: if the store exists and the operation has no 404 of its own.
    :raises ObjectStoreError: if it cannot be found out whether the store exists.
    """
    if call.parent is None:
        return
    try:
        missing = yield CheckParent(call.parent, ends)
    except ObjectStoreError as unclear:
        raise unclear.prefixed(
            f"{call}: the service answered 404, which counts only if the store exists. "
        ) from unclear.__cause__
    if missing is not None:
        raise StoreNotFoundError(
            f"{call}: {call.parent.subject} does not exist, so nothing can be said about what is in it: "
            f"create it, or check its name and where the connection leads. {missing}",
            status=404,
        ) from None
    if not call.can_be_absent:
        raise ServerError(
            f"{call}: the service answered 404, although {call.parent.subject} exists. Run this again", status=404
        ) from error


def attempt(call: Call[T], state: SharedState, call_time: CallTime) -> Generator[Any, Any, tuple[Response, T]]:
    """
    Send a call once, and once more with a new token if its token was rejected. Return the response and its result.

    :param call_time: the time of the call, or of the one that needs its token.
    :raises OutcomeUnknownError: if a call that is not idempotent may have taken effect.
    """
    token: str | None = None
    for refreshed in (False, True):
        if call.authorized:
            token = yield GetToken(call_time, token)
        try:
            with state.connection.redacting(token, state.token, *state.secrets):
                response = yield from _send(call, state, token, call_time)
                if call.authorized and state.should_refresh_token(response.status, refreshed=refreshed):
                    continue
                return response, call.interpret(response)
        except (TransportError, ServerError) as error:
            state.note_failure(call, error, call_time.began)
            if isinstance(error, ServerError) and error.status is not None and error.status < 500:
                state.suspected = time.monotonic()
            if call.idempotent or not error.request_sent:
                raise _with_operation(error, call) from error.__cause__
            raise OutcomeUnknownError(
                f"{call}: it is not known whether this took effect, and it is not repeated because it might "
                f"then happen twice. {error}"
            ) from error.__cause__
    raise AssertionError("unreachable")


def _with_operation(error: TransportError | ServerError, call: Call[Any]) -> TransportError | ServerError:
    """Add the operation to an error of the driver, which knows the request only."""
    if isinstance(error, ServerError):
        return error
    return error.prefixed(f"{call}: ")


def _send(call: Call[Any], state: SharedState, token: str | None, call_time: CallTime) -> Generator[Any, Any, Response]:
    """Send a call with its method or its fallback method, whichever the service supports."""
    method = call.method
    if call.operation in state.fallback_operations and call.fallback_method:
        method = call.fallback_method
    response: Response = yield from _send_at_turn(call, state, method, token, call_time)
    if call.fallback_method and method != call.fallback_method and call.is_method_unsupported(response):
        response = yield from _send_at_turn(call, state, call.fallback_method, token, call_time)
        if not call.is_method_unsupported(response):
            state.fallback_operations.add(call.operation)
    if 300 <= response.status < 400:
        raise ApiError(
            f"{call}: the service answered {response.status}, a redirect to {_redirect_host(response)}. It is not "
            "followed, because the token would be sent there: check the connection's host",
            status=response.status,
        )
    if not 200 <= response.status < 300:
        text = redact_members(response.body[:MAX_ERROR_TEXT].decode(errors="replace"))
        redacted = state.connection.redact(text, token, state.token, *state.secrets)
        response = replace(response, body=redacted.encode(errors="replace"))
    return response


def _send_at_turn(
    call: Call[Any], state: SharedState, method: str, token: str | None, call_time: CallTime
) -> Generator[Any, Any, Response]:
    """Send one request as soon as the rate limiter allows it, and report a 429 to the rate limiter."""
    limiter = state.rate_limiter
    while True:
        throttle_epoch, pause = limiter.throttle_epoch, limiter.reserve()
        if pause > 0:
            yield Pause(pause)
        if throttle_epoch == limiter.throttle_epoch:
            break
    call_time.requested = time.monotonic()
    # The wait for its turn is not the service's time: one attempt always has the connection's timeout.
    ends = max(call_time.ends, time.monotonic() + state.connection.timeout)
    request = state.connection.request(call, method, token)
    response: Response = yield replace(request, ends=ends, max_body_bytes=call.max_body_bytes)
    state.note_response(call)
    if response.status == 429:
        retry_after = state.connection.retry.retry_after_seconds(response.retry_after)
        limiter.on_throttled(throttle_epoch, retry_after)
    else:
        limiter.on_success()
    return response


def _redirect_host(response: Response) -> str:
    try:
        return urlsplit(response.headers.get("location", "")).netloc.rpartition("@")[2] or "another address"
    except ValueError:
        return "an address that cannot be read"
