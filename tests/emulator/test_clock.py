from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.emulator import clock as emulator_clock
from tests.emulator.conftest import STORES, Anypoint, Api, Civo


def advance(emulator: Emulator, body: str) -> int:
    return Api(emulator.url)("POST", "/_emulator/clock", data=body).status_code


def ahead(emulator: Emulator) -> float:
    seconds: float = Api(emulator.url)("GET", "/_emulator/clock").json()["advanced_seconds"]
    return seconds


def test_it_is_read_and_advanced(emulator: Emulator) -> None:
    before = Api(emulator.url)("GET", "/_emulator/clock").json()
    assert before["advanced_seconds"] == 0
    response = Api(emulator.url)("POST", "/_emulator/clock", json={"advance_seconds": 3600.5})
    assert (response.status_code, response.json()["advanced_seconds"]) == (200, 3600.5)
    passed = datetime.fromisoformat(response.json()["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(hours=1) < passed < timedelta(hours=1, minutes=1)
    emulator.advance(timedelta(minutes=1))
    assert ahead(emulator) == 3660.5


@pytest.mark.parametrize(
    "body",
    [
        '{"advance_seconds": -1}',
        '{"advance_seconds": -1e-9}',
        '{"advance_seconds": "1"}',
        '{"advance_seconds": true}',
        '{"advance_seconds": null}',
        '{"advance_seconds": NaN}',
        '{"advance_seconds": Infinity}',
        '{"advance_seconds": 1e10}',
        f'{{"advance_seconds": {10**400}}}',
        '{"advance_seconds": 1, "now": 2}',
        "{}",
        "5",
        "",
    ],
)
def test_it_never_goes_backwards_and_not_too_far(emulator: Emulator, body: str) -> None:
    emulator.advance(1)
    assert advance(emulator, body) == 400
    assert ahead(emulator) == 1


def test_not_too_far_in_many_steps(emulator: Emulator) -> None:
    emulator.advance(emulator_clock.MAX_ADVANCED_SECONDS)
    with pytest.raises(ValueError, match="at most 100 years"):
        emulator.advance(1)
    assert Api(emulator.url)("GET", "/_emulator/clock").json()["now"] > "2100"


def test_times_to_live(emulator: Emulator, anypoint: Anypoint) -> None:
    anypoint.store("PUT", "s", json={"defaultTtlSeconds": 60})
    anypoint.key("PUT", "k", {"stringValue": "v"})
    confirmation = anypoint.key("DELETE", "k", confirm=True).headers["X-Confirmation-Id"]
    emulator.advance(59)
    assert anypoint.key("HEAD", "k").status_code == 204
    emulator.advance(2)
    assert anypoint.key("HEAD", "k").status_code == 404
    path = ("s", "partitions", "p", "keys", "k", "confirmations", confirmation)
    assert anypoint.store("PATCH", *path, json={"ttl": 600}).status_code == 204
    emulator.advance(601)
    assert anypoint.store("DELETE", *path).status_code == 404


def test_access_tokens(emulator: Emulator, anypoint: Anypoint) -> None:
    emulator.advance(3599)
    assert anypoint.store("GET").status_code == 200
    emulator.advance(2)
    assert anypoint.store("GET").status_code == 401


def test_a_reset_takes_it_back_and_logs_nobody_out(emulator: Emulator) -> None:
    emulator.advance(1_000_000)
    late = Anypoint(emulator.url)
    emulator.advance(3000)
    emulator.reset()
    assert ahead(emulator) == 0
    assert late.store("GET").status_code == 200
    emulator.advance(599)
    assert late.store("GET").status_code == 200
    emulator.advance(2)
    assert late.store("GET").status_code == 401


def test_creating_and_pending(emulator: Emulator, civo: Civo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator.settings, "pending_seconds", 10)
    store = civo.create("new")
    credential = civo.create_credential("new")

    def statuses() -> tuple[str, str]:
        found = civo("GET", f"objectstores/{store['id']}"), civo("GET", f"objectstore/credentials/{credential['id']}")
        first, second = (str(response.json()["status"]) for response in found)
        return first, second

    assert statuses() == ("creating", "pending")
    emulator.advance(5)
    assert statuses() == ("ready", "pending")
    emulator.advance(10)
    assert statuses() == ("ready", "ready")


def test_statistics(emulator: Emulator, anypoint: Anypoint) -> None:
    emulator.advance(10 * 86400)
    late = Anypoint(emulator.url)
    late.key("PUT", "k", {"stringValue": "v"})
    now = datetime.now(UTC)

    def count(days: int) -> int:
        start = (now + timedelta(days=days)).replace(hour=0)
        dates = {"startDate": start.isoformat(), "endDate": (start + timedelta(days=2)).isoformat(), "period": "1day"}
        path = STORES.removesuffix("/stores") + "/regions/us-east-1/stores/s"
        response = late("GET", path, params=dates)
        assert response.status_code == 200, response.text
        return sum(item["objectStoreRequestCount"] for item in response.json())

    assert (count(0), count(10)) == (1, 1)


def test_rate_limits() -> None:
    with Emulator(Settings(requests_per_second=1, clock=lambda: 0.0)) as emulator:
        civo = Civo(emulator.url)
        assert [civo("GET", "regions").status_code for _ in range(2)] == [200, 429]
        emulator.advance(1)
        assert [civo("GET", "regions").status_code for _ in range(2)] == [200, 429]
