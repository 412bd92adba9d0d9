"""Any path can be a key, and comes back."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.fs.key_encoding import decode, encode

SEGMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1)
PATHS = st.lists(SEGMENT, min_size=1, max_size=5).map("/".join)
TRICKY = st.text("aä/%|. +%2Fé\x00\x1f\x7f\x85\u2028\u00a0", min_size=1, max_size=8).filter(
    lambda path: "" not in path.split("/")
)


@given(PATHS | TRICKY)
@example("..")
@example("%2E")
@example("a%2Fb")
@example("100%")
def test_every_path_comes_back(path: str) -> None:
    assert decode(encode(path)) == path


@given(TRICKY, TRICKY)
def test_distinct_paths_have_distinct_keys(one: str, other: str) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@given(PATHS | TRICKY)
def test_the_service_takes_the_key_as_it_is(path: str) -> None:
    key = encode(path)
    assert not any(
        character in "/|" or character.isspace() or unicodedata.category(character) == "Cc" for character in key
    )
    if not key:
        return
    if len(key.encode()) <= 1024:
        api.get_key("store", "partition", key)
    else:
        with pytest.raises(InvalidArgumentError, match=r"at most 1,024"):
            api.get_key("store", "partition", key)


@given(PATHS | TRICKY)
def test_a_key_is_that_of_one_path_or_of_none(key: str) -> None:
    path = decode(key)
    assert path is None or encode(path) == key


@pytest.mark.parametrize(
    "key", ["a/b", "a b", "100%", "a%2F%2Fb", "%2Fa", "a%2F", "a%2fb", "%41", "%FF", ".", "..", "a|b"]
)
def test_other_programs_keys_are_no_paths(key: str) -> None:
    assert decode(key) is None


@pytest.mark.parametrize("key", ["lastRun", "order-1", "2026-11-21T05:30:06+00:00", "a.b", "ä"])
def test_plain_keys_are_paths_as_they_are(key: str) -> None:
    assert decode(key) == encode(key) == key


def test_a_path_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="not valid Unicode"):
        api.get_key("store", "partition", encode("a\udcff"))
