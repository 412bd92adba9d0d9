"""Every documented operation, sync and async, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.anypoint.models import Region, Store
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.api.civo.models import ObjectStore
from airflow_provider_objectstore.emulator import Emulator
from tests.transport.drivers import Driver, count

AT = ("s", "p", "k")


def put(value: Any = "v", key: str = "k") -> Call[Any]:
    return anypoint.put_key("s", "p", key, value)


def held(driver: Driver) -> str:
    """The id of an open confirmable deletion of the key."""
    confirmation = driver.send(anypoint.delete_key(*AT, confirmable=True))
    assert confirmation
    return confirmation


def after(driver: Driver, call: Call[Any], check: Call[Any]) -> tuple[Any, Any]:
    return driver.send(call), driver.send(check)


PLACE = ("emulator-env", "us-east-1")
NOW = datetime.now(UTC)
TODAY = (NOW - timedelta(days=1), NOW + timedelta(days=1))


def total(driver: Driver, call: Call[Any]) -> int:
    """How many requests a request adds to the counts."""
    before = driver.send(call)
    driver.send(put())
    return sum(count.requests for count in driver.send(call)) - sum(count.requests for count in before)


ADD = {"operation": "add", "value": 2}
LASTING = Store("s", True, 60, 5, True, None)
OSV2: dict[str, tuple[Callable[[Driver], Any], Any]] = {
    "list_stores": (lambda c: [s.store_id for s in c.items(anypoint.list_stores())], ["s"]),
    "get_store": (lambda c: c.send(anypoint.get_store("s")).store_id, "s"),
    "create_store": (
        lambda c: c.send(anypoint.create_store("t", default_ttl="PT1M", default_confirmation_ttl=5)),
        Store("t", True, 60, 5, True, None),
    ),
    "update_store": (
        lambda c: after(
            c, anypoint.update_store("s", default_ttl=60, default_confirmation_ttl=5), anypoint.get_store("s")
        )[1],
        LASTING,
    ),
    "delete_store": (lambda c: (c.send(anypoint.delete_store("s")), c.items(anypoint.list_stores())), (None, [])),
    "list_partitions": (lambda c: (c.send(put()), c.items(anypoint.list_partitions("s")))[1], ["p"]),
    "get_partition": (
        lambda c: (c.send(put()), [e.value for e in c.items(anypoint.get_partition("s", "p"))])[1],
        ["v"],
    ),
    "delete_partition": (
        lambda c: (c.send(put()), *after(c, anypoint.delete_partition("s", "p"), anypoint.partition_exists("s", "p")))[
            1:
        ],
        (None, False),
    ),
    "partition_exists": (
        lambda c: (
            c.send(anypoint.partition_exists("s", "p")),
            c.send(put()),
            c.send(anypoint.partition_exists("s", "p")),
        )[::2],
        (False, True),
    ),
    "list_keys": (
        lambda c: (c.send(put(key="a1")), c.send(put(key="b1")), c.items(anypoint.list_keys("s", "p", "b")))[2],
        ["b1"],
    ),
    "get_key": (lambda c: (c.send(put(b"\x00\xff")), c.send(anypoint.get_key(*AT)))[1].value, b"\x00\xff"),
    "key_exists": (
        lambda c: (c.send(anypoint.key_exists(*AT)), c.send(put()), c.send(anypoint.key_exists(*AT)))[::2],
        (False, True),
    ),
    "put_key": (
        lambda c: (
            c.send(anypoint.put_key(*AT, 7, metadata={"a": 1}, index=0)),
            c.send(anypoint.get_key(*AT)).metadata,
        ),
        (None, {"a": 1}),
    ),
    "alter_number": (
        lambda c: (c.send(put(5)), c.send(anypoint.alter_number(*AT, ADD)), c.send(anypoint.get_key(*AT)).value)[2],
        7,
    ),
    "delete_key": (
        lambda c: (c.send(put()), *after(c, anypoint.delete_key(*AT), anypoint.key_exists(*AT)))[1:],
        (None, False),
    ),
    "acknowledge": (
        lambda c: (c.send(put()), after(c, anypoint.acknowledge(*AT, held(c)), anypoint.key_exists(*AT)))[1],
        (None, False),
    ),
    "extend_confirmation": (
        lambda c: (c.send(put()), c.send(anypoint.extend_confirmation(*AT, held(c), "PT2M")))[1],
        None,
    ),
    "reject": (
        lambda c: (c.send(put()), after(c, anypoint.reject(*AT, held(c)), anypoint.key_exists(*AT)))[1],
        (None, True),
    ),
    "get_organization_usage": (
        lambda c: total(c, anypoint.get_organization_usage(*TODAY, include_suborganizations=True)),
        1,
    ),
    "list_used_environments": (lambda c: c.send(anypoint.list_used_environments(*TODAY)), ("emulator-env",)),
    "get_environment_usage": (lambda c: total(c, anypoint.get_environment_usage(PLACE[0], *TODAY)), 1),
    "list_used_regions": (lambda c: c.send(anypoint.list_used_regions(PLACE[0], *TODAY)), ("us-east-1",)),
    "get_region_usage": (lambda c: total(c, anypoint.get_region_usage(*PLACE, *TODAY)), 1),
    "list_used_stores": (lambda c: c.send(anypoint.list_used_stores(*PLACE, *TODAY)), ("s",)),
    "get_store_usage": (lambda c: total(c, anypoint.get_store_usage(*PLACE, "s", *TODAY, "1hour")), 1),
    "list_regions": (lambda c: Region("us-east-1", "US East (N. Virginia)") in c.send(anypoint.list_regions()), True),
}


@pytest.mark.parametrize("operation", OSV2)
def test_object_store_v2(operation: str, stores: Driver, emulator: Emulator) -> None:
    act, expected = OSV2[operation]
    before = count(emulator, f"anypoint.{operation}")
    assert act(stores) == expected
    assert count(emulator, f"anypoint.{operation}") > before


def test_the_contracts_have_nineteen_and_seven_operations() -> None:
    assert len(OSV2) == 19 + 7


def test_tokens(stores: Driver) -> None:
    for call in (
        anypoint_access.connected_app_token("emulator-client", "emulator-secret"),
        anypoint_access.user_token("emulator-user", "emulator-secret"),
    ):
        token = stores.send(call)
        assert token.value
        assert token.expires_in == 3600


def store(driver: Driver, name: str = "bucket") -> ObjectStore:
    return driver.send(civo.create_object_store(name))


def credential(driver: Driver, name: str = "c") -> Any:
    return driver.run(civo.wait_for_keys(driver.send(civo.create_credential(name))))


CIVO: dict[str, tuple[Callable[[Driver], Any], Any]] = {
    "list_object_stores": (lambda c: (store(c), [s.name for s in c.items(civo.list_object_stores())])[1], ["bucket"]),
    "get_object_store": (lambda c: c.send(civo.get_object_store(store(c).id)).name, "bucket"),
    "create_object_store": (lambda c: c.send(civo.create_object_store("bucket", 1000)).max_size_gb, 1000),
    "update_object_store": (
        lambda c: c.send(civo.update_object_store(store(c).id, max_size_gb=1500)).max_size_gb,
        1500,
    ),
    "delete_object_store": (
        lambda c: (c.send(civo.delete_object_store(store(c).id)), c.items(civo.list_object_stores())),
        (None, []),
    ),
    "get_object_store_stats": (lambda c: c.send(civo.get_object_store_stats(store(c).id)).num_objects, 0),
    "list_credentials": (
        lambda c: (credential(c), [found.name for found in c.items(civo.list_credentials())])[1],
        ["c"],
    ),
    "get_credential": (lambda c: c.send(civo.get_credential(credential(c).id)).name, "c"),
    "create_credential": (
        lambda c: c.send(civo.create_credential("c", access_key_id="AK", secret_access_key="a-secret-of-mine")).name,
        "c",
    ),
    "update_credential": (lambda c: c.send(civo.update_credential(credential(c).id, suspended=True)).suspended, True),
    "delete_credential": (
        lambda c: (c.send(civo.delete_credential(credential(c).id)), c.items(civo.list_credentials())),
        (None, []),
    ),
    "list_regions": (
        lambda c: [r.code for r in c.send(civo.list_regions()) if r.usable],
        ["LON1", "NYC1", "FRA1", "MUM1"],
    ),
    "get_quota": (lambda c: (store(c), c.send(civo.get_quota()).objectstore_gb_usage)[1], 500),
}


@pytest.mark.parametrize("operation", CIVO)
def test_civo(operation: str, buckets: Driver, emulator: Emulator) -> None:
    act, expected = CIVO[operation]
    assert act(buckets) == expected
    assert count(emulator, f"civo.{operation}") > 0


KEYS = [
    "a/b",
    "a%2Fb",
    "100%",
    "a:b",
    "naïve-Ångström",
    "🔑",
    "../x",
    "a?b#c&d=e;f",
    "~tilde-_.",
    "..",  # refused, see below
    "x" * 1024,
    "é" * 512,
]


@pytest.mark.parametrize("key", [key for key in KEYS if key != ".."])
def test_keys_survive_the_way_there_and_back(key: str, stores: Driver) -> None:
    stores.send(anypoint.put_key("s", "p/ä", key, "value"))
    assert stores.items(anypoint.list_keys("s", "p/ä")) == [key]
    assert stores.items(anypoint.list_partitions("s")) == ["p/ä"]
    assert stores.send(anypoint.get_key("s", "p/ä", key)).value == "value"
    assert stores.send(anypoint.key_exists("s", "p/ä", key))
    stores.send(anypoint.delete_key("s", "p/ä", key))
    assert not stores.send(anypoint.key_exists("s", "p/ä", key))


def test_a_space_in_a_key_becomes_a_plus(stores: Driver) -> None:
    stores.send(anypoint.put_key("s", "p", "a b", "value"))
    assert stores.send(anypoint.get_key("s", "p", "a b")).key == "a+b"


def test_listings_are_whole(
    stores: Driver, buckets: Driver, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator.settings, "max_per_page", 20)
    for i in range(60):
        stores.send(anypoint.put_key("s", f"p{i:02}", "k", i))
        stores.send(anypoint.put_key("s", "keys", f"k/{i:02}", i))
    for i in range(45):
        buckets.send(civo.create_object_store(f"bucket-{i:02}"))

    assert stores.items(anypoint.list_partitions("s")) == ["keys", *(f"p{i:02}" for i in range(60))]
    assert stores.items(anypoint.list_keys("s", "keys")) == [f"k/{i:02}" for i in range(60)]
    assert [entry.value for entry in stores.items(anypoint.get_partition("s", "keys"))] == list(range(60))
    assert sorted(store.name for store in buckets.items(civo.list_object_stores())) == [
        f"bucket-{i:02}" for i in range(45)
    ]
    assert buckets.run(civo.find_object_store("bucket-44")) is not None
    assert count(emulator, "anypoint.list_partitions") == count(emulator, "anypoint.list_keys") == 3
    assert count(emulator, "civo.list_object_stores") == 10, "there and back, twice"
