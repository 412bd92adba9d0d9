"""Faults on the way: what is repeated, what is unknown and what is reported; sync and async."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.paging import list_all
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    ObjectStoreError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ServerError,
    TransportError,
)
from tests.transport.drivers import ONCE, QUICK, Connect, Driver, anypoint_connection, civo_connection, count


def fault(emulator: Emulator, operation: str, kind: str, **fields: Any) -> None:
    emulator.faults([{"operation": operation, "kind": kind, **fields}])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 503, "body": "upstream"}),
        ("status", {"status": 429}),
        ("status", {"status": 408}),
        ("reset_before", {}),
        ("reset_after", {}),
    ],
)
def test_what_can_be_repeated_is(kind: str, fields: dict[str, Any], stores: Driver, emulator: Emulator) -> None:
    fault(emulator, "anypoint.put_key", kind, times=2, **fields)
    stores.send(anypoint.put_key("s", "p", "k", 1))
    assert stores.send(anypoint.get_key("s", "p", "k")).value == 1
    assert count(emulator, "anypoint.put_key") == 3


def test_garbage_is_asked_again(stores: Driver, emulator: Emulator) -> None:
    stores.send(anypoint.put_key("s", "p", "k", 1))
    fault(emulator, "anypoint.get_key", "garbage", times=2)
    assert stores.send(anypoint.get_key("s", "p", "k")).value == 1
    fault(emulator, "anypoint.get_key", "garbage")
    with pytest.raises(ServerError, match="200 with text/html instead of JSON"):
        stores.send(anypoint.get_key("s", "p", "k"))


def test_attempts_are_bounded(stores: Driver, emulator: Emulator) -> None:
    fault(emulator, "anypoint.get_store", "status", status=503, body={"message": "tired"})
    with pytest.raises(ServerError, match="503: tired") as caught:
        stores.send(anypoint.get_store("s"))
    assert caught.value.status == 503
    assert count(emulator, "anypoint.get_store") == QUICK.attempts


def test_not_implemented_is_final(stores: Driver, emulator: Emulator) -> None:
    fault(emulator, "anypoint.get_store", "status", status=501)
    with pytest.raises(ApiError) as caught:
        stores.send(anypoint.get_store("s"))
    assert not isinstance(caught.value, ServerError)
    assert count(emulator, "anypoint.get_store") == 1


# Not idempotent


def test_a_lost_answer_leaves_exactly_one_store(buckets: Driver, emulator: Emulator) -> None:
    fault(emulator, "civo.create_object_store", "reset_after")
    made = buckets.send(civo.create_object_store("b", 1000))
    assert (made.name, made.max_size_gb) == ("b", 1000)
    assert [found.id for found in buckets.items(civo.list_object_stores())] == [made.id]
    assert count(emulator, "civo.create_object_store") == 1


def test_a_lost_answer_leaves_exactly_one_credential(buckets: Driver, emulator: Emulator) -> None:
    fault(emulator, "civo.create_credential", "reset_after")
    made = buckets.run(civo.wait_for_keys(buckets.send(civo.create_credential("c"))))
    assert made.secret_access_key
    assert [found.id for found in buckets.items(civo.list_credentials())] == [made.id]


@pytest.mark.parametrize(("kind", "fields"), [("reset_before", {}), ("status", {"status": 502}), ("garbage", {})])
def test_a_create_that_cannot_be_found_is_unknown(
    kind: str, fields: dict[str, Any], buckets: Driver, emulator: Emulator
) -> None:
    fault(emulator, "civo.create_object_store", kind, **fields)
    with pytest.raises(OutcomeUnknownError, match="looked up and not found"):
        buckets.send(civo.create_object_store("b"))
    assert count(emulator, "civo.create_object_store") == 1


def test_a_store_that_was_there_is_not_taken_for_the_new_one(buckets: Driver, emulator: Emulator) -> None:
    buckets.send(civo.create_object_store("b", 500))
    fault(emulator, "civo.create_object_store", "reset_before")
    with pytest.raises(OutcomeUnknownError):
        buckets.send(civo.create_object_store("b", 1000))


def test_a_look_up_that_fails_leaves_the_outcome_unknown(buckets: Driver, emulator: Emulator) -> None:
    emulator.faults(
        [
            {"operation": "civo.create_object_store", "kind": "reset_after"},
            {"operation": "civo.list_object_stores", "kind": "status", "status": 500},
        ]
    )
    with pytest.raises(OutcomeUnknownError) as caught:
        buckets.send(civo.create_object_store("b"))
    assert isinstance(caught.value.__cause__, ServerError)


def test_a_refused_create_is_repeated(buckets: Driver, emulator: Emulator) -> None:
    fault(emulator, "civo.create_object_store", "status", status=429, times=2)
    assert buckets.send(civo.create_object_store("b")).name == "b"
    assert count(emulator, "civo.create_object_store") == 3


def test_a_number_is_altered_at_most_once(stores: Driver, emulator: Emulator) -> None:
    stores.send(anypoint.put_key("s", "p", "k", 5))
    fault(emulator, "anypoint.alter_number", "reset_after")
    with pytest.raises(OutcomeUnknownError, match="might then happen twice"):
        stores.send(anypoint.alter_number("s", "p", "k", {"operation": "add", "value": 1}))
    assert stores.send(anypoint.get_key("s", "p", "k")).value == 6


def test_a_delete_whose_answer_was_lost_has_succeeded(stores: Driver, emulator: Emulator) -> None:
    stores.send(anypoint.put_key("s", "p", "k", 5))
    fault(emulator, "anypoint.delete_key", "reset_after", times=1)
    assert stores.send(anypoint.delete_key("s", "p", "k")) is None
    assert emulator.requests()["by_operation"]["anypoint.delete_key"] == {"404": 1, "reset": 1}
    with pytest.raises(NotFoundError):
        stores.send(anypoint.delete_key("s", "p", "k"))


def test_a_delete_that_was_refused_at_first_has_not_succeeded(stores: Driver, emulator: Emulator) -> None:
    fault(emulator, "anypoint.delete_key", "status", status=429, times=1)
    with pytest.raises(NotFoundError):
        stores.send(anypoint.delete_key("s", "p", "k"))


def test_nobody_listening(connect: Connect, unused_port: int) -> None:
    driver = connect(civo_connection(f"http://127.0.0.1:{unused_port}", retry=ONCE))
    with pytest.raises(TransportError) as caught:  # not OutcomeUnknownError: nothing can have happened
        driver.send(civo.create_object_store("b"))
    assert not caught.value.request_sent
    assert f"127.0.0.1:{unused_port}" in str(caught.value)


def test_a_slow_service_times_out(connect: Connect, emulator: Emulator) -> None:
    driver = connect(anypoint_connection(emulator.url, timeout=0.2, retry=ONCE))
    fault(emulator, "anypoint.get_store", "delay", seconds=2)
    with pytest.raises(TransportError, match="timed out") as caught:
        driver.send(anypoint.get_store("s"))
    assert caught.value.request_sent


# Who is asking


@pytest.mark.parametrize("operation", ["anypoint", "civo"])
def test_a_page_token_that_comes_again(operation: str, stores: Driver, buckets: Driver, emulator: Emulator) -> None:
    if operation == "anypoint":
        fault(emulator, "anypoint.list_keys", "status", status=200, body={"values": [], "nextPageToken": "a/1"})
        with pytest.raises(ServerError, match="repeats a page token"):
            stores.items(anypoint.list_keys("s", "p"))
    else:
        fault(emulator, "civo.list_credentials", "status", status=200, body={"page": 1, "pages": 3, "items": []})
        with pytest.raises(ServerError, match="page 1 of the listing instead of page 2"):
            buckets.run(list_all(civo.list_credentials()))


def test_refused_credentials_are_asked_for_once(connect: Connect, emulator: Emulator) -> None:
    driver = connect(
        anypoint_connection(
            emulator.url, token_call=anypoint_access.connected_app_token("emulator-client", "wrong-one")
        )
    )
    with pytest.raises(AuthenticationError, match="connected app emulator-client") as caught:
        driver.send(anypoint.get_store("s"))
    assert "wrong-one" not in str(caught.value)
    assert count(emulator, "accounts.token") == 1


def test_a_user_who_needs_more_than_a_password(connect: Connect, emulator: Emulator) -> None:
    driver = connect(
        anypoint_connection(emulator.url, token_call=anypoint_access.user_token("emulator-mfa", "emulator-secret"))
    )
    with pytest.raises(AuthenticationError, match="multi-factor"):
        driver.send(anypoint.get_store("s"))


def test_a_missing_scope_is_named(connect: Connect, emulator: Emulator) -> None:
    reader = anypoint_access.connected_app_token("emulator-reader", "emulator-secret")
    driver = connect(anypoint_connection(emulator.url, token_call=reader))
    with pytest.raises(PermissionDeniedError, match="needs the scope Manage Store Data"):
        driver.send(anypoint.key_exists("s", "p", "k"))
    assert driver.items(anypoint.list_stores()) == []


def test_a_bad_api_key_is_no_missing_store(connect: Connect, emulator: Emulator) -> None:
    driver = connect(civo_connection(emulator.url, bearer="not-the-key"))
    with pytest.raises(AuthenticationError, match="database_account_not_found") as caught:
        driver.send(civo.get_object_store("5cc0696d"))
    assert "not-the-key" not in str(caught.value)


def test_services_errors_keep_their_words(buckets: Driver) -> None:
    buckets.send(civo.create_object_store("b"))
    with pytest.raises(ConflictError) as taken:
        buckets.send(civo.create_object_store("b"))
    assert taken.value.code == "database_objectstore_exists"
    with pytest.raises(NotFoundError, match="by the credential's access key, not by its id"):
        buckets.send(civo.create_object_store("c", access_key_id="nobody"))
    with pytest.raises(NotFoundError):
        buckets.send(civo.get_object_store("nothing"))


def test_an_echoed_secret_is_taken_out(connect: Connect, emulator: Emulator) -> None:
    driver = connect(civo_connection(emulator.url))
    fault(emulator, "civo.get_quota", "status", status=400, body={"reason": "key emulator-key is odd"})
    with pytest.raises(ObjectStoreError) as caught:
        driver.send(civo.get_quota())
    assert "key *** is odd" in str(caught.value)


@pytest.mark.parametrize("method", ["patch", "put"])
def test_the_verb_that_the_service_answers_to(method: str, connect: Connect) -> None:
    with Emulator(Settings(update_method=method, creating_seconds=0)) as emulator:  # type: ignore[arg-type]
        driver = connect(civo_connection(emulator.url))
        made = driver.send(civo.create_object_store("b"))
        for size in (1000, 1500):
            assert driver.send(civo.update_object_store(made.id, max_size_gb=size)).max_size_gb == size
        with pytest.raises(NotFoundError):
            driver.send(civo.update_object_store("nothing", max_size_gb=1000))
        refused = 1 if method == "put" else 0  # found out once
        assert emulator.requests()["by_operation"]["civo.update_object_store"] == {
            "200": 2,
            "404": 1,
            **({"405": refused} if refused else {}),
        }


def test_a_route_that_answers_404_in_plain_text_is_not_there(buckets: Driver, emulator: Emulator) -> None:
    made = buckets.send(civo.create_object_store("bucket"))
    plain = {"status": 404, "body": "404 page not found", "times": 1}
    emulator.faults([{"operation": "civo.update_object_store", "kind": "status", **plain}])
    for size in (1000, 1500):
        assert buckets.send(civo.update_object_store(made.id, max_size_gb=size)).max_size_gb == size
    assert count(emulator, "civo.update_object_store") == 3  # PATCH once, then PUT only


def test_seed_forms_are_read_alike(connect: Connect) -> None:
    with Emulator(Settings(seed_form=True, endpoint_form="url", creating_seconds=0)) as emulator:
        stores = connect(anypoint_connection(emulator.url))
        stores.send(anypoint.create_store("s", default_ttl=120, default_confirmation_ttl=10))
        (found,) = stores.items(anypoint.list_stores())
        assert (found.default_ttl_seconds, found.default_confirmation_ttl_seconds) == (120, 10)
        assert isinstance(found.encrypted, bool)
        buckets = connect(civo_connection(emulator.url))
        buckets.send(civo.create_object_store("b"))
        (store,) = buckets.items(civo.list_object_stores())
        assert store.max_size_gb == 500
        assert store.ready
