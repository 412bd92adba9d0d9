from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx  # noqa: TID251 - it speaks to an application within the event loop of the test
import pytest
from fastapi import FastAPI

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.plugins.object_stores import URL_PREFIX
from airflow_provider_objectstore.plugins.page import services as page_services
from airflow_provider_objectstore.plugins.page.app import SafePage, build_app
from airflow_provider_objectstore.plugins.page.services import (
    BUDGET,
    TIMEOUT,
    Budget,
    BusyError,
    PageAnypointHook,
    Turns,
    within_budget,
)
from airflow_provider_objectstore.plugins.page.views import all_views
from tests.plugins.page.conftest import FRAGMENT, Browser, signed_in


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a service that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Blocking:
    """A function that blocks until it is released."""

    def __init__(self, result: object = "done") -> None:
        self.started, self.released, self.calls = threading.Event(), threading.Event(), 0
        self._result = result

    def __call__(self) -> object:
        self.calls += 1
        self.started.set()
        assert self.released.wait(30)
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


async def started(function: Blocking) -> None:
    assert await asyncio.to_thread(function.started.wait, 30)


async def test_a_connection_has_one_request_at_a_time_and_others_go_on() -> None:
    turns, slow, second = Turns(), Blocking(), Blocking()
    first = asyncio.create_task(turns.run("a", "x", 0, slow))
    waiting = asyncio.create_task(turns.run("a", "y", 0, second))
    await started(slow)
    assert await turns.run("b", "x", 0, lambda: "at once") == "at once"
    assert not second.calls
    second.released.set()
    slow.released.set()
    assert await first == await waiting == "done"


async def test_those_who_wait_for_the_same_thing_cause_one_request() -> None:
    turns, slow = Turns(), Blocking()
    waiting = [asyncio.create_task(turns.run("a", "x", 60, slow)) for _ in range(5)]
    await started(slow)
    slow.released.set()
    assert await asyncio.gather(*waiting) == ["done"] * 5
    assert slow.calls == 1
    assert not turns._turns


@pytest.mark.parametrize(("keep", "kept", "calls"), [(300, 5, 1), (300, 0, 2), (0, 5, 2)])
async def test_errors_are_kept_for_seconds(
    keep: float, kept: float, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page_services.KEPT_ERRORS <= 5
    monkeypatch.setattr(page_services, "KEPT_ERRORS", kept)
    turns, failing = Turns(), Blocking(ObjectStoreError("no"))
    failing.released.set()
    for _ in range(2):
        with pytest.raises(ObjectStoreError, match="no"):
            await turns.run("a", "x", keep, failing)
    assert failing.calls == calls


async def test_a_kept_error_keeps_nothing_else() -> None:
    def fail() -> None:
        try:
            raise ValueError("in a frame with a secret")
        except ValueError as error:
            raise ObjectStoreError("no") from error

    turns, raised = Turns(), []
    for _ in range(3):
        with pytest.raises(ObjectStoreError, match=r"^no$") as caught:
            await turns.run("a", "x", 300, fail)
        raised.append(caught.value)
        ((_, _, kept),) = turns._results.values()
        assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)
    assert len({id(error) for error in raised}) == 3, "each request gets an error of its own"


async def test_a_slow_service_delays_no_card_that_asks_none(metadata_database: None, stored: Emulator) -> None:
    slow = Blocking({"where": {}, "stores": [], "rows": 0, "next": None})
    views = {view.name: view for view in all_views()}
    views["stores"] = replace(views["stores"], read=lambda hook, parameters: slow())  # type: ignore[arg-type, return-value]
    root = FastAPI()
    root.mount(URL_PREFIX, SafePage(build_app(tuple(views.values()))))
    transport = httpx.ASGITransport(root)
    async with httpx.AsyncClient(transport=transport, base_url="http://page", cookies=signed_in("ann")) as client:
        waiting = asyncio.create_task(client.get(f"{URL_PREFIX}/stores/mule", headers=FRAGMENT))
        await started(slow)
        try:
            async with asyncio.timeout(10):
                found = await client.get(f"{URL_PREFIX}/tasks/mule", headers=FRAGMENT)
        finally:
            slow.released.set()
            await waiting
    assert found.status_code == 200


async def test_many_dead_services_delay_no_other_card() -> None:
    turns, dead = Turns(), [Blocking() for _ in range(50)]
    waiting = [asyncio.create_task(turns.run(str(number), "x", 0, function)) for number, function in enumerate(dead)]
    await started(dead[-1])
    assert await turns.run("alive", "x", 0, lambda: "at once") == "at once"
    for function in dead:
        function.released.set()
    assert await asyncio.gather(*waiting) == ["done"] * len(dead)


async def test_who_goes_away_while_waiting_leaves_nothing() -> None:
    turns, slow = Turns(), Blocking()
    first = asyncio.create_task(turns.run("a", "x", 0, slow))
    await started(slow)
    second = asyncio.create_task(turns.run("a", "y", 0, lambda: None))
    await asyncio.sleep(0)
    slow.released.set()
    while not first.done():
        await asyncio.sleep(0)
    second.cancel()  # it has just been given the turn
    await asyncio.gather(first, second, return_exceptions=True)
    assert not turns._turns


async def test_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_services, "PATIENCE", 0.01)
    turns, slow = Turns(), Blocking()
    first = asyncio.create_task(turns.run("a", "x", 0, slow))
    await started(slow)
    with pytest.raises(BusyError, match="Connection a is busy"):
        await turns.run("a", "y", 0, lambda: None)
    slow.released.set()
    assert await first == "done"


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_services, "KEPT_RESULTS", 3)
    turns = Turns()
    for number in range(10):
        await turns.run("a", number, 60, lambda: "result")
    assert len(turns._results) <= 3


async def test_the_rows_of_what_is_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_services, "KEPT_ROWS", 25)
    turns = Turns()
    for number in range(10):
        await turns.run("a", number, 60, lambda: {"stores": ["s"] * 10, "next": None})
    assert [key for _, key in turns._results] == [8, 9]
    await turns.run("a", "huge", 60, lambda: {"stores": ("s",) * 26})
    assert not turns._results
    await turns.run("a", "long names", 60, lambda: {"stores": ["s" * 20_000]})
    assert not turns._results


async def test_all_connections_share_so_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_services, "PATIENCE", 0.2)
    turns, slow = Turns(threads=2), [Blocking() for _ in range(3)]
    waiting = [asyncio.create_task(turns.run(str(number), "x", 0, function)) for number, function in enumerate(slow)]
    with pytest.raises(BusyError, match="busy with other requests"):
        await waiting[2]
    assert not slow[2].calls
    for function in slow:
        function.released.set()
    assert await asyncio.gather(*waiting[:2]) == ["done"] * 2
    assert await turns.run("2", "x", 0, slow[2]) == "done"


def test_a_long_listing_ends(stored: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    budget, now = Budget(PageAnypointHook("mule")), time.monotonic()
    items = within_budget(iter("abc"), "all", budget)
    assert [next(items), next(items)] == ["a", "b"]
    monkeypatch.setattr(time, "monotonic", lambda: now + BUDGET + 1)
    with pytest.raises(ObjectStoreError, match="longer than"):
        next(items)


def test_a_hook_of_the_page_gives_up_soon(stored: Emulator, store_connection: Callable[..., None]) -> None:
    resolved = PageAnypointHook("mule").resolve()
    assert (resolved.timeout, resolved.timeout_owner) == (TIMEOUT, "this page")
    assert resolved.retry.attempts == 2
    assert resolved.requests_per_second == 100_000
    store_connection("quick", stored.connections()["anypoint_default"], timeout=0.5, requests_per_second=3)
    assert PageAnypointHook("quick").resolve().timeout == 0.5
    assert PageAnypointHook("quick").resolve().requests_per_second == 3


@pytest.mark.parametrize("view", ["requests", "stores"])
def test_a_slow_pace_is_said_to_be_the_cause(
    view: str, browser: Browser, stored: Emulator, store_connection: Callable[..., None]
) -> None:
    """Else the card would wait until the script gives up, and say that nothing answers."""
    store_connection("slow", stored.connections()["anypoint_default"], requests_per_second=0.01)
    for _ in range(2):
        text = browser.fragment(f"/{view}/slow").text
        assert "the connection allows 0.01 requests a second (requests_per_second)" in text
        assert "may start in" in text


def test_the_pace_is_told_from_a_slow_service(stored: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = PageAnypointHook("mule")
    budget = Budget(hook)
    assert budget.reason == "the service is slow"
    monkeypatch.setattr(hook._client, "paused", BUDGET)
    assert budget.reason.startswith("the pace is slow: 100000 requests a second by the connection")
    assert Budget(hook).reason == "the service is slow"


def test_looking_is_no_lineage(stored: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server would collect it, and hand it to nobody."""
    reported: list[object] = []
    monkeypatch.setattr(
        "airflow_provider_objectstore.assets.report_lineage", lambda *arguments: reported.append(arguments)
    )
    for hook, reports in ((PageAnypointHook("mule"), 0), (AnypointObjectStoreHook("mule"), 2)):
        hook.create_store("s")
        hook.put_key("s", "p", "k", "v")
        hook.get_key("s", "p", "k")
        assert len(reported) == reports


def test_an_edited_connection_shows_nothing_of_before(
    browser: Browser, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests by day are kept for minutes."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert "emulator-org" in browser.fragment("/requests/mule").text
    asked = stored.requests()["total"]
    now += 10
    browser.fragment("/requests/mule")
    assert stored.requests()["total"] == asked
    edit("mule", organization_id="another-org")
    now += 10
    text = browser.fragment("/requests/mule").text
    assert "emulator-org" not in text
    assert stored.requests()["total"] > asked


def edit(conn_id: str, **extra: str) -> None:
    from airflow.models.connection import Connection  # noqa: TID251
    from airflow.utils.session import create_session  # noqa: TID251

    with create_session() as session:
        (connection,) = session.query(Connection).filter_by(conn_id=conn_id)
        connection.extra = json.dumps({**connection.extra_dejson, **extra})


def test_each_card_says_where_it_was_read(browser: Browser, stored: Emulator) -> None:
    for address in ("/stores/mule", "/requests/mule", "/buckets/buckets", "/quota/buckets"):
        assert 'class="where"' in browser.fragment(address).text, address


def test_a_dead_service_shows_its_error(
    browser: Browser, stored: Emulator, store_connection: Callable[..., None], silent: str
) -> None:
    store_connection("dead", {**stored.connections()["civo_default"], "host": silent}, timeout=0.2)
    answer = browser.fragment("/buckets/dead")
    assert answer.status_code == 200
    assert "timed out" in answer.text
    assert "(timeout=0.2 of the connection)" in answer.text
    assert 'class="error"' in answer.text
