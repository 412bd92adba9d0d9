"""
How an export lies in files: ``data.jsonl`` with a value a line, ``manifest.json`` with counts and a checksum.

A line is the body that the service takes for the value, with the partition's name: see ``put_key`` in the contract.
While an export replaces an earlier one, its data has a name of its own, which the manifest says.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.call import Call, encode, given, parse_json
from airflow_provider_objectstore.api.values import MAX_OBJECT_BYTES, Entry, check_metadata, decode_value, encode_value
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError, UnreadableValueError

DATA = "data.jsonl"
MANIFEST = "manifest.json"
VERSION = 1
MAX_MANIFEST_BYTES = 32 * 1024 * 1024
MAX_LINE_BYTES = 6 * MAX_OBJECT_BYTES + 1024 * 1024
"""A control character takes six bytes; the rest is for key, partition and metadata."""
_DRAFT = re.compile(r"data-[0-9a-f]{16}\.jsonl")
_BESIDE = re.compile(rf"{re.escape(MANIFEST)}-[0-9a-f]{{16}}")


@dataclass(frozen=True)
class Manifest:
    """
    What an export holds; it is written last, so an export without one is not whole.

    :param partitions: number of values by partition.
    :param sha256: checksum of the data.
    :param data: name of the file with the data.
    """

    store_id: str
    partitions: Mapping[str, int]
    bytes: int
    sha256: str
    data: str = DATA

    @property
    def values(self) -> int:
        """How many values it holds."""
        return sum(self.partitions.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "version": VERSION,
            "store_id": self.store_id,
            "partitions": dict(self.partitions),
            "values": self.values,
            "bytes": self.bytes,
            "sha256": self.sha256,
            **({} if self.data == DATA else {"data": self.data}),
        }

    @classmethod
    def read(cls, text: builtins.bytes, where: str) -> Manifest:
        """
        Read a manifest.

        :raises ObjectStoreError: if it is none.
        """
        try:
            if len(text) > MAX_MANIFEST_BYTES:
                raise ValueError(f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
            item = parse_json(text)
            if item["version"] != VERSION:
                raise ValueError(f"version {str(item['version'])[:20]} is not known")
            data = item.get("data", DATA)
            if data != DATA and not _DRAFT.fullmatch(data):
                raise ValueError("its data is in a file that is no export's")
            counts = {name: _count(count) for name, count in item["partitions"].items()}
            return cls(str(item["store_id"]), counts, _count(item["bytes"]), str(item["sha256"]), data)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ObjectStoreError(f"{where} is no manifest of an export: {type(error).__name__} {error}") from error


def is_draft(name: str) -> bool:
    """Whether a file is data or a manifest that an export has begun with, and that may go once another is whole."""
    return bool(_DRAFT.fullmatch(name) or _BESIDE.fullmatch(name))


def line_of(partition: str, entry: Entry) -> bytes:
    """
    Return the line that holds a value.

    :raises ObjectStoreError: if it could not be written back as it is.
    """
    key = str(entry.key)
    which = f"key {key!r} of partition {partition!r}"
    if entry.value is None:
        raise ObjectStoreError(f"{which} has no value of type {entry.value_type}")
    try:
        check_metadata(entry.metadata, key)
        kept = given(index=entry.index, metadata=entry.metadata)
        return encode({"partition": partition, "keyId": key, **kept, **encode_value(entry.value, key)}) + b"\n"
    except ValueError as error:
        raise ObjectStoreError(f"{which} cannot be exported: {error}") from error


def put_of(line: bytes, store_id: str) -> tuple[str, str, Call[str | None]]:
    """
    Return partition, key, and the call that writes a line's value.

    :raises ObjectStoreError: if the line is no export's, or the service would not take the value.
    """
    try:
        item = parse_json(line)
        partition, key = item["partition"], item["keyId"]
        _, value = decode_value(item)
    except (UnreadableValueError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ObjectStoreError(f"it is not a line of an export ({type(error).__name__}: {error})") from error
    try:
        call = anypoint.put_key(store_id, partition, key, value, metadata=item.get("metadata"), index=item.get("index"))
    except InvalidArgumentError as error:
        raise ObjectStoreError(f"key {key!r} of partition {partition!r}: {error}") from error
    return partition, key, call


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:20]} is no number of bytes or values")
    return value
