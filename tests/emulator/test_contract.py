"""
The emulator against the vendor's OpenAPI file, which declares requests and the statuses and bodies of responses.

The file is not part of this project: ``ANYPOINT_OPENAPI`` is the path of a copy.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import STORES, Anypoint, Api

pytestmark = pytest.mark.slow

ROOT = "/organizations/{organizationId}"
STORE = f"{ROOT}/environments/{{environmentId}}/stores/{{storeId}}"
KEY = f"{STORE}/partitions/{{partitionId}}/keys/{{keyId}}"
CONFIRMATION = f"{KEY}/confirmations/{{confirmationId}}"

OPERATIONS = {
    "list_stores": f"GET {ROOT}/environments/{{environmentId}}/stores",
    "get_store": f"GET {STORE}",
    "create_store": f"PUT {STORE}",
    "update_store": f"PATCH {STORE}",
    "delete_store": f"DELETE {STORE}",
    "list_partitions": f"GET {STORE}/partitions",
    "get_partition": f"GET {STORE}/partitions/{{partitionId}}",
    "delete_partition": f"DELETE {STORE}/partitions/{{partitionId}}",
    "partition_exists": f"HEAD {STORE}/partitions/{{partitionId}}",
    "list_keys": f"GET {STORE}/partitions/{{partitionId}}/keys",
    "get_key": f"GET {KEY}",
    "key_exists": f"HEAD {KEY}",
    "put_key": f"PUT {KEY}",
    "alter_number": f"POST {KEY}",
    "delete_key": f"DELETE {KEY}",
    "acknowledge": f"POST {CONFIRMATION}",
    "extend_confirmation": f"PATCH {CONFIRMATION}",
    "reject": f"DELETE {CONFIRMATION}",
    "list_regions": f"GET {ROOT}/regions",
}
"""The emulator's operation names, and the file's operations."""

ALL = frozenset(OPERATIONS)
NO_SUCCESS = frozenset({"get_key", "put_key", "alter_number"})
NO_404 = frozenset({"list_stores", "list_partitions", "get_partition", "alter_number"})
UNDECLARED: dict[int, tuple[str, frozenset[str]]] = {
    200: ("the file declares no success for reading, writing and altering a key", NO_SUCCESS),
    201: ("POST of application/json is in the vendor's examples, not in the file", frozenset({"alter_number"})),
    400: ("invalid requests have to be rejected, and the file has no status for it", ALL),
    401: ("the file requires a token and does not declare the error without one", ALL),
    403: ("the file's descriptions require scopes and do not declare the error without one", ALL),
    404: ("the file does not declare that a store or environment may be missing here", NO_404),
    405: ("a method that the file does not declare", ALL),
    413: ("a body that is too large, and the sizes in the description of PUT", ALL),
    415: ("a media type other than the two that are known", frozenset({"alter_number"})),
    429: ("the documented rate limit", ALL),
}
"""Statuses that the file does not declare: the reason, and the operations that respond with them."""

KNOWN = {
    "organizationId": "emulator-org",
    "environmentId": "emulator-env",
    "storeId": "s",
    "partitionId": "p",
    "keyId": "k",
}
VALUE = {"stringValue": "v", "valueType": "STRING"}
BODIES: dict[str, list[Any]] = {
    "put_key": [VALUE, VALUE | {"index": 33, "metadata": {"a": "b"}}, {"numberValue": 1.5}, {"binaryValue": "AA=="}],
    "alter_number": [{"operation": "add", "value": 1}, {"operation": "set", "value": -0.5}],
    "extend_confirmation": [{"ttl": 60}],
}
"""Meaningful bodies, besides those that the file generates."""


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """Return the file's operations by method and path."""
    path = os.environ.get("ANYPOINT_OPENAPI")
    if not path:
        pytest.skip("ANYPOINT_OPENAPI must be the path of the vendor's OpenAPI file, which is not part of this project")
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the extra [dev]")
    found = (result.ok() for result in schemathesis.openapi.from_path(path).get_all_operations())
    return {operation.label: operation for operation in found}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """An emulator that responds with the fields of the published examples."""
    with Emulator(Settings(seed_form=True)) as emulator:
        yield emulator


def prepare(owner: Anypoint) -> str:
    """Create a store with a text ``k`` and a number ``n``. Return the id of an open confirmation of ``k``."""
    owner.store("PUT", "s")
    owner.key("PUT", "n", {"numberValue": 1})
    owner.key("PUT", "k", VALUE)
    confirmation_id: str = owner.key("GET", "k", confirm=True).json()["confirmationId"]
    return confirmation_id


@st.composite
def requests_of(draw: Callable[[Any], Any], name: str, operation: Any) -> tuple[Any, str]:
    """
    Draw a request and its sender: a meaningful request, or one with anything that the file allows or forbids.

    A path's parameter that is ``None`` is set later: the id of an open confirmation.
    """
    from schemathesis import GenerationMode

    meaningful = draw(st.booleans())
    mode = GenerationMode.POSITIVE if meaningful or draw(st.booleans()) else GenerationMode.NEGATIVE
    case = draw(operation.as_strategy(generation_mode=mode))
    known = KNOWN | ({"keyId": "n"} if name == "alter_number" else {}) | {"confirmationId": None}
    here = [parameter for parameter in known if parameter in case.path_parameters]
    foreign = None if meaningful else draw(st.sampled_from([None, *here]))
    case.path_parameters |= {parameter: known[parameter] for parameter in here if parameter != foreign}
    if meaningful and name in BODIES:
        case.body, case.media_type = draw(st.sampled_from(BODIES[name])), case.media_type or "application/json"
    return case, "owner" if meaningful else draw(st.sampled_from(["owner", "owner", "owner", "reader", "nobody"]))


def check_status(name: str, operation: Any, response: Any) -> None:
    """Check that the file or the list above declares the status."""
    declared = set(operation.definition.raw["responses"])
    status = response.status_code
    if str(status) not in declared:
        assert status in UNDECLARED, f"{name} responded with {status}, which neither the file nor the list declares"
        assert name in UNDECLARED[status][1], f"{name} responded with {status}, which is not listed for it"
    if response.content:
        json.loads(response.content)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation(contract: dict[str, Any], emulator: Emulator, name: str) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance

    operation = contract[OPERATIONS[name]]
    owner = Anypoint(emulator.url)
    clients = {"owner": owner, "reader": Anypoint(emulator.url, "emulator-reader"), "nobody": Api(emulator.url)}
    emulator.reset()
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests_of(name, operation))
    def send(drawn: tuple[Any, str]) -> None:
        case, client = drawn
        confirmation_id = prepare(owner)
        if case.path_parameters.get("confirmationId", "") is None:
            case.path_parameters["confirmationId"] = confirmation_id
        response = case.call(base_url=f"{emulator.url}/api/v1", session=clients[client].session)
        case.validate_response(response, checks=[not_a_server_error, content_type_conformance])
        check_status(name, operation, response)
        statuses[response.status_code] += 1

    send()
    succeeded = sum(count for status, count in statuses.items() if status < 300)
    assert succeeded >= 5, f"only {succeeded} of {statuses.total()} requests succeeded: {dict(statuses)}"
    assert statuses.total() > succeeded, f"nothing was rejected: {dict(statuses)}"
    counted = emulator.requests()["by_operation"][f"anypoint.{name}"]
    assert {int(status) for status in counted} >= {status for status in statuses if status < 300}


def test_every_operation_of_the_file_is_tested(contract: dict[str, Any]) -> None:
    assert set(contract) == set(OPERATIONS.values())
    assert len(contract) == 19


def test_methods_that_the_file_does_not_declare_are_not_allowed(contract: dict[str, Any], emulator: Emulator) -> None:
    declared: dict[str, set[str]] = {}
    for label in contract:
        method, path = label.split()
        declared.setdefault(path, set()).add(method)
    owner = Anypoint(emulator.url)
    for path, methods in declared.items():
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
            response = owner(method, f"/api/v1{path.format(**KNOWN, confirmationId='c')}")
            assert response.status_code == 405, (method, path)
            assert set(response.headers["Allow"].split(", ")) == methods


def shape(value: Any) -> Any:
    """Return a body's fields and types."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("list_stores", {"pageSize": 1}),
        ("get_store", {}),
        ("list_partitions", {"pageSize": 1}),
        ("get_partition", {"pageSize": 1, "inclusion": "all"}),
        ("list_regions", {}),
    ],
)
def test_bodies_have_the_fields_of_the_examples(
    contract: dict[str, Any], emulator: Emulator, name: str, params: dict[str, Any]
) -> None:
    example = contract[OPERATIONS[name]].definition.raw["responses"]["200"]["content"]["application/json"]["example"]
    if list(example) == ["value"]:  # an artefact of the file's export
        example = example["value"]
    owner = Anypoint(emulator.url)
    prepare(owner)
    owner.store("PUT", "t")
    owner.key("PUT", "k", VALUE, partition="q")
    owner.key("PUT", "l", VALUE)
    path = OPERATIONS[name].split()[1].format(**KNOWN)
    assert shape(owner("GET", f"/api/v1{path}", params=params).json()) == shape(example)


def test_every_example_is_compared(contract: dict[str, Any]) -> None:
    with_example = {
        name
        for name, label in OPERATIONS.items()
        for response in contract[label].definition.raw["responses"].values()
        if "example" in response.get("content", {}).get("application/json", {})
    }
    assert with_example == {"list_stores", "get_store", "list_partitions", "get_partition", "list_regions"}


def test_the_example_of_a_write_is_accepted(contract: dict[str, Any], emulator: Emulator) -> None:
    body = contract[OPERATIONS["put_key"]].definition.raw["requestBody"]["content"]["application/json"]["schema"]
    owner = Anypoint(emulator.url)
    owner.store("PUT", "s")
    assert owner.key("PUT", "k", body["example"]["value"]).status_code == 200
    assert owner.key("GET", "k").json() == {"keyId": "k"} | body["example"]["value"]


def status_of(emulator: Emulator, method: str, *segments: str, client: str = "emulator-client", **options: Any) -> int:
    return Anypoint(emulator.url, client).store(method, *segments, **options).status_code


PATH = ("s", "partitions", "p", "keys")
PROVOKED: dict[int, Callable[[Emulator], int]] = {
    200: lambda emulator: status_of(emulator, "GET", *PATH, "k"),
    201: lambda emulator: status_of(emulator, "POST", *PATH, "new", json=VALUE),
    400: lambda emulator: status_of(emulator, "PUT", *PATH, "k", json={}),
    401: lambda emulator: requests.get(f"{emulator.url}{STORES}", timeout=10).status_code,
    403: lambda emulator: status_of(emulator, "GET", *PATH, "k", client="emulator-reader"),
    404: lambda emulator: status_of(emulator, "GET", "missing", "partitions"),
    405: lambda emulator: status_of(emulator, "POST", "s"),
    413: lambda emulator: status_of(emulator, "PUT", *PATH, "k", json=VALUE | {"metadata": "x" * 5000}),
    415: lambda emulator: status_of(emulator, "POST", *PATH, "k", data="1", headers={"Content-Type": "text/plain"}),
}


@pytest.mark.parametrize("status", sorted(UNDECLARED))
def test_an_undeclared_status_happens(emulator: Emulator, status: int) -> None:
    if status == 429:
        with Emulator(Settings(requests_per_second=1)) as limited:
            assert 429 in {status_of(limited, "GET", "s") for _ in range(5)}
        return
    emulator.reset()
    prepare(Anypoint(emulator.url))
    assert PROVOKED[status](emulator) == status
