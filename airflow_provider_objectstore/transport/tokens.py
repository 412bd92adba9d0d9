"""Fetch the token of a connection."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from airflow_provider_objectstore.api.call import Call, Token
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ObjectStoreError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.transport.execution import attempt
from airflow_provider_objectstore.transport.state import SharedState
from airflow_provider_objectstore.transport.steps import GetToken, MaskSecret

EXPIRY_MARGIN = 60
"""A token is replaced this many seconds before it expires."""


def obtain_token(state: SharedState, step: GetToken, fetches_seen: int) -> Generator[Any, Any, str]:
    """
    Return a usable token, and fetch one if there is none. The driver runs this under a lock.

    :param step: what is asked for.
    :param fetches_seen: ``state.token_fetches`` before the caller waited for the lock. Callers that waited while
        another one failed share its error instead of sending the same request one after the other.
    """
    if token := state.usable_token(step.rejected):
        return token
    if state.token_error is not None and state.token_fetches != fetches_seen:
        step.time.requested = state.token_requested
        raise state.token_error
    call = state.connection.token_call
    assert call is not None, "a resolved connection has a token or a call that fetches one"
    try:
        _, fetched = yield from attempt(call, state, step.time)
        state.token_error = None
    except ObjectStoreError as error:
        state.token_requested = step.time.requested
        state.token_error = _token_error(error, call, state)
        raise state.token_error from error.__cause__
    finally:
        state.token_fetches += 1
    yield MaskSecret(fetched.value)
    state.token = fetched.value
    state.token_valid_until = time.monotonic() + fetched.expires_in - min(EXPIRY_MARGIN, fetched.expires_in / 2)
    return fetched.value


def _token_error(error: ObjectStoreError, call: Call[Token], state: SharedState) -> ObjectStoreError:
    """
    Return the error for a call that got no token. It says nothing about the object of the call.

    A 404 or 405 comes from a wrong accounts address or from something in between, and may pass; any other 4xx means
    that the credentials are wrong.
    """
    connection = state.connection
    message = f"could not get a token from {connection.base_urls[call.base_url]}{call.path}: {error}"
    if isinstance(error, ConfigurationError):
        return error.reworded(message)
    if isinstance(error, TransportError):
        return TransportError(message, request_sent=False, permanent=error.permanent, unreachable=error.unreachable)
    status: int | None = getattr(error, "status", None)
    if isinstance(error, RateLimitedError):
        return RateLimitedError(message, status=status, retry_after=error.retry_after, request_sent=False)
    if isinstance(error, (OutcomeUnknownError, ServerError)) or status in (404, 405):
        return ServerError(message, status=status, request_sent=False)
    return AuthenticationError(message, status=status, request_sent=False)
