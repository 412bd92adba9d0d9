"""Success is proven: an answer counts only with a status and a body that the operation can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    OutcomeUnknownError,
    ServerError,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.transport.drivers import Connect, Driver, anypoint_connection, count

OF_STORES: list[Call[Any]] = [
    anypoint.list_stores(),
    anypoint.get_store("s"),
    anypoint.create_store("s"),
    anypoint.update_store("s", default_ttl=60),
    anypoint.delete_store("s"),
    anypoint.list_partitions("s"),
    anypoint.get_partition("s", "p"),
    anypoint.delete_partition("s", "p"),
    anypoint.partition_exists("s", "p"),
    anypoint.list_keys("s", "p"),
    anypoint.get_key("s", "p", "k"),
    anypoint.key_exists("s", "p", "k"),
    anypoint.put_key("s", "p", "k", "v"),
    anypoint.alter_number("s", "p", "k", {"operation": "add", "value": 1}),
    anypoint.delete_key("s", "p", "k"),
    anypoint.acknowledge("s", "p", "k", "c"),
    anypoint.extend_confirmation("s", "p", "k", "c", 60),
    anypoint.reject("s", "p", "k", "c"),
    anypoint.list_regions(),
]
OF_BUCKETS: list[Call[Any]] = [
    civo.list_object_stores(),
    civo.get_object_store("1"),
    civo.create_object_store("b"),
    civo.update_object_store("1", max_size_gb=500),
    civo.delete_object_store("1"),
    civo.get_object_store_stats("1"),
    civo.list_credentials(),
    civo.get_credential("1"),
    civo.create_credential("c"),
    civo.update_credential("1", max_size_gb=500),
    civo.delete_credential("1"),
    civo.list_regions(),
    civo.get_quota(),
]
EVERY = pytest.mark.parametrize("call", [*OF_STORES, *OF_BUCKETS], ids=lambda call: call.operation)


def fault(emulator: Emulator, call: Call[Any], **fields: Any) -> None:
    emulator.faults([{"operation": call.operation, "kind": "status", **fields}])


def driver_for(call: Call[Any], stores: Driver, buckets: Driver) -> Driver:
    return stores if call.operation.startswith("anypoint.") else buckets


class TestForeignAnswers:
    """A 200 that is not the service's is nobody's success."""

    @EVERY
    def test_a_login_page(self, call: Call[Any], stores: Driver, buckets: Driver, emulator: Emulator) -> None:
        emulator.faults([{"operation": call.operation, "kind": "garbage"}])
        with pytest.raises((ServerError, OutcomeUnknownError), match="200 with text/html instead of JSON"):
            driver_for(call, stores, buckets).send(call)

    @EVERY
    def test_plain_text(self, call: Call[Any], stores: Driver, buckets: Driver, emulator: Emulator) -> None:
        if call.method == "HEAD":
            pytest.skip("a HEAD has no body")
        fault(emulator, call, status=200, body="OK")
        with pytest.raises((ServerError, OutcomeUnknownError)):
            driver_for(call, stores, buckets).send(call)

    @pytest.mark.parametrize("status", [202, 206, 207])
    @pytest.mark.parametrize("call", [anypoint.key_exists("s", "p", "k"), anypoint.get_key("s", "p", "k")], ids=str)
    def test_a_status_that_reading_does_not_have(
        self, status: int, call: Call[Any], stores: Driver, emulator: Emulator
    ) -> None:
        body = {"keyId": "k", "stringValue": "v", "valueType": "STRING"}
        fault(emulator, call, status=status, body=body)
        with pytest.raises(ServerError, match="that this operation does not have"):
            stores.send(call)

    @pytest.mark.parametrize(
        ("call", "body"),
        [
            (anypoint.put_key("s", "p", "k", "v"), {"status": "failure", "statusMessage": "no"}),
            (anypoint.delete_key("s", "p", "k"), {"status": "failure", "statusMessage": "no"}),
            (anypoint.delete_store("s"), {"status": "failure"}),
            (anypoint.create_store("s"), {"status": "failure"}),
            (civo.delete_object_store("1"), {"result": "failed", "code": "x"}),
            (civo.delete_credential("1"), {"result": "failed"}),
            (civo.delete_credential("1"), ["success"]),
        ],
        ids=str,
    )
    def test_a_success_that_says_failure(
        self, call: Call[Any], body: Any, stores: Driver, buckets: Driver, emulator: Emulator
    ) -> None:
        fault(emulator, call, status=200, body=body)
        with pytest.raises(ServerError):
            driver_for(call, stores, buckets).send(call)

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    @pytest.mark.parametrize("body", [None, {}, {"message": "done"}], ids=str)
    def test_what_writes_may_answer(self, status: int, body: Any, stores: Driver, emulator: Emulator) -> None:
        for call in (
            anypoint.put_key("s", "p", "k", "v"),
            anypoint.delete_key("s", "p", "k"),
            anypoint.delete_store("s"),
            anypoint.acknowledge("s", "p", "k", "c"),
        ):
            fault(emulator, call, status=status, body=body)
            assert stores.send(call) is None

    def test_an_empty_answer_may_have_any_type(self, stores: Driver, emulator: Emulator) -> None:
        call = anypoint.delete_key("s", "p", "k")
        fault(emulator, call, status=200, body="", headers={"content-type": "text/html"})
        assert stores.send(call) is None

    @pytest.mark.slow
    def test_a_move_loses_nothing(self, emulator: Emulator) -> None:
        from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem

        AnypointObjectStoreHook().create_store("s")
        files = AnypointFileSystem(skip_instance_cache=True)
        files.pipe_file("s/p/a", b"kept")
        emulator.faults([{"operation": "anypoint.put_key", "kind": "garbage"}])
        with pytest.raises(ObjectStoreError):
            files.mv("s/p/a", "s/p/b")
        assert files.cat_file("s/p/a") == b"kept"


class TestAnswersForAnother:
    """An answer about another object is no answer."""

    @pytest.mark.parametrize("asked", ["k", "a b", "ä"])
    def test_another_key(self, asked: str, stores: Driver, emulator: Emulator) -> None:
        call = anypoint.get_key("s", "p", asked)
        fault(emulator, call, status=200, body={"keyId": "OTHER", "stringValue": "v", "valueType": "STRING"})
        with pytest.raises(ServerError):
            stores.send(call)

    def test_spaces_are_the_services_to_change(self, stores: Driver) -> None:
        stores.send(anypoint.put_key("s", "p", "a b", "v"))
        assert stores.send(anypoint.get_key("s", "p", "a b")).key == "a+b"

    @pytest.mark.parametrize(
        ("call", "body"),
        [
            (anypoint.get_store("s"), {"storeId": "other"}),
            (anypoint.create_store("s"), {"storeId": "other"}),
            (anypoint.update_store("s", default_ttl=60), {"storeId": "other"}),
            (civo.get_object_store("1"), {"id": "2", "name": "b"}),
            (civo.update_object_store("1", max_size_gb=500), {"id": "2", "name": "b"}),
            (civo.create_object_store("b"), {"id": "2", "name": "other"}),
            (civo.get_credential("1"), {"id": "2", "name": "c"}),
            (civo.update_credential("1", max_size_gb=500), {"id": "2", "name": "c"}),
            (civo.create_credential("c"), {"id": "2", "name": "other"}),
        ],
        ids=str,
    )
    def test_another_resource(
        self, call: Call[Any], body: Any, stores: Driver, buckets: Driver, emulator: Emulator
    ) -> None:
        fault(emulator, call, status=200, body=body)
        with pytest.raises((ServerError, OutcomeUnknownError)):
            driver_for(call, stores, buckets).send(call)

    @pytest.mark.parametrize("ignored", ["keys", "stores"])
    def test_a_filter_that_the_service_ignores(self, ignored: str, stores: Driver, emulator: Emulator) -> None:
        call: Call[Any] = anypoint.list_keys("s", "p", "tmp ") if ignored == "keys" else anypoint.list_stores("tmp+")
        values = [{"keyId": name, "storeId": name} for name in ("tmp+1", "live", "tmp")]
        fault(emulator, call, status=200, body={"values": values})
        (found,) = stores.items(call)
        assert "tmp+1" in (found, getattr(found, "store_id", ""))


class TestRefusals:
    """A refusal counts once a new token has been tried, and a missing route is found out once."""

    def test_a_ready_token_is_not_replaced(self, connect: Connect, emulator: Emulator) -> None:
        driver = connect(anypoint_connection(emulator.url, token_call=None, bearer="a-token"))
        with pytest.raises(AuthenticationError):
            driver.send(anypoint.get_store("s"))
        assert count(emulator, "accounts.token") == 0

    @pytest.mark.parametrize(
        "said",
        [
            {"status": 405},
            {"status": 501},
            {"status": 404, "body": "404 page not found"},
            {"status": 404, "body": {"code": "not_found", "reason": "no such route"}},
            {"status": 404, "body": {"message": "no Route matched"}},
            {"status": 400, "body": {"code": "invalid", "reason": "Method PATCH is not allowed"}},
        ],
        ids=str,
    )
    def test_patch_gives_way_to_put(self, said: dict[str, Any], buckets: Driver, emulator: Emulator) -> None:
        made = buckets.send(civo.create_object_store("bucket"))
        fault(emulator, civo.update_object_store("1", max_size_gb=500), times=1, **said)
        for size in (1000, 1500):
            assert buckets.send(civo.update_object_store(made.id, max_size_gb=size)).max_size_gb == size
        assert count(emulator, "civo.update_object_store") == 3

    @pytest.mark.parametrize(
        "said",
        [
            {"status": 404, "body": {"code": "database_objectstore_not_found"}},
            {"status": 400, "body": {"code": "parameter_invalid", "reason": "the size"}},
            {"status": 409, "body": {"code": "x"}},
        ],
        ids=str,
    )
    def test_what_is_about_the_object_counts(self, said: dict[str, Any], buckets: Driver, emulator: Emulator) -> None:
        call = civo.update_object_store("1", max_size_gb=500)
        fault(emulator, call, **said)
        with pytest.raises((ConflictError, ObjectStoreError)):
            buckets.send(call)
        assert count(emulator, call.operation) == 1


class TestConfirmations:
    """What has to be confirmed is not done without the id to confirm it with."""

    @pytest.mark.parametrize(
        "call",
        [
            anypoint.delete_key("s", "p", "k", confirmable=True),
            anypoint.delete_partition("s", "p", confirmable=True),
        ],
        ids=str,
    )
    def test_an_id_that_is_lost(self, call: Call[Any], stores: Driver, emulator: Emulator) -> None:
        emulator.faults(
            [
                {"operation": call.operation, "kind": "reset_before", "times": 1},
                {"operation": call.operation, "kind": "status", "status": 404, "body": {"message": "gone"}},
            ]
        )
        with pytest.raises(OutcomeUnknownError, match="the confirmation id"):
            stores.send(call)

    @pytest.mark.parametrize("on_confirmation", [anypoint.reject, anypoint.acknowledge])
    @pytest.mark.parametrize("lost", [{"kind": "reset_after"}, {"kind": "status", "status": 503}], ids=str)
    def test_one_that_is_missing_after_a_lost_response(
        self, lost: dict[str, Any], on_confirmation: Callable[..., Call[None]], stores: Driver, emulator: Emulator
    ) -> None:
        """It may have expired, or have ended in another way."""
        stores.send(anypoint.put_key("s", "p", "k", 1))
        id = stores.send(anypoint.delete_key("s", "p", "k", confirmable=True))
        call = on_confirmation("s", "p", "k", id if lost["kind"] == "reset_after" else "wrong")
        emulator.faults([{"operation": call.operation, "times": 1, **lost}])
        with pytest.raises(OutcomeUnknownError, match="it is not known whether this"):
            stores.send(call)

    def test_one_that_is_missing(self, stores: Driver, emulator: Emulator) -> None:
        fault(emulator, anypoint.reject("s", "p", "k", "wrong"), status=429, times=1)
        with pytest.raises(NotFoundError):
            stores.send(anypoint.reject("s", "p", "k", "wrong"))

    @pytest.mark.parametrize("wrong", ["False", "true", 1], ids=repr)
    def test_a_flag_is_no_text(self, wrong: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="confirmable must be True or False"):
            anypoint.delete_key("s", "p", "k", confirmable=wrong)


class TestWhatWasThereBefore:
    """A create whose answer was lost is settled by what is just as asked for."""

    def test_a_credential_with_another_secret_or_size(self, buckets: Driver, emulator: Emulator) -> None:
        buckets.send(civo.create_credential("x", access_key_id="AKOLD", secret_access_key="the-old-secret"))
        emulator.faults([{"operation": "civo.create_credential", "kind": "status", "status": 502}])
        for asked in ({"access_key_id": "AKOLD", "secret_access_key": "another-secret"}, {"max_size_gb": 1000}):
            with pytest.raises(OutcomeUnknownError):
                buckets.send(civo.create_credential("x", **asked))

    @pytest.mark.parametrize(
        "keys", [{"access_key_id": ["AK"]}, {"access_key_id": True}, {"id": None}, {"id": 7}], ids=str
    )
    def test_keys_and_ids_are_text(self, keys: dict[str, Any], buckets: Driver, emulator: Emulator) -> None:
        body = {"id": "1", "name": "c", "access_key_id": "AK", "secret_access_key_id": "secret", **keys}
        fault(emulator, civo.get_credential("1"), status=200, body=body)
        with pytest.raises(ServerError):
            buckets.send(civo.get_credential("1"))
