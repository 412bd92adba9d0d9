"""Absence is proven: "not there" is what the service itself says of this object, never the lack of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.api.paging import list_all
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    ServerError,
    StoreNotFoundError,
    UnreadableValueError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.transport.drivers import QUICK, Connect, Driver, anypoint_connection, count

IN_A_STORE = [
    anypoint.list_partitions("s"),
    anypoint.get_partition("s", "p"),
    anypoint.partition_exists("s", "p"),
    anypoint.delete_partition("s", "p"),
    anypoint.list_keys("s", "p"),
    anypoint.get_key("s", "p", "k"),
    anypoint.key_exists("s", "p", "k"),
    anypoint.delete_key("s", "p", "k"),
    anypoint.acknowledge("s", "p", "k", "c"),
    anypoint.extend_confirmation("s", "p", "k", "c", 60),
    anypoint.reject("s", "p", "k", "c"),
]
"""What a 404 may answer."""


def name(call: Call[Any]) -> str:
    return call.operation.rpartition(".")[2]


def fault(emulator: Emulator, operation: str, kind: str = "status", **fields: Any) -> None:
    emulator.faults([{"operation": operation, "kind": kind, **fields}])


@pytest.mark.parametrize("call", IN_A_STORE, ids=name)
def test_a_store_that_cannot_be_looked_up_leaves_the_object_named(
    call: Call[Any], connect: Connect, emulator: Emulator
) -> None:
    fault(emulator, "anypoint.get_store", status=403)
    with pytest.raises(PermissionDeniedError) as caught:
        connect(anypoint_connection(emulator.url)).send(call)
    assert str(caught.value).startswith(f"{call}: the service answered 404, which counts only if the store exists. ")
    assert caught.value.status == 403


class TestNoToken:
    """A call without a token says nothing about its object."""

    @pytest.mark.parametrize("call", IN_A_STORE, ids=name)
    def test_a_404_of_the_accounts_address(self, call: Call[Any], connect: Connect, emulator: Emulator) -> None:
        base_urls = anypoint_access.base_urls(emulator.url, f"{emulator.url}/nothing", "emulator-org", "emulator-env")
        with pytest.raises(ServerError, match=rf"could not get a token from {emulator.url}/nothing/accounts") as caught:
            connect(anypoint_connection(emulator.url, base_urls=base_urls)).send(call)
        assert not isinstance(caught.value, NotFoundError)
        assert "accounts_url" in str(caught.value)

    @pytest.mark.parametrize("kind", ["status", "garbage"])
    def test_is_asked_for_again(self, kind: str, connect: Connect, emulator: Emulator) -> None:
        fault(emulator, "accounts.token", kind, status=404, times=2)
        connect(anypoint_connection(emulator.url)).send(anypoint.create_store("s"))
        assert count(emulator, "accounts.token") == 3

    @pytest.mark.parametrize("status", [400, 401, 403, 409])
    def test_what_credentials_are_refused_with_is_final(
        self, status: int, connect: Connect, emulator: Emulator
    ) -> None:
        fault(emulator, "accounts.token", status=status)
        with pytest.raises(AuthenticationError, match="could not get a token"):
            connect(anypoint_connection(emulator.url)).send(anypoint.get_store("s"))
        assert count(emulator, "accounts.token") == 1

    def test_a_deletion_whose_answer_was_lost_is_not_done(self, connect: Connect, emulator: Emulator) -> None:
        driver = connect(anypoint_connection(emulator.url))
        driver.send(anypoint.create_store("s"))
        driver.send(anypoint.put_key("s", "p", "k", 1))
        emulator.faults(
            [
                {"operation": "anypoint.delete_key", "kind": "reset_before", "times": 1},
                {"operation": "anypoint.delete_key", "kind": "status", "status": 401},
                {"operation": "accounts.token", "kind": "status", "status": 404},
            ]
        )
        with pytest.raises(ObjectStoreError) as caught:
            driver.send(anypoint.delete_key("s", "p", "k"))
        assert not isinstance(caught.value, NotFoundError)
        emulator.faults([])
        assert driver.send(anypoint.key_exists("s", "p", "k"))


class TestInBetween:
    """A 404 that is neither empty nor JSON is that of a gateway."""

    @pytest.mark.parametrize("call", [anypoint.get_store("s"), *IN_A_STORE], ids=name)
    def test_is_not_the_objects(self, call: Call[Any], stores: Driver, emulator: Emulator) -> None:
        fault(emulator, call.operation, "garbage", status=404)
        with pytest.raises(ObjectStoreError, match="something in between") as caught:
            stores.send(call)
        assert not isinstance(caught.value, NotFoundError)
        assert count(emulator, call.operation) == (QUICK.attempts if call.idempotent else 1)

    def test_passes(self, stores: Driver, emulator: Emulator) -> None:
        stores.send(anypoint.put_key("s", "p", "k", 1))
        fault(emulator, "anypoint.*_key", "garbage", status=404, times=2)
        assert stores.send(anypoint.get_key("s", "p", "k")).value == 1

    @pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/xml", "text/html"])
    @pytest.mark.parametrize("status", [404, 200])
    def test_a_head_has_its_type_only(self, status: int, kind: str, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, "anypoint.*_exists", status=status, body="404 page", headers={"content-type": kind})
        for call in (anypoint.key_exists("s", "p", "k"), anypoint.partition_exists("s", "p")):
            with pytest.raises(ServerError, match="something in between"):
                stores.send(call)

    @pytest.mark.parametrize("call", [civo.get_object_store("1"), civo.delete_credential("1")], ids=name)
    def test_civo(self, call: Call[Any], buckets: Driver, emulator: Emulator) -> None:
        fault(emulator, call.operation, status=404, body="404 page not found")
        with pytest.raises(ServerError, match="something in between"):
            buckets.send(call)

    @pytest.mark.parametrize("body", [None, {"message": "Key k does not exist"}], ids=["empty", "JSON"])
    def test_the_services_own_words_count(self, body: Any, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, "anypoint.get_key", status=404, body=body)
        with pytest.raises(NotFoundError) as caught:
            stores.send(anypoint.get_key("s", "p", "k"))
        assert not isinstance(caught.value, StoreNotFoundError)
        assert count(emulator, "anypoint.get_key") == 1


class TestListings:
    """A listing ends where the service says so."""

    @pytest.fixture
    def many(self, stores: Driver) -> Driver:
        for outcome in stores.send_all([anypoint.put_key("s", "p", f"k{number:02}", 1) for number in range(60)]):
            assert outcome is None
        return stores

    @pytest.mark.parametrize(
        "broken",
        [
            {"status": 404},
            {"status": 200},
            {"status": 204},
            {"status": 200, "body": {}},
            {"status": 200, "body": {"values": None}},
            {"status": 200, "body": "<html>Sign in"},
            {"status": 404, "body": {"message": "Partition p does not exist"}},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("listing", [anypoint.list_keys, anypoint.get_partition], ids=["keys", "values"])
    def test_does_not_end_in_the_middle(
        self, listing: Any, broken: dict[str, Any], many: Driver, emulator: Emulator
    ) -> None:
        call = listing("s", "p")
        fault(emulator, call.operation, skip=1, times=1, **broken)
        assert len(many.items(call)) == 60
        fault(emulator, call.operation, skip=1, **broken)
        with pytest.raises(ServerError, match=name(call)):
            many.items(call)

    def test_an_empty_last_page_is_asked_for_twice(self, many: Driver, emulator: Emulator) -> None:
        empty = {"values": [], "nextPageToken": None}
        fault(emulator, "anypoint.list_keys", status=200, body=empty, skip=2, times=1)
        assert len(many.items(anypoint.list_keys("s", "p"))) == 60
        assert count(emulator, "anypoint.list_keys") == 4

    @pytest.fixture
    def pages_of_twenty(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(emulator.settings, "max_per_page", 20)

    def test_civo(self, pages_of_twenty: None, buckets: Driver, emulator: Emulator) -> None:
        for number in range(22):
            buckets.send(civo.create_credential(f"c{number}"))
        fault(emulator, "civo.list_credentials", status=404, body={"code": "database_x"}, skip=1, times=1)
        assert len(buckets.run(list_all(civo.list_credentials()))) == 22
        fault(emulator, "civo.list_credentials", status=200, body={"page": 2, "pages": 2, "items": None}, skip=1)
        with pytest.raises(ServerError, match="list_credentials"):
            buckets.run(list_all(civo.list_credentials()))

    @pytest.mark.parametrize(
        "page",
        [
            {"page": 3, "pages": 3},
            {"page": 1, "pages": 1},
            {"page": 2, "pages": 1},
            {"page": 2},
            {},
        ],
        ids=str,
    )
    def test_another_page_of_civo_than_asked_for(
        self, page: dict[str, Any], pages_of_twenty: None, buckets: Driver, emulator: Emulator
    ) -> None:
        for number in range(22):
            buckets.send(civo.create_credential(f"c{number}"))
        body = {**page, "items": [{"id": "1", "name": "c"}]}
        fault(emulator, "civo.list_credentials", status=200, body=body, skip=1)
        with pytest.raises(ServerError, match="list_credentials"):
            buckets.run(list_all(civo.list_credentials()))

    def test_a_last_page_first(self, buckets: Driver, emulator: Emulator) -> None:
        fault(emulator, "civo.list_object_stores", status=200, body={"page": 3, "pages": 3, "items": []})
        with pytest.raises(ServerError, match="page 3 of the listing instead of page 1"):
            buckets.run(civo.find_object_store("bucket"))

    @pytest.mark.parametrize("token", [0, False, [], {}], ids=str)
    def test_an_end_that_is_none(self, token: Any, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, "anypoint.list_keys", status=200, body={"values": [{"keyId": "a"}], "nextPageToken": token})
        with pytest.raises(ServerError):
            stores.items(anypoint.list_keys("s", "p"))

    def test_pages_without_end(self, stores: Driver, emulator: Emulator) -> None:
        pages = [{"values": [], "nextPageToken": f"t{number}"} for number in range(120)]
        emulator.faults(
            [
                {"operation": "anypoint.list_keys", "kind": "status", "status": 200, "body": page, "times": 1}
                for page in pages
            ]
        )
        with pytest.raises(ServerError, match="101 pages in a row are empty"):
            stores.items(anypoint.list_keys("s", "p"))


class TestValues:
    """A value that is there is never empty, and never the default."""

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"keyId": "k"},
            {"keyId": "k", "valueType": "STRING"},
            {"values": []},
            {"values": [{"stringValue": "a"}] * 2},
        ],
        ids=str,
    )
    def test_no_value_is_no_answer(self, body: Any, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, "anypoint.get_key", status=200, body=body)
        with pytest.raises(ServerError, match="does not follow its contract"):
            stores.send(anypoint.get_key("s", "p", "k"))

    def test_a_list_of_one_value_is_that_value(self, stores: Driver, emulator: Emulator) -> None:
        body = {"keyId": "k", "values": [{"stringValue": "v", "index": 0}]}
        fault(emulator, "anypoint.get_key", status=200, body=body)
        entry = stores.send(anypoint.get_key("s", "p", "k"))
        assert (entry.key, entry.value, entry.value_type, entry.index) == ("k", "v", "STRING", 0)

    @pytest.mark.parametrize("operation", ["get_key", "get_partition"])
    def test_an_unknown_type(self, operation: str, stores: Driver, emulator: Emulator) -> None:
        item = {"keyId": "k", "valueType": "OBJECT", "objectValue": "rO0AB"}
        fault(emulator, f"anypoint.{operation}", status=200, body={"values": [item], **item})
        call: Call[Any] = getattr(anypoint, operation)(*("s", "p", "k")[: 3 if operation == "get_key" else 2])
        with pytest.raises(UnreadableValueError, match=rf"{operation} .*'OBJECT'"):
            stores.send(call)
        assert count(emulator, f"anypoint.{operation}") == 1

    def test_metadata_alone_has_no_values(self, stores: Driver) -> None:
        stores.send(anypoint.put_key("s", "p", "k", "v", metadata={"a": 1}))
        (entry,) = stores.items(anypoint.get_partition("s", "p", "metadata"))
        assert (entry.value, entry.value_type, entry.metadata) == (None, "STRING", {"a": 1})

    @pytest.mark.slow
    def test_a_default_is_for_missing_keys_only(self, emulator: Emulator) -> None:
        hook = AnypointObjectStoreHook()
        hook.create_store("s")
        partition = hook.partition("s", "p")
        assert partition.get("k", "the beginning") == "the beginning"
        for body in ({"valueType": "OBJECT"}, {}, {"values": []}):
            fault(emulator, "anypoint.get_key", status=200, body={"keyId": "k", **body}, times=20)
            with pytest.raises(ObjectStoreError):
                partition.get("k", "the beginning")
