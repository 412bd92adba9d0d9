"""Keeps the requests of one connection apart."""

from __future__ import annotations

import threading
import time


class Pacer:
    """
    Hands out moments at which a request may start, evenly spaced and first come, first served.

    :param requests_per_second: how many a second.
    """

    def __init__(self, requests_per_second: float) -> None:
        self._interval = 1 / requests_per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free moment; return how many seconds it is away."""
        with self._lock:
            now = time.monotonic()
            moment = max(now, self._next)
            self._next = moment + self._interval
        return moment - now
