"""Keeps the requests of one connection apart, as far as the service wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

HALVED = 0.25
"""Seconds at half the pace after a refusal."""
SILENT = 0.05
"""Seconds without a request after a refusal, for the service to catch up."""


class Pacer:
    """
    Hands out moments at which a request may start, evenly spaced and first come, first served.

    A 429 halves the pace for a moment. Then it comes back to just below what the service has taken, and climbs from
    there, slowly at first, up to the limit.

    :param limit: requests a second that are never exceeded.
    :param clock: seconds that never go back.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.refusals = 0
        self.cuts = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._known = limit
        self._cut = float("-inf")
        self._taken = 0

    def reserve(self) -> float:
        """Take the next free moment; return how many seconds it is away. It is void if :attr:`cuts` has grown then."""
        with self._lock:
            now = self._clock()
            moment = max(now, self._next)
            self._next = moment + 1 / self._pace(moment)
        return moment - now

    def taken(self) -> None:
        """Note that the service took a request."""
        if self._clock() >= self._cut + HALVED:
            self._taken += 1

    def refused(self, cuts: int, pause: float | None = None) -> None:
        """
        Note that the service answered 429.

        :param cuts: what :attr:`cuts` was when that request was sent; what was under way at the last causes no other.
        :param pause: seconds for which the service wants to hear nothing.
        """
        with self._lock:
            self.refusals += 1
            if cuts != self.cuts:
                return
            now = self._clock()
            pace, seconds = self._pace(now), now - self._cut - HALVED
            if seconds < 0:
                self._known /= 2  # half was still too much
            elif self.cuts:
                self._known = min(pace, self._taken / seconds) if seconds > 1 else pace * 0.9
            self._known = max(self._known, self.limit / 100)
            self.cuts += 1
            self._cut, self._taken = now, 0
            self._next = now + (pause or SILENT)

    def _pace(self, now: float) -> float:
        since = now - self._cut
        if since < HALVED:
            return self._known / 2
        return min(self.limit, self._known * (0.985 + 0.0005 * since**2)) if self.cuts else self.limit
