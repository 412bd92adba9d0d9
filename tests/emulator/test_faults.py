from __future__ import annotations

import logging
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_objectstore.emulator import Emulator
from tests.emulator.conftest import Anypoint, Api

VALUE = {"stringValue": "v"}


def set_faults(emulator: Emulator, *faults: Any) -> requests.Response:
    return Api(emulator.url)("POST", "/_emulator/faults", json=list(faults))


def test_a_status_replaces_the_operation(emulator: Emulator, anypoint: Anypoint) -> None:
    fault = {
        "operation": "anypoint.put_key",
        "kind": "status",
        "status": 503,
        "headers": {"Retry-After": "7"},
        "body": {"message": "busy"},
        "times": 1,
    }
    assert set_faults(emulator, fault).status_code == 204
    response = anypoint.key("PUT", "k", VALUE)
    assert (response.status_code, response.headers["Retry-After"], response.json()) == (503, "7", {"message": "busy"})
    assert anypoint.key("HEAD", "k").status_code == 404
    assert anypoint.key("PUT", "k", VALUE).status_code == 200


def test_a_text_body_and_a_status_without_one(emulator: Emulator, anypoint: Anypoint) -> None:
    set_faults(emulator, {"operation": "*", "kind": "status", "status": 502, "body": "Bad Gateway", "times": 1})
    assert anypoint.store("GET").text == "Bad Gateway"
    set_faults(emulator, {"operation": "*", "kind": "status", "status": 204, "body": "ignored"})
    assert [anypoint.store("GET").status_code, anypoint.key("HEAD", "k").status_code] == [204, 204]


@pytest.mark.parametrize(("kind", "applied"), [("reset_before", 404), ("reset_after", 204)])
def test_a_reset_drops_the_connection_before_or_after(
    emulator: Emulator, anypoint: Anypoint, caplog: pytest.LogCaptureFixture, kind: str, applied: int
) -> None:
    emulator.faults([{"operation": "anypoint.put_key", "kind": kind, "times": 1}])
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(requests.ConnectionError, match=r"reset by peer|without response"),
    ):
        anypoint.key("PUT", "k", {"stringValue": "x" * 100_000})
    assert anypoint.key("HEAD", "k").status_code == applied
    assert emulator.requests()["by_operation"]["anypoint.put_key"] == {"reset": 1}
    assert not caplog.records


def test_garbage_is_a_200_that_is_not_json(emulator: Emulator, anypoint: Anypoint) -> None:
    emulator.faults([{"operation": "anypoint.*", "kind": "garbage"}])
    response = anypoint.store("GET")
    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_a_delay_does_not_delay_other_requests(emulator: Emulator, anypoint: Anypoint) -> None:
    emulator.faults([{"operation": "anypoint.get_store", "kind": "delay", "seconds": 2}])
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(anypoint.store, "GET", "s")
        assert anypoint.store("GET").status_code == 200
        assert not slow.done()
        assert slow.result().status_code == 200
    assert time.monotonic() - start >= 2


def test_a_delay_precedes_the_next_fault(emulator: Emulator, anypoint: Anypoint) -> None:
    emulator.faults(
        [
            {"operation": "*", "kind": "delay", "seconds": 0.1},
            {"operation": "*", "kind": "status", "status": 500},
            {"operation": "*", "kind": "status", "status": 501},
        ]
    )
    start = time.monotonic()
    assert anypoint.store("GET").status_code == 500
    assert time.monotonic() - start >= 0.1


def test_a_share_is_met_and_repeatable(emulator: Emulator, anypoint: Anypoint) -> None:
    fault = {"operation": "anypoint.list_stores", "kind": "status", "status": 500, "share": 0.3}
    runs = []
    for _ in range(2):
        emulator.faults([fault])
        runs.append([anypoint.store("GET").status_code for _ in range(200)])
    assert runs[0] == runs[1]
    assert 40 <= runs[0].count(500) <= 80
    emulator.faults([fault | {"share": 0}])
    assert anypoint.store("GET").status_code == 200


def test_an_empty_list_clears(emulator: Emulator, anypoint: Anypoint) -> None:
    set_faults(emulator, {"operation": "*", "kind": "status", "status": 500})
    assert anypoint.store("GET").status_code == 500
    assert set_faults(emulator).status_code == 204
    assert anypoint.store("GET").status_code == 200


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"operation": "*", "kind": "explode"}, "explode"),
        ({"operation": "*", "kind": "status", "status": 500, "statsu": 1}, "statsu"),
        ({"kind": "garbage"}, "operation"),
        ({"operation": "*"}, "kind"),
        ({"operation": 1, "kind": "garbage"}, "operation"),
        ({"operation": "*", "kind": "status"}, "status"),
        ({"operation": "*", "kind": "status", "status": "500"}, "status"),
        ({"operation": "*", "kind": "delay"}, "seconds"),
        ({"operation": "*", "kind": "garbage", "share": 2}, "share"),
        ({"operation": "*", "kind": "garbage", "times": -1}, "times"),
        ({"operation": "*", "kind": "garbage", "skip": -1}, "skip"),
        ({"operation": "*", "kind": "garbage", "skip": "1"}, "skip"),
        ({"operation": "*", "kind": "delay", "seconds": 10**400}, "seconds"),
        ({"operation": "*", "kind": "garbage", "headers": []}, "headers"),
        ({"operation": "anypoint.get_kye", "kind": "garbage"}, "close to it are anypoint.get_key"),
        ({"operation": "anypoint.nosuch", "kind": "garbage"}, "no operation is named 'anypoint.nosuch'"),
        ({"operation": "gcs.*", "kind": "garbage"}, "there are accounts.login, .*anypoint.put_key, .*civo.get_quota"),
        ("reset", "object"),
    ],
)
def test_an_invalid_fault_is_named_and_changes_nothing(
    emulator: Emulator, anypoint: Anypoint, fault: Any, named: str
) -> None:
    set_faults(emulator, {"operation": "anypoint.list_stores", "kind": "status", "status": 500})
    response = set_faults(emulator, fault)
    assert response.status_code == 400
    assert re.search(named, response.json()["message"])
    assert anypoint.store("GET").status_code == 500
    with pytest.raises(ValueError, match=named):
        emulator.faults([fault])


def test_faults_are_a_list(emulator: Emulator) -> None:
    for body in ("{}", "", "nonsense"):
        assert Api(emulator.url)("POST", "/_emulator/faults", data=body).status_code == 400


def test_a_client_that_disconnects_within_its_body_changes_nothing(emulator: Emulator, anypoint: Anypoint) -> None:
    address = urlsplit(emulator.url)
    head = (
        "POST /v2/objectstores?region=LON1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: bearer emulator-key\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=half"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode())
        time.sleep(0.05)
    time.sleep(0.05)
    assert "civo.create_object_store" not in emulator.requests()["by_operation"]


class TestSkip:
    """``skip`` leaves the first matching requests alone, such as a listing's first page."""

    GATEWAY: ClassVar[dict[str, Any]] = {
        "operation": "anypoint.list_keys",
        "kind": "status",
        "status": 404,
        "headers": {"Content-Type": "text/html"},
        "body": "<html><body>No such page",
    }

    def test_a_gateway_responds_from_the_second_page_on(self, emulator: Emulator, anypoint: Anypoint) -> None:
        for number in range(30):
            anypoint.key("PUT", f"k{number}", VALUE)
        path = ("s", "partitions", "p", "keys")
        emulator.faults([self.GATEWAY | {"skip": 1, "times": 2}])
        first = anypoint.store("GET", *path)
        params = {"nextPageToken": first.json()["nextPageToken"]}
        responses = [anypoint.store("GET", *path, params=params) for _ in range(3)]
        assert [response.status_code for response in (first, *responses)] == [200, 404, 404, 200]
        assert (responses[0].headers["Content-Type"], responses[0].text) == ("text/html", self.GATEWAY["body"])
        assert len(responses[-1].json()["values"]) == 5

    def test_only_matching_requests_count(self, emulator: Emulator, anypoint: Anypoint) -> None:
        emulator.faults([self.GATEWAY | {"operation": "anypoint.get_store", "skip": 2}])
        paths = [("s",), (), ("s",), (), ("s",)]
        assert [anypoint.store("GET", *path).status_code for path in paths] == [200, 200, 200, 200, 404]

    def test_a_skipped_request_meets_the_next_fault(self, emulator: Emulator, anypoint: Anypoint) -> None:
        first = {"operation": "anypoint.get_store", "kind": "status", "status": 500, "skip": 1}
        emulator.faults([first, first | {"status": 503, "skip": None}])
        assert [anypoint.store("GET", "s").status_code for _ in range(3)] == [503, 500, 500]
