from __future__ import annotations

import pytest
from airflow.api_fastapi.core_api.security import get_user
from airflow.providers.common.compat.sdk import BaseHook
from fastapi import FastAPI
from fastapi.routing import APIRoute

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.plugins.page import access
from airflow_provider_objectstore.plugins.page.access import GuardedRouter
from tests.plugins.page.conftest import DOCUMENT, FRAGMENT, USERS, Browser

MAY_READ = {"ann", "olga"}
"""Airflow's simple auth manager lets operators and admins read connections."""
ADDRESSES = ["/stores/mule", "/buckets/buckets", "/connection/mule", "/connection/nobody", "/stores/buckets"]


def guards_of(route: APIRoute) -> set[object]:
    return {dependency.call for dependency in route.dependant.dependencies}


def test_every_route_has_its_checks(app: FastAPI) -> None:
    """The user for all; for what shows something of a connection, the right to read that connection."""
    routes = list(app.routes)
    assert len(routes) > 5
    for route in routes:
        assert isinstance(route, APIRoute), f"{route} is not one of GuardedRouter's"
        assert route.methods == {"GET"}, route.path
        assert get_user in guards_of(route), route.path
        of_connection = route.path not in ("/", "/open", "/static/{name}")
        assert route.path.endswith("/{connection_id:path}") is of_connection, route.path
        assert (access._may_read_connection in guards_of(route)) is of_connection, route.path


def test_a_path_with_a_connection_gets_its_check() -> None:
    with pytest.raises(ValueError, match="add_for_connection"):
        GuardedRouter().add("/stores/{connection_id}", lambda connection_id: None)


@pytest.mark.parametrize("user", USERS)
def test_only_those_who_may_read_connections_see_any(user: str, browser: Browser, stored: Emulator) -> None:
    start = browser.get("/", user)
    assert start.status_code == 200
    for address in ADDRESSES:
        shell, content = browser.get(address, user), browser.fragment(address, user)
        if user in MAY_READ:
            assert (shell.status_code, content.status_code) == (200, 200)
        else:
            assert (shell.status_code, content.status_code) == (403, 403)
            assert "emulator-org" not in shell.text + content.text
    assert ("mule" in start.text) is (user in MAY_READ)
    assert ("buckets" in start.text) is (user in MAY_READ)
    assert bool(stored.requests()["total"]) is (user in MAY_READ)


def test_without_session_everything_leads_to_the_sign_in(browser: Browser, stored: Emulator) -> None:
    for address in ("/", "/open?id=a", *ADDRESSES):
        answer = browser.get(address, user=None)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/api/v2/auth/login?next=/object-stores/"
        refusal = browser.fragment(address, user=None)
        assert refusal.status_code == 401
        assert 'href="/api/v2/auth/login' in refusal.text
    assert browser.get("/static/page.css", user=None).status_code == 401
    assert not stored.requests()["total"]


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Purpose": "prefetch;prerender"}],
)
def test_nothing_is_read_because_of_other_sites(headers: dict[str, str], browser: Browser, stored: Emulator) -> None:
    """A link from elsewhere leads to the page, which then asks for itself."""
    refused = browser.get("/stores/mule", headers={**FRAGMENT, **headers})
    assert refused.status_code == 403
    assert "own UI may ask" in refused.text
    assert "You may not read this connection" in browser.fragment("/stores/mule", "vic").text
    assert browser.get("/stores/mule?whole=1", headers={**DOCUMENT, **headers}).status_code == 403
    assert browser.get("/stores/mule", headers=headers).status_code == 200
    assert not stored.requests()["total"]


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"}])
def test_nothing_is_read_because_of_an_image_in_a_text(
    headers: dict[str, str], browser: Browser, stored: Emulator
) -> None:
    """Airflow's UI shows DAGs' documentation as Markdown; programs that preview links send no such headers."""
    address = "/keys/mule?store=s&partition=p&list=yes&whole=1"
    assert "data-fragment" in browser.get(address, headers=headers).text
    assert not stored.requests()["total"]
    browser.get(address, headers={"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe"})
    assert stored.requests()["total"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(method: str, browser: Browser, stored: Emulator) -> None:
    for address in ("/", "/stores/mule", "/buckets/buckets"):
        answer = browser._client.request(method, f"/object-stores{address}")
        assert answer.status_code == 405


@pytest.mark.parametrize("address", ["/stores/", "/connection/", "/value/%20?store=a&partition=b&key=c"])
def test_an_address_without_connection_is_refused(address: str, browser: Browser, stored: Emulator) -> None:
    assert browser.fragment(address).status_code == 404
    assert not stored.requests()["total"]


@pytest.mark.parametrize(
    "id",
    ["..%2f..%2fapi%2fv2", "..%252f..%252fapi%252fv2", "a%2f..%2fb", "%2e%2e", "a%5cb", "a%2f%2fb", "a%0ab", "a%2f"],
)
def test_an_id_cannot_lead_elsewhere(id: str, browser: Browser, stored: Emulator) -> None:
    """A DAG author chooses it, and the page's script loads what the address says."""
    for view in ("keys", "stores", "connection", "tasks"):
        refused = browser.fragment(f"/{view}/{id}?store=s&partition=p")
        assert refused.status_code == 404
        assert "data-fragment" not in refused.text
        assert "data-fragment" not in browser.get(f"/{view}/{id}?store=s&partition=p").text
    assert browser.get(f"/open?id={id}").status_code == 400


def test_parts_say_that_they_are_parts(browser: Browser, stored: Emulator) -> None:
    """The script inserts nothing else."""
    for address in ("/stores/mule", "/tasks/mule", "/connection/mule", "/connection/nobody", "/keys/mule", "/nothing"):
        assert browser.fragment(address).headers["x-objectstore-fragment"] == "1"
        assert "x-objectstore-fragment" not in browser.get(address).headers
    assert "x-objectstore-fragment" not in browser.fragment("/").headers


def test_the_connection_is_the_one_that_was_checked(
    browser: Browser, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some databases find ``mule`` when asked for ``MULE``."""
    found = BaseHook.get_connection("mule")
    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(lambda conn_id: found))
    assert "there is no connection" in browser.fragment("/stores/MULE").text
    assert not stored.requests()["total"]
    assert "emulator-org" in browser.fragment("/stores/mule").text
