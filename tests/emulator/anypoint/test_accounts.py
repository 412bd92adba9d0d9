from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from tests.emulator.conftest import STORES, Anypoint, Api, Clock

APP = {"client_id": "emulator-client", "client_secret": "emulator-secret", "grant_type": "client_credentials"}
USER = {"username": "emulator-user", "password": "emulator-secret"}
FLOWS = [
    ("/accounts/api/v2/oauth2/token", APP),
    ("/accounts/api/login", USER),
    ("/accounts/login", USER),
]


@pytest.mark.parametrize(("path", "form"), FLOWS)
def test_a_token_is_valid_until_it_expires(emulator: Emulator, clock: Clock, path: str, form: dict[str, str]) -> None:
    response = Api(emulator.url)("POST", path, json=form).json()
    assert (response["token_type"], response["expires_in"]) == ("bearer", 3600)
    api = Api(emulator.url, response["access_token"])
    assert api("GET", STORES).status_code == 200
    clock.now += 3599
    assert api("GET", STORES).status_code == 200
    clock.now += 1
    assert api("GET", STORES).status_code == 401


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        (FLOWS[0][0], APP | {"client_secret": "wrong"}, 401),
        (FLOWS[0][0], APP | {"client_id": "wrong"}, 401),
        (FLOWS[0][0], APP | {"grant_type": "password"}, 400),
        (FLOWS[0][0], [], 400),
        (FLOWS[1][0], USER | {"password": "wrong"}, 401),
        (FLOWS[1][0], USER | {"username": "emulator-client"}, 401),
    ],
)
def test_other_credentials_get_no_token(emulator: Emulator, path: str, form: Any, status: int) -> None:
    response = Api(emulator.url)("POST", path, json=form)
    assert response.status_code == status
    assert "access_token" not in response.json()
    assert response.json()["message"]


def test_a_user_with_a_second_factor_gets_a_200_without_a_token(emulator: Emulator) -> None:
    response = Api(emulator.url)("POST", "/accounts/api/login", json=USER | {"username": "emulator-mfa"})
    assert response.status_code == 200
    assert "access_token" not in response.json()


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic wrong"])
def test_an_invalid_token_is_rejected(emulator: Emulator, authorization: str) -> None:
    response = Api(emulator.url)("GET", STORES, headers={"Authorization": authorization})
    assert response.status_code == 401


def test_a_reset_keeps_tokens(emulator: Emulator, anypoint: Anypoint) -> None:
    emulator.reset()
    assert anypoint.store("GET").json()["values"] == []


def test_the_reader_may_read_stores_only(emulator: Emulator, anypoint: Anypoint) -> None:
    reader = Anypoint(emulator.url, "emulator-reader")
    assert reader.store("GET").status_code == 200
    assert reader.store("GET", "s").status_code == 200
    denied = [
        reader.store("PUT", "s"),
        reader.store("PATCH", "s"),
        reader.store("DELETE", "s"),
        reader.store("GET", "s", "partitions"),
        reader.key("GET", "k"),
        reader.key("PUT", "k", {"stringValue": ""}),
    ]
    assert [response.status_code for response in denied] == [403] * len(denied)
    assert "manage:store_data" in denied[0].json()["message"]
    assert reader("GET", "/api/v1/organizations/emulator-org/regions").status_code == 200
