"""
How an export lies in files: ``data.jsonl`` with a value a line, ``manifest.json`` with counts and a checksum.

A line is the body that the service takes for the value, with the partition's name: see ``put_key`` in the contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.call import Call, encode, given, integer, number
from airflow_provider_objectstore.api.values import Entry, check_metadata, decode_value, encode_value
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError

DATA = "data.jsonl"
MANIFEST = "manifest.json"
VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """
    What an export holds; it is written last, so an export without one is not whole.

    :param partitions: number of values by partition.
    :param sha256: checksum of the data.
    """

    store_id: str
    partitions: Mapping[str, int]
    bytes: int
    sha256: str

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
        }

    @classmethod
    def read(cls, text: str, where: str) -> Manifest:
        """
        Read a manifest.

        :raises ObjectStoreError: if it is none.
        """
        try:
            item = json.loads(text)
            if item["version"] != VERSION:
                raise ValueError(f"version {item['version']} is not known")
            counts = {str(name): integer(count) for name, count in item["partitions"].items()}
            return cls(str(item["store_id"]), counts, integer(item["bytes"]), str(item["sha256"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ObjectStoreError(f"{where} is no manifest of an export: {type(error).__name__} {error}") from error


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
        item = json.loads(line, parse_float=number)
        partition, key = item["partition"], item["keyId"]
        value_type, value = decode_value(item)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ObjectStoreError(f"it is not a line of an export ({type(error).__name__}: {error})") from error
    if value is None:
        raise ObjectStoreError(f"key {key!r} of partition {partition!r} has no value of type {value_type}")
    try:
        call = anypoint.put_key(store_id, partition, key, value, metadata=item.get("metadata"), index=item.get("index"))
    except InvalidArgumentError as error:
        raise ObjectStoreError(f"key {key!r} of partition {partition!r}: {error}") from error
    return partition, key, call
