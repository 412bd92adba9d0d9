"""
The emulator against the vendor's OpenAPI file of the Statistics API.

The file is not part of this project: ``ANYPOINT_STATS_OPENAPI`` is the path of a copy.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import Anypoint, Api
from tests.emulator.test_contract import shape

pytestmark = pytest.mark.slow

ROOT = "/organizations/{organizationId}"
ENVIRONMENTS = f"{ROOT}/environments"
REGIONS = f"{ENVIRONMENTS}/{{environmentId}}/regions"
STORES = f"{REGIONS}/{{regionId}}/stores"
OPERATIONS = {
    "get_organization_usage": ROOT,
    "list_used_environments": ENVIRONMENTS,
    "get_environment_usage": f"{ENVIRONMENTS}/{{environmentId}}",
    "list_used_regions": REGIONS,
    "get_region_usage": f"{REGIONS}/{{regionId}}",
    "list_used_stores": STORES,
    "get_store_usage": f"{STORES}/{{storeId}}",
}
"""The emulator's operation names, and the file's paths."""

UNDECLARED = {
    401: "the file requires a token and does not declare the error without one",
    403: "the file's descriptions require a scope and do not declare the error without it",
    404: "an identifier that no path can hold, such as one with a slash at its end",
}
KNOWN = {
    "organizationId": "emulator-org",
    "environmentId": "emulator-env",
    "regionId": "us-east-1",
    "storeId": "s",
}
NOW = datetime.fromisoformat("2017-10-05T12:00:00Z")
FRAME = {"startDate": "2015-12-01T00:00:00Z", "endDate": "2017-12-02T00:00:00Z", "period": "1month"}
"""The time frame of the file's examples."""


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """Return the file's operations by path."""
    path = os.environ.get("ANYPOINT_STATS_OPENAPI")
    if not path:
        pytest.skip("ANYPOINT_STATS_OPENAPI must be the path of the vendor's OpenAPI file of the Statistics API")
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the extra [dev]")
    found = (result.ok() for result in schemathesis.openapi.from_path(path).get_all_operations())
    return {operation.label.removeprefix("GET "): operation for operation in found}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(Settings(now=NOW.timestamp)) as emulator:
        yield emulator


def use(owner: Anypoint, times: int = 12) -> None:
    """Make a store ``s`` that is used so many times."""
    owner.store("PUT", "s")
    for _ in range(times - 1):
        owner.store("GET", "s")


@st.composite
def requests_of(draw: Callable[[Any], Any], operation: Any) -> tuple[Any, str]:
    """Draw a meaningful request and its sender, or one with anything that the file allows or forbids."""
    from schemathesis import GenerationMode

    meaningful = draw(st.booleans())
    mode = GenerationMode.POSITIVE if meaningful or draw(st.booleans()) else GenerationMode.NEGATIVE
    case = draw(operation.as_strategy(generation_mode=mode))
    case.path_parameters |= {name: value for name, value in KNOWN.items() if name in case.path_parameters}
    if meaningful:
        case.query = {**case.query, **FRAME}
    return case, "owner" if meaningful else draw(st.sampled_from(["owner", "owner", "reader", "nobody"]))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation(contract: dict[str, Any], emulator: Emulator, name: str) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, negative_data_rejection

    operation = contract[OPERATIONS[name]]
    emulator.reset()
    owner = Anypoint(emulator.url)
    use(owner)
    clients = {"owner": owner, "reader": Anypoint(emulator.url, "emulator-reader"), "nobody": Api(emulator.url)}
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests_of(operation))
    def send(drawn: tuple[Any, str]) -> None:
        case, client = drawn
        response = case.call(base_url=f"{emulator.url}/api/v1", session=clients[client].session)
        checks = [not_a_server_error, content_type_conformance]
        if case.query and client == "owner":
            checks.append(negative_data_rejection)
        case.validate_response(response, checks=checks)
        assert str(response.status_code) in operation.definition.raw["responses"] or response.status_code in UNDECLARED
        response.json()
        statuses[response.status_code] += 1

    send()
    assert statuses[200] >= 5, f"only {statuses[200]} of {statuses.total()} requests succeeded: {dict(statuses)}"
    assert statuses[400] >= 1, f"nothing was rejected as invalid: {dict(statuses)}"
    assert emulator.requests()["by_operation"][f"anypoint.{name}"]["200"] == statuses[200]


def test_every_operation_of_the_file_is_tested(contract: dict[str, Any]) -> None:
    assert set(contract) == set(OPERATIONS.values())


@pytest.mark.parametrize("parameter", ["startDate", "endDate", "period", "isMaster"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_required_parameter_is_required(
    contract: dict[str, Any], emulator: Emulator, name: str, parameter: str
) -> None:
    declared = contract[OPERATIONS[name]].definition.raw["parameters"]
    required = parameter in {one["name"] for one in declared if one.get("in") == "query" and one.get("required")}
    params = {key: value for key, value in {**FRAME, "isMaster": "true"}.items() if key != parameter}
    response = Anypoint(emulator.url)("GET", f"/api/v1{OPERATIONS[name].format(**KNOWN)}", params=params)
    assert response.status_code == (400 if required else 200)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_body_has_the_form_of_the_example(contract: dict[str, Any], emulator: Emulator, name: str) -> None:
    example = contract[OPERATIONS[name]].definition.raw["responses"]["200"]["content"]["application/json"]["example"]
    emulator.reset()
    owner = Anypoint(emulator.url)
    use(owner)
    path = OPERATIONS[name].format(**KNOWN)
    found = owner("GET", f"/api/v1{path}", params=FRAME | {"isMaster": "true"}).json()
    if isinstance(example[0], str):
        assert shape(found) == shape(example)
        return
    assert [set(count) for count in found] == [set(count) for count in example]
    assert [count["objectStoreRequestCount"] for count in found] == [
        count["objectStoreRequestCount"] for count in example
    ]
    assert [count["timeStamp"][:7] for count in found] == [str(count["timeStamp"])[:7] for count in example]
