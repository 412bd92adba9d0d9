"""Decide when to try a call again, and how long to wait before."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from airflow_provider_objectstore.exceptions import (
    ApiError,
    ObjectStoreError,
    RateLimitedError,
    TransportError,
    is_transient,
)

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger(__name__)

DEADLINE = 120.0
"""For how long a call is tried, in seconds, unless the connection says so."""


@dataclass(frozen=True)
class RetryPolicy:
    """
    How often and how long a call is tried; times in seconds.

    :param attempts: at most this many requests for one call. Attempts without a connection do not count: nothing can
        have happened, so they go on until the deadline.
    :param deadline: no new attempt starts later than this after the first, which begins when it has its turn. None
        means two minutes, or four times the connection's time-out if that is less.
    :param initial_wait: upper bound of the first wait. It doubles with each wait; the wait itself is random below it.
    :param max_wait: upper bound of a computed wait.
    :param max_retry_after: upper bound of a wait that the service asks for by ``Retry-After``.
    """

    attempts: int = 6
    deadline: float | None = None
    initial_wait: float = 0.5
    max_wait: float = 20
    max_retry_after: float = 60

    def seconds(self, timeout: float) -> float:
        """
        Return the deadline, in seconds after the first attempt.

        :param timeout: the connection's time-out, in seconds.
        """
        return min(DEADLINE, 4 * timeout) if self.deadline is None else self.deadline

    def begin(self, started: float, ends: float) -> CallState:
        """
        Return tenacity's state of a call whose first attempt has failed; sync and async drive it through ``iter``.

        Calls that succeed at once do not pay for building it.

        :param started: when the first attempt started, by the monotonic clock.
        :param ends: when the last attempt may start, likewise.
        """
        retrying = self._retrying(ends)
        retrying.begin()
        state = CallState(retry_object=retrying, fn=None, args=(), kwargs={})
        state.start_time = started
        retrying.iter(state)  # allows the first attempt
        return state

    def retry_after_seconds(self, retry_after: str | None) -> float | None:
        """
        Return the seconds to wait, at most ``max_retry_after``; None if the service asks for no wait.

        :param retry_after: the ``Retry-After`` header: seconds or an HTTP date.
        """
        seconds = _parse_retry_after(retry_after)
        return None if seconds is None else min(seconds, self.max_retry_after)

    def _retrying(self, ends: float) -> Retrying:
        computed = wait_random_exponential(multiplier=self.initial_wait, max=self.max_wait)

        def wait(state: Any) -> float:
            if state.unreachable:  # the last attempt is at the deadline, not a long wait before
                left: float = ends - state.outcome_timestamp
                return max(min(computed(state), left), 0.0)
            error = _error(state)
            requested = self.retry_after_seconds(error.retry_after if isinstance(error, ApiError) else None)
            return computed(state) if requested is None else requested

        def stop(state: Any) -> bool:
            if state.unreachable:
                return bool(state.outcome_timestamp >= ends)
            return bool(state.requests >= self.attempts or state.outcome_timestamp + state.upcoming_sleep >= ends)

        def log_retry(state: Any) -> None:
            if state.unreachable:
                until = datetime.now(UTC) + timedelta(seconds=ends - time.monotonic())
                holds = f"no connection{'' if state.requests else ' so far'}; trying until {until:%H:%M:%S} UTC"
            else:
                holds = f"request {state.requests + 1} of at most {self.attempts}"
            log.warning("%s. Trying again in %.1f s (%s)", _error(state), state.upcoming_sleep, holds)

        return Retrying(
            retry=retry_if_exception(is_transient), stop=stop, wait=wait, before_sleep=log_retry, reraise=True
        )


class CallState(RetryCallState):
    """How often a call was tried, and what came of it."""

    requests = 0
    """Attempts that had a connection."""
    unreachable = False
    """Whether the last attempt had none."""

    def set_exception(self, exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> None:
        """Set the error of the last attempt."""
        super().set_exception(exc_info)
        error = exc_info[1]
        self.unreachable = isinstance(error, TransportError) and error.unreachable
        self.requests += not self.unreachable

    def with_attempts(self, error: ObjectStoreError) -> ObjectStoreError:
        """
        Return the last error with how often and for how long the call was tried, if it was tried more than once.

        :param error: the error.
        """
        if self.attempt_number < 2 or not is_transient(error):
            return error
        if self.unreachable:
            hint = "check host and proxy of the connection, and this machine's network"
        elif isinstance(error, RateLimitedError):
            hint = "lower the connection's requests_per_second"
        else:
            hint = "try again later"
        seconds = time.monotonic() - self.start_time
        return error.reworded(f"{error}. Tried {self.attempt_number} times in {seconds:.1f} s: {hint}")


def _parse_retry_after(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, LookupError, OverflowError):  # not a date
            return None
    return seconds if seconds > 0 else None  # "at once", as some gateways say in an outage, is no reason not to wait


def _error(state: RetryCallState) -> BaseException | None:
    error = state.outcome.exception() if state.outcome else None
    assert error is None or isinstance(error, ObjectStoreError)
    return error
