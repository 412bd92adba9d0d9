from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api.anypoint.values import MAX_METADATA_BYTES, MAX_OBJECT_BYTES, Entry
from airflow_provider_objectstore.api.encoding import encode, number
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.export.format import MAX_MANIFEST_BYTES, Manifest, Source, decode_line, encode_line

TYPES = {str: "STRING", bytes: "BINARY"}
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers() | finite | st.decimals(allow_nan=False, allow_infinity=False, places=25)
text = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="|"), min_size=1, max_size=50).filter(
    lambda name: name not in (".", "..")
)
metadata = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


@given(
    partition=names,
    key=names,
    value=text | st.binary() | numbers,
    meta=metadata.filter(lambda value: len(json.dumps(value, ensure_ascii=False).encode()) <= MAX_METADATA_BYTES),
    index=st.none() | st.integers(0, 10**9),
)
def test_what_is_written_is_what_was_read(partition: str, key: str, value: Any, meta: Any, index: int | None) -> None:
    line = encode_line(partition, Entry(key, value, TYPES.get(type(value), "NUMBER"), meta, index))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    where, name, call = decode_line(line, "s")
    assert (where, name) == (partition, key)
    assert call.body is not None
    sent = json.loads(encode(call.body), parse_float=Decimal, parse_int=Decimal)
    kept = json.loads(line, parse_float=Decimal, parse_int=Decimal)
    assert {"partition": partition, **sent} == kept, "exact, whatever its numbers"
    if kept["valueType"] == "NUMBER":
        assert kept["numberValue"] == Decimal(value if isinstance(value, int | Decimal) else repr(value))


def test_a_line_in_full() -> None:
    entry = Entry("café", b"\x00\xff", "BINARY", {"rate": 0.1, "of": [1, 2.5]}, 3)
    assert encode_line("eu", entry).decode() == (
        '{"partition":"eu","keyId":"café","index":3,"metadata":{"rate":0.1,"of":[1,2.5]},'
        '"valueType":"BINARY","binaryValue":"AP8="}\n'
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry("k", "v", "STRING", {"rate": [number("0.12345678901234567890")]}), "metadata .*Decimal"),
        (Entry("k", "v", "STRING", number("0.12345678901234567890")), "metadata .*Decimal"),
        (Entry("k", "v", "STRING", "\ud800"), "cannot be exported"),
        (Entry("k", "\ud800", "STRING"), "not valid Unicode"),
        (Entry("k", None, "STRING"), "no value of type STRING"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_named(entry: Entry, message: str) -> None:
    with pytest.raises(ObjectStoreError, match=f"key 'k' of partition 'p'.*{message}"):
        encode_line("p", entry)


@pytest.mark.parametrize(
    "line",
    [
        b"{broken\n",
        b"\xff\n",
        b"\n",
        b"[]\n",
        b'{"keyId": "k", "stringValue": "v"}\n',
        b'{"partition": "p", "stringValue": "v"}\n',
        b'{"partition": "p", "keyId": "k"}\n',
        b'{"partition": "p", "keyId": "k", "stringValue": null, "valueType": "STRING"}\n',
        b'{"partition": "p", "keyId": "k", "numberValue": NaN}\n',
        b'{"partition": "p", "keyId": "k", "objectValue": 1, "valueType": "OBJECT"}\n',
        b'{"partition": "p", "keyId": "k", "valueType": "BINARY", "binaryValue": "*"}\n',
        b'{"partition": "p", "keyId": "k", "valueType": "NUMBER", "numberValue": true, "stringValue": "v"}\n',
        b'{"partition": "p", "keyId": "k", "valueType": "NUMBER", "numberValue": NaN}\n',
        b'{"partition": "p", "keyId": "k", "valueType": "NUMBER", "numberValue": -Infinity}\n',
        b'{"partition": "p", "keyId": "k", "stringValue": "v", "metadata": [Infinity]}\n',
    ],
)
def test_what_is_no_line(line: bytes) -> None:
    with pytest.raises(ObjectStoreError):
        decode_line(line, "s")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"stringValue": "v" * (MAX_OBJECT_BYTES + 1)}, "at most 10,485,760 bytes"),
        ({"stringValue": "v", "metadata": "m" * 5000}, "metadata of key 'k' is 5,002 bytes"),
        ({"stringValue": "v", "index": -1}, "index of key 'k'"),
        ({"stringValue": "v", "partition": ".."}, "would address something else"),
        ({"stringValue": "v", "partition": 7}, "partition must be text"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_no_longer_fits_is_named(item: dict[str, Any], message: str) -> None:
    line = json.dumps({"partition": "p", "keyId": "k", **item}).encode()
    with pytest.raises(ObjectStoreError, match=f"key 'k' of partition .*{message}"):
        decode_line(line, "s")


NO_COUNTS = ("1.5", "-1", "true", "null", '"1"', "Infinity", "NaN", "1e5", "1e999999999", "9" * 400, "9" * 5000)


def manifest_text(values: str = "1", size: str = "1", data: str = '"data.jsonl"') -> str:
    return (
        f'{{"version": 1, "store_id": "s", "partitions": {{"p": {values}}}, "bytes": {size}, "sha256": "", '
        f'"data": {data}}}'
    )


def test_manifest_comes_back() -> None:
    manifest = Manifest("s", {"a": 2, "b": 1}, 99, "5e")
    assert Manifest.read(json.dumps(manifest.as_dict()).encode(), "there") == manifest
    named = replace(manifest, data="data-0123456789abcdef.jsonl")
    assert Manifest.read(json.dumps(named.as_dict()).encode(), "there") == named
    for partitions in (None, ["b", "a", "b"]):
        labels = {"organization_id": "ORG", "environment_id": "env", "region": "US-east-1", "conn_id": "mine"}
        sourced = replace(manifest, source=Source.of(labels, partitions))
        assert Manifest.read(json.dumps(sourced.as_dict()).encode(), "there") == sourced
        selected = sorted(set(partitions)) if partitions else None
        place = {"organization_id": "org", "environment_id": "env", "region": "us-east-1"}
        assert sourced.as_dict()["source"] == {**place, "partitions": selected}
    assert manifest.as_dict() == {
        "version": 1,
        "store_id": "s",
        "partitions": {"a": 2, "b": 1},
        "values": 3,
        "bytes": 99,
        "sha256": "5e",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2}',
        '{"version": 1, "partitions": []}',
        "[" * 100_000,
        " " * (MAX_MANIFEST_BYTES + 1),
        *(manifest_text(values=count) for count in NO_COUNTS),
        *(manifest_text(size=count) for count in NO_COUNTS),
        *(
            manifest_text(data=json.dumps(name))
            for name in ("../secret", "/etc/passwd", "manifest.json", "data-1.jsonl", "", 7, [])
        ),
    ],
    ids=lambda text: text[:90].strip(),
)
def test_what_is_no_manifest(text: str) -> None:
    with pytest.raises(ObjectStoreError, match=r"there/manifest\.json is not the manifest of an export") as caught:
        Manifest.read(text.encode(), "there/manifest.json")
    assert len(str(caught.value)) < 300, "what is not understood is not repeated at length"
