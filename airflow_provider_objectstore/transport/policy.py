"""When to try again, and how long to wait before."""

from __future__ import annotations

import logging
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

from airflow_provider_objectstore.exceptions import (
    ApiError,
    ObjectStoreError,
    RateLimitedError,
    ServerError,
    TransportError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """
    How often and how long a call is tried; times in seconds.

    :param attempts: at most this many requests for one call.
    :param deadline: no new attempt starts later than this after the first.
    :param first_wait: upper bound of the first wait, which doubles from then on; each is drawn at random below it.
    :param longest_wait: upper bound of a computed wait.
    :param longest_retry_after: a service's ``Retry-After`` is followed up to this.
    """

    attempts: int = 6
    deadline: float = 120
    first_wait: float = 0.5
    longest_wait: float = 20
    longest_retry_after: float = 60

    def begin(self, begun: float) -> RetryCallState:
        """
        Return tenacity's state of a call whose first attempt has failed; both colours drive it through ``iter``.

        Calls that succeed at once never get here and do not pay for building it.

        :param begun: when the call began, by the monotonic clock.
        """
        retrying = self._retrying()
        retrying.begin()
        state = RetryCallState(retry_object=retrying, fn=None, args=(), kwargs={})
        state.start_time = begun
        retrying.iter(state)  # permits the first attempt
        return state

    def pause_of(self, retry_after: str | None) -> float | None:
        """Return for how many seconds the service wants to be left alone, as far as that is followed."""
        asked = _seconds(retry_after)
        return None if asked is None else min(asked, self.longest_retry_after)

    def _retrying(self) -> Retrying:
        computed = wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)

        def wait(state: RetryCallState) -> float:
            error = _error(state)
            asked = self.pause_of(error.retry_after if isinstance(error, ApiError) else None)
            return computed(state) if asked is None else asked

        def announce(state: RetryCallState) -> None:
            log.warning(
                "%s. Trying again in %.1f s (request %d of at most %d)",
                _error(state),
                state.upcoming_sleep,
                state.attempt_number + 1,
                self.attempts,
            )

        return Retrying(
            retry=retry_if_exception(worth_repeating),
            stop=stop_after_attempt(self.attempts) | stop_before_delay(self.deadline),
            wait=wait,
            before_sleep=announce,
            reraise=True,
        )


def worth_repeating(error: BaseException) -> bool:
    """Whether the same request may succeed later. What must not be repeated never gets here as such an error."""
    if isinstance(error, TransportError):
        return not error.permanent
    return isinstance(error, (RateLimitedError, ServerError))


def _seconds(retry_after: str | None) -> float | None:
    """Read the header: seconds, or an HTTP date."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, LookupError, OverflowError):  # what was sent is no date
            return None
    return max(seconds, 0.0) if seconds == seconds else None


def _error(state: RetryCallState) -> BaseException | None:
    error = state.outcome.exception() if state.outcome else None
    assert error is None or isinstance(error, ObjectStoreError)
    return error
