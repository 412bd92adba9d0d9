"""One token for all clients of a connection; sync and async."""

from __future__ import annotations

import json
import time
import traceback
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint.access import connected_app_token
from airflow_provider_objectstore.api.call import Page, Response
from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import AuthenticationError, ServerError
from tests.transport.drivers import Connect, Driver, SyncDriver, anypoint_connection, count


def test_a_cold_client_fetches_one(connect: Connect, emulator: Emulator) -> None:
    driver = connect(anypoint_connection(emulator.url))
    assert driver.send_all([anypoint.list_stores()] * 200) == [Page(())] * 200
    assert count(emulator, "accounts.token") == 1
    assert count(emulator, "anypoint.list_stores") == 200


def test_clients_share_it(connect: Connect, emulator: Emulator) -> None:
    first = connect(anypoint_connection(emulator.url))
    first.send(anypoint.list_stores())
    if isinstance(first, SyncDriver):  # each async driver has a loop of its own
        connect(anypoint_connection(emulator.url)).send(anypoint.list_stores())
    first.send(anypoint.list_stores())
    assert count(emulator, "accounts.token") == 1


def test_another_connection_has_its_own(connect: Connect, emulator: Emulator) -> None:
    for timeout in (30, 31):
        connect(anypoint_connection(emulator.url, timeout=timeout)).send(anypoint.list_stores())
    assert count(emulator, "accounts.token") == 2


def test_a_failed_fetch_is_shared_by_those_who_waited(connect: Connect, emulator: Emulator) -> None:
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 401}])
    driver = connect(anypoint_connection(emulator.url))
    outcomes = driver.send_all([anypoint.list_stores()] * 32)
    assert all(isinstance(outcome, AuthenticationError) for outcome in outcomes)
    assert count(emulator, "accounts.token") < 32
    assert count(emulator, "anypoint.list_stores") == 0
    emulator.faults([])
    assert driver.send(anypoint.list_stores()) == Page(())


def test_a_fetch_that_fails_for_a_while(connect: Connect, emulator: Emulator) -> None:
    driver = connect(anypoint_connection(emulator.url))
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 503, "times": 2}])
    assert driver.send(anypoint.list_stores()) == Page(())
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 503}])
    cold = connect(anypoint_connection(emulator.url, timeout=29))
    with pytest.raises(ServerError):  # not OutcomeUnknownError: the number was not asked to change
        cold.send(anypoint.alter_number("s", "p", "k", {"operation": "add", "value": 1}))


def test_it_is_replaced_before_it_expires(connect: Connect) -> None:
    with Emulator(Settings(token_seconds=1)) as emulator:
        driver = connect(anypoint_connection(emulator.url))
        driver.send(anypoint.create_store("s"))
        time.sleep(0.6)  # good for another 0.4 s
        driver.send(anypoint.get_store("s"))
        assert emulator.requests()["by_operation"] == {
            "accounts.token": {"200": 2},
            "anypoint.create_store": {"200": 1},
            "anypoint.get_store": {"200": 1},
        }


def test_a_refused_token_is_replaced_once(stores: Driver, emulator: Emulator) -> None:
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
        driver = connect(anypoint_connection(emulator.url))
        driver.send(anypoint.create_store("s"))
        now = 3601.0  # the service's clock alone: the client takes its token for good
        assert [store.store_id for store in driver.send_all([anypoint.get_store("s")] * 20)] == ["s"] * 20  # type: ignore[union-attr]
        assert count(emulator, "accounts.token") == 2
        assert emulator.requests()["by_operation"]["anypoint.get_store"]["200"] == 20


TOKEN = "tok3nSECRETabcdef"
UNUSABLE = [
    f"{TOKEN}\r\nX-Evil: 1",
    f"{TOKEN}\n",
    f" {TOKEN}",
    f"{TOKEN} ",
    f"a {TOKEN}",
    f"{TOKEN}\u2603",
    f"{TOKEN}\xe9",
    f"{TOKEN}\0",
    [TOKEN],
    {"a": TOKEN},
    5,
    True,
]


def answer(emulator: Emulator, text: str) -> None:
    """Make the token's endpoint answer this."""
    emulator.faults([{"operation": "accounts.token", "kind": "status", "status": 200, "body": text}])


@pytest.mark.parametrize("token", UNUSABLE, ids=repr)
def test_one_that_no_header_can_carry(token: Any, connect: Connect, emulator: Emulator) -> None:
    answer(emulator, json.dumps({"access_token": token}))
    with pytest.raises(AuthenticationError, match="a token that no HTTP header can carry") as caught:
        connect(anypoint_connection(emulator.url)).send(anypoint.get_store("s"))
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert count(emulator, "anypoint.get_store") == 0


@pytest.mark.parametrize("body", ["[]", "null", "5", '"text"', "{", "<html>"])
def test_an_answer_that_is_none(body: str, connect: Connect, emulator: Emulator) -> None:
    answer(emulator, body)
    with pytest.raises((ServerError, AuthenticationError)):
        connect(anypoint_connection(emulator.url)).send(anypoint.get_store("s"))


LIFETIMES = {
    "60": 60,
    '"60"': 60,
    "1.5": 1.5,
    **dict.fromkeys(
        ("null", "0", "-5", "true", "[]", "{}", '"soon"', '""', "Infinity", "-Infinity", "NaN", '"inf"', '"NaN"'), 3600
    ),
    **dict.fromkeys(("1e999999999", "-1e999999999", "9" * 400, '"1e999999999"', '"' + "9" * 5000 + '"'), 3600),
}


@pytest.mark.parametrize("said", LIFETIMES, ids=lambda text: text[:14])
def test_how_long_it_is_good_for(said: str) -> None:
    body = f'{{"access_token": "t", "expires_in": {said}}}'.encode()
    call = connected_app_token("id", "secret")
    try:
        token = call.interpret(Response(200, {}, body))
    except ServerError:  # a number that is no JSON, or longer than any that is read
        assert said in ("Infinity", "-Infinity", "NaN", "1e999999999", "-1e999999999", "9" * 400)
    else:
        assert (token.value, token.expires_in) == ("t", LIFETIMES[said])
