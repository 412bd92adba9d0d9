"""Requests that a browser sends for a web page have no effect, and no request can fill the memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator, asgi
from tests.emulator.conftest import STORES, Anypoint, Api, Civo

FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:8089"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:80"},
    {"Host": "0.0.0.0"},
    {"Host": "evil.example@127.0.0.1"},
    {"Host": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


class TestControlInterface:
    @pytest.mark.parametrize("headers", FOREIGN, ids=str)
    def test_a_foreign_request_has_no_effect(
        self, emulator: Emulator, anypoint: Anypoint, headers: dict[str, str]
    ) -> None:
        before = emulator.requests()
        fault = json.dumps([{"operation": "*", "kind": "status", "status": 500}])
        for path, body in (("faults", fault), ("reset", "")):
            response = Api(anypoint.url)("POST", f"/_emulator/{path}", data=body, headers=headers)
            assert response.status_code == 403
        assert Api(anypoint.url)("GET", "/_emulator/requests", headers=headers).status_code == 403
        assert emulator.requests() == before
        assert anypoint.store("GET", "s").status_code == 200

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "[::1]:8089", "127.0.0.1"])
    def test_every_name_of_this_machine_is_accepted(self, emulator: Emulator, host: str) -> None:
        assert Api(emulator.url)("POST", "/_emulator/reset", headers={"Host": host}).status_code == 204

    def test_its_own_page_is_accepted(self, emulator: Emulator) -> None:
        headers = {"Origin": emulator.url, "Sec-Fetch-Site": "same-origin"}
        assert Api(emulator.url)("POST", "/_emulator/reset", headers=headers).status_code == 204


class TestOperations:
    @pytest.mark.parametrize("headers", FOREIGN, ids=str)
    def test_a_foreign_request_has_no_effect(
        self, emulator: Emulator, anypoint: Anypoint, civo: Civo, headers: dict[str, str]
    ) -> None:
        before = emulator.requests()
        assert anypoint.key("PUT", "k", {"stringValue": "v"}).status_code == 200
        statuses = [
            anypoint("DELETE", f"{STORES}/s/partitions/p/keys/k", headers=headers).status_code,
            anypoint("GET", STORES, headers=headers).status_code,
            civo("POST", "objectstores", json={"name": "store"}, headers=headers).status_code,
            Api(anypoint.url)("POST", "/accounts/login", json={}, headers=headers).status_code,
        ]
        assert statuses == [403] * 4
        assert emulator.requests()["total"] == before["total"] + 1
        assert anypoint.key("HEAD", "k").status_code == 204
        assert civo("GET", "objectstores").json()["items"] == []


class TestBodies:
    def test_the_largest_value_with_each_character_escaped_fits(self, anypoint: Anypoint) -> None:
        assert len('"\\u0000"') * 10 * 1024 * 1024 > asgi.MAX_BODY_BYTES > len("\\u0000") * 10 * 1024 * 1024

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize(
        "path", [f"{STORES}/s/partitions/p/keys/k", "/v2/objectstores?region=LON1", "/accounts/login"]
    )
    def test_a_larger_body_is_rejected(
        self, anypoint: Anypoint, monkeypatch: pytest.MonkeyPatch, path: str, chunked: bool
    ) -> None:
        monkeypatch.setattr(asgi, "MAX_BODY_BYTES", 100_000)
        body: Any = b'{"stringValue": "' + b"x" * 200_000 + b'"}'
        response = anypoint("POST", path, data=iter([body]) if chunked else body)
        assert (response.status_code, response.json()["message"]) == (413, "A body has at most 100000 bytes")
        assert anypoint.store("GET", "s").status_code == 200

    def test_larger_faults_are_rejected(
        self, emulator: Emulator, anypoint: Anypoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asgi, "MAX_BODY_BYTES", 1000)
        fault = {"operation": "*", "kind": "status", "status": 500, "body": "x" * 1000}
        assert Api(emulator.url)("POST", "/_emulator/faults", json=[fault]).status_code == 413
        assert anypoint.store("GET", "s").status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            "[" * 100_000,
            '{"metadata": ' + "[" * 200 + "]" * 200 + ', "stringValue": ""}',
            '{"numberValue": 1e' + "9" * 30 + "}",
        ],
        ids=["brackets", "deep metadata", "a huge exponent"],
    )
    def test_json_that_cannot_be_stored_is_rejected(self, emulator: Emulator, anypoint: Anypoint, body: str) -> None:
        assert anypoint("PUT", f"{STORES}/s/partitions/p/keys/k", data=body).status_code == 400
        assert (
            anypoint("PATCH", f"{STORES}/s", data=body.replace("numberValue", "defaultTtlSeconds")).status_code == 400
        )
        assert Api(emulator.url)("POST", "/_emulator/faults", data=body).status_code == 400

    def test_a_huge_ttl_is_lowered(self, anypoint: Anypoint) -> None:
        confirmation_id = anypoint.key("PUT", "k", {"stringValue": "v"}, confirm=True).json()["confirmationId"]
        body = {"ttl": 10**400}
        path = ("s", "partitions", "p", "keys", "k", "confirmations", confirmation_id)
        assert anypoint.store("PATCH", *path, json=body).status_code == 204
