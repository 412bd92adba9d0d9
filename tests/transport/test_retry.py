"""The retry policy: how long to wait, as computed and as the service asks; sync and async."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.call import Response
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    RateLimitedError,
)
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.transport.drivers import Connect, anypoint_connection, count


def fault(emulator: Emulator, operation: str, kind: str, **fields: Any) -> None:
    emulator.faults([{"operation": operation, "kind": kind, **fields}])


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_wins(form: str, connect: Connect, emulator: Emulator) -> None:
    driver = connect(anypoint_connection(emulator.url, retry=RetryPolicy(initial_wait=0, max_wait=0)))
    driver.send(anypoint.create_store("s"))
    wanted = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    fault(emulator, "anypoint.get_store", "status", status=429, headers={"Retry-After": wanted}, times=1)
    start = time.monotonic()
    driver.send(anypoint.get_store("s"))
    assert time.monotonic() - start > 0.9  # a date has whole seconds


@pytest.mark.parametrize("ahead", [-600, 600], ids=["clock behind", "clock ahead"])
def test_a_date_counts_from_the_service_s_clock(ahead: float) -> None:
    now = time.time() - ahead
    headers = {"Date": formatdate(now, usegmt=True), "Retry-After": formatdate(now + 2, usegmt=True)}
    assert Response(429, {name.lower(): value for name, value in headers.items()}, b"").retry_after == "2.0"


def test_retry_after_is_capped_and_the_deadline_holds(connect: Connect, emulator: Emulator) -> None:
    policy = RetryPolicy(max_retry_after=0.2, deadline=0.5, attempts=50)
    driver = connect(anypoint_connection(emulator.url, retry=policy))
    fault(emulator, "anypoint.get_store", "status", status=429, headers={"Retry-After": "86400"})
    start = time.monotonic()
    with pytest.raises(RateLimitedError):
        driver.send(anypoint.get_store("s"))
    assert 0.2 < time.monotonic() - start < 5
    assert 2 <= count(emulator, "anypoint.get_store") <= 4


@pytest.mark.parametrize(
    ("text", "expected"), [("3", 3.0), ("-1", None), ("0", None), ("soon", None), ("nan", None), (formatdate(0), None)]
)
def test_reading_retry_after(text: str, expected: float | None) -> None:
    assert RetryPolicy().retry_after_seconds(text) == expected
