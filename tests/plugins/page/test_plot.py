from __future__ import annotations

from datetime import UTC, date, datetime

from airflow_provider_objectstore.api.anypoint.statistics import RequestCount
from airflow_provider_objectstore.plugins.page.plot import HEIGHT, bars_of


def test_what_is_not_told_is_not_zero() -> None:
    counts = [
        RequestCount(datetime(2026, 11, day, hour, tzinfo=UTC), requests)
        for day, hour, requests in ((1, 0, 30), (1, 5, 10), (3, 0, 20), (4, 0, 0))
    ]
    bars = bars_of(counts, date(2026, 11, 1), 4)
    assert [bar.count for bar in bars] == [40, None, 20, 0]
    assert [bar.height for bar in bars] == [HEIGHT, 0, HEIGHT / 2, 0]
    assert [bar.y for bar in bars] == [0, HEIGHT, HEIGHT / 2, HEIGHT]


def test_days_that_are_not_shown_do_not_flatten_the_others() -> None:
    counts = [
        RequestCount(datetime(2026, month, day, tzinfo=UTC), requests)
        for month, day, requests in ((10, 31, 5000), (11, 1, 10), (11, 2, 5), (11, 3, 9000))
    ]
    assert [bar.height for bar in bars_of(counts, date(2026, 11, 1), 2)] == [HEIGHT, HEIGHT / 2]


def test_nothing_at_all() -> None:
    assert [bar.height for bar in bars_of([], date(2026, 11, 1), 3)] == [0, 0, 0]
