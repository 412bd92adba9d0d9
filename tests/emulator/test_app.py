from __future__ import annotations

import pytest

from airflow_provider_objectstore.emulator import Emulator
from tests.emulator.conftest import STORES, Anypoint, Api, Civo


def test_health(emulator: Emulator) -> None:
    assert Api(emulator.url)("GET", "/_emulator/health").json() == {"status": "ok", "s3_endpoint": None}


def test_requests_are_counted_by_operation_and_status(emulator: Emulator, anypoint: Anypoint, civo: Civo) -> None:
    anypoint.key("HEAD", "k")
    anypoint.key("PUT", "k", {"stringValue": "v"})
    anypoint.key("HEAD", "k")
    civo("GET", "regions")
    civo("GET", "nothing")
    expected = {
        "total": 7,
        "by_operation": {
            "accounts.token": {"200": 1},
            "anypoint.create_store": {"200": 1},
            "anypoint.key_exists": {"404": 1, "204": 1},
            "anypoint.put_key": {"200": 1},
            "civo.list_regions": {"200": 1},
            "unmatched": {"404": 1},
        },
    }
    assert Api(emulator.url)("GET", "/_emulator/requests").json() == emulator.requests() == expected


NAMES = {
    "anypoint": "list_stores get_store create_store update_store delete_store list_partitions get_partition "
    "delete_partition partition_exists list_keys get_key key_exists put_key alter_number delete_key acknowledge "
    "extend_confirmation reject list_regions",
    "civo": "list_object_stores get_object_store create_object_store update_object_store delete_object_store "
    "get_object_store_stats list_credentials get_credential create_credential update_credential delete_credential "
    "list_regions get_quota",
    "accounts": "token login",
}
PATHS = {
    "": "GET",
    "/s": "GET PUT PATCH DELETE",
    "/s/partitions": "GET",
    "/s/partitions/p": "GET HEAD DELETE",
    "/s/partitions/p/keys": "GET",
    "/s/partitions/p/keys/k": "GET HEAD PUT POST DELETE",
    "/s/partitions/p/keys/k/confirmations/c": "POST PATCH DELETE",
}
CIVO_PATHS = {
    "objectstores": "GET POST",
    "objectstores/i": "GET PATCH PUT DELETE",
    "objectstores/i/stats": "GET",
    "objectstore/credentials": "GET POST",
    "objectstore/credentials/i": "GET PATCH PUT DELETE",
    "regions": "GET",
    "quota": "GET",
}


def test_every_operation_is_counted_under_its_name(emulator: Emulator) -> None:
    api = Api(emulator.url)
    for path, methods in PATHS.items():
        for method in methods.split():
            api(method, STORES + path)
    api("GET", "/api/v1/organizations/emulator-org/regions")
    for path, methods in CIVO_PATHS.items():
        for method in methods.split():
            api(method, f"/v2/{path}")
    api("POST", "/accounts/api/v2/oauth2/token")
    api("POST", "/accounts/login")
    expected = {f"{service}.{name}" for service, names in NAMES.items() for name in names.split()}
    assert set(emulator.requests()["by_operation"]) == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"{STORES}/s/partition/p"),
        ("GET", f"{STORES}/s/partitions/p/keys/k/confirmations"),
        ("GET", f"{STORES}/s/partitions/p/keys/k/l/m/n"),
        ("GET", "/api/v1/organizations"),
        ("GET", "/api/v2/organizations/emulator-org/regions"),
        ("GET", "/v2"),
        ("GET", "/v2/"),
        ("GET", "/v2/objectstore"),
        ("GET", "/v2/credentials"),
        ("GET", "/_emulator/other"),
    ],
)
def test_other_paths_do_not_exist(emulator: Emulator, method: str, path: str) -> None:
    assert Api(emulator.url)(method, path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", STORES, "GET"),
        ("HEAD", f"{STORES}/s", "GET, PUT, PATCH, DELETE"),
        ("TRACE", f"{STORES}/s/partitions/p/keys/k", "GET, HEAD, POST, PUT, DELETE"),
        ("OPTIONS", f"{STORES}/s/partitions/p/keys/k/confirmations/c", "POST, PATCH, DELETE"),
        ("PUT", "/api/v1/organizations/emulator-org/regions", "GET"),
        ("POST", "/v2/objectstores/i/stats", "GET"),
        ("PUT", "/v2/objectstore/credentials", "GET, POST"),
        ("GET", "/accounts/login", "POST"),
        ("GET", "/_emulator/reset", "POST"),
        ("POST", "/_emulator/health", "GET"),
    ],
)
def test_methods_that_no_contract_declares_are_not_allowed(
    emulator: Emulator, method: str, path: str, allowed: str
) -> None:
    response = Api(emulator.url)(method, path)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)


def test_a_path_that_is_not_utf8(emulator: Emulator) -> None:
    assert Api(emulator.url)("GET", f"{STORES}/%FF").status_code == 400


def test_a_reset_clears_stores_faults_and_counts(emulator: Emulator, anypoint: Anypoint, civo: Civo) -> None:
    civo.create("store")
    emulator.faults([{"operation": "*", "kind": "status", "status": 500}])
    assert Api(emulator.url)("POST", "/_emulator/reset").status_code == 204
    assert emulator.requests() == {"total": 0, "by_operation": {}}
    assert anypoint.store("GET").json()["values"] == []
    assert civo("GET", "objectstores").json()["items"] == civo("GET", "objectstore/credentials").json()["items"] == []
