"""The methods of the Anypoint hook over real HTTP; transport/ tests sync and async clients below them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_objectstore.api.anypoint.values import Entry
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook


@pytest.mark.smoke
def test_stores(stores: AnypointObjectStoreHook) -> None:
    made = stores.create_store("t", default_ttl="PT1H", encrypted=False, attributes={"maximumEntries": 5})
    assert (made.store_id, made.default_ttl_seconds, made.encrypted) == ("t", 3600, False)
    assert stores.update_store("t", default_ttl=60).default_ttl_seconds == 60
    assert stores.store_exists("t")
    assert [store.store_id for store in stores.list_stores("t")] == ["t"]
    stores.delete_store("t")
    assert not stores.store_exists("t")
    with pytest.raises(NotFoundError):
        stores.update_store("t", default_ttl=60)


def test_listings_are_lazy(stores: AnypointObjectStoreHook, emulator: Emulator) -> None:
    for i in range(60):
        stores.put_key("s", "p", f"k{i:02}", i)
    keys = stores.list_keys("s", "p")
    assert isinstance(keys, Iterator)
    assert "anypoint.list_keys" not in emulator.requests()["by_operation"]
    assert next(keys) == "k00"
    assert emulator.requests()["by_operation"]["anypoint.list_keys"] == {"200": 1}
    assert len(list(keys)) == 59
    assert emulator.requests()["by_operation"]["anypoint.list_keys"] == {"200": 3}


@pytest.mark.parametrize(
    ("value", "value_type"),
    [
        ("text", "STRING"),
        (b"\x00\xff", "BINARY"),
        (7, "NUMBER"),
        (0.1, "NUMBER"),
        (Decimal("0.10000000000000000001"), "NUMBER"),
    ],
)
def test_values(value: Any, value_type: str, stores: AnypointObjectStoreHook) -> None:
    stores.put_key("s", "p", "k", value, metadata={"m": 1}, index=0)
    assert stores.get_key("s", "p", "k") == Entry("k", value, value_type, {"m": 1}, 0, None)
    assert [entry.value for entry in stores.get_partition("s", "p", "body")] == [value]
    assert [entry.value for entry in stores.get_partition("s", "p", "metadata")] == [None]


def test_numbers_and_confirmations(stores: AnypointObjectStoreHook) -> None:
    stores.put_key("s", "p", "n", 40)
    stores.alter_number("s", "p", "n", {"operation": "add", "value": 2})
    held = stores.get_key("s", "p", "n", confirmable=True)
    assert held.value == 42
    assert held.confirmation_id
    stores.extend_confirmation("s", "p", "n", held.confirmation_id, "PT5M")
    stores.acknowledge("s", "p", "n", held.confirmation_id)
    with pytest.raises(NotFoundError):
        stores.reject("s", "p", "n", held.confirmation_id)


@pytest.mark.smoke
def test_many_at_once(stores: AnypointObjectStoreHook, emulator: Emulator) -> None:
    assert not stores.put_many("s", "p", {f"k{i}": i for i in range(100)}).failed
    read = stores.get_many("s", "p", ["k1", "k99", "missing"])
    assert {key: entry.value for key, entry in read.succeeded.items()} == {"k1": 1, "k99": 99}
    assert isinstance(read.failed["missing"], NotFoundError)
    with pytest.raises(ObjectStoreError, match=r"1 of 3 calls failed: .*missing"):
        read.raise_failed()
    assert len(stores.delete_many("s", "p", (f"k{i}" for i in range(100))).succeeded) == 100
    assert not stores.partition_exists("s", "p")
    with pytest.raises(InvalidArgumentError):
        stores.put_many("s", "p", {"fine": 1, "not|fine": 2})
    assert emulator.requests()["by_operation"]["anypoint.put_key"] == {"200": 100}


def test_many_at_once_from_an_event_loop(stores: AnypointObjectStoreHook) -> None:
    async def main() -> Any:
        return stores.put_many("s", "p", {"a": 1, "b": 2})

    assert len(asyncio.run(main()).succeeded) == 2
