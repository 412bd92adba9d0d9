from __future__ import annotations

from urllib.parse import urlencode

import pytest
from fastapi import Request

from airflow_provider_objectstore.api.anypoint.models import Store
from airflow_provider_objectstore.api.civo.models import ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.plugins.page.rendering import Links, duration, number, render, shown, size
from airflow_provider_objectstore.plugins.page.views import NO_PARAMETERS
from tests.plugins.page.conftest import Browser


def test_addresses_hold_any_name() -> None:
    link = Links("/team/object-stores")
    assert link("") == "/team/object-stores/"
    assert link("keys", "a b/c", store="x/../y", key="?&=#%", page=None) == (
        "/team/object-stores/keys/a%20b%2Fc?store=x%2F..%2Fy&key=%3F%26%3D%23%25"
    )
    assert link("value", "a", key="\udcff") is None
    assert link("keys", "..%2f..%2fapi") is link("keys", "a/../b") is None
    assert link("keys", "a", store="x" * 20_000) is None
    assert link.airflow("/dags/a") == "/team/dags/a"


@pytest.mark.parametrize("name", ["stores", "partitions", "buckets"])
def test_an_empty_page_with_a_next_one_does_not_say_that_there_is_nothing(name: str) -> None:
    request = Request({"type": "http", "root_path": "/object-stores", "method": "GET", "path": "/", "headers": []})
    context = {"where": {}, name: (), "rows": 0, "connection_id": "c", "parameters": {**NO_PARAMETERS, "store": "s"}}
    following, last = (bytes(render(request, f"{name}.html", {**context, "next": page}).body) for page in ("x", None))
    assert b"The service lists no" in last
    assert b"The service lists no" not in following
    assert b"the next one may" in following


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "not told"),
        (0, "0 s"),
        (0.5, "0.5 s"),
        (1234567.5, "1234567.5 s"),
        (90, "90 s"),
        (3600, "1 h"),
        (2_592_000, "30 d"),
        (120, "2 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("kilobytes", "text"), [(0, "0 KB"), (999, "999 KB"), (1500, "1.5 MB"), (5e12, "5e+03 TB")])
def test_sizes(kilobytes: float, text: str) -> None:
    assert size(kilobytes) == text


def test_huge_names_are_cut_and_no_address_is_none() -> None:
    """A service may list anything."""
    request = Request({"type": "http", "root_path": "/object-stores", "method": "GET", "path": "/", "headers": []})
    names = ("\u202e" * 10**6, "\ud800", "x" * 20_000)
    buckets = [{"store": ObjectStore(name, name, 1, "ready"), "use": None, "problem": name} for name in names]
    context = {
        "where": {},
        "connection_id": "c",
        "parameters": {**NO_PARAMETERS, "store": "s", "partition": "p"},
        "next": "t" * 10**6,
    }
    for template, more in (
        ("stores.html", {"stores": [Store(name) for name in names]}),
        ("partitions.html", {"partitions": names}),
        ("keys.html", {"keys": names, "listed": True, "values": True, "purge": None}),
        ("buckets.html", {"buckets": buckets, "grow": "code"}),
    ):
        text = bytes(render(request, template, {**context, **more, "rows": len(names)}).body).decode()
        assert len(text) < 100_000, template
        assert "000\N{NARROW NO-BREAK SPACE}000 characters)" in text
        assert '"None' not in text
        assert "No address can hold the next page" in text


@pytest.mark.parametrize("name", ["store", "partition"])
def test_a_name_that_no_address_can_hold_leads_nowhere(name: str, browser: Browser, stored: Emulator) -> None:
    """It came here in an address that was just short enough, or by somebody's hand."""
    names = {"store": "s", "partition": "p", name: "x" * 16_000}
    shown = browser.get(f"/tasks/mule?{urlencode(names)}")
    assert shown.status_code == 200
    assert '"None' not in shown.text


def test_names_and_numbers() -> None:
    assert shown("a\u202eb\n") == r"a\u202eb\n"
    assert number(1234567) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
