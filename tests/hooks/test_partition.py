from __future__ import annotations

from collections.abc import MutableMapping
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, PermissionDeniedError, StoreNotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.partition import Partition


@pytest.fixture
def partition(emulator: Emulator) -> Partition:
    """An empty partition of a store."""
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    return hook.partition("s", "p")


def asked(emulator: Emulator) -> dict[str, int]:
    """How often each operation was asked for."""
    by_operation = emulator.requests()["by_operation"]
    return {
        name.removeprefix("anypoint."): sum(statuses.values())
        for name, statuses in by_operation.items()
        if name.startswith("anypoint.")
    }


def test_is_a_mutable_mapping(partition: Partition) -> None:
    assert isinstance(partition, MutableMapping)


@pytest.mark.parametrize(
    "value", ["text", "", "ä\n", b"\x00\xff", b"", 0, -7, 10**30, 1.5, Decimal("0.1000000000000000000001")], ids=repr
)
def test_values_come_back_as_they_were(partition: Partition, value: Any) -> None:
    partition["k"] = value
    assert partition["k"] == value
    assert type(partition["k"]) is type(value)


def test_missing_partition_is_empty(partition: Partition) -> None:
    assert len(partition) == 0
    assert list(partition) == []
    assert not partition
    assert "k" not in partition
    assert partition.get("k", "default") == "default"
    with pytest.raises(KeyError, match="k"):
        partition["k"]
    with pytest.raises(KeyError, match="k"):
        del partition["k"]


def test_a_missing_store_is_an_error_with_its_name(emulator: Emulator) -> None:
    partition = AnypointObjectStoreHook().partition("nowhere", "p")
    for attempt in (
        lambda: dict(partition),
        lambda: "k" in partition,
        lambda: partition.get("k", "the beginning"),
        lambda: partition.pop("k", None),
        lambda: partition.setdefault("k", 1),
        lambda: len(partition),
        lambda: partition.clear(),
    ):
        with pytest.raises(StoreNotFoundError, match="store nowhere"):
            attempt()


def test_as_a_dict(partition: Partition) -> None:
    partition.update({"a": 1, "b": "two"}, c=b"3")
    assert dict(partition) == {"a": 1, "b": "two", "c": b"3"}
    assert (sorted(partition), len(partition), bool(partition)) == (["a", "b", "c"], 3, True)
    assert partition == {"a": 1, "b": "two", "c": b"3"}
    partition["a"] = 2
    assert partition.pop("a") == 2
    assert partition.pop("a", None) is None
    assert partition.setdefault("b", "other") == "two"
    assert partition.setdefault("d", 4) == 4
    del partition["b"]
    assert sorted(partition.items()) == [("c", b"3"), ("d", 4)]


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "ä", "?x=1&y#z", "a+b", "...", "%2E%2E"])
def test_keys_with_special_characters(partition: Partition, key: str) -> None:
    partition[key] = "v"
    partition["other"] = "w"
    assert key in partition
    assert partition[key] == "v"
    assert sorted(partition) == sorted([key, "other"])
    del partition[key]
    assert list(partition) == ["other"]


def test_membership_transfers_no_value(partition: Partition, emulator: Emulator) -> None:
    partition["k"] = "v"
    assert "k" in partition
    assert "other" not in partition
    assert asked(emulator) == {"create_store": 1, "put_key": 1, "key_exists": 2, "get_store": 1}


@pytest.mark.parametrize("odd", [7, None, ("k",), b"k"], ids=repr)
def test_what_is_no_key_is_not_in_it(partition: Partition, odd: object, emulator: Emulator) -> None:
    assert odd not in partition
    assert asked(emulator) == {"create_store": 1}


@pytest.mark.parametrize("key", ["", ".", "..", "a|b", "k" * 1025], ids=lambda key: key[:5])
def test_keys_that_cannot_be(partition: Partition, key: str, emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError):
        partition[key] = "v"
    with pytest.raises(InvalidArgumentError):
        del partition[key]
    assert asked(emulator) == {"create_store": 1}


@pytest.mark.parametrize("value", [None, True, {"a": 1}, ["a"], float("nan")], ids=repr)
def test_values_that_cannot_be(partition: Partition, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="k"):
        partition["k"] = value


def test_iteration_goes_over_all_pages(partition: Partition) -> None:
    keys = [f"k{n:03}" for n in range(250)]
    result = partition._hook.put_many("s", "p", dict.fromkeys(keys, "v"))
    result.raise_failed()
    assert list(partition) == keys


def test_clear_is_one_request(partition: Partition, emulator: Emulator) -> None:
    partition.update(a=1, b=2)
    partition.clear()
    partition.clear()
    assert len(partition) == 0
    assert asked(emulator)["delete_partition"] == 2
    assert "delete_key" not in asked(emulator)


def test_other_errors_are_no_missing_keys(partition: Partition, emulator: Emulator) -> None:
    emulator.faults([{"operation": "anypoint.*", "kind": "status", "status": 403}])
    for access in (
        lambda: partition["k"],
        lambda: partition.get("k"),
        lambda: partition.pop("k", None),
        lambda: "k" in partition,
        lambda: list(partition),
        partition.clear,
    ):
        with pytest.raises(PermissionDeniedError):
            access()


def test_representation_asks_nothing(partition: Partition, emulator: Emulator) -> None:
    assert repr(partition) == "<partition p of store s>"
    assert asked(emulator) == {"create_store": 1}


@pytest.mark.parametrize("name", ["", "..", None], ids=repr)
def test_partition_that_cannot_be(name: Any, partition: Partition) -> None:
    odd = partition._hook.partition("s", name)
    partition["k"] = "v"
    with pytest.raises(InvalidArgumentError):
        odd.clear()
    assert partition["k"] == "v"
