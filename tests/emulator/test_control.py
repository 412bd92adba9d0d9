from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.control import ROUTES
from tests.emulator.conftest import Anypoint, Api

ROOT = Path(__file__).parents[2]
ALL = [(method, name) for name, methods in ROUTES.items() for method in methods]
BODIES = {
    "faults": '[{"operation": "*", "kind": "status", "status": 500}]',
    "clock": '{"advance_seconds": 60}',
    "state": '{"format": "objectstore-emulator", "version": 1}',
}
ELSEWHERE = {
    "another name": {"Host": "rebound.example"},
    "another site": {"Origin": "https://page.example", "Sec-Fetch-Site": "cross-site"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "no origin": {"Sec-Fetch-Site": "cross-site"},
}


def test_the_page_has_every_address() -> None:
    page = (ROOT / "docs/emulator.md").read_text()
    rows = re.findall(r"^\| `([A-Z]+) /_emulator/(\w+)` \| \S", page, re.M)
    assert sorted(rows) == sorted(ALL)


def test_the_page_has_every_method_of_the_class() -> None:
    page = (ROOT / "docs/emulator.md").read_text()
    methods = [name for name in vars(Emulator) if not name.startswith("_") and name not in ("start", "stop")]
    assert [name for name in methods if f"`{name}(" not in page] == []


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize(("method", "name"), ALL)
def test_only_programs_on_this_machine_may_control_it(
    emulator: Emulator, anypoint: Anypoint, method: str, name: str, headers: dict[str, str]
) -> None:
    before = emulator.dump()
    response = Api(emulator.url)(method, f"/_emulator/{name}", data=BODIES.get(name), headers=headers)
    assert response.status_code == 403
    assert "storeId" not in response.text
    assert emulator.dump() == before
    assert anypoint.store("GET", "s").status_code == 200


@pytest.mark.parametrize(("method", "name"), ALL)
def test_all_of_them_work(emulator: Emulator, method: str, name: str) -> None:
    response = Api(emulator.url)(method, f"/_emulator/{name}", data=BODIES.get(name))
    assert response.status_code in (200, 204), response.text
    assert not response.text or json.loads(response.text) is not None


def test_no_control_request_is_counted(emulator: Emulator) -> None:
    for method, name in ALL:
        Api(emulator.url)(method, f"/_emulator/{name}", data=BODIES.get(name))
    assert emulator.requests()["total"] == 0
    assert emulator.log() == []
