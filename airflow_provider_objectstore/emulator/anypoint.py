"""Object Store v2's nineteen operations: they read a request, ask or change the state, and answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.accounts import Accounts
from airflow_provider_objectstore.emulator.anypoint_request import (
    VALUE_FIELDS,
    attributes_of,
    confirmable_of,
    entry_of,
    key_of,
    object_of,
    page_of,
    refusal,
    seconds_of,
)
from airflow_provider_objectstore.emulator.directory import Directory
from airflow_provider_objectstore.emulator.messages import Operation, Request, Response, json_response
from airflow_provider_objectstore.emulator.settings import ENVIRONMENT, ORGANIZATION, Settings
from airflow_provider_objectstore.emulator.stores import MAX_TTL_SECONDS, Confirmation, Entry, Store, Stores

NUMBER_OPERATION = "application/vnd.objectstore.v1.numberoperation+json"

REGIONS = [
    {"id": region, "name": name, "url": f"http://object-store.{region}.cloudhub.com"}
    for region, name in {
        "us-east-1": "US East (N. Virginia)",
        "us-east-2": "US East (Ohio)",
        "us-west-1": "US West (N. California)",
        "us-west-2": "US West (Oregon)",
        "ca-central-1": "Canada (Central)",
        "sa-east-1": "South America (Sao Paulo)",
        "ap-southeast-1": "Asia Pacific (Singapore)",
        "ap-southeast-2": "Asia Pacific (Sydney)",
        "ap-northeast-1": "Asia Pacific (Tokyo)",
        "eu-central-1": "EU (Frankfurt)",
        "eu-west-1": "EU (Ireland)",
        "eu-west-2": "EU (London)",
    }.items()
]


class AnypointState:
    """What the handlers work on."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self.data = Stores(settings.clock)
        self.accounts = accounts
        self.settings = settings


# ---- stores ------------------------------------------------------------------------------------


def list_stores(state: AnypointState, request: Request) -> Response:
    found, token = page_of(request, state.data.stores, lambda store: True, state.settings.unsorted)
    return _listing([_store_json(state, store) for _, _, store in found], token)


def get_store(state: AnypointState, request: Request) -> Response:
    return json_response(200, _store_json(state, _store(state, request)))


def create_store(state: AnypointState, request: Request) -> Response:
    store = Store(request.path[0])
    store.change(*attributes_of(request))
    if (existing := state.data.stores.get(store.store_id)) is not None:
        store.partitions = existing.partitions
    state.data.stores.put(store.store_id, store)
    return json_response(200, _store_json(state, store))


def update_store(state: AnypointState, request: Request) -> Response:
    store = _store(state, request)
    store.change(*attributes_of(request))
    return json_response(200, _store_json(state, store))


def delete_store(state: AnypointState, request: Request) -> Response:
    state.data.stores.drop(_store(state, request).store_id)
    return Response(204)


# ---- partitions --------------------------------------------------------------------------------


def list_partitions(state: AnypointState, request: Request) -> Response:
    partitions = _store(state, request).partitions
    found, token = page_of(request, partitions, state.data.inhabited, state.settings.unsorted)
    return _listing([name for _, name, _ in found], token)


def partition_exists(state: AnypointState, request: Request) -> Response:
    _partition(state, request)
    return Response(204)


def get_partition(state: AnypointState, request: Request) -> Response:
    inclusion = request.query.get("inclusion", "metadata")
    if inclusion not in ("all", "metadata", "body"):
        raise refusal(400, "inclusion must be all, metadata or body")
    found, token = _entries(state, request)
    values = []
    for position, _, entry in found:
        value: dict[str, Any] = {"index": position if entry.index is None else entry.index}
        if inclusion != "body":
            value["metadata"] = "" if entry.metadata is None else entry.metadata
        if inclusion != "metadata":
            value[VALUE_FIELDS[entry.value_type]] = entry.value
        values.append(value | {"valueType": entry.value_type})
    return _listing(values, token)


def delete_partition(state: AnypointState, request: Request) -> Response:
    confirmable_of(request)
    _partition(state, request)
    _store(state, request).partitions.drop(request.path[2])
    return Response(204)


# ---- keys --------------------------------------------------------------------------------------


def list_keys(state: AnypointState, request: Request) -> Response:
    found, token = _entries(state, request)
    return _listing([{"keyId": name} for _, name, _ in found], token)


def get_key(state: AnypointState, request: Request) -> Response:
    confirmable = confirmable_of(request)
    store, partition, key = _place(state, request)
    entry = _entry(state, store, partition, key)
    state.data.use(store, [entry])
    answer: dict[str, Any] = {
        "keyId": key,
        "valueType": entry.value_type,
        VALUE_FIELDS[entry.value_type]: entry.value,
    }
    if entry.metadata is not None:
        answer["metadata"] = entry.metadata
    if entry.index is not None:
        answer["index"] = entry.index
    if confirmable:
        answer[assumptions.CONFIRMATION_FIELD] = state.data.hold(store, (partition, key), lambda: None)
    return json_response(200, answer)


def key_exists(state: AnypointState, request: Request) -> Response:
    confirmable_of(request)
    _entry(state, *_place(state, request))
    return Response(204)


def put_key(state: AnypointState, request: Request) -> Response:
    confirmable = confirmable_of(request)
    store, partition, key = _place(state, request)
    entry = entry_of(object_of(request))
    if not confirmable:
        state.data.write(store, partition, key, entry)
        return Response(200)
    held = state.data.hold(store, (partition, key), lambda: state.data.write(store, partition, key, entry))
    return json_response(200, {assumptions.CONFIRMATION_FIELD: held})


def alter_number(state: AnypointState, request: Request) -> Response:
    media_type = request.header(b"content-type").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _create_key(state, request)
    if media_type != NUMBER_OPERATION:
        types = f"{NUMBER_OPERATION} or application/json"
        raise refusal(assumptions.WRONG_MEDIA_TYPE_STATUS, f"Content-Type must be {types}")
    store, partition, key = _place(state, request)
    old = state.data.entry(store, partition, key) or Entry("NUMBER", None)
    if old.value_type != "NUMBER":
        raise refusal(assumptions.NOT_A_NUMBER_STATUS, f"The value of {key} is not a number")
    try:
        number = assumptions.alter(old.value, object_of(request))
    except ValueError as error:
        raise refusal(400, str(error)) from error
    state.data.write(store, partition, key, Entry("NUMBER", number, old.metadata, old.index))
    return json_response(200, {"keyId": key, "valueType": "NUMBER", "numberValue": number})


def _create_key(state: AnypointState, request: Request) -> Response:
    """The POST of the vendor's own examples."""
    store, partition, key = _place(state, request)
    entry = entry_of(object_of(request))
    if state.data.entry(store, partition, key) is not None:
        raise refusal(assumptions.KEY_EXISTS_STATUS, f"Key {key} exists already")
    state.data.write(store, partition, key, entry)
    return Response(assumptions.KEY_CREATED_STATUS)


def delete_key(state: AnypointState, request: Request) -> Response:
    confirmable = confirmable_of(request)
    store, partition, key = _place(state, request)
    _entry(state, store, partition, key)
    if not confirmable:
        state.data.remove(store, partition, key)
        return Response(204)
    held = state.data.hold(store, (partition, key), lambda: state.data.remove(store, partition, key))
    return Response(204, headers=[(assumptions.CONFIRMATION_HEADER, held.encode())])


# ---- confirmations -----------------------------------------------------------------------------


def acknowledge(state: AnypointState, request: Request) -> Response:
    _confirmation(state, request).effect()
    state.data.settle(request.path[6])
    return Response(204)


def extend_confirmation(state: AnypointState, request: Request) -> Response:
    confirmation = _confirmation(state, request)
    ttl = min(seconds_of(object_of(request).get("ttl"), "ttl"), MAX_TTL_SECONDS)
    confirmation.expires = state.data.clock() + ttl
    return Response(204)


def reject(state: AnypointState, request: Request) -> Response:
    _confirmation(state, request)
    state.data.settle(request.path[6])
    return Response(204)


def list_regions(state: AnypointState, request: Request) -> Response:
    return json_response(200, REGIONS)


# ---- what is addressed -------------------------------------------------------------------------


def _store(state: AnypointState, request: Request) -> Store:
    store = state.data.stores.get(request.path[0])
    if store is None:
        raise refusal(404, f"Store {request.path[0]} does not exist")
    return store


def _partition(state: AnypointState, request: Request) -> Directory[Entry]:
    partition = state.data.partition(_store(state, request), request.path[2])
    if partition is None:
        raise refusal(404, f"Partition {request.path[2]} does not exist")
    return partition


def _entries(state: AnypointState, request: Request) -> tuple[list[tuple[int, str, Entry]], str | None]:
    """A page of a partition's entries, which listing them lets live on, and the next page's token."""
    found, token = page_of(request, _partition(state, request), state.data.alive, state.settings.unsorted)
    state.data.use(_store(state, request), [entry for _, _, entry in found])
    return found, token


def _place(state: AnypointState, request: Request) -> tuple[Store, str, str]:
    key = key_of(request)
    return _store(state, request), request.path[2], key


def _entry(state: AnypointState, store: Store, partition: str, key: str) -> Entry:
    entry = state.data.entry(store, partition, key)
    if entry is None:
        raise refusal(404, f"Key {key} does not exist")
    return entry


def _confirmation(state: AnypointState, request: Request) -> Confirmation:
    store, partition, key = _place(state, request)
    confirmation = state.data.confirmation(store, (partition, key), request.path[6])
    if confirmation is None:
        raise refusal(404, f"Confirmation {request.path[6]} does not exist")
    return confirmation


# ---- answers -----------------------------------------------------------------------------------


def _listing(values: list[Any], token: str | None) -> Response:
    return json_response(200, {"values": values, "nextPageToken": token})


def _store_json(state: AnypointState, store: Store) -> dict[str, Any]:
    if state.settings.seed_form:
        return {
            "storeId": store.store_id,
            "encrypted": str(store.encrypted).lower(),
            "defaultTtlMillis": store.ttl * 1000,
            "defaultConfirmationTtlMillis": store.default_confirmation_ttl * 1000,
        } | store.more
    return {
        "storeId": store.store_id,
        "encrypted": store.encrypted,
        "permanentOsFlag": False,
        "persistent": True,
        "defaultTtlSeconds": store.ttl,
        "defaultConfirmationTtlSeconds": store.default_confirmation_ttl,
        "isFixedTtl": None,
    } | store.more


# ---- routes ------------------------------------------------------------------------------------

Handler = Callable[[AnypointState, Request], Response]

STORE = frozenset({"read:store", "manage:store", "manage:store_data"})
CHANGE = frozenset({"manage:store", "manage:store_data"})
DATA = frozenset({"manage:store_data"})
_WORDS = ["partitions", "keys", "confirmations"]

OPERATIONS: dict[tuple[int, str], tuple[Handler, frozenset[str]]] = {
    (0, "GET"): (list_stores, STORE),
    (1, "GET"): (get_store, STORE),
    (1, "PUT"): (create_store, CHANGE),
    (1, "PATCH"): (update_store, CHANGE),
    (1, "DELETE"): (delete_store, CHANGE),
    (2, "GET"): (list_partitions, DATA),
    (3, "GET"): (get_partition, DATA),
    (3, "DELETE"): (delete_partition, DATA),
    (3, "HEAD"): (partition_exists, DATA),
    (4, "GET"): (list_keys, DATA),
    (5, "GET"): (get_key, DATA),
    (5, "HEAD"): (key_exists, DATA),
    (5, "PUT"): (put_key, DATA),
    (5, "POST"): (alter_number, DATA),
    (5, "DELETE"): (delete_key, DATA),
    (7, "POST"): (acknowledge, DATA),
    (7, "PATCH"): (extend_confirmation, DATA),
    (7, "DELETE"): (reject, DATA),
}
"""Segments after ``/stores`` and method → handler and the scopes of which one is needed."""


def route(state: AnypointState, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """The operation behind a path's segments after ``/api/v1/organizations``."""
    if "" in segments or "." in segments or ".." in segments:
        return None
    if segments[1:] == ["regions"] and method == "GET":
        return "anypoint.list_regions", partial(_authorized, state, list_regions, None, segments)
    if len(segments) < 4 or segments[1] != "environments" or segments[3] != "stores":
        return None
    words = segments[5::2]
    if words != _WORDS[: len(words)]:
        return None
    operation = OPERATIONS.get((len(segments) - 4, method))
    if operation is None:
        return None
    handler, scopes = operation
    return f"anypoint.{handler.__name__}", partial(_authorized, state, handler, scopes, segments)


def _authorized(
    state: AnypointState,
    handler: Handler,
    scopes: frozenset[str] | None,
    segments: list[str],
    request: Request,
) -> Response:
    """Check token, organization, environment and scope, then answer."""
    granted = state.accounts.scopes(request.credential())
    if granted is None:
        raise refusal(401, "The access token is missing, unknown or has expired")
    if segments[0] != ORGANIZATION:
        raise refusal(assumptions.UNKNOWN_ORGANIZATION_STATUS, f"No access to organization {segments[0]}")
    if scopes is not None:
        if segments[2] != ENVIRONMENT:
            raise refusal(assumptions.UNKNOWN_ENVIRONMENT_STATUS, f"Environment {segments[2]} does not exist")
        if not scopes & granted:
            raise refusal(403, f"One of these scopes is needed: {', '.join(sorted(scopes))}")
    request.path = segments[4:]
    return handler(state, request)
