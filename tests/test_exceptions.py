"""Errors print as one line, whatever names and answers are in them."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore import exceptions
from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint.access import connected_app_token
from airflow_provider_objectstore.exceptions import ApiError, ObjectStoreError, error_for, printable

FORGED = "oops\n[2026-11-25T00:00:00] INFO - Marking task as SUCCESS\r\x1b[2K\x1b[32mall good\x1b[0m\u202e\x00\u2028"
KINDS = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, ObjectStoreError)]


@given(st.text())
def test_what_does_not_print_is_escaped(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown == text or not text.isprintable()


def test_escapes() -> None:
    assert printable("a\nb\x1b[31m\u202e\ud800 ä😀") == "a\\nb\\x1b[31m\\u202e\\ud800 ä😀"


@pytest.mark.parametrize("kind", KINDS)
def test_every_error(kind: type[ObjectStoreError]) -> None:
    for error in (kind(FORGED), pickle.loads(pickle.dumps(kind(FORGED))), copy.copy(kind(FORGED))):
        assert str(error).isprintable()
        assert str(error).startswith("oops\\n[2026")
    assert str(kind()) == ""


def test_an_error_of_the_service() -> None:
    error = error_for(f"get {FORGED}", 400, reason=FORGED, code=FORGED, request_id="1\t2 \x1b[31m" + "x" * 9999)
    assert str(error).isprintable()
    assert error.code is not None
    assert error.code.isprintable()
    assert error.request_id is not None
    assert error.request_id.startswith("1\\t2 \\x1b[31mx")
    assert len(error.request_id) <= 200
    assert len(str(error)) < 2000
    assert str(ApiError("x", code=None)) == "x"


def test_names_in_calls() -> None:
    calls = (
        anypoint.delete_partition("st\nore", "p\x1b[31m\nINFO fake line"),
        anypoint.get_key("st\nore", "p\u202e", "k\n"),
        connected_app_token("id\r\nx", "secret"),
    )
    assert all(str(call).isprintable() for call in calls)
    assert str(calls[0]).startswith("anypoint.delete_partition (")
    assert "store st\\nore, partition p\\x1b[31m\\nINFO fake line" in str(calls[0])


def test_an_error_is_placed_once() -> None:
    error = ObjectStoreError("failed").placed("connection a, region x")
    for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error)), error.prefixed("")):
        again = same.placed("connection a, region x, to connection b, region y")
        assert str(again) == "failed [connection a, region x]"


def test_a_longer_id_is_not_the_place() -> None:
    told = ObjectStoreError("failed with connection prod2").placed("connection prod")
    assert str(told) == "failed with connection prod2 [connection prod]"
    named = ObjectStoreError("failed (connection prod)")
    assert named.placed("connection prod") is named
