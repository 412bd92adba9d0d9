"""URLs and host names."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api.addresses import is_label, web_address

USABLE = [
    "https://example.com",
    "http://localhost:8089/a/b",
    "https://my_service.local./",
    "http://127.0.0.1:1",
    "http://[::1]:8089",
    "https://user:p%40w@proxy:3128",
]


UNUSABLE = [
    "",
    "example.com",
    "ftp://example.com",
    "https://",
    "https:///path",
    "https://[oops",
    "https://[::1",
    "https://[zz::1]",
    "https://a..b",
    "https://.example.com",
    f"https://{'a' * 64}.com",
    f"https://{'a.' * 150}com",
    "https://example.com:",
    "https://example.com:0",
    "https://example.com:99999",
    "https://example.com:port",
    "https://ex ample.com",
    "https://exa\nmple.com",
    "https://example.com\t",
    "https://ex\u00e4mple.com",
    "https://example.com\\@evil.example",
    "https://example.com\u202e",
    "https://ex%61mple.com",
]


@pytest.mark.parametrize("text", USABLE)
def test_addresses(text: str) -> None:
    assert web_address(text) == urlsplit(text)


@pytest.mark.parametrize("text", UNUSABLE)
def test_what_is_no_address(text: str) -> None:
    assert web_address(text) is None


@given(st.text())
def test_any_text_is_an_address_or_not(text: str) -> None:
    for whole in (text, f"https://{text}", f"http://{text}/"):
        parts = web_address(whole)
        assert parts is None or (parts.hostname and parts.hostname.encode("idna") and parts.port != 0)


@pytest.mark.parametrize(("text", "fits"), [("LON1", True), ("a-b", True), ("", False), ("-a", False), ("a.b", False)])
def test_labels(text: str, fits: bool) -> None:
    assert is_label(text) is fits
