from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.plugins.page import views
from airflow_provider_objectstore.plugins.page.services import PageAnypointHook
from tests.plugins.page.conftest import FRAGMENT, Browser

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a/../../b?c=d&e=%2e#f",
    "a/..",
    "{{ 7*7 }}",
    "\u202egnp.exe",
    "ключ\U0001f511",
    "'onmouseover='alert(1)",
]


@pytest.fixture
def mule(stored: Emulator) -> AnypointObjectStoreHook:
    return PageAnypointHook("mule")


def operations(emulator: Emulator) -> set[str]:
    return set(emulator.requests()["by_operation"])


def links(text: str) -> list[str]:
    return [html.unescape(link).removeprefix("/object-stores") for link in re.findall(r'href="([^"]*)"', text)]


def test_stores_partitions_and_keys_are_paged(browser: Browser, mule: AnypointObjectStoreHook) -> None:
    for number in range(30):
        mule.create_store(f"store-{number:02}", default_ttl=7200, encrypted=True)
    first = browser.fragment("/stores/mule").text
    assert first.count("<tr>") == 26
    assert "2 h" in first
    (following,) = (link for link in links(first) if "page=" in link)
    assert browser.fragment(following).text.count("<tr>") == 6
    for number in range(30):
        mule.put_key("store-00", "p", f"key-{number:02}", "v")
    (partition,) = (
        link for link in links(browser.fragment("/partitions/mule?store=store-00").text) if "/keys/" in link
    )
    assert "key-" not in browser.fragment(partition).text
    listed = browser.fragment(f"{partition}&list=yes").text
    assert listed.count("<tr>") == 26
    (following,) = (link for link in links(listed) if "page=" in link and "list=yes" in link)
    assert browser.fragment(following).text.count("<tr>") == 6
    assert browser.fragment(f"{partition}&list=yes&prefix=key-2").text.count("<tr>") == 11


def test_of_a_huge_page_the_first_rows_are_shown(
    browser: Browser, mule: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MAX_ROWS", 3)
    for number in range(5):
        mule.create_store(f"store-{number}")
        mule.put_key("store-0", "p", f"key-{number}", "v")
        mule.put_key("store-0", f"p{number}", "k", "v")
    for address, rows in (
        ("/stores/mule", 5),
        ("/partitions/mule?store=store-0", 6),
        ("/keys/mule?store=store-0&partition=p&list=yes", 5),
    ):
        text = browser.fragment(address).text
        assert text.count("<tr>") == 4
        assert f"Only the first 3 of the {rows} that the service lists on this page" in text


def test_keys_are_listed_on_request_only(browser: Browser, mule: AnypointObjectStoreHook, stored: Emulator) -> None:
    """The vendor bills a listing."""
    mule.create_store("s")
    mule.put_key("s", "p", "k", "v")
    text = browser.fragment("/keys/mule?store=s&partition=p").text
    assert "bills" in text
    assert "anypoint.list_keys" not in operations(stored)
    browser.fragment("/keys/mule?store=s&partition=p&list=yes")
    assert "anypoint.list_keys" in operations(stored)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_values_are_text(name: str, browser: Browser, mule: AnypointObjectStoreHook) -> None:
    mule.create_store("s")
    mule.put_key("s", "p", name, f"{name}</pre><script>", metadata={"<b>": name})
    listed = browser.fragment("/keys/mule?store=s&partition=p&list=yes").text
    (value,) = (link for link in links(listed) if link.startswith("/value/"))
    for text in (listed, browser.fragment(value).text, browser.get(value).text, browser.whole(value).text):
        assert "<script>" not in text
        assert "<img" not in text
        assert "\u202e" not in text
    shown = html.unescape(browser.fragment(value).text)
    assert name.replace("\u202e", r"\u202e") in shown
    prefixed = browser.get(f"/keys/mule?store=s&partition=p&list=yes&prefix={quote(name)}")
    assert prefixed.status_code == 200


def test_a_value_is_read_anew_each_time(browser: Browser, mule: AnypointObjectStoreHook, stored: Emulator) -> None:
    mule.create_store("s")
    mule.put_key("s", "p", "k", '{"a":1}')
    address = "/value/mule?store=s&partition=p&key=k"
    shell = browser.get(address).text
    assert "anypoint.get_key" not in operations(stored)
    assert "&#34;a&#34;: 1" in browser.fragment(address).text
    mule.put_key("s", "p", "k", b"\x01\x02")
    text = browser.fragment(address).text
    assert "01 02" in text
    assert "begun anew" in text
    assert "01 02" not in shell


def test_values_can_be_turned_off(
    browser: Browser, mule: AnypointObjectStoreHook, stored: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    mule.create_store("s")
    mule.put_key("s", "p", "k", "precious")
    monkeypatch.setenv("AIRFLOW__OBJECTSTORE__PAGE_VALUES", "False")
    assert "/value/" not in browser.fragment("/keys/mule?store=s&partition=p&list=yes").text
    assert "precious" not in browser.fragment("/value/mule?store=s&partition=p&key=k").text
    assert "anypoint.get_key" not in operations(stored)


def test_values_are_not_for_others(browser: Browser, mule: AnypointObjectStoreHook, stored: Emulator) -> None:
    mule.create_store("s")
    mule.put_key("s", "p", "k", "precious")
    for user in ("uma", "vic", None):
        answer = browser.get("/value/mule?store=s&partition=p&key=k", user, FRAGMENT)
        assert answer.status_code in (401, 403)
        assert "precious" not in answer.text
    assert "anypoint.get_key" not in operations(stored)


def test_requests_are_drawn(browser: Browser, mule: AnypointObjectStoreHook) -> None:
    mule.create_store("s")
    for address in ("/requests/mule", "/requests/mule?store=s"):
        text = browser.fragment(address).text
        assert text.count("<rect") == 14
        assert " style=" not in text


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/partitions/mule?store=missing", "missing does not exist"),
        ("/keys/mule?store=s&partition=none&list=yes", "404"),
        ("/value/mule?store=s&partition=p&key=none", "404"),
    ],
)
def test_what_is_not_there_says_so(address: str, said: str, browser: Browser, mule: AnypointObjectStoreHook) -> None:
    mule.create_store("s")
    text = browser.fragment(address).text
    assert 'class="error"' in text
    assert said in text


@pytest.mark.parametrize("address", ["/partitions/mule", "/keys/mule?store=s&partition=", "/value/mule?store=s&key=a"])
def test_an_address_that_lacks_something_is_refused(address: str, browser: Browser, stored: Emulator) -> None:
    assert browser.fragment(address).status_code == 400
    assert not stored.requests()["total"]
