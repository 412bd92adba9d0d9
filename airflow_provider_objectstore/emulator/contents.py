"""What tests put into the services before they begin, and read afterwards. None of it is a request."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_objectstore.emulator.anypoint.parsing import check_key, parse_entry
from airflow_provider_objectstore.emulator.anypoint.stores import Entry, Store
from airflow_provider_objectstore.emulator.civo import operations as civo
from airflow_provider_objectstore.emulator.messages import Abort, Request, dumps, loads
from airflow_provider_objectstore.emulator.s3.backend import S3Backend, StatefulS3Backend
from airflow_provider_objectstore.emulator.settings import REGION

if TYPE_CHECKING:
    from airflow_provider_objectstore.emulator.app import App

Value = str | int | float | Decimal | bytes
Values = Mapping[str, Mapping[str, Value]]
Objects = Mapping[str, bytes]


async def seed(app: App, stores: Mapping[str, Values], buckets: Mapping[str, Objects]) -> None:
    """Write values and objects. Stores and buckets that are missing are created."""
    _require_mappings(stores, 3, "stores map a store, a partition and a key to a value: {'orders': {'eu': {'a': 20}}}")
    _require_mappings(buckets, 2, "buckets map a bucket and a key to bytes: {'reports': {'a.csv': b'1,2'}}")
    for bucket, objects in buckets.items():
        for key, body in objects.items():
            if not isinstance(body, bytes):
                raise ValueError(f"object {key!r} of bucket {bucket!r} must be bytes, not {type(body).__name__}")
    entries = [
        (store_id, partition, _checked(check_key, key), _checked(parse_entry, _as_body(value)))
        for store_id, partitions in stores.items()
        for partition, values in partitions.items()
        for key, value in values.items()
    ]
    for store_id in stores:
        if store_id not in app.anypoint.data.stores:
            app.anypoint.data.stores.put(store_id, Store(store_id))
    for store_id, partition, key, entry in entries:
        app.anypoint.data.write(app.anypoint.data.stores[store_id], partition, key, entry)
    for bucket, objects in buckets.items():
        await _seed_bucket(app, bucket, objects)
    app.count_change()


def _require_mappings(value: Any, levels: int, form: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{form}, and {value!r:.200} is no mapping")
    for each in value.values() if levels > 1 else ():
        _require_mappings(each, levels - 1, form)


async def _seed_bucket(app: App, bucket: str, objects: Objects) -> None:
    backend = _s3(app)
    if all(store.name != bucket for store in app.civo.stores.values()):
        request = Request("POST", f"region={quote(REGION)}".encode(), [], json.dumps({"name": bucket}).encode())
        _checked(lambda body: civo.create_object_store(app.civo, body), request)
    async with app.civo.settled():
        (store,) = (store for store in app.civo.stores.values() if store.name == bucket)
        if store.failed:
            raise ValueError(f"S3 cannot create the bucket {bucket}")
        for resource in (store, store.owner):
            resource.ready_at = min(resource.ready_at, app.clock.monotonic())
        for key, body in objects.items():
            assert app.civo.s3 is not None
            await app.civo.s3.call(partial(_put, backend, bucket, key, body))


def values(app: App, store_id: str) -> dict[str, dict[str, Value]]:
    """Return a store's values by partition and key. That does not restart their time to live."""
    data = app.anypoint.data
    if store_id not in data.stores:
        raise ValueError(f"There is no store {store_id}")
    found = {
        name: {key: _as_value(entry) for key, entry in partition.items() if data.is_alive(entry)}
        for name, partition in data.stores[store_id].partitions.items()
    }
    return {name: entries for name, entries in found.items() if entries}


async def objects(app: App, bucket: str) -> dict[str, bytes]:
    """Return a bucket's objects by key."""
    _s3(app)
    async with app.civo.settled():
        dumped = await app.civo.dump_s3() or {}
    for found in dumped["buckets"]:
        if found["name"] == bucket:
            return {stored["key"]: base64.b64decode(stored["body"]) for stored in found["objects"]}
    raise ValueError(f"There is no bucket {bucket}")


def _put(backend: StatefulS3Backend, bucket: str, key: str, body: bytes, _: S3Backend) -> None:
    backend.put_object(bucket, key, body)


def _s3(app: App) -> StatefulS3Backend:
    if app.civo.s3 is None or not isinstance(app.civo.s3.backend, StatefulS3Backend):
        raise ValueError("The emulator has no S3 whose objects it can read and write, such as MotoS3")
    return app.civo.s3.backend


def _as_body(value: Any) -> Any:
    """Return a value as the service's JSON has it."""
    if isinstance(value, bytes):
        return {"binaryValue": base64.b64encode(value).decode()}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return loads(dumps({"numberValue": value}).encode())
    raise ValueError(f"A value is a string, a number or bytes, not {type(value).__name__}")


def _as_value(entry: Entry) -> Value:
    value: Value = entry.value
    return base64.b64decode(entry.value) if entry.value_type == "BINARY" else value


def _checked(function: Any, argument: Any) -> Any:
    """Call a function; raise ``ValueError`` with its message if it refuses the argument."""
    try:
        return function(argument)
    except Abort as abort:
        body = json.loads(abort.response.body)
        raise ValueError(body.get("message") or body.get("reason")) from None
