"""The services' rate limit."""

from __future__ import annotations

from collections.abc import Callable


class RateLimiter:
    """
    Token buckets, one per client address and service, that hold one second's worth of requests.

    :param rate: requests per second.
    :param clock: seconds that never go back.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def allow(self, service: str, client: str) -> bool:
        """Take a token; return whether there was one."""
        now = self._clock()
        capacity = max(1.0, self._rate)
        tokens, updated = self._buckets.get((service, client), (capacity, now))
        tokens = min(capacity, tokens + (now - updated) * self._rate)
        allowed = tokens >= 1
        self._buckets[service, client] = (tokens - 1 if allowed else tokens), now
        return allowed

    def reset(self) -> None:
        """Fill all buckets."""
        self._buckets.clear()
