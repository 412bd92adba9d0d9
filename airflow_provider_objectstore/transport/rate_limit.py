"""Limit the requests a second of one connection, and slow down while the service answers 429."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

HALF_RATE_SECONDS = 0.25
"""Seconds at half the rate after a 429."""
PAUSE_SECONDS = 0.05
"""Seconds without a request after a 429."""


class RateLimiter:
    """
    Reserves the times at which requests may start: evenly spaced, first come, first served.

    A 429 halves the rate for a moment. Then the rate returns to just below what the service accepted before, and
    rises from there, slowly at first, up to the limit.

    :param limit: most requests a second.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.throttled = 0
        """How many requests the service answered with 429."""
        self.throttle_epoch = 0
        """Counts how often the rate was lowered."""
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._accepted_rate = limit
        self._throttled_at = float("-inf")
        self._accepted = 0

    def reserve(self) -> float:
        """
        Reserve the next free time and return how many seconds it is away.

        The reservation is invalid if :attr:`throttle_epoch` has changed by then.
        """
        with self._lock:
            now = self._clock()
            start = max(now, self._next)
            self._next = start + 1 / self._rate(start)
        return start - now

    @property
    def queue_seconds(self) -> float:
        """How long a request would now wait for its turn."""
        return max(self._next - self._clock(), 0.0)

    def on_success(self) -> None:
        """Note that the service accepted a request."""
        if self._clock() >= self._throttled_at + HALF_RATE_SECONDS:
            self._accepted += 1

    def on_throttled(self, throttle_epoch: int, pause: float | None = None) -> None:
        """
        Note that the service answered 429.

        :param throttle_epoch: :attr:`throttle_epoch` when that request was sent. Requests of an earlier epoch are
            ignored: they were sent before the rate was lowered.
        :param pause: seconds without a request that the service asked for.
        """
        with self._lock:
            self.throttled += 1
            if throttle_epoch != self.throttle_epoch:
                return
            now = self._clock()
            rate, seconds = self._rate(now), now - self._throttled_at - HALF_RATE_SECONDS
            if seconds < 0:
                self._accepted_rate /= 2  # half the rate was still too much
            elif self.throttle_epoch:
                self._accepted_rate = min(rate, self._accepted / seconds) if seconds > 1 else rate * 0.9
            self._accepted_rate = max(self._accepted_rate, self.limit / 100)
            self.throttle_epoch += 1
            self._throttled_at, self._accepted = now, 0
            self._next = now + (pause or PAUSE_SECONDS)

    def _rate(self, now: float) -> float:
        seconds = now - self._throttled_at
        if seconds < HALF_RATE_SECONDS:
            return self._accepted_rate / 2
        return (
            min(self.limit, self._accepted_rate * (0.985 + 0.0005 * seconds**2)) if self.throttle_epoch else self.limit
        )
