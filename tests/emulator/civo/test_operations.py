from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import CREDENTIALS, Api, Civo, Clock, civo_error


class TestAccess:
    def test_a_wrong_key_is_reported_as_a_missing_account(self, emulator: Emulator) -> None:
        response = Civo(emulator.url, "wrong")("GET", "objectstores")
        assert civo_error(response) == (404, "database_account_not_found")

    def test_no_key(self, emulator: Emulator) -> None:
        response = Api(emulator.url)("GET", "/v2/objectstores?region=LON1")
        assert civo_error(response) == (401, "authentication_invalid_key")

    def test_the_region_is_required_and_known_in_any_case(self, civo: Civo) -> None:
        created = civo.create("store")
        assert civo("GET", f"objectstores/{created['id']}", region="lon1").status_code == 200
        for region in (None, "MARS1"):
            response = civo("GET", f"objectstores/{created['id']}", region=region)
            assert civo_error(response) == (400, "region_unavailable")
        response = civo("GET", f"objectstores/{created['id']}", region="NYC1")
        assert civo_error(response) == (404, "database_objectstore_not_found")

    @pytest.mark.parametrize(("method", "path"), [("POST", "objectstores"), ("PATCH", "objectstores/{id}")])
    def test_the_region_may_be_in_the_body(self, civo: Civo, method: str, path: str) -> None:
        store_id = civo.create("store")["id"]
        body = {"name": "other", "max_size_gb": 500, "region": "LON1"}
        assert civo(method, path.format(id=store_id), region=None, json=body).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path"), [("POST", "objectstores"), ("GET", "objectstores"), ("GET", CREDENTIALS)]
    )
    def test_a_region_without_object_stores(self, civo: Civo, method: str, path: str) -> None:
        response = civo(method, path, region="PHX1", json={"name": "store"})
        assert response.status_code == 400
        assert response.json() == {
            "code": "database_region_feature_not_supported",
            "reason": "This feature is not supported in this region",
            "details": "Feature object_store is not supported in region phx1",
        }

    def test_regions_list_their_features(self, civo: Civo) -> None:
        regions = civo("GET", "regions", region=None).json()
        usable = [r["code"] for r in regions if r["features"].get("object_store") and not r["out_of_capacity"]]
        assert usable == ["LON1", "NYC1", "FRA1", "MUM1"]

    @pytest.mark.parametrize("allowed", ["patch", "put"])
    def test_updates_may_accept_one_method_only(self, allowed: str) -> None:
        with Emulator(Settings(update_method=allowed)) as emulator:  # type: ignore[arg-type]
            civo = Civo(emulator.url)
            store_id = civo.create("store")["id"]
            responses = {
                method: civo(method, f"objectstores/{store_id}", json={"max_size_gb": 1000})
                for method in ("PATCH", "PUT")
            }
        other = responses.pop("PUT" if allowed == "patch" else "PATCH")
        assert (other.status_code, other.headers["Content-Type"]) == (405, "text/plain; charset=utf-8")
        assert [response.json()["max_size"] for response in responses.values()] == [1000]


class TestStores:
    def test_a_store_is_created_with_its_own_credential(self, civo: Civo, clock: Clock) -> None:
        created = civo.create("demo-store")
        assert created["status"] == "creating"
        assert created["owner_info"]["access_key_id"] == ""
        assert created["owner_info"]["name"].startswith("demo-store-")
        clock.now += 4.9
        assert civo("GET", f"objectstores/{created['id']}").json() == created
        clock.now += 0.1
        [credential] = civo("GET", CREDENTIALS).json()["items"]
        assert civo("GET", f"objectstores/{created['id']}").json() == {
            "id": created["id"],
            "name": "demo-store",
            "max_size": 500,
            "objectstore_endpoint": "objectstore.lon1.civo.com",
            "status": "ready",
            "owner_info": {
                "access_key_id": credential["access_key_id"],
                "name": credential["name"],
                "credential_id": credential["id"],
            },
        }

    def test_form_encoding_as_in_the_published_example(self, civo: Civo) -> None:
        form = {"name": "12345", "size": "1000", "region": "LON1"}
        response = civo("POST", "objectstores", region=None, data=form)
        assert (response.json()["name"], response.json()["max_size"]) == ("12345", 1000)

    @pytest.mark.parametrize(
        "body",
        [
            {"size": 1},
            {"size": 750},
            {"size": "500"},
            {"size": 500.0},
            {"size": -500},
            {"max_size_gb": 0},
            {"size": 500, "max_size_gb": 1000},
            {"name": ""},
            {"name": None},
            {"name": "a b"},
            {"name": "x" * 64},
        ],
    )
    def test_invalid_parameters(self, civo: Civo, body: dict[str, Any]) -> None:
        response = civo("POST", "objectstores", json={"name": "store", **body})
        assert civo_error(response) == (400, "parameter_invalid")
        assert civo("GET", "objectstores").json()["items"] == []

    def test_both_names_of_the_size(self, civo: Civo) -> None:
        assert civo.create("a", size=1000, max_size_gb=1000)["max_size"] == 1000
        assert civo.create("b", max_size_gb=1500)["max_size"] == 1500

    def test_a_name_is_unique(self, civo: Civo) -> None:
        civo.create("store")
        response = civo("POST", "objectstores", region="NYC1", json={"name": "store"})
        assert civo_error(response) == (409, "database_objectstore_exists")

    def test_quota(self, civo: Civo) -> None:
        civo.create("a", size=9500)
        response = civo("POST", "objectstores", json={"name": "b", "size": 1000})
        assert civo_error(response) == (403, "quota_limit_reached")
        assert civo("GET", "quota", region=None).json() == {
            "objectstore_gb_limit": 10000,
            "objectstore_gb_usage": 9500,
        }
        store_id = civo.create("b", size=500)["id"]
        response = civo("PATCH", f"objectstores/{store_id}", json={"max_size_gb": 1000})
        assert civo_error(response) == (403, "quota_limit_reached")

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_size_and_owner_are_updated(self, civo: Civo, clock: Clock, method: str) -> None:
        store = civo.create("store")
        other = civo.create_credential("other", access_key_id="OTHER-KEY")
        clock.now += 5
        body = {"max_size_gb": 1000, "access_key_id": "OTHER-KEY"}
        response = civo(method, f"objectstores/{store['id']}", json=body).json()
        assert response == civo("GET", f"objectstores/{store['id']}").json()
        assert response["max_size"] == 1000
        assert response["owner_info"] == {"access_key_id": "OTHER-KEY", "name": "other", "credential_id": other["id"]}

    def test_an_owner_change_may_have_no_effect(self) -> None:
        with Emulator(Settings(owner_change="ignored", creating_seconds=0)) as emulator:
            civo = Civo(emulator.url)
            store = civo.create("store")
            civo.create_credential("other", access_key_id="OTHER-KEY")
            body = {"max_size_gb": 1000, "access_key_id": "OTHER-KEY"}
            response = civo("PATCH", f"objectstores/{store['id']}", json=body)
        assert response.status_code == 200
        assert (response.json()["max_size"], response.json()["owner_info"]) == (1000, store["owner_info"])

    def test_the_owner_is_named_by_its_access_key(self, civo: Civo) -> None:
        credential_id = civo.create_credential("mine", access_key_id="MY-KEY")["id"]
        body = {"name": "store", "access_key_id": credential_id}
        expected = (404, "database_objectstore_credential_not_found")
        assert civo_error(civo("POST", "objectstores", json=body)) == expected
        store = civo.create("store", access_key_id="MY-KEY")
        assert store["owner_info"]["credential_id"] == credential_id
        response = civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": "UNKNOWN"})
        assert civo_error(response) == expected

    def test_a_store_is_deleted_once_and_its_credential_stays(self, civo: Civo) -> None:
        store_id = civo.create("store")["id"]
        response = civo("DELETE", f"objectstores/{store_id}")
        assert (response.status_code, response.json()) == (200, {"result": "success"})
        assert civo_error(civo("DELETE", f"objectstores/{store_id}")) == (404, "database_objectstore_not_found")
        assert len(civo("GET", CREDENTIALS).json()["items"]) == 1

    def test_its_own_credential_may_be_deleted_with_it_unless_another_store_uses_it(self) -> None:
        with Emulator(Settings(keep_own_credential=False, creating_seconds=0)) as emulator:
            civo = Civo(emulator.url)
            first, second = civo.create("first"), civo.create("second")
            civo.create("third", access_key_id=first["owner_info"]["access_key_id"])
            civo("DELETE", f"objectstores/{first['id']}")
            civo("DELETE", f"objectstores/{second['id']}")
            remaining = [item["id"] for item in civo("GET", CREDENTIALS).json()["items"]]
        assert remaining == [first["owner_info"]["credential_id"]]

    def test_statistics_without_s3(self, civo: Civo) -> None:
        store_id = civo.create("store")["id"]
        assert civo("GET", f"objectstores/{store_id}/stats").json() == {
            "size_kb_utilised": 0,
            "max_size_kb": 500_000_000,
            "num_objects": 0,
        }

    def test_the_fields_of_the_published_examples(self) -> None:
        with Emulator(Settings(seed_form=True, endpoint_form="url", creating_seconds=0)) as emulator:
            civo = Civo(emulator.url)
            store = civo.create("bucketA")
            credential = civo.create_credential("Test-ObjectStore-Credential")
        assert set(store) == {"id", "name", "max_size_gb", "owner_info", "status", "objectstore_endpoint"}
        assert set(store["owner_info"]) == {"name", "access_key_id"}
        assert store["objectstore_endpoint"].startswith("https://objectstore.lon1.civo.com/bucketA-")
        assert credential["state"] == "ready"


class TestCredentials:
    def test_a_credential_alone_may_take_longer(
        self, civo: Civo, emulator: Emulator, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emulator.settings, "creating_seconds", 60)
        credential_id = civo.create_credential("slow")["id"]
        monkeypatch.undo()
        store_id = civo.create("store")["id"]
        clock.now += 5
        assert civo("GET", f"objectstores/{store_id}").json()["status"] == "ready"
        slow = civo("GET", f"{CREDENTIALS}/{credential_id}").json()
        assert (slow["access_key_id"], slow["secret_access_key_id"]) == ("", "")
        clock.now += 55
        assert civo("GET", f"{CREDENTIALS}/{credential_id}").json()["access_key_id"]

    def test_keys_are_visible_once_it_is_ready(self, civo: Civo, clock: Clock) -> None:
        keys = {"access_key_id": "MY-KEY", "secret_access_key_id": "my-secret"}
        created = civo.create_credential("mine", **keys, max_size_gb=1000)
        assert created["status"] == "pending"
        assert created["access_key_id"] == created["secret_access_key_id"] == ""
        clock.now += 5
        expected = {
            "id": created["id"],
            "name": "mine",
            "max_size_gb": 1000,
            "suspended": False,
            "status": "ready",
            **keys,
        }
        assert civo("GET", f"{CREDENTIALS}/{created['id']}").json() == expected
        assert civo("GET", f"{CREDENTIALS}/").json()["items"] == [expected]

    def test_names_and_access_keys_are_unique(self, civo: Civo) -> None:
        civo.create_credential("mine", access_key_id="MY-KEY")
        for body in ({"name": "mine"}, {"name": "other", "access_key_id": "MY-KEY"}):
            response = civo("POST", CREDENTIALS, json=body)
            assert civo_error(response) == (409, "database_objectstore_credential_exists")

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_an_update_shows_in_its_stores(self, civo: Civo, clock: Clock, method: str) -> None:
        store = civo.create("store")
        path = f"{CREDENTIALS}/{store['owner_info']['credential_id']}"
        clock.now += 5
        before = civo("GET", path).json()
        assert civo(method, path, json={"secret_access_key_id": "new"}).json() == before | {
            "secret_access_key_id": "new"
        }
        changes = {"access_key_id": "NEW-KEY", "suspended": True, "max_size_gb": 1000}
        response = civo(method, path, json=changes).json()
        assert response == civo("GET", path).json() == before | {"secret_access_key_id": "new"} | changes
        assert civo("GET", f"objectstores/{store['id']}").json()["owner_info"]["access_key_id"] == "NEW-KEY"

    @pytest.mark.parametrize(
        "body", [{"suspended": "true"}, {"max_size_gb": 0}, {"access_key_id": ""}, {"secret_access_key_id": 1}]
    )
    def test_invalid_parameters(self, civo: Civo, body: dict[str, Any]) -> None:
        credential_id = civo.create_credential("mine")["id"]
        response = civo("PATCH", f"{CREDENTIALS}/{credential_id}", json=body)
        assert civo_error(response) == (400, "parameter_invalid")

    def test_the_access_key_of_another_credential_is_rejected(self, civo: Civo) -> None:
        civo.create_credential("other", access_key_id="OTHER-KEY")
        credential_id = civo.create_credential("mine", access_key_id="MY-KEY")["id"]
        path = f"{CREDENTIALS}/{credential_id}"
        assert civo_error(civo("PATCH", path, json={"access_key_id": "OTHER-KEY"}))[0] == 409
        assert civo("PATCH", path, json={"access_key_id": "MY-KEY"}).status_code == 200

    def test_it_cannot_be_deleted_while_it_owns_stores(self, civo: Civo) -> None:
        store = civo.create("store")
        path = f"{CREDENTIALS}/{store['owner_info']['credential_id']}"
        assert civo_error(civo("DELETE", path)) == (409, "database_objectstore_credential_in_use")
        civo("DELETE", f"objectstores/{store['id']}")
        assert civo("DELETE", path).json() == {"result": "success"}
        assert civo_error(civo("GET", path)) == (404, "database_objectstore_credential_not_found")


FIELDS = ("name", "size", "max_size_gb", "access_key_id", "secret_access_key_id", "suspended", "region")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
MEANINGFUL = st.sampled_from(["LON1", "mine", "KEY", 500, 1000, 0, True, None])


@pytest.mark.parametrize("path", ["objectstores", "objectstores/{id}", CREDENTIALS, f"{CREDENTIALS}/{{id}}"])
def test_any_body_is_accepted_or_rejected(session_emulator: Emulator, path: str) -> None:
    civo = Civo(session_emulator.url)
    session_emulator.reset()
    create = civo.create_credential if CREDENTIALS in path else civo.create
    path = path.format(id=create("there")["id"])

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.dictionaries(st.sampled_from(FIELDS), MEANINGFUL | ANYTHING) | ANYTHING)
    def send(body: Any) -> None:
        response = civo("PUT" if "/" in path.removeprefix("objectstore/") else "POST", path, json=body)
        assert response.status_code in (200, 400, 403, 404, 409)
        assert isinstance(response.json(), dict)

    send()


class TestPaging:
    def test_a_page_has_twenty_items_and_per_page_null_by_default(self, civo: Civo) -> None:
        for number in range(21):
            civo.create_credential(f"c{number}")
        civo("POST", CREDENTIALS, region="NYC1", json={"name": "elsewhere"})
        first = civo("GET", CREDENTIALS).json()
        second = civo("GET", CREDENTIALS, params={"page": 2}).json()
        assert (first["page"], first["per_page"], first["pages"]) == (1, None, 2)
        names = [item["name"] for item in itertools.chain(first["items"], second["items"])]
        assert names == [f"c{number}" for number in range(21)]
        assert len(first["items"]) == 20

    def test_per_page_is_honoured(self, civo: Civo) -> None:
        for number in range(3):
            civo.create(f"s{number}")
        response = civo("GET", "objectstores", params={"page": 2, "per_page": 2}).json()
        assert (response["page"], response["per_page"], response["pages"]) == (2, 2, 2)
        assert [item["name"] for item in response["items"]] == ["s2"]

    def test_an_empty_list_has_one_page(self, civo: Civo) -> None:
        assert civo("GET", "objectstores").json() == {"page": 1, "per_page": None, "pages": 1, "items": []}

    @pytest.mark.parametrize("params", [{"page": 0}, {"per_page": 0}, {"page": "x"}])
    def test_invalid_parameters(self, civo: Civo, params: dict[str, Any]) -> None:
        assert civo_error(civo("GET", "objectstores", params=params)) == (400, "parameter_invalid")
