"""What clients of one connection share: the token, and which stores are known to exist."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    NotFoundError,
    PermissionDeniedError,
    TransportError,
)
from airflow_provider_objectstore.transport import state as state_module
from airflow_provider_objectstore.transport.state import ParentCache, SharedState
from tests.transport.drivers import Driver, anypoint_connection, count


def fault(emulator: Emulator, call: Call[Any], **fields: Any) -> None:
    emulator.faults([{"operation": call.operation, "kind": "status", **fields}])


def test_a_403_under_an_older_token_gets_one_new_token(stores: Driver, emulator: Emulator) -> None:
    call = anypoint.get_store("s")
    fault(emulator, call, status=403, times=1)
    assert stores.send(call).store_id == "s"
    assert count(emulator, "accounts.token") == 2


def test_a_403_under_a_new_token_counts(stores: Driver, emulator: Emulator) -> None:
    call = anypoint.get_store("s")
    fault(emulator, call, status=403)
    for _ in range(5):
        with pytest.raises(PermissionDeniedError):
            stores.send(call)
    assert count(emulator, "accounts.token") == 2
    assert count(emulator, call.operation) == 6


def test_an_outage_is_that_of_one_host() -> None:
    url, nowhere = "http://127.0.0.1:1", "http://127.0.0.1:2"
    urls = anypoint_access.base_urls(nowhere, url, "emulator-org", "emulator-env", url)
    state = SharedState(anypoint_connection(url, base_urls=urls))
    usage = anypoint.get_organization_usage("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
    now = time.monotonic()
    for call in (anypoint.get_store("s"), usage, anypoint.list_regions()):
        assert state.retry_ends(call, now) == now + state.retry_seconds
    state.note_failure(anypoint.get_store("s"), TransportError("refused", unreachable=True), now - 60)
    assert state.retry_ends(usage, now) == now + state.retry_seconds
    for other in (anypoint.get_store("t"), anypoint.list_regions()):
        assert state.retry_ends(other, now) == now - 60 + state.retry_seconds
    state.note_response(usage)
    assert state.retry_ends(anypoint.get_store("s"), now) == now - 60 + state.retry_seconds
    state.note_response(anypoint.list_regions())
    assert state.retry_ends(anypoint.get_store("s"), now) == now + state.retry_seconds


def test_attempts_that_last_are_of_one_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing answers, not even with a refusal, each attempt takes the connection's time-out."""
    now, attempts = 1000.0, list[int]()
    monkeypatch.setattr(state_module, "time", SimpleNamespace(monotonic=lambda: now))
    state, call = SharedState(anypoint_connection("http://127.0.0.1:1")), anypoint.get_store("s")
    for _ in range(6):
        started, number = now, 0
        while number == 0 or now < state.retry_ends(call, started):
            now, number = now + 30, number + 1
            state.note_failure(call, TransportError("timed out", unreachable=True), started)
        attempts.append(number)
    assert attempts == [4, 1, 1, 1, 1, 1]


class TestParentCache:
    def test_remembers_and_forgets(self) -> None:
        cache, error = ParentCache(), NotFoundError("no store", status=404)
        assert not cache.exists("/s")
        assert cache.missing_error("/s") is None
        cache.remember("/s", None)
        assert cache.exists("/s")
        cache.remember("/s", error)
        assert not cache.exists("/s")
        assert cache.missing_error("/s") is error
        cache.forget("/s")
        assert cache.missing_error("/s") is None

    def test_forgets_after_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("EXISTS_SECONDS", "MISSING_SECONDS"):
            monkeypatch.setattr(f"airflow_provider_objectstore.transport.state.{name}", 0)
        cache = ParentCache()
        cache.remember("/s", None)
        cache.remember("/t", NotFoundError("no store", status=404))
        assert not cache.exists("/s")
        assert cache.missing_error("/t") is None

    def test_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_objectstore.transport.state.MAX_PARENTS", 3)
        cache = ParentCache()
        for number in range(10):
            cache.remember(f"/{number}", None)
        assert cache.exists("/9")
        assert not cache.exists("/0")
