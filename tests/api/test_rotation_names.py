"""The names and access keys that rotations make, and how they are read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo_model import Credential
from airflow_provider_objectstore.api.rotation_names import (
    Tag,
    access_key_for,
    base_of,
    is_first,
    name_for,
    tag_of,
)

DUE = datetime(2026, 3, 2, 4, 5, 6, tzinfo=UTC)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._", min_size=1, max_size=63)
TAGS = st.builds(
    Tag.of, st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)), st.text(max_size=9)
)


def credential(name: str = "n", access_key_id: str = "K", id: str = "1") -> Credential:
    return Credential(
        id=id,
        name=name,
        access_key_id=access_key_id,
        secret_access_key="s",
        max_size_gb=500,
        suspended=False,
        status="",
    )


def test_how_they_look() -> None:
    tag = Tag.of(DUE, "dag", "run")
    assert name_for("reports", tag) == f"reports-r20260302040506-{tag.hash}"
    assert access_key_for("1", tag).startswith(f"R20260302040506X{tag.hash.upper()}")
    assert tag.time == DUE


@given(NAMES, TAGS)
def test_a_name_is_read_back(name: str, tag: Tag) -> None:
    made = name_for(base_of(name), tag)
    civo.check_name(made)
    assert tag_of(credential(made)) == tag
    assert base_of(made) == base_of(name)
    assert not is_first(made)
    assert base_of(base_of(name)) == base_of(name)


@given(st.uuids().map(str), TAGS)
def test_an_access_key_is_read_back(id: str, tag: Tag) -> None:
    key = access_key_for(id, tag)
    assert key.isalnum()
    assert key.isupper()
    assert 16 <= len(key) <= 128  # what AWS allows, and S3 clients check
    assert tag_of(credential(access_key_id=key)) == tag


@given(TAGS, TAGS)
def test_the_newest_tag_counts(one: Tag, other: Tag) -> None:
    both = credential(name_for("n", one), access_key_for("1", other))
    assert tag_of(both) == max(one, other)


def test_access_keys_are_told_apart() -> None:
    tags = [Tag.of(DUE, "dag", run) for run in ("a", "b")]
    assert len({access_key_for(id, tag) for id in ("1", "2") for tag in tags}) == 4


def test_long_names_stay_apart() -> None:
    start = "x" * 40
    names = [start, start + "-a", start + "-b", "x" * 63]
    bases = [base_of(name) for name in names]
    assert len(set(bases)) == len(names)
    assert all(len(base) <= 40 for base in bases)
    assert bases[0] == start


@pytest.mark.parametrize(
    "name",
    [
        "reports",
        "reports-r20260302040506",
        "reports-r2026030204050-abcdef",
        "reports-r20260302040506-abcdeg",
        "reports-r20260302040506-ABCDEF",
        "-r20260302040506-abcdef",
        "reports-r20260302040506-abcdef-2",
    ],
)
def test_names_that_no_rotation_made(name: str) -> None:
    assert is_first(name)
    assert tag_of(credential(name)) is None


def test_tags_are_ordered_by_when_a_run_was_due() -> None:
    tags = [Tag.of(DUE + timedelta(seconds=seconds), str(seconds)) for seconds in range(20)]
    assert tags == sorted(tags)
    assert Tag.of(DUE, "a") != Tag.of(DUE, "b")
    assert Tag.of(DUE, "a") == Tag.of(DUE.astimezone(timezone(timedelta(hours=5))), "a")
