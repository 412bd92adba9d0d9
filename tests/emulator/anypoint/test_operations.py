from __future__ import annotations

import base64
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import STORES, Anypoint, Api, Clock

NUMBER_OPERATION = "application/vnd.objectstore.v1.numberoperation+json"


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value, "valueType": "STRING"}


def alter(anypoint: Anypoint, key: str, body: str, media_type: str = NUMBER_OPERATION) -> Any:
    return anypoint.store(
        "POST", "s", "partitions", "p", "keys", key, data=body.encode(), headers={"Content-Type": media_type}
    )


class TestStores:
    def test_a_store_is_created_read_updated_and_deleted(self, anypoint: Anypoint) -> None:
        created = anypoint.store("PUT", "new", json={"storeId": "new", "defaultTtlSeconds": 60, "maximumEntries": 9})
        assert created.status_code == 200
        expected = {
            "storeId": "new",
            "encrypted": True,
            "permanentOsFlag": False,
            "persistent": True,
            "defaultTtlSeconds": 60,
            "defaultConfirmationTtlSeconds": 600,
            "isFixedTtl": None,
            "maximumEntries": 9,
        }
        assert anypoint.store("GET", "new").json() == created.json() == expected
        changed = anypoint.store("PATCH", "new", json={"defaultConfirmationTtlSeconds": 5, "encrypted": False})
        assert changed.json() == expected | {"defaultConfirmationTtlSeconds": 5, "encrypted": False}
        assert anypoint.store("DELETE", "new").status_code == 204
        assert [anypoint.store(method, "new").status_code for method in ("GET", "PATCH", "DELETE")] == [404] * 3

    def test_creating_again_replaces_attributes_and_keeps_contents(self, anypoint: Anypoint) -> None:
        anypoint.store("PUT", "s", json={"defaultTtlSeconds": 60})
        anypoint.key("PUT", "k", text("v"))
        assert anypoint.store("PUT", "s").json()["defaultTtlSeconds"] == 2_592_000
        assert anypoint.key("HEAD", "k").status_code == 204

    def test_more_than_thirty_days_are_silently_lowered(self, anypoint: Anypoint) -> None:
        response = anypoint.store("PUT", "s", json={"defaultTtlSeconds": 2_592_001})
        assert (response.status_code, response.json()["defaultTtlSeconds"]) == (200, 2_592_000)

    @pytest.mark.parametrize(
        "body", [{"defaultTtlSeconds": "60"}, {"defaultTtlSeconds": 0}, {"encrypted": 1}, {"defaultTtlSeconds": 1.5}]
    )
    def test_invalid_attributes_change_nothing(self, anypoint: Anypoint, body: dict[str, Any]) -> None:
        before = anypoint.store("GET", "s").json()
        assert anypoint.store("PATCH", "s", json={"note": "x", **body}).status_code == 400
        assert anypoint.store("GET", "s").json() == before

    def test_the_fields_of_the_published_examples(self, clock: Clock) -> None:
        with Emulator(Settings(seed_form=True, clock=clock)) as emulator:
            anypoint = Anypoint(emulator.url)
            example = {"encrypted": "false", "defaultTtlMillis": 120000, "defaultConfirmationTtlMillis": 10000}
            anypoint.store("PUT", "testStoreId", json=example)
            assert anypoint.store("GET").json()["values"] == [{"storeId": "testStoreId"} | example]

    def test_listing_by_prefix(self, anypoint: Anypoint) -> None:
        for name in ("a1", "a2", "b"):
            anypoint.store("PUT", name)
        stores = anypoint.store("GET", params={"beginsWith": "a"}).json()["values"]
        assert [store["storeId"] for store in stores] == ["a1", "a2"]


class TestPaths:
    def test_another_organization_or_environment(self, anypoint: Anypoint) -> None:
        assert anypoint("GET", STORES.replace("emulator-org", "other")).status_code == 403
        assert anypoint("GET", STORES.replace("emulator-env", "other")).status_code == 404

    @pytest.mark.parametrize(
        ("method", "segments"),
        [
            ("GET", ("missing", "partitions")),
            ("GET", ("missing", "partitions", "p")),
            ("HEAD", ("missing", "partitions", "p")),
            ("GET", ("s", "partitions", "missing", "keys")),
            ("GET", ("s", "partitions", "missing")),
            ("HEAD", ("s", "partitions", "missing")),
        ],
    )
    def test_what_does_not_exist(self, anypoint: Anypoint, method: str, segments: tuple[str, ...]) -> None:
        assert anypoint.store(method, *segments).status_code == 404

    def test_writing_to_a_missing_store(self, anypoint: Anypoint) -> None:
        assert anypoint.key("PUT", "k", text("v"), store="missing").status_code == 404

    @pytest.mark.parametrize(
        "key", ["a/b", "ü ñ".replace(" ", "_"), "100%", "a%2Fb", "a+b", "?&=#;:", "a//b", "x" * 1024]
    )
    def test_keys_of_all_kinds(self, anypoint: Anypoint, key: str) -> None:
        assert anypoint.key("PUT", key, text(key)).status_code == 200
        assert anypoint.key("GET", key).json() == {"keyId": key, "valueType": "STRING", "stringValue": key}
        assert anypoint.pages("s", "partitions", "p", "keys") == [[{"keyId": key}]]

    def test_spaces_in_keys_become_plus_signs(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "a b", text("v"))
        assert anypoint.key("GET", "a+b").json()["keyId"] == "a+b"
        assert anypoint.key("HEAD", "a b").status_code == 204

    @pytest.mark.parametrize("key", ["a|b", "x" * 1025, "ü" * 513])
    def test_keys_that_are_not_allowed(self, anypoint: Anypoint, key: str) -> None:
        assert anypoint.key("PUT", key, text("v")).status_code == 400

    @pytest.mark.parametrize("segment", ["", ".", "..", "%2E", "%2e%2E"])
    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    def test_empty_and_dot_segments_are_not_found(
        self, anypoint: Anypoint, emulator: Emulator, segment: str, method: str
    ) -> None:
        anypoint.key("PUT", "k", text("v"))
        address = urlsplit(emulator.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        headers = {"Authorization": str(anypoint.session.headers["Authorization"])}
        target = f"{STORES}/s/partitions/p/keys/{segment}?confirmable=false"
        connection.request(method, target, '{"stringValue": "v"}', headers)
        assert connection.getresponse().status == 404
        connection.close()
        assert anypoint.key("HEAD", "k").status_code == 204

    def test_regions_have_ids_and_no_working_url(self, anypoint: Anypoint) -> None:
        regions = anypoint("GET", "/api/v1/organizations/emulator-org/regions").json()
        assert regions[0]["id"] == "us-east-1"
        assert {tuple(region) for region in regions} == {("id", "name", "url")}
        assert all(region["url"].startswith("http://") for region in regions)


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            {"valueType": "STRING", "stringValue": "ünï\U0001f600\n"},
            {"valueType": "STRING", "stringValue": ""},
            {"valueType": "BINARY", "binaryValue": base64.b64encode(bytes(range(256))).decode()},
            {"valueType": "NUMBER", "numberValue": 0},
        ],
    )
    def test_values_are_returned(self, anypoint: Anypoint, value: dict[str, Any]) -> None:
        assert anypoint.key("PUT", "k", value | {"keyId": "k"}).status_code == 200
        assert anypoint.key("GET", "k").json() == {"keyId": "k"} | value

    def test_the_type_is_optional(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", {"binaryValue": "AA=="})
        assert anypoint.key("GET", "k").json()["valueType"] == "BINARY"

    @pytest.mark.parametrize("literal", ["12345678901234567890123", "0.10", "-1.5E-7", "1E+400"])
    def test_numbers_are_stored_to_the_last_digit(self, anypoint: Anypoint, literal: str) -> None:
        body = f'{{"numberValue": {literal}, "metadata": {{"m": [{literal}]}}}}'
        path = f"{STORES}/s/partitions/p/keys/n?confirmable=false"
        assert anypoint("PUT", path, data=body).status_code == 200
        assert f'"numberValue":{literal}' in anypoint.key("GET", "n").text
        assert f'"m":[{literal}]' in anypoint.key("GET", "n").text

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"stringValue": None},
            {"valueType": "STRING"},
            {"valueType": "STRING", "stringValue": 1},
            {"valueType": "NUMBER", "stringValue": "1"},
            {"valueType": "OTHER", "stringValue": "1"},
            {"numberValue": True},
            {"numberValue": "1"},
            {"binaryValue": "not base64!"},
            {"stringValue": "a", "numberValue": 1},
            {"stringValue": "a", "index": -1},
            [],
        ],
    )
    def test_invalid_values(self, anypoint: Anypoint, value: Any) -> None:
        assert anypoint.key("PUT", "k", value).status_code == 400
        assert anypoint.key("HEAD", "k").status_code == 404

    @pytest.mark.parametrize("body", ["", "{", '{"numberValue": NaN}'])
    def test_bodies_that_are_not_json(self, anypoint: Anypoint, body: str) -> None:
        path = f"{STORES}/s/partitions/p/keys/n?confirmable=false"
        assert anypoint("PUT", path, data=body).status_code == 400

    def test_a_value_has_at_most_ten_megabytes(self, anypoint: Anypoint) -> None:
        limit = 10 * 1024 * 1024
        assert anypoint.key("PUT", "k", {"stringValue": "x" * limit}).status_code == 200
        assert anypoint.key("PUT", "k", {"stringValue": "ü" * (limit // 2) + "x"}).status_code == 413
        raw = limit // 4 * 3
        assert anypoint.key("PUT", "b", {"binaryValue": base64.b64encode(bytes(raw)).decode()}).status_code == 200
        assert anypoint.key("PUT", "b", {"binaryValue": base64.b64encode(bytes(raw + 1)).decode()}).status_code == 413

    def test_metadata_has_at_most_four_kilobytes(self, anypoint: Anypoint) -> None:
        fits = {"m": "x" * (4096 - len('{"m":""}'))}
        assert anypoint.key("PUT", "k", text("v") | {"metadata": fits}).status_code == 200
        assert anypoint.key("PUT", "k", text("v") | {"metadata": {"m": fits["m"] + "x"}}).status_code == 413

    def test_metadata_and_index_are_returned(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", text("v") | {"metadata": {"a": 1}, "index": 33})
        response = anypoint.key("GET", "k").json()
        assert (response["metadata"], response["index"]) == ({"a": 1}, 33)

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_confirmable_is_true_or_false(self, anypoint: Anypoint, method: str) -> None:
        anypoint.key("PUT", "k", text("v"))
        for value in ("1", ""):
            assert anypoint.key(method, "k", text("w"), confirm=value).status_code == 400
        assert anypoint.key("GET", "k").json()["stringValue"] == "v"


class TestPartitions:
    def test_a_partition_exists_from_its_first_key_to_its_last(self, anypoint: Anypoint) -> None:
        for key in ("a", "b"):
            anypoint.key("PUT", key, text("v"))
        assert anypoint.store("HEAD", "s", "partitions", "p").status_code == 204
        assert anypoint.key("DELETE", "a").status_code == 204
        assert anypoint.pages("s", "partitions") == [["p"]]
        assert anypoint.key("DELETE", "b").status_code == 204
        assert anypoint.pages("s", "partitions") == [[]]
        assert anypoint.store("HEAD", "s", "partitions", "p").status_code == 404
        assert anypoint.key("DELETE", "b").status_code == 404

    @pytest.mark.parametrize(
        ("inclusion", "fields"),
        [
            (None, {"index", "metadata", "valueType"}),
            ("metadata", {"index", "metadata", "valueType"}),
            ("body", {"index", "stringValue", "valueType"}),
            ("all", {"index", "metadata", "stringValue", "valueType"}),
        ],
    )
    def test_values_of_a_partition(self, anypoint: Anypoint, inclusion: str | None, fields: set[str]) -> None:
        anypoint.key("PUT", "a", text("v") | {"metadata": {"m": 1}, "index": 33})
        anypoint.key("PUT", "b", text("w"))
        [values] = anypoint.pages("s", "partitions", "p", **({"inclusion": inclusion} if inclusion else {}))
        assert [set(value) for value in values] == [fields, fields]
        assert [value["index"] for value in values] == [33, 1]
        if "metadata" in fields:
            assert [value["metadata"] for value in values] == [{"m": 1}, ""]

    def test_inclusion_is_checked(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "a", text("v"))
        response = anypoint.store("GET", "s", "partitions", "p", params={"inclusion": "some"})
        assert response.status_code == 400

    def test_deleting_a_partition(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "a", text("v"))
        path = ("s", "partitions", "p")
        assert anypoint.store("DELETE", *path, params={"confirmable": "yes"}).status_code == 400
        assert anypoint.store("DELETE", *path, params={"confirmable": "false"}).status_code == 204
        assert anypoint.store("DELETE", *path, params={"confirmable": "false"}).status_code == 404
        assert anypoint.key("HEAD", "a").status_code == 404


class TestPaging:
    def test_all_listings_have_twenty_five_items_a_page_at_most(self, anypoint: Anypoint) -> None:
        for number in range(30):
            anypoint.key("PUT", f"k{number:02}", text("v"))
            anypoint.key("PUT", "k", text("v"), partition=f"q/{number:02}")
            anypoint.store("PUT", f"t/{number:02}")
        for path in ((), ("s", "partitions"), ("s", "partitions", "p"), ("s", "partitions", "p", "keys")):
            sizes = [len(page) for page in anypoint.pages(*path, pageSize=100)]
            assert sizes[0] == 25
            assert sum(sizes) in (30, 31)
        keys = [key for page in anypoint.pages("s", "partitions", "p", "keys") for key in page]
        assert keys == [{"keyId": f"k{number:02}"} for number in range(30)]

    def test_tokens_hold_a_slash_and_the_last_is_null(self, anypoint: Anypoint) -> None:
        for name in "abcd":
            anypoint.key("PUT", f"{name}/x", text("v"))
        response = anypoint.store("GET", "s", "partitions", "p", "keys", params={"pageSize": 2}).json()
        assert response == {"values": [{"keyId": "a/x"}, {"keyId": "b/x"}], "nextPageToken": "b/x/2"}
        pages = anypoint.pages("s", "partitions", "p", "keys", pageSize=2)
        assert [len(page) for page in pages] == [2, 2]

    def test_deleting_while_listing_skips_nothing(self, anypoint: Anypoint) -> None:
        for number in range(60):
            anypoint.key("PUT", f"k{number:02}", text("v"))
        deleted = 0
        token = ""
        while token is not None:
            params = {"nextPageToken": token}
            page = anypoint.store("GET", "s", "partitions", "p", "keys", params=params).json()
            token = page["nextPageToken"]
            for item in page["values"]:
                assert anypoint.key("DELETE", item["keyId"]).status_code == 204
                deleted += 1
        assert deleted == 60

    @pytest.mark.parametrize("unsorted", [False, True])
    def test_positional_tokens(
        self, unsorted: bool, anypoint: Anypoint, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emulator.settings, "positional_tokens", True)
        monkeypatch.setattr(emulator.settings, "unsorted", unsorted)
        for number in range(60):
            anypoint.key("PUT", f"k{number:02}", text("v"))
        anypoint.key("PUT", "another", text("v"))
        pages = anypoint.pages("s", "partitions", "p", "keys", beginsWith="k")
        whole = [item["keyId"] for page in pages for item in page]
        assert sorted(whole) == [f"k{number:02}" for number in range(60)]
        first = anypoint.store("GET", "s", "partitions", "p", "keys", params={"beginsWith": "k"}).json()
        assert first["nextPageToken"] == "25"
        for key in whole[:2]:
            anypoint.key("DELETE", key)
        params = {"beginsWith": "k", "nextPageToken": "25"}
        second = anypoint.store("GET", "s", "partitions", "p", "keys", params=params).json()
        assert [item["keyId"] for item in second["values"]] == whole[27:52], "two are hidden"
        assert second["nextPageToken"] == "50"

    def test_keys_by_prefix_over_pages(self, anypoint: Anypoint) -> None:
        for name in ("a", "ba", "bb", "bc", "c"):
            anypoint.key("PUT", name, text("v"))
        pages = anypoint.pages("s", "partitions", "p", "keys", beginsWith="b", pageSize=2)
        assert pages == [[{"keyId": "ba"}, {"keyId": "bb"}], [{"keyId": "bc"}]]

    @pytest.mark.parametrize("params", [{"pageSize": 0}, {"pageSize": "x"}, {"nextPageToken": "nonsense"}])
    def test_invalid_parameters(self, anypoint: Anypoint, params: dict[str, Any]) -> None:
        assert anypoint.store("GET", params=params).status_code == 400


class TestExpiry:
    def test_entries_expire_with_their_partition(self, anypoint: Anypoint, clock: Clock) -> None:
        anypoint.store("PUT", "s", json={"defaultTtlSeconds": 60})
        anypoint.key("PUT", "early", text("v"))
        clock.now += 30
        anypoint.key("PUT", "late", text("v"))
        clock.now += 30
        assert anypoint.key("HEAD", "early").status_code == 404
        assert anypoint.key("GET", "late").status_code == 200
        assert anypoint.pages("s", "partitions", "p", "keys") == [[{"keyId": "late"}]]
        clock.now += 30
        assert anypoint.pages("s", "partitions") == [[]]
        assert anypoint.store("HEAD", "s", "partitions", "p").status_code == 404

    def test_writing_again_restarts_the_time_to_live(self, anypoint: Anypoint, clock: Clock) -> None:
        anypoint.store("PUT", "s", json={"defaultTtlSeconds": 60})
        for _ in range(3):
            anypoint.key("PUT", "k", text("v"))
            clock.now += 40
        assert anypoint.key("HEAD", "k").status_code == 204


class TestNumbers:
    def test_numbers_are_added_exactly(self, anypoint: Anypoint) -> None:
        assert alter(anypoint, "n", '{"operation": "add", "value": 0.1}').text.count('"numberValue":0.1') == 1
        assert '"numberValue":0.3' in alter(anypoint, "n", '{"operation": "add", "value": 0.2}').text
        assert '"numberValue":0.3' in anypoint.key("GET", "n").text

    def test_a_text_is_not_altered(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", text("1"))
        assert alter(anypoint, "k", '{"operation": "add", "value": 1}').status_code == 409
        assert anypoint.key("GET", "k").json()["stringValue"] == "1"

    def test_metadata_is_kept(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", {"numberValue": 1, "metadata": {"m": 1}})
        alter(anypoint, "k", '{"operation": "add", "value": 1}')
        assert anypoint.key("GET", "k").json() == {
            "keyId": "k",
            "valueType": "NUMBER",
            "numberValue": 2,
            "metadata": {"m": 1},
        }

    def test_body_and_media_type_are_checked(self, anypoint: Anypoint) -> None:
        assert alter(anypoint, "n", '{"operation": "add", "value": 1}', "application/json").status_code == 400
        assert alter(anypoint, "n", '{"operation": "add", "value": 1}', "text/plain").status_code == 415
        assert alter(anypoint, "n", '{"operation": "raise", "value": 1}').status_code == 400
        assert alter(anypoint, "n", "1").status_code == 400


class TestConfirmations:
    def confirm(self, anypoint: Anypoint, method: str, confirmation: str, key: str = "k", **options: Any) -> int:
        path = ("s", "partitions", "p", "keys", key, "confirmations", confirmation)
        return anypoint.store(method, *path, **options).status_code

    def put_confirmable(self, anypoint: Anypoint) -> str:
        response = anypoint.key("PUT", "k", text("new"), confirm=True)
        assert response.status_code == 200
        identifier: str = response.json()["confirmationId"]
        return identifier

    def test_a_write_waits_for_its_acknowledgement(self, anypoint: Anypoint) -> None:
        confirmation_id = self.put_confirmable(anypoint)
        assert anypoint.key("HEAD", "k").status_code == 404
        assert self.confirm(anypoint, "POST", confirmation_id) == 204
        assert anypoint.key("GET", "k").json()["stringValue"] == "new"
        assert self.confirm(anypoint, "POST", confirmation_id) == 404

    def test_a_rejected_write_never_happens(self, anypoint: Anypoint) -> None:
        confirmation_id = self.put_confirmable(anypoint)
        assert self.confirm(anypoint, "DELETE", confirmation_id) == 204
        assert self.confirm(anypoint, "POST", confirmation_id) == 404
        assert anypoint.key("HEAD", "k").status_code == 404

    def test_a_deletion_waits_for_its_acknowledgement(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", text("v"))
        response = anypoint.key("DELETE", "k", confirm=True)
        assert (response.status_code, anypoint.key("HEAD", "k").status_code) == (204, 204)
        assert self.confirm(anypoint, "POST", response.headers["X-Confirmation-Id"]) == 204
        assert anypoint.key("HEAD", "k").status_code == 404

    def test_a_read_returns_an_id_that_can_be_rejected(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", text("v"))
        assert self.confirm(anypoint, "DELETE", anypoint.key("GET", "k", confirm=True).json()["confirmationId"]) == 204
        assert "confirmationId" not in anypoint.key("GET", "k").json()

    def test_expiry_rejects_and_extending_postpones_it(self, anypoint: Anypoint, clock: Clock) -> None:
        anypoint.store("PATCH", "s", json={"defaultConfirmationTtlSeconds": 10})
        expired, extended = self.put_confirmable(anypoint), self.put_confirmable(anypoint)
        clock.now += 9
        assert self.confirm(anypoint, "PATCH", extended, json={"ttl": 60}) == 204
        assert self.confirm(anypoint, "PATCH", extended, json={"ttl": "60"}) == 400
        clock.now += 59
        assert self.confirm(anypoint, "POST", expired) == 404
        assert self.confirm(anypoint, "POST", extended) == 204

    def test_an_id_belongs_to_its_key_and_store(self, anypoint: Anypoint) -> None:
        confirmation_id = self.put_confirmable(anypoint)
        assert self.confirm(anypoint, "POST", confirmation_id, key="other") == 404
        anypoint.store("DELETE", "s")
        anypoint.store("PUT", "s")
        assert self.confirm(anypoint, "POST", confirmation_id) == 404


def test_errors_have_a_message(emulator: Emulator) -> None:
    assert Api(emulator.url)("GET", STORES).json()["message"]
