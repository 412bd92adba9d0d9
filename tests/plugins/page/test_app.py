from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.plugins.page.app import HEADERS
from airflow_provider_objectstore.plugins.page.rendering import render
from tests.plugins.page.conftest import DOCUMENT, FRAGMENT, Browser


def test_the_start_shows_cards_and_asks_no_service(browser: Browser, stored: Emulator) -> None:
    text = browser.get("/").text
    assert text.count('<section class="card"') == 2
    assert 'data-fragment="/object-stores/stores/mule"' in text
    assert 'data-fragment="/object-stores/buckets/buckets"' in text
    assert not stored.requests()["total"]


def test_a_view_is_a_shell_until_the_script_asks_for_its_content(browser: Browser, stored: Emulator) -> None:
    shell = browser.get("/stores/mule").text
    assert 'data-fragment="/object-stores/stores/mule"' in shell
    assert not stored.requests()["total"]
    whole = browser.whole("/stores/mule").text
    assert "emulator-org" in whole
    assert whole.startswith("<!doctype html>")
    assert "data-fragment" not in whole


@pytest.mark.parametrize("address", ["/", "/stores/mule", "/static/page.js", "/nothing", "/open?id=a"])
@pytest.mark.parametrize("user", ["ann", "vic", None])
def test_every_answer_has_the_safe_headers(address: str, user: str | None, browser: Browser) -> None:
    answer = browser.get(address, user)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_nothing_is_inline(browser: Browser, stored: Emulator) -> None:
    """The content policy forbids scripts and styles in the pages."""
    for address in ("/", "/stores/mule", "/buckets/buckets", "/connection/mule", "/nothing"):
        text = browser.whole(address).text
        assert "<style" not in text
        assert " style=" not in text
        assert " on" not in "".join(text.split("<")[1:]).replace(" on ", "")
        assert text.count("<script") == text.count("<script src=") == 1


@pytest.mark.parametrize("address", ["/stores/mule", "/tasks/mule", "/connection/mule", "/stores/mule?whole=1"])
def test_what_is_read_is_rendered_outside_of_the_event_loop(
    address: str, browser: Browser, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of Airflow's API shares that loop."""
    on_loop: list[bool] = []

    def rendered(*arguments: Any, **more: Any) -> Any:
        on_loop.append(asyncio._get_running_loop() is not None)
        return render(*arguments, **more)

    monkeypatch.setattr("airflow_provider_objectstore.plugins.page.app.render", rendered)
    answer = browser.get(address, headers=DOCUMENT if "whole" in address else FRAGMENT)
    assert answer.status_code == 200
    assert on_loop == [False]


@pytest.mark.parametrize(("id", "status"), [("mule", 303), ("a/b c", 303), ("  ", 400), ("..", 400)])
def test_a_connection_can_be_opened_by_its_id(id: str, status: int, browser: Browser) -> None:
    assert browser.get(f"/open?id={id}").status_code == status


def test_an_address_without_its_end_leads_nowhere(browser: Browser) -> None:
    assert browser.get("/stores", user=None).status_code == 404


def test_an_id_may_have_a_slash(browser: Browser, stored: Emulator, store_connection: Callable[..., Any]) -> None:
    store_connection("team/mule", stored.connections()["anypoint_default"])
    store_connection("team/..", stored.connections()["anypoint_default"])
    address = browser.get("/open?id=team/mule").headers["location"].removeprefix("/object-stores")
    assert address == "/connection/team%2Fmule"
    assert 'data-fragment="/object-stores/stores/team%2Fmule"' in browser.fragment(address).text
    start = browser.get("/").text
    assert "/team%2Fmule" in start
    assert "No address can hold this id" in start
    assert '"None' not in start


def test_a_connection_of_the_environment_can_be_opened(
    browser: Browser, services: Emulator, emulator: Emulator
) -> None:
    assert (
        'data-fragment="/object-stores/stores/anypoint_default"'
        in browser.fragment("/connection/anypoint_default").text
    )
    assert "emulator-org" in browser.fragment("/stores/anypoint_default").text


def test_what_cannot_be_shown_says_why(
    browser: Browser, stored: Emulator, store_connection: Callable[..., Any]
) -> None:
    store_connection("web", {"conn_type": "http", "host": "example.com"})
    assert "there is no connection &#39;nobody&#39;" in browser.fragment("/connection/nobody").text
    assert "neither anypoint nor civo" in browser.fragment("/connection/web").text
    assert "is of type &#39;anypoint&#39;, not &#39;civo&#39;" in browser.fragment("/buckets/mule").text
    assert not stored.requests()["total"]


@pytest.mark.parametrize("headers", [FRAGMENT, DOCUMENT])
def test_an_error_that_nobody_expects_shows_nothing_of_itself(
    headers: dict[str, str], browser: Browser, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("airflow_provider_objectstore.plugins.page.lookup.look_up", fail)
    answer = browser.get("/stores/mule?whole=1", headers=headers)
    assert answer.status_code == 500
    assert "a secret" not in answer.text
    assert "went wrong" in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
