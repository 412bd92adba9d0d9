from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import Anypoint

ROOT = "/api/v1/organizations/emulator-org"
STORE = f"{ROOT}/environments/emulator-env/regions/us-east-1/stores"
FRAME = {"startDate": "1970-01-01T00:30:00Z", "endDate": "1970-01-01T02:00:00Z", "period": "1hour"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(Settings(now=lambda: 3700.0)) as emulator:
        yield emulator


@pytest.fixture
def anypoint(emulator: Emulator) -> Anypoint:
    emulator.reset()
    owner = Anypoint(emulator.url)
    owner.store("PUT", "s")
    return owner


def test_what_succeeded_counts(anypoint: Anypoint) -> None:
    assert anypoint.store("GET", "missing").status_code == 404
    assert anypoint.store("GET").status_code == 200
    assert anypoint("GET", f"{STORE}/s", params=FRAME).json() == [
        {"timeStamp": "1970-01-01T00:00:00.000Z", "objectStoreRequestCount": 0},
        {"timeStamp": "1970-01-01T01:00:00.000Z", "objectStoreRequestCount": 1},
    ]
    assert anypoint("GET", STORE, params=FRAME).json() == ["s"]
    whole = anypoint("GET", ROOT, params=FRAME | {"isMaster": "false"}).json()
    assert [count["objectStoreRequestCount"] for count in whole] == [0, 2]


def test_a_reset_forgets(anypoint: Anypoint, emulator: Emulator) -> None:
    emulator.reset()
    assert anypoint("GET", STORE, params=FRAME).json() == []
    assert anypoint("GET", f"{STORE}/s", params=FRAME).json() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"period": "1week"},
        {"period": None},
        {"startDate": None},
        {"startDate": "1970-01-01"},
        {"startDate": "1970-01-01T00:30:00"},
        {"startDate": "1970-13-01T00:30:00Z"},
        {"endDate": "1970-01-01T00:30:00Z"},
        {"endDate": "9999-12-31T23:59:59-10:00"},
        {"endDate": "1980-01-01T00:00:00Z"},
    ],
)
def test_wrong_parameters(wrong: dict[str, str | None], anypoint: Anypoint) -> None:
    params = {name: value for name, value in (FRAME | wrong).items() if value is not None}
    assert anypoint("GET", f"{STORE}/s", params=params).status_code == 400


def test_is_master_is_required(anypoint: Anypoint) -> None:
    assert anypoint("GET", ROOT, params=FRAME).status_code == 400
    assert anypoint("GET", ROOT, params=FRAME | {"isMaster": "1"}).status_code == 400


def test_who_may_read(emulator: Emulator, anypoint: Anypoint) -> None:
    assert Anypoint(emulator.url, "emulator-reader")("GET", STORE, params=FRAME).status_code == 403
    assert anypoint("GET", STORE.replace("emulator-org", "other"), params=FRAME).status_code == 403
    anypoint.session.headers.clear()
    assert anypoint("GET", STORE, params=FRAME).status_code == 401


@pytest.mark.parametrize("path", [f"{STORE}/s/partitions", f"{ROOT}/stores", f"{STORE}/"])
def test_other_paths(path: str, anypoint: Anypoint) -> None:
    assert anypoint("GET", path, params=FRAME).status_code == 404
    assert anypoint("POST", f"{STORE}/s", params=FRAME).status_code == 405
