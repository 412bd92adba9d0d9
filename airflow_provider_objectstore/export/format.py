"""
The format of an export: a data file with one value a line, ``manifest.json`` with its name, counts and a checksum.

A line is the request body that writes the value (``PUT /stores/{s}/partitions/{p}/keys/{k}``), with the partition's
name. No two exports share a data file.
"""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint.values import (
    MAX_OBJECT_BYTES,
    Entry,
    check_metadata,
    decode_value,
    encode_value,
)
from airflow_provider_objectstore.api.call import Call, drop_none
from airflow_provider_objectstore.api.encoding import encode, parse_json
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError, UnreadableValueError
from airflow_provider_objectstore.export.attributes import read_attributes

DATA = "data.jsonl"
"""The data file of an export whose manifest names none: one of an earlier version."""
MANIFEST = "manifest.json"
VERSION = 1
MAX_MANIFEST_BYTES = 32 * 1024 * 1024
MAX_LINE_BYTES = 6 * MAX_OBJECT_BYTES + 1024 * 1024
"""An escaped control character takes six bytes; the rest is for key, partition and metadata."""
_DATA_DRAFT = re.compile(r"data-[0-9a-f]{16}\.jsonl")
_PLACE = ("organization_id", "environment_id", "region")
_MANIFEST_DRAFT = re.compile(rf"{re.escape(MANIFEST)}-[0-9a-f]{{16}}")


@dataclass(frozen=True)
class Source:
    """
    What an export was made from, beside the store's id.

    :param organization_id: the store's organization, in lower case as in asset URIs, like the next two.
    :param environment_id: its environment.
    :param region: its region.
    :param partitions: the partitions that were selected, sorted; None for all.
    """

    organization_id: str
    environment_id: str
    region: str
    partitions: tuple[str, ...] | None

    @classmethod
    def of(cls, labels: Mapping[str, str], partitions: Iterable[str] | None) -> Source:
        """
        Return the source of an export.

        :param labels: where the store's connection leads.
        :param partitions: the partitions that are selected; None for all.
        """
        organization, environment, region = (labels[name].lower() for name in _PLACE)
        return cls(organization, environment, region, None if partitions is None else tuple(sorted(set(partitions))))

    @classmethod
    def read(cls, item: Any) -> Source | None:
        """
        Read the source in a manifest; None if it has none.

        :raises ValueError: if it is not one.
        """
        if item is None:
            return None
        (organization, environment, region), partitions = (item[name] for name in _PLACE), item["partitions"]
        texts = (organization, environment, region, *(partitions or ()))
        if not isinstance(partitions, (list, type(None))) or not all(type(text) is str for text in texts):
            raise ValueError("its source is no place with partitions")
        return cls(organization, environment, region, None if partitions is None else tuple(partitions))

    def __str__(self) -> str:
        place = f"organization {self.organization_id}, environment {self.environment_id}, region {self.region}"
        if self.partitions is None:
            return f"{place}, all partitions"
        more = f" and {len(self.partitions) - 5} more" if len(self.partitions) > 5 else ""
        return f"{place}, partitions {', '.join(map(repr, self.partitions[:5]))}{more}"


@dataclass(frozen=True)
class Manifest:
    """
    Contents of an export. It is written last, so an export without one is not complete.

    :param store_id: the store that was exported.
    :param partitions: number of values by partition.
    :param bytes: size of the data file.
    :param sha256: checksum of the data file, in hexadecimal.
    :param data: name of the data file.
    :param attributes: the store's attributes by name; None where the export has none.
    :param source: what else it was made from; None for an export of an earlier version.
    """

    store_id: str
    partitions: Mapping[str, int]
    bytes: int
    sha256: str
    data: str = DATA
    attributes: Mapping[str, Any] | None = None
    source: Source | None = None

    @property
    def values(self) -> int:
        """Number of values."""
        return sum(self.partitions.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the manifest as plain data, as it is written."""
        return {
            "version": VERSION,
            "store_id": self.store_id,
            "partitions": dict(self.partitions),
            "values": self.values,
            "bytes": self.bytes,
            "sha256": self.sha256,
            **({} if self.data == DATA else {"data": self.data}),
            **({} if self.attributes is None else {"attributes": dict(self.attributes)}),
            **({} if self.source is None else {"source": _plain(self.source)}),
        }

    @classmethod
    def read(cls, text: builtins.bytes, where: str) -> Manifest:
        """
        Parse a manifest.

        :param text: contents of the file.
        :param where: its path, for error messages.
        :raises ObjectStoreError: if it is not a valid manifest.
        """
        try:
            if len(text) > MAX_MANIFEST_BYTES:
                raise ValueError(f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
            item = parse_json(text)
            if item["version"] != VERSION:
                raise ValueError(f"version {str(item['version'])[:20]} is not supported")
            data = item.get("data", DATA)
            if data != DATA and not _DATA_DRAFT.fullmatch(data):
                raise ValueError("it names a data file that no export writes")
            counts = {name: _count(count) for name, count in item["partitions"].items()}
            size, checksum = _count(item["bytes"]), str(item["sha256"])
            attributes, source = read_attributes(item.get("attributes")), Source.read(item.get("source"))
            return cls(str(item["store_id"]), counts, size, checksum, data, attributes, source)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ObjectStoreError(
                f"{where} is not the manifest of an export: {type(error).__name__} {error}"
            ) from error


class ExportedValue(NamedTuple):
    """
    A value of an export.

    :param put: the call that writes it.
    """

    partition: str
    key: str
    put: Call[str | None]


def is_draft(name: str) -> bool:
    """Whether a file is an export's data file, or a manifest that one was writing."""
    return bool(_DATA_DRAFT.fullmatch(name) or _MANIFEST_DRAFT.fullmatch(name))


def encode_line(partition: str, entry: Entry) -> bytes:
    """
    Return the line of a value.

    :param partition: the value's partition.
    :param entry: the value.
    :raises ObjectStoreError: if an import could not write it back exactly.
    """
    key = str(entry.key)
    address = f"key {key!r} of partition {partition!r}"
    if entry.value is None:
        raise ObjectStoreError(f"{address} has no value of type {entry.value_type}")
    try:
        check_metadata(entry.metadata, key)
        optional = drop_none(index=entry.index, metadata=entry.metadata)
        return encode({"partition": partition, "keyId": key, **optional, **encode_value(entry.value, key)}) + b"\n"
    except ValueError as error:
        raise ObjectStoreError(f"{address} cannot be exported: {error}") from error


def put_call(store_id: str, partition: str, entry: Entry) -> Call[str | None]:
    """
    Return the call that writes a value as it was read.

    :param store_id: the store to write it into.
    :param partition: the value's partition.
    :param entry: the value.
    :raises ObjectStoreError: if it could not be written back exactly.
    """
    return decode_line(encode_line(partition, entry), store_id).put


def difference(entry: Entry, other: Entry) -> str:
    """
    Return what distinguishes a value from another one; empty if they are the same.

    An index that one of the two responses does not have is no difference.

    :param entry: the value.
    :param other: the other one.
    """
    if (entry.value_type, entry.value) != (other.value_type, other.value):
        return "value"
    if _shown(entry.metadata) != _shown(other.metadata):
        return "metadata"
    return "index" if None not in (entry.index, other.index) and entry.index != other.index else ""


def _plain(source: Source) -> dict[str, Any]:
    partitions = None if source.partitions is None else list(source.partitions)
    return {**asdict(source), "partitions": partitions}


def _shown(metadata: Any) -> str:
    return json.dumps(metadata, sort_keys=True, default=repr)


def decode_line(line: bytes, store_id: str) -> ExportedValue:
    """
    Parse a line.

    :param line: the line.
    :param store_id: the store to write the value into.
    :raises ObjectStoreError: if it is not a line of an export, or the service would refuse the value.
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
    return ExportedValue(partition, key, call)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:20]} is not a number of bytes or values")
    return value
