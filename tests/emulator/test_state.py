from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings, control
from airflow_provider_objectstore.emulator.s3 import state as s3_state
from tests.emulator.conftest import STORES, WHEN_REQUIRED, Anypoint, Api, Civo, Clock, Connect, s3_error

EXACT = "0.1234567890123456789012345678901234567890"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/z"}],
}


class Filled:
    """An emulator that holds something of each kind, and when its services are asked."""

    def __init__(self, emulator: Emulator, clock: Clock) -> None:
        self.emulator = emulator
        self.anypoint = Anypoint(emulator.url)
        self.civo = Civo(emulator.url)
        self._fill_anypoint(clock)
        self._fill_civo()
        self._fill_s3()

    def _fill_anypoint(self, clock: Clock) -> None:
        api = self.anypoint
        api.store("PUT", "s", json={"defaultTtlSeconds": 100, "encrypted": False, "colour": {"deep": [1.5]}})
        api.store("PUT", "empty")
        api.key("PUT", "text", {"stringValue": "ä\ud800", "metadata": {"a": [None, 2]}, "index": 3})
        path = f"{STORES}/s/partitions/p/keys/exact"
        api("PUT", path, data=f'{{"numberValue": {EXACT}}}', headers={"Content-Type": "application/json"})
        clock.now += 40
        api.key("PUT", "bytes", {"binaryValue": "AP8="})
        api.key("PUT", "other", {"numberValue": 5}, partition="q")
        self.put = api.key("PUT", "held", {"stringValue": "new"}, confirm=True).json()["confirmationId"]
        self.delete = api.key("DELETE", "bytes", confirm=True).headers["X-Confirmation-Id"]
        self.get = api.key("GET", "bytes", confirm=True).json()["confirmationId"]

    def _fill_civo(self) -> None:
        self.civo.create_credential("first", access_key_id="KEY-A", secret_access_key_id="secret-a")
        second = self.civo.create_credential("second", access_key_id="KEY-B", secret_access_key_id="secret-b")
        self.store = self.civo.create("bucket", access_key_id="KEY-A", size=1000)
        self.civo("POST", "objectstores", "MUM1", json={"name": "mumbai"})
        self.emulator.dump()  # waits until S3 has made the buckets
        self.civo("PATCH", f"objectstore/credentials/{second['id']}", json={"suspended": True})

    def _fill_s3(self) -> None:
        assert self.emulator.s3_url is not None
        s3 = Connect(self.emulator.s3_url)("KEY-A", "secret-a", **WHEN_REQUIRED)
        s3.put_object(Bucket="bucket", Key="a/b ä", Body=b"\x00\xff", ContentType="text/csv", Metadata={"mine": "yes"})
        s3.put_object(Bucket="bucket", Key="z", Body=b"")
        upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
        part = {"Bucket": "bucket", "Key": "parts", "UploadId": upload, "PartNumber": 1}
        parts = [{"ETag": s3.upload_part(**part, Body=b"part")["ETag"], "PartNumber": 1}]
        s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
        s3.put_bucket_policy(Bucket="bucket", Policy=json.dumps(POLICY))


def seen(emulator: Emulator) -> dict[str, Any]:
    """Return what clients of all three services see."""
    anypoint, civo = Anypoint(emulator.url), Civo(emulator.url)
    assert emulator.s3_url is not None
    s3 = Connect(emulator.s3_url)("KEY-A", "secret-a")
    objects = {}
    for key in ("a/b ä", "parts"):
        response = s3.get_object(Bucket="bucket", Key=key)
        objects[key] = (
            response["Body"].read(),
            *(response[name] for name in ("ETag", "ContentType", "LastModified", "Metadata")),
        )
    stores = civo("GET", "objectstores").json()["items"]
    return {
        "stores": anypoint.pages(),
        "partitions": anypoint.pages("s", "partitions"),
        "values": anypoint.store("GET", "s", "partitions", "p", params={"inclusion": "all"}).text,
        "civo": [{**store, "objectstore_endpoint": ""} for store in stores],
        "mumbai": civo("GET", "objectstores", "MUM1").json()["items"][0]["id"],
        "credentials": civo("GET", "objectstore/credentials").json()["items"],
        "objects": objects,
        "denied": s3_error(s3.get_object, Bucket="bucket", Key="z"),
        "suspended": s3_error(Connect(emulator.s3_url)("KEY-B", "secret-b").list_buckets),
        "buckets": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
    }


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    clock = Clock()
    with Emulator(Settings(clock=clock, creating_seconds=0), s3=MotoS3()) as emulator:
        yield Filled(emulator, clock)


@pytest.fixture(scope="module")
def state(filled: Filled) -> dict[str, Any]:
    response = Api(filled.emulator.url)("GET", "/_emulator/state")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    dumped: dict[str, Any] = json.loads(response.text, parse_float=Decimal)
    return dumped


@pytest.fixture(scope="module")
def target_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def target(target_clock: Clock) -> Iterator[Emulator]:
    """An emulator to load into."""
    with Emulator(Settings(clock=target_clock, creating_seconds=0), s3=MotoS3()) as emulator:
        yield emulator


def put(emulator: Emulator, body: Any) -> tuple[int, str]:
    response = Api(emulator.url)("PUT", "/_emulator/state", data=body)
    return response.status_code, response.json()["message"] if response.text else ""


def load(emulator: Emulator, state: dict[str, Any]) -> tuple[int, str]:
    return put(emulator, json.dumps(state, default=lambda number: float(number)))


def test_what_was_dumped_is_there_again(filled: Filled, state: dict[str, Any], target: Emulator) -> None:
    Civo(target.url).create("unrelated")
    response = Api(filled.emulator.url)("GET", "/_emulator/state")
    assert put(target, response.content) == (204, "")
    assert seen(target) == seen(filled.emulator)
    assert EXACT in seen(target)["values"]
    counted = {**target.dump()["anypoint"], "stores": [], "confirmations": []}
    assert sum(item["count"] for item in counted["requests"]) >= len(state["anypoint"]["requests"])


def test_dump_and_load_in_the_same_process(filled: Filled, target: Emulator) -> None:
    target.reset()
    target.load(filled.emulator.dump())
    assert seen(target) == seen(filled.emulator)


def test_times_to_live_go_on(state: dict[str, Any], target: Emulator, target_clock: Clock) -> None:
    target_clock.now += 1_000_000
    assert load(target, state)[0] == 204
    anypoint = Anypoint(target.url)
    target_clock.now += 59
    assert [anypoint.key("HEAD", key).status_code for key in ("text", "bytes")] == [204, 204]
    target_clock.now += 2
    assert [anypoint.key("HEAD", key).status_code for key in ("text", "bytes")] == [404, 204]
    target_clock.now += 40
    assert anypoint.key("HEAD", "bytes").status_code == 404


def test_open_confirmations_are_in_it(filled: Filled, state: dict[str, Any], target: Emulator) -> None:
    assert load(target, state)[0] == 204
    anypoint = Anypoint(target.url)

    def confirm(key: str, confirmation: str) -> int:
        return anypoint.store("POST", "s", "partitions", "p", "keys", key, "confirmations", confirmation).status_code

    assert anypoint.key("HEAD", "held").status_code == 404
    assert confirm("text", filled.put) == 404
    assert confirm("held", filled.put) == 204
    assert anypoint.key("GET", "held").json()["stringValue"] == "new"
    assert confirm("bytes", filled.get) == 204
    assert anypoint.key("HEAD", "bytes").status_code == 204
    assert confirm("bytes", filled.delete) == 204
    assert anypoint.key("HEAD", "bytes").status_code == 404


def test_what_has_expired_is_left_out(emulator: Emulator, anypoint: Anypoint) -> None:
    anypoint.store("PUT", "short", json={"defaultTtlSeconds": 5})
    anypoint.key("PUT", "k", {"stringValue": "v"}, store="short", confirm=False)
    emulator.advance(6)
    (dumped,) = (store for store in emulator.dump()["anypoint"]["stores"] if store["storeId"] == "short")
    assert dumped["partitions"] == {}


def test_what_is_created_and_pending_stays_so(emulator: Emulator, civo: Civo, target: Emulator) -> None:
    created = civo.create("new")
    emulator.advance(3)
    target.load(emulator.dump())
    other = Civo(target.url)

    def status() -> str:
        return str(other("GET", f"objectstores/{created['id']}").json()["status"])

    assert status() == "creating"
    target.advance(1.9)
    assert status() == "creating"
    target.advance(0.2)
    assert status() == "ready"


def test_the_clock_is_advanced_and_never_set_back(emulator: Emulator) -> None:
    emulator.advance(100)
    ahead = emulator.dump()
    emulator.advance(100)
    emulator.load(ahead)
    assert emulator.dump()["advanced_seconds"] == 200
    emulator.reset()
    emulator.load(ahead)
    assert emulator.dump()["advanced_seconds"] == 100


def test_an_emulator_without_s3(state: dict[str, Any], emulator: Emulator, civo: Civo, target: Emulator) -> None:
    civo.create("kept")
    status, message = load(emulator, state)
    assert (status, "no S3" in message) == (409, True)
    assert [store["name"] for store in civo("GET", "objectstores").json()["items"]] == ["kept"]
    credential = civo("GET", "objectstore/credentials").json()["items"][0]["id"]
    emulator.advance(10)
    keys = civo("GET", f"objectstore/credentials/{credential}").json()
    target.load(emulator.dump())
    assert target.s3_url is not None
    s3 = Connect(target.s3_url)(keys["access_key_id"], keys["secret_access_key_id"])
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["kept"]


class OtherS3:
    """An S3 backend of which only the administration is known, such as Ceph's gateway. It records the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def start(self, port: int) -> str:
        return "http://127.0.0.1:1"

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in ("dump", "load", "changes", "put_object"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, *arguments))


def test_another_s3_gets_users_and_empty_buckets(filled: Filled, state: dict[str, Any]) -> None:
    backend: Any = OtherS3()
    with Emulator(Settings(creating_seconds=0), s3=backend) as emulator:
        Civo(emulator.url).create("before")
        assert emulator.dump()["s3"] is None
        assert load(emulator, state)[0] == 409
        backend.calls.clear()
        users, buckets = state["s3"]["users"], state["s3"]["buckets"]
        empty = [{"name": bucket["name"], "owner": bucket["owner"]} for bucket in buckets]
        assert load(emulator, {**state, "s3": {"users": users, "buckets": empty}})[0] == 204
        assert backend.calls == [
            ("reset",),
            *(
                ("put_user", *(user[name] for name in ("id", "access_key_id", "secret_access_key_id")))
                for user in users
            ),
            *(("create_bucket", bucket["name"], bucket["owner"]) for bucket in buckets),
            *(("suspend_user", user["id"], True) for user in users if user["suspended"]),
        ]
        assert Civo(emulator.url)("GET", f"objectstores/{filled.store['id']}").status_code == 200


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """Return what replaces a part of a state."""

    def apply(state: Any) -> None:
        for name in path[:-1]:
            state = state[name]
        state[path[-1]] = to

    return apply


def twice(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Return what repeats the first item of a list."""

    def apply(state: Any) -> None:
        for name in path:
            state = state[name]
        state.append(copy.deepcopy(state[0]))

    return apply


STORE, BUCKET = ("anypoint", "stores", 0), ("s3", "buckets", 0)
KEY = *STORE, "partitions", "p", "text"
WRONG = {
    "format": (change("format", to="x"), "objectstore-emulator"),
    "newer": (change("version", to=2), "has version 2, and this emulator reads version 1"),
    "no number": (change("version", to=True), "version"),
    "unknown": (change("extra", to=1), "unknown fields extra"),
    "clock": (change("advanced_seconds", to=-1), "advanced_seconds"),
    "far": (change("advanced_seconds", to=10**400), "advanced_seconds"),
    "stores": (change("anypoint", "stores", to={}), "anypoint: stores must be a list"),
    "two stores": (twice("anypoint", "stores"), "a second store"),
    "ttl": (change(*STORE, "attributes", "defaultTtlSeconds", to="1"), "defaultTtlSeconds must be a positive integer"),
    "name": (change(*STORE, "storeId", to=""), "must not be empty"),
    "partition": (change(*STORE, "partitions", "p", to=[]), "partitions.p must be an object"),
    "key": (change(*STORE, "partitions", "p", "a|b", to={"stringValue": "x"}), "a|b: A key has"),
    "no value": (change(*KEY, to={}), "partitions.p.text: A value has one of"),
    "two values": (change(*KEY, "numberValue", to=1), "A value has one of"),
    "lifetime": (change(*KEY, "expiresInSeconds", to="soon"), "expiresInSeconds must be a number"),
    "no end": (change(*KEY, "expiresInSeconds", to=1e300), "expiresInSeconds must be a number"),
    "base64": (change(*STORE, "partitions", "p", "bytes", "binaryValue", to="?"), "BINARY"),
    "held": (change("anypoint", "confirmations", 0, "store", to="nowhere"), "there is no store nowhere"),
    "action": (change("anypoint", "confirmations", 0, "action", to="drop"), "action must be one of"),
    "entry": (change("anypoint", "confirmations", 0, "entry", to=None), "an entry belongs to put"),
    "hour": (change("anypoint", "requests", 0, "hour", to="now"), "hour must be a date"),
    "count": (change("anypoint", "requests", 0, "count", to=0), "count must be"),
    "large count": (change("anypoint", "requests", 0, "count", to=10**12), "count must be nearer to 0 than 1e"),
    "region": (change("civo", "stores", 0, "region", to="PHX1"), "no region with object stores"),
    "size": (change("civo", "stores", 0, "max_size_gb", to=499), "multiple of 500"),
    "owner": (change("civo", "stores", 0, "owner", to="nobody"), "there is no credential with the id nobody"),
    "two credentials": (twice("civo", "credentials"), "a second one"),
    "two keys": (change("civo", "credentials", 1, "access_key_id", to="KEY-A"), "second credential with this"),
    "body": (change(*BUCKET, "objects", 0, "body", to="%"), "body must be base64"),
    "headers": (change(*BUCKET, "objects", 0, "headers", to={"a": 1}), "headers must be strings"),
    "time": (change(*BUCKET, "objects", 0, "modified", to="2026-11-26T10:00:00"), "needs a time zone"),
    "no time": (change(*BUCKET, "created", to="0001-01-01T00:00:00+14:00"), "created must be a date"),
    "two objects": (twice(*BUCKET, "objects"), "same key"),
    "two buckets": (twice("s3", "buckets"), "a second bucket"),
    "policy": (change(*BUCKET, "policy", to="{}"), "policy is invalid"),
    "bucket": (change(*BUCKET, "name", to="a/b"), "no name of a bucket"),
    "versioning": (change(*BUCKET, "versioning", to="yes"), "versioning must be"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_state_is_refused_and_changes_nothing(
    filled: Filled, state: dict[str, Any], change: Callable[[dict[str, Any]], None], message: str
) -> None:
    wrong = copy.deepcopy(state)
    change(wrong)
    before = filled.emulator.dump()
    status, shown = load(filled.emulator, wrong)
    assert (status, message in shown) == (400, True), shown
    assert filled.emulator.dump() == before
    with pytest.raises(ValueError, match=r"\w"):
        filled.emulator.load(wrong)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"{", b"\xff", b'{"format": NaN}', b"[" * 100_000])
def test_what_is_no_state_is_refused(filled: Filled, body: bytes) -> None:
    before = filled.emulator.dump()
    status, message = put(filled.emulator, body)
    assert (status, bool(message)) == (400, True)
    assert filled.emulator.dump() == before


def test_a_state_that_is_too_large_is_refused(
    filled: Filled, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_STATE_BYTES", 1000)
    before = filled.emulator.dump()
    assert load(filled.emulator, state) == (413, "A body has at most 1000 bytes here")
    assert filled.emulator.dump() == before


def test_a_state_that_s3_cannot_load_changes_nothing(
    filled: Filled, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes the checks, as of a newer moto, and yet fails in its process."""
    monkeypatch.setattr(s3_state, "_BUCKET_NAME", re.compile(".*"))
    before = filled.emulator.dump()
    wrong = copy.deepcopy(state)
    wrong["s3"]["buckets"].insert(1, {"name": "b", "owner": wrong["s3"]["users"][0]["id"]})
    wrong["s3"]["buckets"][0]["objects"] = []
    wrong["anypoint"] = {}
    status, message = load(filled.emulator, wrong)
    assert (status, "InvalidBucketName" in message) == (500, True), message
    assert filled.emulator.dump() == before


@pytest.mark.parametrize(("lag", "advanced"), [(0.3, 0), (1000, 1000)])
def test_a_dump_waits_for_s3(monkeypatch: pytest.MonkeyPatch, target: Emulator, lag: float, advanced: float) -> None:
    """S3's lag follows the clock."""
    target.reset()
    monkeypatch.setattr(target.settings, "s3_lag_seconds", lag)
    civo = Civo(target.url)
    civo.create("lagging")
    target.advance(advanced)
    assert [bucket["name"] for bucket in target.dump()["s3"]["buckets"]] == ["lagging"]


def test_a_dump_is_of_one_moment(monkeypatch: pytest.MonkeyPatch, target: Emulator) -> None:
    """What is created while a dump waits for S3 is in both parts, or in none."""
    target.reset()
    monkeypatch.setattr(target.settings, "s3_lag_seconds", 0.5)
    civo = Civo(target.url)
    civo.create("first")
    with ThreadPoolExecutor() as threads:
        dump = threads.submit(target.dump)
        time.sleep(0.1)
        civo.create("second")
        dumped = dump.result()
    stores = [store["name"] for store in dumped["civo"]["stores"]]
    assert [bucket["name"] for bucket in dumped["s3"]["buckets"]] == stores


def test_a_small_state_by_hand(target: Emulator) -> None:
    """What a test would write: only what it needs."""
    stores = [{"storeId": "orders", "partitions": {"eu": {"a": {"stringValue": "x"}, "b": {"numberValue": 1.5}}}}]
    target.load({"format": "objectstore-emulator", "version": 1, "anypoint": {"stores": stores}})
    assert target.values("orders") == {"eu": {"a": "x", "b": Decimal("1.5")}}
    assert Civo(target.url)("GET", "objectstores").json()["items"] == []


def test_no_access_token_is_in_it(filled: Filled) -> None:
    tokens = list(filled.emulator._app.accounts._tokens)
    text = Api(filled.emulator.url)("GET", "/_emulator/state").text
    assert tokens
    assert not any(token in text for token in tokens)


def test_the_example_of_the_page(target: Emulator) -> None:
    page = (Path(__file__).parents[2] / "docs/emulator.md").read_text()
    examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", page, re.M | re.S)]
    (example,) = (item for item in examples if "format" in item)
    target.load(example)
    assert target.values("orders") == {"eu": {"order-1": 20, "order-2": "open"}}
    target.advance(61)
    assert target.values("orders") == {"eu": {"order-1": 20}}


def test_a_load_that_fails_leaves_no_bucket_behind() -> None:
    from moto.s3.models import s3_backends

    from airflow_provider_objectstore.emulator.s3.moto_state import replace_buckets

    before = dict(s3_backends.bucket_accounts)
    with pytest.raises(KeyError, match="name"):
        replace_buckets(s3_backends["123456789012"]["aws"], [{"name": "half-loaded"}, {}])
    assert dict(s3_backends.bucket_accounts) == before
