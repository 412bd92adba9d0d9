from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from tests.emulator.conftest import Anypoint, Civo, Clock, Connect

VALUES = {"text": "ä", "integer": 7, "exact": Decimal("0.1234567890123456789"), "float": 0.5, "bytes": b"\x00\xff"}


@pytest.fixture(scope="module")
def with_s3() -> Iterator[Emulator]:
    with Emulator(Settings(creating_seconds=1000), s3=MotoS3()) as emulator:
        yield emulator


def test_values_are_written_and_read(emulator: Emulator) -> None:
    emulator.seed({"orders": {"eu": VALUES, "us": {"a": "first"}}, "empty": {}})
    emulator.seed(stores={"orders": {"us": {"b": "second"}}})
    assert emulator.values("orders") == {"eu": VALUES, "us": {"a": "first", "b": "second"}}
    assert emulator.values("empty") == {}
    anypoint = Anypoint(emulator.url)
    assert anypoint.key("GET", "bytes", store="orders", partition="eu").json()["binaryValue"] == "AP8="
    assert anypoint.key("GET", "exact", store="orders", partition="eu").text.count("0.1234567890123456789") == 1


def test_it_is_no_request(emulator: Emulator, clock: Clock) -> None:
    emulator.faults([{"operation": "*", "kind": "status", "status": 500}])
    emulator.seed({"orders": {"eu": {"a": 1}}})
    emulator.advance(20 * 86400)
    assert emulator.values("orders") == {"eu": {"a": 1}}
    emulator.advance(11 * 86400)
    assert emulator.values("orders") == {}, "reading does not restart the time to live"
    assert emulator.requests()["total"] == 0


def test_a_stores_own_time_to_live_holds(emulator: Emulator, anypoint: Anypoint) -> None:
    anypoint.store("PUT", "s", json={"defaultTtlSeconds": 60})
    emulator.seed({"s": {"p": {"k": "v"}}})
    emulator.advance(61)
    assert anypoint.key("HEAD", "k").status_code == 404


@pytest.mark.parametrize("value", [True, None, ["a"], {"a": 1}, float("nan"), object()])
def test_other_values_are_refused_and_nothing_is_written(emulator: Emulator, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        emulator.seed({"orders": {"eu": {"good": 1, "wrong": value}}})
    with pytest.raises(ValueError, match="There is no store orders"):
        emulator.values("orders")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"stores": {"orders": {"a": 1}}},
            "stores map a store, a partition and a key to a value.*, and 1 is no mapping",
        ),
        ({"stores": ["orders"]}, r"stores map .* and \['orders'\] is no mapping"),
        ({"buckets": ["reports"]}, r"buckets map a bucket and a key to bytes.* and \['reports'\] is no mapping"),
        ({"buckets": {"reports": {"a.csv": "1,2"}}}, r"object 'a\.csv' of bucket 'reports' must be bytes, not str"),
        ({"stores": {"orders": {}}, "buckets": {"reports": {"a": 5}}}, "object 'a' of .* must be bytes, not int"),
    ],
)
def test_another_form_is_explained_and_nothing_is_written(
    emulator: Emulator, contents: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        emulator.seed(**contents)
    with pytest.raises(ValueError, match="There is no store orders"):
        emulator.values("orders")


@pytest.mark.parametrize("key", ["", "a|b", "x" * 1025])
def test_other_keys_are_refused(emulator: Emulator, key: str) -> None:
    with pytest.raises(ValueError, match="A key has"):
        emulator.seed({"orders": {"eu": {key: 1}}})


def test_objects_are_written_and_read(with_s3: Emulator) -> None:
    with_s3.reset()
    civo = Civo(with_s3.url)
    civo.create_credential("c", access_key_id="KEY-A", secret_access_key_id="secret-a")
    civo.create("reports", access_key_id="KEY-A")
    with_s3.seed(buckets={"reports": {"a/b ä": b"\x00"}, "other": {}})
    with_s3.seed(buckets={"reports": {"c": b"two"}})
    assert with_s3.objects("reports") == {"a/b ä": b"\x00", "c": b"two"}
    assert with_s3.objects("other") == {}
    assert with_s3.s3_url is not None
    s3 = Connect(with_s3.s3_url)()
    assert s3.get_object(Bucket="reports", Key="c")["Body"].read() == b"two"
    stores = civo("GET", "objectstores").json()["items"]
    assert {store["name"]: store["status"] for store in stores} == {"reports": "ready", "other": "ready"}
    with pytest.raises(ValueError, match="There is no bucket missing"):
        with_s3.objects("missing")


def test_a_bucket_that_cannot_be(with_s3: Emulator) -> None:
    with_s3.reset()
    with pytest.raises(ValueError, match="name has"):
        with_s3.seed(buckets={"a b": {}})
    with pytest.raises(ValueError, match="S3 cannot create the bucket ab"):
        with_s3.seed(buckets={"ab": {}})


def test_objects_need_s3(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="no S3"):
        emulator.seed(buckets={"reports": {}})
    with pytest.raises(ValueError, match="no S3"):
        emulator.objects("reports")
