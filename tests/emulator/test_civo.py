from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import Api, Civo, Clock

CREDENTIALS = "objectstore/credentials"


def refused(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert body["reason"]
    assert body["result"] == "failed"
    return answer.status_code, body["code"]


class TestAccess:
    def test_a_bad_key_looks_like_a_missing_account(self, emulator: Emulator) -> None:
        answer = Civo(emulator.url, "wrong")("GET", "objectstores")
        assert refused(answer) == (404, "database_account_not_found")

    def test_no_key(self, emulator: Emulator) -> None:
        answer = Api(emulator.url)("GET", "/v2/objectstores?region=LON1")
        assert refused(answer) == (401, "authentication_invalid_key")

    def test_the_region_is_required_and_known_in_any_case(self, civo: Civo) -> None:
        created = civo.create("store")
        assert civo("GET", f"objectstores/{created['id']}", region="lon1").status_code == 200
        for region in (None, "MARS1"):
            answer = civo("GET", f"objectstores/{created['id']}", region=region)
            assert refused(answer) == (400, "region_unavailable")
        answer = civo("GET", f"objectstores/{created['id']}", region="NYC1")
        assert refused(answer) == (404, "database_objectstore_not_found")

    @pytest.mark.parametrize(("method", "path"), [("POST", "objectstores"), ("PATCH", "objectstores/{id}")])
    def test_the_region_may_stand_in_a_body(self, civo: Civo, method: str, path: str) -> None:
        store_id = civo.create("store")["id"]
        body = {"name": "other", "max_size_gb": 500, "region": "LON1"}
        assert civo(method, path.format(id=store_id), region=None, json=body).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path"), [("POST", "objectstores"), ("GET", "objectstores"), ("GET", CREDENTIALS)]
    )
    def test_a_region_without_object_stores(self, civo: Civo, method: str, path: str) -> None:
        answer = civo(method, path, region="PHX1", json={"name": "store"})
        assert answer.status_code == 400
        assert answer.json() == {
            "code": "database_region_feature_not_supported",
            "reason": "This feature is not supported in this region",
            "details": "Feature object_store is not supported in region phx1",
        }

    def test_regions_say_what_they_offer(self, civo: Civo) -> None:
        regions = civo("GET", "regions", region=None).json()
        usable = [r["code"] for r in regions if r["features"].get("object_store") and not r["out_of_capacity"]]
        assert usable == ["LON1", "NYC1", "FRA1", "MUM1"]

    @pytest.mark.parametrize("allowed", ["patch", "put"])
    def test_updates_answer_to_one_verb_if_so_set(self, allowed: str) -> None:
        with Emulator(Settings(update_method=allowed)) as emulator:  # type: ignore[arg-type]
            civo = Civo(emulator.url)
            store_id = civo.create("store")["id"]
            answers = {
                method: civo(method, f"objectstores/{store_id}", json={"max_size_gb": 1000})
                for method in ("PATCH", "PUT")
            }
        other = answers.pop("PUT" if allowed == "patch" else "PATCH")
        assert (other.status_code, other.headers["Content-Type"]) == (405, "text/plain; charset=utf-8")
        assert [answer.json()["max_size"] for answer in answers.values()] == [1000]


class TestStores:
    def test_a_store_is_created_with_a_credential_of_its_own(self, civo: Civo, clock: Clock) -> None:
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
        answer = civo("POST", "objectstores", region=None, data=form)
        assert (answer.json()["name"], answer.json()["max_size"]) == ("12345", 1000)

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
    def test_parameters_that_do_not_fit(self, civo: Civo, body: dict[str, Any]) -> None:
        answer = civo("POST", "objectstores", json={"name": "store", **body})
        assert refused(answer) == (400, "parameter_invalid")
        assert civo("GET", "objectstores").json()["items"] == []

    def test_both_names_of_the_size(self, civo: Civo) -> None:
        assert civo.create("a", size=1000, max_size_gb=1000)["max_size"] == 1000
        assert civo.create("b", max_size_gb=1500)["max_size"] == 1500

    def test_a_name_is_given_once(self, civo: Civo) -> None:
        civo.create("store")
        answer = civo("POST", "objectstores", region="NYC1", json={"name": "store"})
        assert refused(answer) == (409, "database_objectstore_exists")

    def test_quota(self, civo: Civo) -> None:
        civo.create("a", size=9500)
        answer = civo("POST", "objectstores", json={"name": "b", "size": 1000})
        assert refused(answer) == (403, "quota_limit_reached")
        assert civo("GET", "quota", region=None).json() == {
            "objectstore_gb_limit": 10000,
            "objectstore_gb_usage": 9500,
        }
        store_id = civo.create("b", size=500)["id"]
        answer = civo("PATCH", f"objectstores/{store_id}", json={"max_size_gb": 1000})
        assert refused(answer) == (403, "quota_limit_reached")

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_size_and_owner_are_updated(self, civo: Civo, clock: Clock, method: str) -> None:
        store = civo.create("store")
        other = civo.create_credential("other", access_key_id="OTHER-KEY")
        clock.now += 5
        body = {"max_size_gb": 1000, "access_key_id": "OTHER-KEY"}
        answer = civo(method, f"objectstores/{store['id']}", json=body).json()
        assert answer == civo("GET", f"objectstores/{store['id']}").json()
        assert answer["max_size"] == 1000
        assert answer["owner_info"] == {"access_key_id": "OTHER-KEY", "name": "other", "credential_id": other["id"]}

    def test_an_owner_change_may_have_no_effect(self) -> None:
        with Emulator(Settings(owner_change="ignored", creating_seconds=0)) as emulator:
            civo = Civo(emulator.url)
            store = civo.create("store")
            civo.create_credential("other", access_key_id="OTHER-KEY")
            body = {"max_size_gb": 1000, "access_key_id": "OTHER-KEY"}
            answer = civo("PATCH", f"objectstores/{store['id']}", json=body)
        assert answer.status_code == 200
        assert (answer.json()["max_size"], answer.json()["owner_info"]) == (1000, store["owner_info"])

    def test_the_owner_is_named_by_its_access_key(self, civo: Civo) -> None:
        credential_id = civo.create_credential("mine", access_key_id="MY-KEY")["id"]
        body = {"name": "store", "access_key_id": credential_id}
        expected = (404, "database_objectstore_credential_not_found")
        assert refused(civo("POST", "objectstores", json=body)) == expected
        store = civo.create("store", access_key_id="MY-KEY")
        assert store["owner_info"]["credential_id"] == credential_id
        answer = civo("PATCH", f"objectstores/{store['id']}", json={"access_key_id": "UNKNOWN"})
        assert refused(answer) == expected

    def test_a_store_is_deleted_once_and_its_credential_stays(self, civo: Civo) -> None:
        store_id = civo.create("store")["id"]
        answer = civo("DELETE", f"objectstores/{store_id}")
        assert (answer.status_code, answer.json()) == (200, {"result": "success"})
        assert refused(civo("DELETE", f"objectstores/{store_id}")) == (404, "database_objectstore_not_found")
        assert len(civo("GET", CREDENTIALS).json()["items"]) == 1

    def test_its_own_credential_may_go_with_it_unless_it_is_shared(self) -> None:
        with Emulator(Settings(keep_own_credential=False, creating_seconds=0)) as emulator:
            civo = Civo(emulator.url)
            first, second = civo.create("first"), civo.create("second")
            civo.create("third", access_key_id=first["owner_info"]["access_key_id"])
            civo("DELETE", f"objectstores/{first['id']}")
            civo("DELETE", f"objectstores/{second['id']}")
            left = [item["id"] for item in civo("GET", CREDENTIALS).json()["items"]]
        assert left == [first["owner_info"]["credential_id"]]

    def test_statistics_without_s3(self, civo: Civo) -> None:
        store_id = civo.create("store")["id"]
        assert civo("GET", f"objectstores/{store_id}/stats").json() == {
            "size_kb_utilised": 0,
            "max_size_kb": 500_000_000,
            "num_objects": 0,
        }

    def test_the_published_examples_form(self) -> None:
        with Emulator(Settings(seed_form=True, endpoint_form="url", creating_seconds=0)) as emulator:
            civo = Civo(emulator.url)
            store = civo.create("bucketA")
            credential = civo.create_credential("Test-ObjectStore-Credential")
        assert set(store) == {"id", "name", "max_size_gb", "owner_info", "status", "objectstore_endpoint"}
        assert set(store["owner_info"]) == {"name", "access_key_id"}
        assert store["objectstore_endpoint"].startswith("https://objectstore.lon1.civo.com/bucketA-")
        assert credential["state"] == "ready"


class TestCredentials:
    def test_how_long_that_takes_can_be_set_for_a_credential_alone(
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

    def test_keys_are_filled_once_it_is_ready(self, civo: Civo, clock: Clock) -> None:
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

    def test_names_and_access_keys_are_given_once(self, civo: Civo) -> None:
        civo.create_credential("mine", access_key_id="MY-KEY")
        for body in ({"name": "mine"}, {"name": "other", "access_key_id": "MY-KEY"}):
            answer = civo("POST", CREDENTIALS, json=body)
            assert refused(answer) == (409, "database_objectstore_credential_exists")

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_it_is_updated_and_its_stores_follow(self, civo: Civo, clock: Clock, method: str) -> None:
        store = civo.create("store")
        path = f"{CREDENTIALS}/{store['owner_info']['credential_id']}"
        clock.now += 5
        before = civo("GET", path).json()
        assert civo(method, path, json={"secret_access_key_id": "new"}).json() == before | {
            "secret_access_key_id": "new"
        }
        changes = {"access_key_id": "NEW-KEY", "suspended": True, "max_size_gb": 1000}
        answer = civo(method, path, json=changes).json()
        assert answer == civo("GET", path).json() == before | {"secret_access_key_id": "new"} | changes
        assert civo("GET", f"objectstores/{store['id']}").json()["owner_info"]["access_key_id"] == "NEW-KEY"

    @pytest.mark.parametrize(
        "body", [{"suspended": "true"}, {"max_size_gb": 0}, {"access_key_id": ""}, {"secret_access_key_id": 1}]
    )
    def test_parameters_that_do_not_fit(self, civo: Civo, body: dict[str, Any]) -> None:
        credential_id = civo.create_credential("mine")["id"]
        answer = civo("PATCH", f"{CREDENTIALS}/{credential_id}", json=body)
        assert refused(answer) == (400, "parameter_invalid")

    def test_another_ones_access_key_is_refused(self, civo: Civo) -> None:
        civo.create_credential("other", access_key_id="OTHER-KEY")
        credential_id = civo.create_credential("mine", access_key_id="MY-KEY")["id"]
        path = f"{CREDENTIALS}/{credential_id}"
        assert refused(civo("PATCH", path, json={"access_key_id": "OTHER-KEY"}))[0] == 409
        assert civo("PATCH", path, json={"access_key_id": "MY-KEY"}).status_code == 200

    def test_it_cannot_be_deleted_while_it_owns_stores(self, civo: Civo) -> None:
        store = civo.create("store")
        path = f"{CREDENTIALS}/{store['owner_info']['credential_id']}"
        assert refused(civo("DELETE", path)) == (409, "database_objectstore_credential_in_use")
        civo("DELETE", f"objectstores/{store['id']}")
        assert civo("DELETE", path).json() == {"result": "success"}
        assert refused(civo("GET", path)) == (404, "database_objectstore_credential_not_found")


FIELDS = ("name", "size", "max_size_gb", "access_key_id", "secret_access_key_id", "suspended", "region")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
FITTING = st.sampled_from(["LON1", "mine", "KEY", 500, 1000, 0, True, None])


@pytest.mark.parametrize("path", ["objectstores", "objectstores/{id}", CREDENTIALS, f"{CREDENTIALS}/{{id}}"])
def test_whatever_a_body_holds_is_done_or_refused(session_emulator: Emulator, path: str) -> None:
    civo = Civo(session_emulator.url)
    session_emulator.reset()
    create = civo.create_credential if CREDENTIALS in path else civo.create
    path = path.format(id=create("there")["id"])

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.dictionaries(st.sampled_from(FIELDS), FITTING | ANYTHING) | ANYTHING)
    def ask(body: Any) -> None:
        answer = civo("PUT" if "/" in path.removeprefix("objectstore/") else "POST", path, json=body)
        assert answer.status_code in (200, 400, 403, 404, 409)
        assert isinstance(answer.json(), dict)

    ask()


class TestPaging:
    def test_twenty_a_page_and_null_if_not_asked(self, civo: Civo) -> None:
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
        answer = civo("GET", "objectstores", params={"page": 2, "per_page": 2}).json()
        assert (answer["page"], answer["per_page"], answer["pages"]) == (2, 2, 2)
        assert [item["name"] for item in answer["items"]] == ["s2"]

    def test_an_empty_list_has_one_page(self, civo: Civo) -> None:
        assert civo("GET", "objectstores").json() == {"page": 1, "per_page": None, "pages": 1, "items": []}

    @pytest.mark.parametrize("params", [{"page": 0}, {"per_page": 0}, {"page": "x"}])
    def test_parameters_that_do_not_fit(self, civo: Civo, params: dict[str, Any]) -> None:
        assert refused(civo("GET", "objectstores", params=params)) == (400, "parameter_invalid")


class BrokenS3:
    """An S3 backend that fails at what it is told to."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.broken:
                raise RuntimeError(f"{name} is broken")
            return "http://127.0.0.1:1" if name == "start" else None

        return call


def test_a_store_whose_bucket_cannot_be_created_fails() -> None:
    with Emulator(Settings(creating_seconds=0), s3=BrokenS3("create_bucket", "delete_bucket")) as emulator:
        civo = Civo(emulator.url)
        store_id = civo.create("store")["id"]
        for _ in range(100):
            if (status := civo("GET", f"objectstores/{store_id}").json()["status"]) != "creating":
                break
        assert status == "failed"
        assert civo("DELETE", f"objectstores/{store_id}").status_code == 200


def test_a_change_that_s3_does_not_carry_out_is_told() -> None:
    with Emulator(Settings(creating_seconds=0), s3=BrokenS3("suspend_user")) as emulator:
        civo = Civo(emulator.url)
        credential_id = civo.create_credential("mine")["id"]
        answer = civo("PATCH", f"{CREDENTIALS}/{credential_id}", json={"suspended": True})
    assert refused(answer) == (500, "objectstore_backend_failed")
