"""The emulator accepts what the vendors' own clients and examples send, and responds as their services were seen to."""

from __future__ import annotations

import http.client
import math
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import CREDENTIALS, STORES, Anypoint, Civo, Clock

KEYS = ("s", "partitions", "p", "keys")


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value, "valueType": "STRING"}


class TestNullIsNotGiven:
    """civogo sends null for what its caller did not give."""

    def test_creating_a_credential_as_civogo_does(self, civo: Civo, clock: Clock) -> None:
        body = {"name": "mine", "access_key_id": None, "secret_access_key_id": None, "region": "LON1"}
        response = civo("POST", CREDENTIALS, json=body)
        assert (response.status_code, response.json()["max_size_gb"]) == (200, 500)
        clock.now += 5
        assert civo("GET", f"{CREDENTIALS}/{response.json()['id']}").json()["access_key_id"]

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_null_field_is_not_changed(self, civo: Civo, clock: Clock, method: str) -> None:
        keys = {"access_key_id": "MY-KEY", "secret_access_key_id": "my-secret"}
        path = f"{CREDENTIALS}/{civo.create_credential('mine', **keys, max_size_gb=1000)['id']}"
        clock.now += 5
        before = civo("GET", path).json()
        nulls = dict.fromkeys(["access_key_id", "secret_access_key_id", "max_size_gb", "suspended", "region"])
        assert civo(method, path, json=nulls).json() == before
        changed = civo(method, path, json={**nulls, "max_size_gb": 0, "secret_access_key_id": "new"}).json()
        assert changed == before | {"secret_access_key_id": "new"}

    def test_a_size_of_0_is_not_given_where_the_owner_changes(self, civo: Civo, clock: Clock) -> None:
        store_id = civo.create("store", max_size_gb=1000, access_key_id=None)["id"]
        civo.create_credential("other", access_key_id="OTHER-KEY")
        clock.now += 5
        body = {"max_size_gb": 0, "access_key_id": "OTHER-KEY"}
        changed = civo("PUT", f"objectstores/{store_id}", json=body).json()
        assert (changed["max_size"], changed["owner_info"]["access_key_id"]) == (1000, "OTHER-KEY")

    @pytest.mark.parametrize("body", [{"max_size_gb": 0}, {"max_size_gb": 0, "access_key_id": None}])
    def test_a_size_of_0_alone_is_rejected(self, civo: Civo, body: dict[str, Any]) -> None:
        store_id = civo.create("store")["id"]
        assert civo("PUT", f"objectstores/{store_id}", json=body).status_code == 400

    def test_a_name_that_is_null_is_missing(self, civo: Civo) -> None:
        assert civo("POST", "objectstores", json={"name": None}).json()["code"] == "parameter_invalid"

    def test_object_store_v2(self, anypoint: Anypoint) -> None:
        created = anypoint.store(
            "PUT", "n", json={"storeId": None, "defaultTtlSeconds": None, "encrypted": None, "x": None}
        )
        assert created.json() == anypoint.store("GET", "s").json() | {"storeId": "n"}
        value = text("v") | {"metadata": None, "index": None, "binaryValue": None, "numberValue": None}
        assert anypoint.key("PUT", "k", value).status_code == 200
        assert anypoint.key("PUT", "l", {"stringValue": "v", "valueType": None}).status_code == 200
        assert anypoint.key("GET", "k").json() == {"keyId": "k"} | text("v")


class TestConfirmable:
    """The vendor's examples omit the parameter, though its contract requires it."""

    def test_the_default_is_false(self, anypoint: Anypoint) -> None:
        assert anypoint.key("PUT", "k", text("v"), confirm=None).content == b""
        assert anypoint.key("GET", "k", confirm=None).json() == {"keyId": "k"} | text("v")
        assert anypoint.key("HEAD", "k", confirm=None).status_code == 204
        assert anypoint.key("DELETE", "k", confirm=None).status_code == 204
        assert anypoint.key("HEAD", "k", confirm=None).status_code == 404

    def test_deleting_a_partition(self, anypoint: Anypoint) -> None:
        anypoint.key("PUT", "k", text("v"))
        assert anypoint.store("DELETE", "s", "partitions", "p").status_code == 204
        assert anypoint.key("HEAD", "k").status_code == 404

    @pytest.mark.parametrize("confirmable", ["true", "false"])
    def test_head_accepts_it(self, anypoint: Anypoint, confirmable: str) -> None:
        assert anypoint.key("HEAD", "k", confirm=confirmable).status_code == 404
        anypoint.key("PUT", "k", text("v"))
        assert anypoint.key("HEAD", "k", confirm=confirmable).status_code == 204


class TestPostOfAKey:
    """``POST …/keys/{k}`` with ``application/json``, as in the vendor's examples."""

    def test_it_creates_a_key_once(self, anypoint: Anypoint) -> None:
        created = anypoint.store("POST", *KEYS, "k", json=text("first"))
        assert (created.status_code, created.content) == (201, b"")
        again = anypoint.store("POST", *KEYS, "k", json=text("second"))
        assert (again.status_code, again.json()["message"]) == (409, "Key k exists already")
        assert anypoint.key("GET", "k").json()["stringValue"] == "first"

    def test_an_expired_key_does_not_exist(self, anypoint: Anypoint, clock: Clock) -> None:
        anypoint.store("PUT", "s", json={"defaultTtlSeconds": 60})
        anypoint.store("POST", *KEYS, "k", json=text("first"))
        clock.now += 60
        assert anypoint.store("POST", *KEYS, "k", json=text("second")).status_code == 201

    @pytest.mark.parametrize("body", [{}, [], {"stringValue": 1}, {"operation": "add", "value": 1}])
    def test_invalid_values(self, anypoint: Anypoint, body: Any) -> None:
        assert anypoint.store("POST", *KEYS, "k", json=body).status_code == 400
        assert anypoint.key("HEAD", "k").status_code == 404

    def test_in_a_missing_store(self, anypoint: Anypoint) -> None:
        assert anypoint.store("POST", "missing", *KEYS[1:], "k", json=text("v")).status_code == 404


@pytest.mark.parametrize("path", ["s/partitions/p", "s/partitions/p/keys/k", "s/partitions/p/keys/k?confirmable=x"])
def test_an_error_of_head_has_no_content_length(anypoint: Anypoint, path: str) -> None:
    address = urlsplit(anypoint.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {"Authorization": str(anypoint.session.headers["Authorization"])}
    for _ in range(2):  # the connection can be used again
        connection.request("HEAD", f"{STORES}/{path}", headers=headers)
        response = connection.getresponse()
        assert response.status in (400, 404)
        assert not {"content-length", "transfer-encoding"} & {name.lower() for name, _ in response.getheaders()}
        assert response.read() == b""
    connection.close()


class TestCivoResponses:
    def test_a_fresh_credential_is_pending_and_a_fresh_store_creating(self, civo: Civo, clock: Clock) -> None:
        store = civo.create("store")
        credential_path = f"{CREDENTIALS}/{store['owner_info']['credential_id']}"
        assert (store["status"], civo("GET", credential_path).json()["status"]) == ("creating", "pending")
        clock.now += 5
        assert civo("GET", f"objectstores/{store['id']}").json()["status"] == "ready"
        assert civo("GET", credential_path).json()["status"] == "ready"

    @pytest.mark.parametrize(("pending_seconds", "last_status"), [(30, "ready"), (math.inf, "pending")])
    def test_a_credential_may_be_pending_with_its_keys(self, pending_seconds: float, last_status: str) -> None:
        clock = Clock()
        with Emulator(Settings(clock=clock, creating_seconds=5, pending_seconds=pending_seconds)) as emulator:
            civo = Civo(emulator.url)
            path = f"{CREDENTIALS}/{civo.create_credential('mine', access_key_id='MY-KEY')['id']}"
            seen = []
            for seconds in (0, 5, 29, 1):
                clock.now += seconds
                response = civo("GET", path).json()
                seen.append((response["status"], response["access_key_id"]))
        assert seen == [("pending", ""), ("pending", "MY-KEY"), ("pending", "MY-KEY"), (last_status, "MY-KEY")]

    def test_a_page_of_ten_thousand_as_civogo_requests(self, civo: Civo) -> None:
        for number in range(21):
            civo.create_credential(f"c{number}")
        response = civo("GET", CREDENTIALS, params={"page": 1, "per_page": 10_000}).json()
        assert (len(response["items"]), response["pages"], response["per_page"]) == (21, 1, 10_000)


def list_all(anypoint: Anypoint, *path: str, **params: Any) -> list[Any]:
    return [item for page in anypoint.pages(*path, **params) for item in page]


class TestUnsortedPages:
    def test_every_listing_is_complete_and_not_in_the_order_of_names(
        self, emulator: Emulator, anypoint: Anypoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emulator.settings, "unsorted", True)
        names = [f"n{number:02}" for number in range(60)]
        for name in names:
            anypoint.store("PUT", name)
            anypoint.key("PUT", name, text(name))
            anypoint.key("PUT", "k", text("v"), partition=f"p{name}")
        keys = [item["keyId"] for item in list_all(anypoint, *KEYS, pageSize=7)]
        assert keys != names
        assert sorted(keys) == names
        values = [item["stringValue"] for item in list_all(anypoint, "s", "partitions", "p", inclusion="all")]
        assert values == keys
        stores = [item["storeId"] for item in list_all(anypoint, beginsWith="n")]
        partitions = list_all(anypoint, "s", "partitions")
        assert sorted(stores) == names != stores
        assert sorted(partitions) == ["p", *(f"p{name}" for name in names)] != partitions

    def test_deleting_while_listing_by_prefix(
        self, emulator: Emulator, anypoint: Anypoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emulator.settings, "unsorted", True)
        for number in range(30):
            anypoint.key("PUT", f"a{number}", text("v"))
            anypoint.key("PUT", f"b{number}", text("v"))
        token, seen = "", []
        while token is not None:
            page = anypoint.store("GET", *KEYS, params={"nextPageToken": token, "beginsWith": "b"}).json()
            token = page["nextPageToken"]
            seen += [item["keyId"] for item in page["values"]]
            for item in page["values"]:
                anypoint.key("DELETE", item["keyId"])
        assert sorted(seen) == sorted(f"b{number}" for number in range(30))


DAYS = 24 * 3600


class TestTimeToLive:
    """Using an entry restarts a time to live that nobody set. One that was set counts from the last write."""

    USES: ClassVar[dict[str, Callable[[Anypoint], requests.Response]]] = {
        "get": lambda anypoint: anypoint.key("GET", "k"),
        "put": lambda anypoint: anypoint.key("PUT", "k", text("v")),
        "list keys": lambda anypoint: anypoint.store("GET", *KEYS),
        "read values": lambda anypoint: anypoint.store("GET", "s", "partitions", "p", params={"inclusion": "all"}),
    }
    OTHER_REQUESTS: ClassVar[dict[str, Callable[[Anypoint], requests.Response]]] = {
        "head": lambda anypoint: anypoint.key("HEAD", "k"),
        "head of the partition": lambda anypoint: anypoint.store("HEAD", "s", "partitions", "p"),
        "list partitions": lambda anypoint: anypoint.store("GET", "s", "partitions"),
        "another prefix": lambda anypoint: anypoint.store("GET", *KEYS, params={"beginsWith": "x"}),
    }

    @pytest.fixture
    def anypoint(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Anypoint:
        """A client whose token is valid for longer than any entry."""
        monkeypatch.setattr(emulator.settings, "token_seconds", 365 * DAYS)
        client = Anypoint(emulator.url)
        client.store("PUT", "s")
        return client

    @pytest.mark.parametrize(("use", "extends"), [*((u, True) for u in USES), *((u, False) for u in OTHER_REQUESTS)])
    def test_by_default(self, anypoint: Anypoint, clock: Clock, use: str, extends: bool) -> None:
        anypoint.key("PUT", "k", text("v"))
        clock.now += 20 * DAYS
        assert (self.USES | self.OTHER_REQUESTS)[use](anypoint).status_code in (200, 204)
        clock.now += 20 * DAYS
        assert anypoint.key("HEAD", "k").status_code == (204 if extends else 404)

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    @pytest.mark.parametrize("use", ["get", "list keys", "read values"])
    def test_set_on_the_store(self, anypoint: Anypoint, clock: Clock, method: str, use: str) -> None:
        anypoint.store(method, "s", json={"defaultTtlSeconds": 30 * DAYS})
        anypoint.key("PUT", "k", text("v"))
        clock.now += 20 * DAYS
        assert self.USES[use](anypoint).status_code == 200
        clock.now += 20 * DAYS
        assert anypoint.key("HEAD", "k").status_code == 404

    def test_other_attributes_do_not_set_it(self, anypoint: Anypoint, clock: Clock) -> None:
        anypoint.store("PATCH", "s", json={"encrypted": False, "defaultTtlSeconds": None})
        anypoint.key("PUT", "k", text("v"))
        for _ in range(3):
            clock.now += 20 * DAYS
            assert anypoint.key("GET", "k").status_code == 200


def test_page_sizes_are_honoured(anypoint: Anypoint) -> None:
    for number in range(9):
        anypoint.key("PUT", f"k{number}", text("v"))
    assert [len(page) for page in anypoint.pages(*KEYS, pageSize=4)] == [4, 4, 1]


def test_civogo_declares_gzip_for_a_plain_body(civo: Civo) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    response: requests.Response = civo("POST", CREDENTIALS, data='{"name": "mine"}', headers=headers)
    assert response.status_code == 200
