"""Counts by day as bars of an SVG drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from airflow_provider_objectstore.api.anypoint.statistics import RequestCount

HEIGHT = 100
"""Height of the highest bar, in units of the drawing."""
WIDTH = 20
"""Width of a day, in the same units."""


@dataclass(frozen=True, slots=True)
class Bar:
    """
    A day.

    :param day: the day, in UTC.
    :param count: what was counted; None if the service does not tell, which is not zero.
    :param x: where its bar begins.
    :param height: how high it is.
    """

    day: date
    count: int | None
    x: int
    height: float

    @property
    def y(self) -> float:
        """Where its top is: a drawing counts from above."""
        return HEIGHT - self.height


def bars_of(counts: Sequence[RequestCount], first: date, days: int) -> list[Bar]:
    """
    Return a bar for each day, the highest of them as high as the drawing.

    :param counts: what the service has counted. It may tell of other days too: they are left out.
    :param first: the first day.
    :param days: how many days.
    """
    by_day: dict[date, int] = {}
    for count in counts:
        day = count.time.astimezone(UTC).date()
        by_day[day] = by_day.get(day, 0) + count.requests
    wanted = [first + timedelta(days=number) for number in range(days)]
    highest = max((by_day.get(day, 0) for day in wanted), default=0) or 1
    return [
        Bar(day, by_day.get(day), at * WIDTH, round(by_day.get(day, 0) * HEIGHT / highest, 1))
        for at, day in enumerate(wanted)
    ]
