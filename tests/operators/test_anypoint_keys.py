from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import (
    AnypointDeleteKeyOperator,
    AnypointDeleteStoreOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
)
from tests.triggers.waiting import answers, run

AT: dict[str, Any] = {"task_id": "t", "store_id": "s", "partition": "p", "key": "k"}


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    """The hook, with a store ``s``."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s", default_ttl=60)
    return hook


@pytest.mark.smoke
def test_put(hook: AnypointObjectStoreHook) -> None:
    assert run(AnypointPutKeyOperator(**AT, value=7, metadata={"by": "me"})) is None
    entry = hook.get_key("s", "p", "k")
    assert (entry.value, entry.value_type, entry.metadata) == (7, "NUMBER", {"by": "me"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", {"value_type": "STRING", "value": "text"}),
        (b"\x00\xff", {"value_type": "BINARY", "value": "AP8="}),
        (0.5, {"value_type": "NUMBER", "value": 0.5}),
        (Decimal("0.10000000000000000001"), {"value_type": "NUMBER", "value": "0.10000000000000000001"}),
        (2**64 - 1, {"value_type": "NUMBER", "value": 2**64 - 1}),
        (2**64, {"value_type": "NUMBER", "value": "18446744073709551616"}),
        (-(2**63), {"value_type": "NUMBER", "value": -(2**63)}),
        (-(2**63) - 1, {"value_type": "NUMBER", "value": "-9223372036854775809"}),
    ],
)
def test_get(value: Any, expected: dict[str, Any], hook: AnypointObjectStoreHook) -> None:
    hook.put_key("s", "p", "k", value)
    pushed = run(AnypointGetKeyOperator(**AT))
    assert pushed == {"key": "k", **expected}
    assert json.loads(json.dumps(pushed)) == pushed
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(pushed)) == pushed  # as a task sends it to its supervisor


@pytest.mark.parametrize("default", [None, "", 0, {"a": 1}])
def test_get_with_a_default(default: Any, hook: AnypointObjectStoreHook) -> None:
    assert run(AnypointGetKeyOperator(**AT, default=default)) == {"key": "k", "value_type": None, "value": default}
    hook.put_key("s", "p", "k", "there")
    assert run(AnypointGetKeyOperator(**AT, default=default))["value"] == "there"


def test_get_without_one(hook: AnypointObjectStoreHook) -> None:
    with pytest.raises(NotFoundError):
        run(AnypointGetKeyOperator(**AT))


def test_xcom_is_no_place_for_large_values(hook: AnypointObjectStoreHook) -> None:
    hook.put_key("s", "p", "k", b"x" * 36 * 1024)  # 48 KB as base64
    assert len(run(AnypointGetKeyOperator(**AT))["value"]) == 48 * 1024
    with pytest.raises(ObjectStoreError, match=r"49,152 bytes, more than max_xcom_bytes=49,151.*ObjectStoragePath"):
        run(AnypointGetKeyOperator(**AT, max_xcom_bytes=48 * 1024 - 1))


def test_delete_key(hook: AnypointObjectStoreHook) -> None:
    hook.put_key("s", "p", "k", 1)
    run(AnypointDeleteKeyOperator(**AT, if_missing="fail"))
    assert not hook.key_exists("s", "p", "k")
    run(AnypointDeleteKeyOperator(**AT))
    with pytest.raises(NotFoundError):
        run(AnypointDeleteKeyOperator(**AT, if_missing="fail"))


@pytest.mark.parametrize("kind", [AnypointPutKeyOperator, AnypointGetKeyOperator, AnypointDeleteKeyOperator])
@pytest.mark.parametrize("wrong", [{"key": None}, {"key": "a|b"}, {"partition": None}, {"store_id": ".."}])
def test_bad_input_asks_nothing(
    kind: type[Any], wrong: dict[str, Any], hook: AnypointObjectStoreHook, emulator: Emulator
) -> None:
    hook.put_key("s", "p", "k", 1)
    before = emulator.requests()["total"]
    extra = {"value": "v"} if kind is AnypointPutKeyOperator else {}
    with pytest.raises(InvalidArgumentError):
        run(kind(**{**AT, **wrong, **extra}))
    assert emulator.requests()["total"] == before
    assert hook.key_exists("s", "p", "k")


@pytest.mark.parametrize("kind", [AnypointDeleteKeyOperator, AnypointDeleteStoreOperator])
def test_if_missing_is_one_of_two_words(kind: type[Any], hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    fields = AT if kind is AnypointDeleteKeyOperator else {"task_id": "t", "store_id": "s"}
    with pytest.raises(InvalidArgumentError, match=r"if_missing must be one of 'skip', 'fail', not 'ignore'"):
        run(kind(**fields, if_missing="ignore"))
    assert not answers(emulator, "anypoint.delete_key")
    assert not answers(emulator, "anypoint.delete_store")
