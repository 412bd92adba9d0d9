"""Decide when to try a call again, and how long to wait before."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from airflow_provider_objectstore.exceptions import ApiError, ObjectStoreError, is_transient

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """
    How often and how long a call is tried; times in seconds.

    :param attempts: at most this many requests for one call.
    :param deadline: no new attempt starts later than this after the first.
    :param initial_wait: upper bound of the first wait. It doubles with each wait; the wait itself is random below it.
    :param max_wait: upper bound of a computed wait.
    :param max_retry_after: upper bound of a wait that the service asks for by ``Retry-After``.
    """

    attempts: int = 6
    deadline: float = 120
    initial_wait: float = 0.5
    max_wait: float = 20
    max_retry_after: float = 60

    def begin(self, started: float) -> RetryCallState:
        """
        Return tenacity's state of a call whose first attempt has failed; sync and async drive it through ``iter``.

        Calls that succeed at once do not pay for building it.

        :param started: when the first attempt started, by the monotonic clock.
        """
        retrying = self._retrying()
        retrying.begin()
        state = RetryCallState(retry_object=retrying, fn=None, args=(), kwargs={})
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

    def _retrying(self) -> Retrying:
        computed = wait_random_exponential(multiplier=self.initial_wait, max=self.max_wait)

        def wait(state: RetryCallState) -> float:
            error = _error(state)
            requested = self.retry_after_seconds(error.retry_after if isinstance(error, ApiError) else None)
            return computed(state) if requested is None else requested

        def log_retry(state: RetryCallState) -> None:
            log.warning(
                "%s. Trying again in %.1f s (request %d of at most %d)",
                _error(state),
                state.upcoming_sleep,
                state.attempt_number + 1,
                self.attempts,
            )

        return Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(self.attempts) | stop_before_delay(self.deadline),
            wait=wait,
            before_sleep=log_retry,
            reraise=True,
        )


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
    return None if math.isnan(seconds) else max(seconds, 0.0)


def _error(state: RetryCallState) -> BaseException | None:
    error = state.outcome.exception() if state.outcome else None
    assert error is None or isinstance(error, ObjectStoreError)
    return error
