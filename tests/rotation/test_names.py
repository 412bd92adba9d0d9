"""The names and access keys that rotations give, and the ids that are read from them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.rotation.names import (
    RotationId,
    access_key_for,
    is_of_the_future,
    is_original,
    lineage_name,
    looks_rotated,
    name_for,
    rotation_id_of,
)

DUE = datetime(2026, 3, 2, 4, 5, 6, tzinfo=UTC)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._", min_size=1, max_size=63)
ROTATION_IDS = st.builds(
    RotationId.of, st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)), st.text(max_size=9)
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


def test_the_form_of_names_and_access_keys() -> None:
    rotation_id = RotationId.of(DUE, "dag", "run")
    name = name_for("reports", rotation_id)
    assert re.fullmatch(f"reports-r20260302040506-{rotation_id.hash}[0-9a-f]{{4}}", name)
    assert access_key_for("1", rotation_id).startswith(f"R20260302040506X{rotation_id.hash.upper()}")
    assert rotation_id.time == DUE


@given(NAMES, ROTATION_IDS)
def test_a_name_is_read_back(name: str, rotation_id: RotationId) -> None:
    new = name_for(lineage_name(name), rotation_id)
    civo.check_name(new)
    assert rotation_id_of(credential(new)) == rotation_id
    assert lineage_name(new) == lineage_name(name)
    assert not is_original(new)
    assert lineage_name(lineage_name(name)) == lineage_name(name)


@given(st.uuids().map(str), ROTATION_IDS)
def test_an_access_key_is_read_back(id: str, rotation_id: RotationId) -> None:
    key = access_key_for(id, rotation_id)
    assert key.isalnum()
    assert key.isupper()
    assert 16 <= len(key) <= 128  # what AWS allows, and S3 clients check
    assert rotation_id_of(credential(access_key_id=key, id=id)) == rotation_id
    assert rotation_id_of(credential(access_key_id=key, id=f"{id}0")) is None, "it was given to another one"


@given(ROTATION_IDS, ROTATION_IDS)
def test_the_newest_rotation_counts(one: RotationId, other: RotationId) -> None:
    both = credential(name_for("n", one), access_key_for("1", other))
    assert rotation_id_of(both) == max(one, other)


def test_access_keys_are_distinct() -> None:
    ids = [RotationId.of(DUE, "dag", run) for run in ("a", "b")]
    assert len({access_key_for(id, rotation_id) for id in ("1", "2") for rotation_id in ids}) == 4


def test_long_names_stay_apart() -> None:
    start = "x" * 36
    names = [start, start + "-a", start + "-b", "x" * 63]
    bases = [lineage_name(name) for name in names]
    assert len(set(bases)) == len(names)
    assert all(len(base) <= 36 for base in bases)
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
        "reports-r20260302040506-abcdef",
        "reports-r20260302040506-abcdef0123",
    ],
)
def test_names_that_no_rotation_made(name: str) -> None:
    assert is_original(name)
    assert rotation_id_of(credential(name)) is None
    assert lineage_name(name) == name


@given(NAMES, ROTATION_IDS, st.integers(0, 30))
def test_a_name_that_was_copied_with_a_change_is_no_rotations(name: str, rotation_id: RotationId, at: int) -> None:
    new = name_for(lineage_name(name), rotation_id)
    position = len(new) - 1 - at % len("00000000000000-0000000000")
    copied = new[:position] + {"0": "1"}.get(new[position], "0") + new[position + 1 :]
    if not is_original(copied):  # four digits can agree by chance
        assert at == 0
    else:
        assert rotation_id_of(credential(copied)) is None
        assert looks_rotated(copied, lineage_name(name)) == (new[position] != "-")
    assert not looks_rotated(new, lineage_name(name))


def test_what_looks_like_the_future_counts_whoever_made_it() -> None:
    assert is_of_the_future(credential("reports-r99990302040506-abcdef"))
    assert is_of_the_future(credential(access_key_id="R99990302040506XABCDEF012345"))
    assert not is_of_the_future(credential("reports-r20200302040506-abcdef"))


def test_ids_are_ordered_by_time() -> None:
    ids = [RotationId.of(DUE + timedelta(seconds=seconds), str(seconds)) for seconds in range(20)]
    assert ids == sorted(ids)
    assert RotationId.of(DUE, "a") != RotationId.of(DUE, "b")
    assert RotationId.of(DUE, "a") == RotationId.of(DUE.astimezone(timezone(timedelta(hours=5))), "a")
