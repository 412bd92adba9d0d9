"""Many waits on one event loop."""

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
from airflow_provider_objectstore.transport import asynchronous
from airflow_provider_objectstore.triggers.poll import PollTrigger
from airflow_provider_objectstore.triggers.waits import KeysTrigger, PartitionTrigger
from tests.conftest import connect
from tests.triggers.waiting import ATTEMPTS, answers, events, revived

HEAD = "anypoint.key_exists"
TICK = 0.005
Arrivals = list[tuple[float, str]]


@pytest.fixture
def arrivals(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    """When each request came in, and for what: the emulator itself only counts."""
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
    """The first wait of a process imports libraries, which takes a tenth of a second."""
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(events(wait_for("k")), 0.1))
    emulator.reset()


def wait_for(key: str, **settings: Any) -> KeysTrigger:
    place = {"anypoint_conn_id": "anypoint_default", "store_id": "s", "partition": "p"}
    return KeysTrigger(keys=key, **{**place, "poke_interval": 0.01, **settings})


@asynccontextmanager
async def waiting(triggers: list[PollTrigger]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """The triggers run as long as the block; none may have ended by itself."""
    tasks = [asyncio.create_task(events(revived(trigger))) for trigger in triggers]
    try:
        yield tasks
        assert not any(task.done() and not task.cancelled() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Late:
    """The longest delays of a tick of 5 ms: on the loop, and in a thread, which shows how busy the machine is."""

    loop = machine = 0.0


@asynccontextmanager
async def ticking() -> AsyncIterator[Late]:
    late, over = Late(), threading.Event()

    async def tick() -> None:
        while not over.is_set():
            before = time.monotonic()
            await asyncio.sleep(TICK)
            late.loop = max(late.loop, time.monotonic() - before - TICK)

    def tick_beside() -> None:
        while not over.is_set():
            before = time.monotonic()
            time.sleep(TICK)
            late.machine = max(late.machine, time.monotonic() - before - TICK)

    task, thread = asyncio.create_task(tick()), threading.Thread(target=tick_beside)
    thread.start()
    try:
        yield late
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


def busiest(moments: list[float]) -> int:
    """The most that came in within one second."""
    first = most = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


async def test_share_session_token_and_pace(
    emulator: Emulator, arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = 250
    connect(monkeypatch, emulator, requests_per_second=rate)
    names = [f"k{number}" for number in range(300)]
    async with ticking() as late, waiting([wait_for(name) for name in names]):
        await until(lambda: len(arrivals) > 800)
        (state,) = asynchronous._states[asyncio.get_running_loop()].values()
        assert state.clients == len(names)
    assert answers(emulator, "accounts.token") == {"200": 1}
    # Requests leave at even moments; a loop that wakes up late sends together what was due meanwhile.
    assert busiest([moment for moment, _ in arrivals]) <= rate * (1 + late.loop + late.machine) + 1
    looks = Counter(name for _, name in arrivals)
    assert set(looks) == set(names)
    assert min(looks.values()) >= max(looks.values()) / 2


async def test_slow_answers_hold_up_no_other_wait(emulator: Emulator, arrivals: Arrivals) -> None:
    emulator.faults([{"operation": "anypoint.partition_exists", "kind": "delay", "seconds": 2}])
    slow = PartitionTrigger(anypoint_conn_id="anypoint_default", store_id="s", partition="slow", poke_interval=0.1)
    quick = [f"k{number}" for number in range(10)]
    # A busy machine is late by itself now and then; a wait that holds up others does so each time, by up to 2 s.
    for last in (False, False, True):
        arrivals.clear()
        async with ticking() as late, waiting([slow] * 10 + [wait_for(name, poke_interval=0.1) for name in quick]):
            await asyncio.sleep(2.6)
        assert answers(emulator, "anypoint.partition_exists")["404"] >= 10
        times = {name: [moment for moment, asked in arrivals if asked == name] for name in quick}
        gaps = [b - a for moments in times.values() for a, b in pairwise(moments)]
        if late.loop < 0.1 + late.machine and max(gaps) < 0.2 + 3 * late.machine:
            break
        assert not last, (late.loop, late.machine, max(gaps))
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
    # Only those that were refused before a new token was tried ask once more with it.
    assert (1 if status == 403 else each) * len(waits) <= asked[str(status)] <= each * len(waits)


async def test_errors_that_are_borne_make_no_hot_loop(emulator: Emulator) -> None:
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


async def test_says_when_looks_come_further_apart_than_asked(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    connection = emulator.connections()["anypoint_default"]
    for name, rate in (("CROWDED", 10), ("ROOMY", 100)):
        extra = {**connection["extra"], "requests_per_second": rate}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({**connection, "extra": extra}))

    def waits(conn_id: str) -> list[PollTrigger]:
        return [wait_for("k", anypoint_conn_id=conn_id, poke_interval=0.5) for _ in range(25)]

    said = ""

    def look() -> str:
        nonlocal said
        said += "".join(capfd.readouterr())
        return said

    async with waiting(waits("roomy")):
        await asyncio.sleep(2.3)
    assert "apart" not in look()
    async with waiting(waits("crowded")):
        await until(lambda: "s apart instead of 0" in look())
