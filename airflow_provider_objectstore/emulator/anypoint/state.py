"""Object Store v2's part of a state: stores with their values, open confirmations, and what was counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_objectstore.emulator.anypoint.operations import AnypointState
from airflow_provider_objectstore.emulator.anypoint.parsing import (
    VALUE_FIELDS,
    check_key,
    parse_attributes,
    parse_entry,
)
from airflow_provider_objectstore.emulator.anypoint.stores import Change, Confirmation, Entry, Store
from airflow_provider_objectstore.emulator.fields import Fields, StateError
from airflow_provider_objectstore.emulator.messages import Abort
from airflow_provider_objectstore.emulator.ordered_keys import OrderedKeys

_LIFETIME = "expiresInSeconds"
_ENTRY = frozenset({*VALUE_FIELDS.values(), "valueType", "metadata", "index", _LIFETIME})
_ACTIONS = ("get", "put", "delete")


@dataclass
class AnypointContents:
    """What :func:`parse` has read. Times of expiry are seconds from the moment of loading."""

    stores: OrderedKeys[Store] = field(default_factory=OrderedKeys)
    confirmations: dict[str, tuple[Store, Confirmation]] = field(default_factory=dict)
    counts: Counter[tuple[str | None, datetime]] = field(default_factory=Counter)


def dump(state: AnypointState) -> dict[str, Any]:
    """Return the part as JSON can hold it. What has expired is left out."""
    now = state.data.clock()
    return {
        "stores": [_dump_store(store, now) for store in state.data.stores.values()],
        "confirmations": [
            _dump_confirmation(confirmation_id, store, confirmation, now)
            for confirmation_id, (store, confirmation) in state.data.confirmations.items()
            if confirmation.expires > now and state.data.stores.get(store.store_id) is store
        ],
        "requests": [
            {"store": store, "hour": hour.isoformat(), "count": count}
            for (store, hour), count in state.statistics.counts.items()
        ],
    }


def _dump_store(store: Store, now: float) -> dict[str, Any]:
    partitions = {
        name: {key: _dump_entry(entry, now) for key, entry in partition.items() if entry.expires > now}
        for name, partition in store.partitions.items()
    }
    attributes = {
        "defaultTtlSeconds": store.default_ttl,
        "defaultConfirmationTtlSeconds": store.default_confirmation_ttl,
        "encrypted": store.encrypted,
    }
    return {
        "storeId": store.store_id,
        "attributes": attributes | store.others,
        "partitions": {name: entries for name, entries in partitions.items() if entries},
    }


def _dump_entry(entry: Entry, now: float | None) -> dict[str, Any]:
    fields = {
        "valueType": entry.value_type,
        VALUE_FIELDS[entry.value_type]: entry.value,
        "metadata": entry.metadata,
        "index": entry.index,
        _LIFETIME: None if now is None else round(entry.expires - now, 3),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _dump_confirmation(confirmation_id: str, store: Store, confirmation: Confirmation, now: float) -> dict[str, Any]:
    partition, key = confirmation.address
    entry = confirmation.change.entry
    return {
        "id": confirmation_id,
        "store": store.store_id,
        "partition": partition,
        "key": key,
        "action": confirmation.change.action,
        "entry": None if entry is None else _dump_entry(entry, None),
        _LIFETIME: round(confirmation.expires - now, 3),
    }


def parse(value: Any) -> AnypointContents:
    """
    Read the part.

    :raises StateError: saying what is wrong, and where.
    """
    fields = Fields(value, "anypoint", ("stores", "confirmations", "requests"))
    contents = AnypointContents()
    for item, place in fields.items("stores"):
        store = _parse_store(item, place)
        if store.store_id in contents.stores:
            raise StateError(f"{place}: there is a second store {store.store_id}")
        contents.stores.put(store.store_id, store)
    for item, place in fields.items("confirmations"):
        confirmation_id, store, confirmation = _parse_confirmation(item, place, contents.stores)
        contents.confirmations[confirmation_id] = store, confirmation
    for item, place in fields.items("requests"):
        counted = Fields(item, place, ("store", "hour", "count"))
        count = counted.get("count", int)
        if count < 1:
            raise StateError(f"{place}: count must be at least 1")
        contents.counts[counted.optional("store", str), _parse_hour(counted)] += count
    return contents


def load(state: AnypointState, contents: AnypointContents) -> None:
    """Replace everything by what was read. Lifetimes go on from now."""
    now = state.data.clock()
    for store in contents.stores.values():
        for partition in store.partitions.values():
            for entry in partition.values():
                entry.expires += now
    for _, confirmation in contents.confirmations.values():
        confirmation.expires += now
    state.data.stores, state.data.confirmations = contents.stores, contents.confirmations
    state.statistics.counts = contents.counts


def _parse_store(value: Any, place: str) -> Store:
    fields = Fields(value, place, ("storeId", "attributes", "partitions"))
    store = Store(fields.text("storeId"))
    try:
        store.update(*parse_attributes(fields.get("attributes", dict, {})))
    except Abort as abort:
        raise _error(f"{place}.attributes", abort) from None
    for name, partition, place_of_partition in fields.members("partitions"):
        if not isinstance(partition, dict):
            raise StateError(f"{place_of_partition} must be an object")
        entries: OrderedKeys[Entry] = OrderedKeys()
        for key, item in partition.items():
            place_of_key = f"{place_of_partition}.{key}"
            entry = _parse_entry(item, place_of_key)
            entry.expires = Fields(item, place_of_key, _ENTRY).get(_LIFETIME, float, float(store.ttl))
            entries.put(_parse_key(key, place_of_key), entry)
        store.partitions.put(name, entries)
    return store


def _parse_key(key: str, place: str) -> str:
    try:
        return check_key(key)
    except Abort as abort:
        raise _error(place, abort) from None


def _parse_entry(value: Any, place: str) -> Entry:
    Fields(value, place, _ENTRY)
    try:
        return parse_entry(value)
    except Abort as abort:
        raise _error(place, abort) from None


def _parse_confirmation(value: Any, place: str, stores: OrderedKeys[Store]) -> tuple[str, Store, Confirmation]:
    fields = Fields(value, place, ("id", "store", "partition", "key", "action", "entry", _LIFETIME))
    store, action = stores.get(fields.text("store")), fields.get("action", str)
    if store is None:
        raise StateError(f"{place}: there is no store {fields.text('store')}")
    if action not in _ACTIONS:
        raise StateError(f"{place}: action must be one of {', '.join(_ACTIONS)}")
    item = fields.optional("entry", dict)
    if (item is not None) != (action == "put"):
        raise StateError(f"{place}: an entry belongs to put, and to nothing else")
    change = Change(action, None if item is None else _parse_entry(item, f"{place}.entry"))
    address = fields.text("partition"), _parse_key(fields.text("key"), place)
    return fields.text("id"), store, Confirmation(address, change, fields.get(_LIFETIME, float))


def _parse_hour(fields: Fields) -> datetime:
    try:
        hour = datetime.fromisoformat(fields.get("hour", str)).astimezone(UTC)
        return hour.replace(minute=0, second=0, microsecond=0)
    except (ValueError, OverflowError) as error:
        raise StateError(f"{fields.place}: hour must be a date and time as in RFC 3339") from error


def _error(place: str, abort: Abort) -> StateError:
    return StateError(f"{place}: {json.loads(abort.response.body)['message']}")
