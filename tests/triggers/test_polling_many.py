"""Many triggers on one event loop."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.app import App
from airflow_provider_objectstore.transport import async_client as asynchronous
from airflow_provider_objectstore.transport.rate_limit import RateLimiter
from airflow_provider_objectstore.triggers.conditions import AnypointKeyTrigger, AnypointPartitionTrigger
from airflow_provider_objectstore.triggers.polling import PollingTrigger
from tests.conftest import connect
from tests.triggers.waiting import ATTEMPTS, answers, events, revived

pytestmark = pytest.mark.slow

HEAD = "anypoint.key_exists"
TICK = 0.005
Arrivals = list[tuple[float, str]]


@pytest.fixture
def arrivals(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    """When each request arrived, and for which key: the emulator only counts."""
    found: Arrivals = []
    serve = App.__call__

    def note(app: App, scope: Any, *rest: Any) -> Awaitable[None]:
        if scope["method"] == "HEAD":
            found.append((time.monotonic(), scope["raw_path"].decode().rpartition("/")[2]))
        return serve(app, scope, *rest)

    monkeypatch.setattr(App, "__call__", note)
    return found


@pytest.fixture(autouse=True)
def imported(emulator: Emulator) -> None:
    """The first trigger of a process imports libraries, which takes a tenth of a second."""
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(events(wait_for("k")), 0.1))
    emulator.reset()


def wait_for(key: str, **settings: Any) -> AnypointKeyTrigger:
    place = {"anypoint_conn_id": "anypoint_default", "store_id": "s", "partition": "p"}
    return AnypointKeyTrigger(keys=key, **{**place, "poke_interval": 0.01, **settings})


@asynccontextmanager
async def waiting(triggers: list[PollingTrigger]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """The triggers run as long as the block; none may have ended by itself."""
    tasks = [asyncio.create_task(events(revived(trigger))) for trigger in triggers]
    try:
        yield tasks
        assert not any(task.done() and not task.cancelled() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Delays:
    """The longest delays of a tick of 5 ms: on the loop, and in a thread, which shows how busy the machine is."""

    loop = machine = 0.0


@asynccontextmanager
async def ticking() -> AsyncIterator[Delays]:
    delays, over = Delays(), threading.Event()

    async def tick() -> None:
        while not over.is_set():
            before = time.monotonic()
            await asyncio.sleep(TICK)
            delays.loop = max(delays.loop, time.monotonic() - before - TICK)

    def tick_beside() -> None:
        while not over.is_set():
            before = time.monotonic()
            time.sleep(TICK)
            delays.machine = max(delays.machine, time.monotonic() - before - TICK)

    task, thread = asyncio.create_task(tick()), threading.Thread(target=tick_beside)
    thread.start()
    try:
        yield delays
    finally:
        over.set()
        await task
        thread.join()


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


@contextmanager
def thread_time(most: float) -> Iterator[None]:
    """The block may take so many seconds of processor time."""
    before = time.thread_time()
    yield
    assert time.thread_time() - before < most


def most_in_a_second(times: list[float]) -> int:
    """The most that arrived within one second."""
    first = most = 0
    for last, arrived in enumerate(times):
        while arrived - times[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


async def test_share_session_token_and_rate(
    emulator: Emulator, arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = 250
    turns: list[float] = []
    reserve = RateLimiter.reserve

    def noted(limiter: RateLimiter) -> float:
        seconds = reserve(limiter)
        turns.append(limiter._next - 1 / rate)
        return seconds

    monkeypatch.setattr(RateLimiter, "reserve", noted)
    connect(monkeypatch, emulator, requests_per_second=rate)
    names = [f"k{number}" for number in range(300)]
    async with waiting([wait_for(name) for name in names]):
        await until(lambda: {name for _, name in arrivals} == set(names))
        started = len(arrivals)
        await until(lambda: len(arrivals) > started + 800)
        (state,) = asynchronous._states[asyncio.get_running_loop()].values()
        assert state.clients == len(names)
    assert answers(emulator, "accounts.token") == {"200": 1}
    # Turns are evenly spaced and no request arrives before its own; how late it arrives is up to the machine.
    assert most_in_a_second(turns) <= rate + 1
    assert all(turn < arrived + TICK for turn, (arrived, _) in zip(sorted(turns), arrivals, strict=False))
    assert len(arrivals) <= len(turns)
    requests = Counter(name for _, name in arrivals[started:])
    assert min(requests.values()) >= max(requests.values()) / 2


async def test_slow_responses_delay_no_other_wait(emulator: Emulator, arrivals: Arrivals) -> None:
    emulator.faults([{"operation": "anypoint.partition_exists", "kind": "delay", "seconds": 2}])
    slow = AnypointPartitionTrigger(
        anypoint_conn_id="anypoint_default", store_id="s", partition="slow", poke_interval=0.1
    )
    quick = [f"k{number}" for number in range(10)]
    # A busy machine is late now and then; a trigger that delays others does so each time, by up to 2 s.
    for last in (False, False, True):
        arrivals.clear()
        async with ticking() as delays, waiting([slow] * 10 + [wait_for(name, poke_interval=0.1) for name in quick]):
            await asyncio.sleep(2.6)
        assert answers(emulator, "anypoint.partition_exists")["404"] >= 10
        times = {name: [arrived for arrived, key in arrivals if key == name] for name in quick}
        gaps = [b - a for arrived in times.values() for a, b in pairwise(arrived)]
        if delays.loop < 0.1 + delays.machine and max(gaps) < 0.2 + 3 * delays.machine:
            break
        assert not last, (delays.loop, delays.machine, max(gaps))
    assert min(map(len, times.values())) > 5


@pytest.mark.parametrize(("status", "each"), [(403, 2), (500, 3 * ATTEMPTS)])
async def test_errors_make_no_hot_loop(status: int, each: int, emulator: Emulator) -> None:
    emulator.faults([{"operation": HEAD, "kind": "status", "status": status}])
    waits = [wait_for(f"k{number}", max_consecutive_errors=2) for number in range(30)]
    with thread_time(1):
        found = await asyncio.wait_for(asyncio.gather(*map(events, waits)), 5)
    assert {event["status"] for (event,) in found} == {"failed"}
    asked = answers(emulator, HEAD)
    assert set(asked) == {str(status)}
    # Only those that were refused before a new token was tried send one more request with it.
    assert (1 if status == 403 else each) * len(waits) <= asked[str(status)] <= each * len(waits)


async def test_tolerated_errors_make_no_hot_loop(emulator: Emulator) -> None:
    emulator.faults([{"operation": HEAD, "kind": "status", "status": 500}])
    waits = [wait_for(f"k{number}", poke_interval=0.4, max_consecutive_errors=10_000) for number in range(30)]
    with thread_time(1):
        async with waiting(list(waits)):
            await asyncio.sleep(1)
    assert len(waits) <= answers(emulator, HEAD)["500"] <= 3 * ATTEMPTS * len(waits)


async def test_killed_waits_end_and_the_last_closes_the_session(emulator: Emulator, arrivals: Arrivals) -> None:
    problems: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, problem: problems.append(problem))
    emulator.faults([{"operation": HEAD, "kind": "delay", "seconds": 0.05}])  # some are killed within a request
    async with waiting([wait_for(f"k{number}", poke_interval=0.05) for number in range(20)]) as tasks:
        await until(lambda: len(arrivals) > 40)
        (state,) = asynchronous._states[loop].values()
        session = state.session
        assert session is not None
        for task in tasks[1:]:
            task.cancel("by a user")
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        before = len(arrivals)
        await asyncio.sleep(0.3)
        assert {name for _, name in arrivals[before:]} == {"k0"}
        assert (state.clients, session.closed) == (1, False)

        tasks[0].cancel("by a user")
        await asyncio.sleep(0.1)
        before = len(arrivals)
        assert (state.clients, state.session, session.closed) == (0, None, True)
        await asyncio.sleep(0.2)
        assert len(arrivals) == before
    asynchronous._states[loop].clear()
    del state, session
    gc.collect()
    await asyncio.sleep(0)
    assert problems == []


async def test_waits_killed_while_they_begin_leave_nothing_open(emulator: Emulator) -> None:
    for steps in range(12):
        async with waiting([wait_for(f"k{number}") for number in range(3)]):
            for _ in range(steps):
                await asyncio.sleep(0.001)
        for state in asynchronous._states.get(asyncio.get_running_loop(), {}).values():
            assert (state.clients, state.session) == (0, None)


async def test_logs_when_polls_are_further_apart_than_requested(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    connection = emulator.connections()["anypoint_default"]
    for name, rate in (("CROWDED", 10), ("ROOMY", 100)):
        extra = {**connection["extra"], "requests_per_second": rate}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({**connection, "extra": extra}))

    def waits(conn_id: str) -> list[PollingTrigger]:
        return [wait_for("k", anypoint_conn_id=conn_id, poke_interval=0.5) for _ in range(25)]

    log = ""

    def read_log() -> str:
        nonlocal log
        log += "".join(capfd.readouterr())
        return log

    async with waiting(waits("roomy")):
        await asyncio.sleep(2.3)
    assert "apart" not in read_log()
    async with waiting(waits("crowded")):
        await until(lambda: "s apart instead of 0" in read_log())
