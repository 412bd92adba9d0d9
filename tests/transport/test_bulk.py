"""The bulk runner: streams of calls, bounded, reported on, and stopped by real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.call import Pause
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.transport import bulk as bulk_module
from airflow_provider_objectstore.transport.bulk import DRAIN_TIMEOUT, BulkRunner
from tests.transport.drivers import anypoint_connection
from tests.transport.stub import http, serving
from tests.triggers.waiting import answers, once

pytestmark = pytest.mark.slow

GET = "anypoint.get_key"


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_many("s", "p", {f"k{number}": number for number in range(100)}).raise_failed()
    return hook


class Reading:
    """Reads keys ``k0``, ``k1``, … and keeps the results."""

    def __init__(self, bulk: BulkRunner, keys: int) -> None:
        self.bulk = bulk
        self.keys = keys
        self.given = 0
        self.read: list[str] = []
        self.failed: dict[str, ObjectStoreError] = {}

    async def calls(self, _: Any) -> AsyncIterator[tuple[str, Any]]:
        for number in range(self.keys):
            self.given += 1
            yield f"k{number}", api.get_key("s", "p", f"k{number}")

    def run(self) -> None:
        self.bulk.run(self.calls, lambda key, _: self.read.append(key), self.failed.__setitem__)


def slow(emulator: Emulator, seconds: float, **fault: Any) -> None:
    emulator.faults([{"operation": GET, "kind": "delay", "seconds": seconds, **fault}])


def arrived(emulator: Emulator, requests: int = 1) -> Callable[[], bool]:
    return lambda: sum(answers(emulator, GET).values()) >= requests


@contextmanager
def on_sigterm(act: Callable[[], object]) -> Iterator[None]:
    """Call something from the handler of SIGTERM, as a task process does."""
    before = signal.signal(signal.SIGTERM, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_fails_stops_nothing_else(hook: AnypointObjectStoreHook) -> None:
    reading = Reading(hook.bulk(), 103)
    reading.run()
    assert len(reading.read) == 100
    assert sorted(reading.failed) == ["k100", "k101", "k102"]
    assert {type(error) for error in reading.failed.values()} == {NotFoundError}


def test_only_so_many_at_a_time_and_none_ahead(hook: AnypointObjectStoreHook) -> None:
    running, most, given, done, ahead = 0, 0, 0, 0, 0

    def flow() -> Any:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        yield Pause(0.002)
        running -= 1
        done += 1

    async def flows(_: Any) -> AsyncIterator[tuple[int, Any]]:
        nonlocal given, ahead
        for number in range(300):
            given += 1
            ahead = max(ahead, given - done)
            yield number, flow()

    hook.bulk(concurrency=7).run(flows, lambda *_: None, lambda *_: None)
    assert done == 300
    assert most == 7
    assert ahead <= 2 * 7 + 1, "those under way, as many in the queue, and the one that is being yielded"


def test_an_error_while_listing_lets_the_others_finish(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    slow(emulator, 0.2)
    read: list[str] = []

    async def calls(client: Any) -> AsyncIterator[tuple[str, Any]]:
        yield "k1", api.get_key("s", "p", "k1")
        async for _ in client.pages(api.list_keys("s", "no such partition")):
            raise AssertionError

    with pytest.raises(NotFoundError, match="no such partition"):
        hook.bulk().run(calls, lambda key, _: read.append(key), lambda *_: None)
    assert read == ["k1"]


def test_another_error_is_not_swallowed(hook: AnypointObjectStoreHook) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    reading = Reading(hook.bulk(concurrency=2), 50)
    with pytest.raises(ZeroDivisionError):
        reading.bulk.run(reading.calls, broken, broken)


def test_reports_at_a_steady_interval(hook: AnypointObjectStoreHook) -> None:
    moments: list[float] = []
    bulk = hook.bulk(interval=0.2, requests_per_second=20, report=lambda: moments.append(time.monotonic()))
    Reading(bulk, 30).run()
    gaps = [after - before for before, after in pairwise(moments)]
    assert len(moments) >= 5
    assert min(gaps) >= 0.19


def test_counts_retries_and_refusals(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([{"operation": GET, "kind": "status", "status": 429, "times": 3, "headers": {"Retry-After": "0"}}])
    reading = Reading(hook.bulk(concurrency=1), 2)
    reading.run()
    assert (len(reading.read), reading.bulk.retries, reading.bulk.throttled) == (2, 3, 3)


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"concurrency": 2.5}, {"requests_per_second": 0}], ids=repr)
def test_settings_without_sense_are_refused(hook: AnypointObjectStoreHook, settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"at a time|requests_per_second"):
        hook.bulk(**settings)


async def test_many_keys_on_a_running_loop(hook: AnypointObjectStoreHook) -> None:
    assert asyncio.get_running_loop().is_running()
    found = hook.get_many("s", "p", ["k1", "k2", "none"])
    assert {key: entry.value for key, entry in found.succeeded.items()} == {"k1": 1, "k2": 2}
    assert list(found.failed) == ["none"]


def test_the_pace_of_a_bulk(hook: AnypointObjectStoreHook) -> None:
    begun = time.monotonic()
    Reading(hook.bulk(requests_per_second=50), 25).run()
    assert time.monotonic() - begun >= 24 / 50


# ---- stopping ------------------------------------------------------------------------------------


def test_a_stop_sends_nothing_more(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    reading = Reading(hook.bulk(requests_per_second=20), 100)  # 32 of them wait for their turn
    with once(arrived(emulator, 5), reading.bulk.stop):
        reading.run()
    assert len(reading.read) <= 6
    assert sum(answers(emulator, GET).values()) == len(reading.read)
    assert not reading.failed


def test_a_stop_lets_what_is_under_way_finish() -> None:
    received: list[bytes] = []
    stopped = threading.Event()

    def answer(request: bytes) -> bytes:
        received.append(request)
        stopped.wait(20)
        return http(b'{"stringValue": "v", "valueType": "STRING"}')

    with serving(answer) as url:
        runner = BulkRunner(anypoint_connection(url, token_call=None, bearer="a-token"), concurrency=3)
        reading = Reading(runner, 100)
        with once(lambda: len(received) == 3, lambda: (runner.stop(), stopped.set())):
            reading.run()
    assert sorted(reading.read) == ["k0", "k1", "k2"]
    assert len(received) == 3


def test_a_stop_waits_no_longer_than_that(
    hook: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "DRAIN_TIMEOUT", 0.5)
    slow(emulator, 20)
    reading = Reading(hook.bulk(concurrency=3), 100)
    begun = time.monotonic()
    with once(lambda: reading.given >= 4, lambda: (time.sleep(0.3), reading.bulk.stop())):
        reading.run()
    assert time.monotonic() - begun < 10
    assert reading.read == []


def test_a_stop_ends_a_long_retry_after(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([{"operation": GET, "kind": "status", "status": 429, "headers": {"Retry-After": "60"}}])
    reading = Reading(hook.bulk(), 100)
    begun = time.monotonic()
    with once(arrived(emulator), reading.bulk.stop):
        reading.run()
    assert time.monotonic() - begun < DRAIN_TIMEOUT
    assert reading.read == []


def test_a_stop_before_the_start(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    reading = Reading(hook.bulk(), 100)
    reading.bulk.stop()
    reading.run()
    assert not answers(emulator, GET)


def test_a_flow_goes_no_further(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    slow(emulator, 2)
    bulk = hook.bulk()

    def move() -> Any:
        yield api.get_key("s", "p", "k1")
        yield api.delete_key("s", "p", "k1")

    async def one(_: Any) -> AsyncIterator[tuple[int, Any]]:
        yield 1, move()
        await asyncio.sleep(1)
        bulk.stop()

    bulk.run(one, lambda *_: None, lambda *_: None)
    assert answers(emulator, GET) == {"200": 1}
    assert not answers(emulator, "anypoint.delete_key")


def test_sigterm_while_the_main_thread_waits(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    assert threading.current_thread() is threading.main_thread()
    slow(emulator, 0.3)
    reading = Reading(hook.bulk(concurrency=4), 100)

    def terminate() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)  # a second signal changes nothing

    with on_sigterm(reading.bulk.stop), once(arrived(emulator, 4), terminate):
        reading.run()
    assert reading.bulk.stopped
    assert 4 <= len(reading.read) <= 8
    assert sum(answers(emulator, GET).values()) == len(reading.read)


def test_a_stop_within_a_stop(hook: AnypointObjectStoreHook) -> None:
    """A signal may interrupt the handler of another one: a lock would wait for itself."""
    bulk = hook.bulk()
    depth = 0

    def stop(*_: object) -> None:
        nonlocal depth
        depth += 1
        assert depth < 50, "stuck"
        bulk.stop()
        depth -= 1

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            bulk.stop()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert bulk.stopped


def test_airflows_timeout_while_the_main_thread_waits(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    assert not issubclass(AirflowTaskTimeout, AirflowException | Exception)
    slow(emulator, 0.3)
    reading = Reading(hook.bulk(concurrency=4), 100)
    with pytest.raises(AirflowTaskTimeout), timeout(1):
        reading.run()
    assert reading.bulk.stopped
    assert 4 <= len(reading.read) <= 20
    assert sum(answers(emulator, GET).values()) == len(reading.read)
