"""The emulator's clock: the settings' time, and how far it was advanced."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_objectstore.emulator.settings import Settings

MAX_ADVANCED_SECONDS = 100 * 366 * 24 * 3600
"""How far the clock can be advanced in total."""


class Clock:
    """
    The time that the services go by. It can be advanced, and only a reset takes that back.

    :param settings: the emulator's settings, with the clocks that this one is ahead of.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.advanced = 0.0

    def monotonic(self) -> float:
        """Return seconds for durations."""
        return self._settings.clock() + self.advanced

    def time(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return self._settings.now() + self.advanced

    def timestamp(self) -> str:
        """Return the time of day as in RFC 3339, in UTC."""
        return datetime.fromtimestamp(self.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def advance(self, seconds: Any) -> None:
        """
        Let time pass.

        :param seconds: how many, 0 or more.
        :raises ValueError: if it is not such a number, or the clock would be more than 100 years ahead.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise ValueError("advance_seconds must be a number")
        if seconds < 0:
            raise ValueError("The clock never goes backwards: advance_seconds must be 0 or more")
        if not seconds <= MAX_ADVANCED_SECONDS - self.advanced:  # neither does NaN
            raise ValueError("The clock can be at most 100 years ahead")
        self.advanced += seconds
