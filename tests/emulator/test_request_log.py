from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator, Settings, request_log
from airflow_provider_objectstore.emulator.clock import Clock
from tests.emulator.conftest import STORES, Anypoint, Api, Civo


def read(emulator: Emulator, query: str = "") -> list[dict[str, Any]]:
    response = Api(emulator.url)("GET", f"/_emulator/log{query}")
    assert response.status_code == 200
    entries: list[dict[str, Any]] = response.json()
    return entries


def test_what_was_requested(emulator: Emulator, anypoint: Anypoint, civo: Civo) -> None:
    emulator.faults([{"operation": "anypoint.put_key", "kind": "reset_before", "times": 1}])
    with pytest.raises(OSError, match=r"\w"):
        anypoint.key("PUT", "a b", {"stringValue": "v"})
    anypoint.key("HEAD", "a b")
    civo("GET", "nothing")
    shown = [(entry["operation"], entry["method"], entry["path"], entry["status"]) for entry in read(emulator)]
    key = f"{STORES}/s/partitions/p/keys/a%20b"
    assert shown == [
        ("accounts.token", "POST", "/accounts/api/v2/oauth2/token", 200),
        ("anypoint.create_store", "PUT", f"{STORES}/s", 200),
        ("anypoint.put_key", "PUT", key, "reset"),
        ("anypoint.key_exists", "HEAD", key, 404),
        ("unmatched", "GET", "/v2/nothing", 404),
    ]
    assert read(emulator) == emulator.log()


def test_no_secret_is_in_it(emulator: Emulator, anypoint: Anypoint, civo: Civo) -> None:
    civo.create_credential("new", access_key_id="MY-ACCESS-KEY", secret_access_key_id="my-secret-key")
    anypoint.key("PUT", "k", {"stringValue": "my-value"})
    anypoint("GET", f"{STORES}?access_token=my-token&nextPageToken=my-page")
    text = Api(emulator.url)("GET", "/_emulator/log").text
    token = anypoint.session.headers["Authorization"]
    secrets = ["MY-ACCESS-KEY", "my-secret-key", "my-value", "my-token", "my-page", "emulator-secret", "emulator-key"]
    assert [secret for secret in (*secrets, str(token).split()[1]) if secret in text] == []


def test_a_part_of_it(emulator: Emulator, anypoint: Anypoint, civo: Civo) -> None:
    anypoint.key("HEAD", "k")
    (store,) = emulator.log("anypoint.create_store")
    civo("GET", "regions")
    assert [entry["operation"] for entry in read(emulator, "?operation=anypoint.*")] == [
        "anypoint.create_store",
        "anypoint.key_exists",
    ]
    since = [entry["operation"] for entry in read(emulator, f"?since={store['id']}")]
    assert since == ["anypoint.key_exists", "civo.list_regions"]
    assert emulator.log("civo.*", since=store["id"]) == read(emulator, f"?operation=civo.*&since={store['id']}")
    assert len(emulator.log("civo.*", since=store["id"])) == 1


@pytest.mark.parametrize(
    "query", ["?since=", "?since=-1", "?since=now", "?since=%C2%B2", "?operaton=civo.*", "?limit=1"]
)
def test_other_parameters_are_refused(emulator: Emulator, query: str) -> None:
    response = Api(emulator.url)("GET", f"/_emulator/log{query}")
    assert (response.status_code, "since" in response.json()["message"]) == (400, True)


def test_an_operation_with_a_typing_mistake_is_not_one_that_nobody_requested(emulator: Emulator) -> None:
    assert emulator.log("anypoint.get_*") == emulator.log("unmatched") == []
    with pytest.raises(
        ValueError, match=r"no operation is named 'anypoint\.getkey'; close to it are anypoint\.get_key"
    ):
        emulator.log("anypoint.getkey")
    response = Api(emulator.url)("GET", "/_emulator/log?operation=anypoint.getkey")
    assert (response.status_code, "anypoint.get_key" in response.json()["message"]) == (400, True)


def test_a_reset_empties_it_and_continues_its_numbers(emulator: Emulator, civo: Civo) -> None:
    civo("GET", "regions")
    (before,) = emulator.log()
    emulator.reset()
    assert emulator.log() == []
    civo("GET", "regions")
    assert [entry["id"] for entry in emulator.log(since=before["id"])] == [before["id"] + 1]


def test_times_are_the_clocks(emulator: Emulator, civo: Civo) -> None:
    civo("GET", "regions")
    emulator.advance(86400)
    civo("GET", "regions")
    first, second = (datetime.fromisoformat(entry["time"]) for entry in emulator.log())
    assert 86400 <= (second - first).total_seconds() < 86400 + 60


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MAX_REQUESTS", 3)
    log = request_log.RequestLog(Clock(Settings()), {"op"})
    for number in range(5):
        log.add("civo.list_regions", "GET", f"/{number}", 200)
    assert [entry["path"] for entry in log.read("*", 0)] == ["/2", "/3", "/4"]
    assert log.counts()["total"] == 5
