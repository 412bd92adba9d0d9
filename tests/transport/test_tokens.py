"""One token for all clients of a connection; in both colours."""

from __future__ import annotations

import time

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import AuthenticationError, ServerError
from tests.transport.carriers import Carrier, Connect, count, osv2


def test_a_cold_client_fetches_one(connect: Connect, emulator: Emulator) -> None:
    carrier = connect(osv2(emulator.url))
    assert carrier.together([anypoint.key_exists("s", "p", "k")] * 200) == [False] * 200
    assert count(emulator, "accounts.token") == 1
    assert count(emulator, "anypoint.key_exists") == 200


def test_clients_share_it(connect: Connect, emulator: Emulator) -> None:
    first = connect(osv2(emulator.url))
    first.send(anypoint.key_exists("s", "p", "k"))
    if type(first).__name__ == "Blocking":  # async clients share on one loop, and each carrier has its own
        connect(osv2(emulator.url)).send(anypoint.key_exists("s", "p", "k"))
    first.send(anypoint.key_exists("s", "p", "k"))
    assert count(emulator, "accounts.token") == 1


def test_another_connection_has_its_own(connect: Connect, emulator: Emulator) -> None:
    for timeout in (30, 31):
        connect(osv2(emulator.url, timeout=timeout)).send(anypoint.key_exists("s", "p", "k"))
    assert count(emulator, "accounts.token") == 2


def test_a_failed_fetch_is_shared_by_those_who_waited(connect: Connect, emulator: Emulator) -> None:
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 401}])
    carrier = connect(osv2(emulator.url))
    outcomes = carrier.together([anypoint.key_exists("s", "p", "k")] * 32)
    assert all(isinstance(outcome, AuthenticationError) for outcome in outcomes)
    assert count(emulator, "accounts.token") < 32
    assert count(emulator, "anypoint.key_exists") == 0
    emulator.faults([])
    assert carrier.send(anypoint.key_exists("s", "p", "k")) is False


def test_a_fetch_that_fails_for_a_while(connect: Connect, emulator: Emulator) -> None:
    carrier = connect(osv2(emulator.url))
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 503, "times": 2}])
    assert carrier.send(anypoint.key_exists("s", "p", "k")) is False
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 503}])
    cold = connect(osv2(emulator.url, timeout=29))
    with pytest.raises(ServerError):  # not OutcomeUnknownError: the number was not asked to change
        cold.send(anypoint.alter_number("s", "p", "k", {"operation": "add", "value": 1}))


def test_it_is_replaced_before_it_expires(connect: Connect) -> None:
    with Emulator(Settings(token_seconds=1)) as emulator:
        carrier = connect(osv2(emulator.url))
        carrier.send(anypoint.create_store("s"))
        time.sleep(0.6)  # good for another 0.4 s
        carrier.send(anypoint.get_store("s"))
        assert emulator.requests()["by_operation"] == {
            "accounts.token": {"200": 2},
            "anypoint.create_store": {"200": 1},
            "anypoint.get_store": {"200": 1},
        }


def test_a_refused_token_is_replaced_once(stores: Carrier, emulator: Emulator) -> None:
    emulator.faults([{"operation": "anypoint.get_store", "kind": "status", "status": 401, "times": 1}])
    before = count(emulator, "accounts.token")
    assert stores.send(anypoint.get_store("s")).store_id == "s"
    assert count(emulator, "accounts.token") == before + 1
    emulator.faults([{"operation": "anypoint.get_store", "kind": "status", "status": 401}])
    with pytest.raises(AuthenticationError):
        stores.send(anypoint.get_store("s"))
    assert count(emulator, "accounts.token") == before + 2
    assert count(emulator, "anypoint.get_store") == 4


def test_many_refusals_of_one_token_fetch_one(connect: Connect) -> None:
    now = 0.0
    with Emulator(Settings(clock=lambda: now)) as emulator:
        carrier = connect(osv2(emulator.url))
        carrier.send(anypoint.create_store("s"))
        now = 3601.0  # the service's clock alone: the client takes its token for good
        assert [it.store_id for it in carrier.together([anypoint.get_store("s")] * 20)] == ["s"] * 20  # type: ignore[union-attr]
        assert count(emulator, "accounts.token") == 2
        assert emulator.requests()["by_operation"]["anypoint.get_store"]["200"] == 20
