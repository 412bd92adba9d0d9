"""The task that holds its credential, on a slow machine."""

from __future__ import annotations

import runpy
from types import SimpleNamespace
from typing import Any

import pytest

from dev.demo import ROOT

PUBLISHED = 47  # when the new credential is there, in seconds
GRACE_PERIOD = 10  # of example_rotation


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Run ``hold_connection`` with look-ups that take 1 s or 8 s; return when each of its reads began."""
    clock, look_ups, reads = [0.0], [0], []

    def look_up(conn_id: str) -> Any:
        login = "old" if clock[0] < PUBLISHED else "new"
        look_ups[0] += 1
        clock[0] += 8 if look_ups[0] % 3 == 2 else 1
        return SimpleNamespace(conn_config=SimpleNamespace(login=login))

    def read_and_write(*arguments: Any) -> None:
        reads.append(clock[0])
        clock[0] += 1

    hold_connection = runpy.run_path(str(ROOT / "example_dags" / "example_rotation_consumer.py"))["hold_connection"]
    names = hold_connection.function.__globals__
    monkeypatch.setitem(names, "read_and_write", read_and_write)
    monkeypatch.setitem(names, "time", SimpleNamespace(time=lambda: clock[0]))
    monkeypatch.setattr("airflow.providers.amazon.aws.hooks.s3.S3Hook", look_up)
    hold_connection.function(SimpleNamespace(get_dr_count=lambda *_, **__: 0))
    return reads


def test_it_reads_until_the_grace_period_is_nearly_over(reads: list[float]) -> None:
    assert PUBLISHED < reads[-1] < PUBLISHED + GRACE_PERIOD
