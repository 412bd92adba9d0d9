"""Object Store v2's nineteen operations: each reads a request, reads or changes the state and returns a response."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.anypoint.accounts import Accounts
from airflow_provider_objectstore.emulator.anypoint.parsing import (
    REGIONS,
    VALUE_FIELDS,
    anypoint_error,
    parse_confirmable,
    parse_duration,
    parse_entry,
    parse_json_object,
    parse_key,
    parse_store_attributes,
    read_page,
)
from airflow_provider_objectstore.emulator.anypoint.statistics import Statistics
from airflow_provider_objectstore.emulator.anypoint.stores import (
    MAX_TTL_SECONDS,
    Change,
    Confirmation,
    Entry,
    Store,
    Stores,
)
from airflow_provider_objectstore.emulator.clock import Clock
from airflow_provider_objectstore.emulator.messages import Operation, Request, Response, json_response
from airflow_provider_objectstore.emulator.ordered_keys import OrderedKeys
from airflow_provider_objectstore.emulator.settings import ENVIRONMENT, ORGANIZATION, Settings

NUMBER_OPERATION = "application/vnd.objectstore.v1.numberoperation+json"


class AnypointState:
    """What the operations work on."""

    def __init__(self, settings: Settings, accounts: Accounts, clock: Clock) -> None:
        self.data = Stores(clock.monotonic)
        self.statistics = Statistics(clock.time)
        self.accounts = accounts
        self.settings = settings


# ---- stores ------------------------------------------------------------------------------------


def list_stores(state: AnypointState, request: Request) -> Response:
    """``GET /stores``"""
    page, next_token = read_page(request, state.data.stores, lambda store: True, state.settings)
    return _listing([_store_json(state, store) for _, _, store in page], next_token)


def get_store(state: AnypointState, request: Request) -> Response:
    """``GET /stores/{s}``"""
    return json_response(200, _store_json(state, _find_store(state, request)))


def create_store(state: AnypointState, request: Request) -> Response:
    """``PUT /stores/{s}``"""
    store = Store(request.path[0])
    store.update(*parse_store_attributes(request))
    if (existing := state.data.stores.get(store.store_id)) is not None:
        store.partitions = existing.partitions
    state.data.stores.put(store.store_id, store)
    return json_response(200, _store_json(state, store))


def update_store(state: AnypointState, request: Request) -> Response:
    """``PATCH /stores/{s}``"""
    store = _find_store(state, request)
    store.update(*parse_store_attributes(request))
    return json_response(200, _store_json(state, store))


def delete_store(state: AnypointState, request: Request) -> Response:
    """``DELETE /stores/{s}``"""
    state.data.stores.drop(_find_store(state, request).store_id)
    return Response(204)


# ---- partitions --------------------------------------------------------------------------------


def list_partitions(state: AnypointState, request: Request) -> Response:
    """``GET /stores/{s}/partitions``"""
    partitions = _find_store(state, request).partitions
    page, next_token = read_page(request, partitions, state.data.is_nonempty, state.settings)
    return _listing([name for _, name, _ in page], next_token)


def partition_exists(state: AnypointState, request: Request) -> Response:
    """``HEAD /stores/{s}/partitions/{p}``"""
    _find_partition(state, request)
    return Response(204)


def get_partition(state: AnypointState, request: Request) -> Response:
    """``GET /stores/{s}/partitions/{p}``"""
    inclusion = request.query.get("inclusion", "metadata")
    if inclusion not in ("all", "metadata", "body"):
        raise anypoint_error(400, "inclusion must be all, metadata or body")
    page, next_token = _read_entries(state, request)
    values = []
    for position, _, entry in page:
        value: dict[str, Any] = {"index": position if entry.index is None else entry.index}
        if inclusion != "body":
            value["metadata"] = "" if entry.metadata is None else entry.metadata
        if inclusion != "metadata":
            value[VALUE_FIELDS[entry.value_type]] = entry.value
        values.append(value | {"valueType": entry.value_type})
    return _listing(values, next_token)


def delete_partition(state: AnypointState, request: Request) -> Response:
    """``DELETE /stores/{s}/partitions/{p}``"""
    parse_confirmable(request)
    _find_partition(state, request)
    _find_store(state, request).partitions.drop(request.path[2])
    return Response(204)


# ---- keys --------------------------------------------------------------------------------------


def list_keys(state: AnypointState, request: Request) -> Response:
    """``GET /stores/{s}/partitions/{p}/keys``"""
    page, next_token = _read_entries(state, request)
    return _listing([{"keyId": name} for _, name, _ in page], next_token)


def get_key(state: AnypointState, request: Request) -> Response:
    """``GET /stores/{s}/partitions/{p}/keys/{k}``"""
    confirmable = parse_confirmable(request)
    store, partition, key = _key_address(state, request)
    entry = _find_entry(state, store, partition, key)
    state.data.restart_ttl(store, [entry])
    body: dict[str, Any] = {
        "keyId": key,
        "valueType": entry.value_type,
        VALUE_FIELDS[entry.value_type]: entry.value,
    }
    if entry.metadata is not None:
        body["metadata"] = entry.metadata
    if entry.index is not None:
        body["index"] = entry.index
    if confirmable:
        body[assumptions.CONFIRMATION_FIELD] = state.data.open_confirmation(store, (partition, key), Change("get"))
    return json_response(200, body)


def key_exists(state: AnypointState, request: Request) -> Response:
    """``HEAD /stores/{s}/partitions/{p}/keys/{k}``"""
    parse_confirmable(request)
    _find_entry(state, *_key_address(state, request))
    return Response(204)


def put_key(state: AnypointState, request: Request) -> Response:
    """``PUT /stores/{s}/partitions/{p}/keys/{k}``"""
    confirmable = parse_confirmable(request)
    store, partition, key = _key_address(state, request)
    entry = parse_entry(parse_json_object(request))
    if not confirmable:
        state.data.write(store, partition, key, entry)
        return Response(200)
    confirmation_id = state.data.open_confirmation(store, (partition, key), Change("put", entry))
    return json_response(200, {assumptions.CONFIRMATION_FIELD: confirmation_id})


def alter_number(state: AnypointState, request: Request) -> Response:
    """``POST /stores/{s}/partitions/{p}/keys/{k}``; of ``application/json``, create the key."""
    media_type = request.header(b"content-type").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _create_key(state, request)
    if media_type != NUMBER_OPERATION:
        types = f"{NUMBER_OPERATION} or application/json"
        raise anypoint_error(assumptions.WRONG_MEDIA_TYPE_STATUS, f"Content-Type must be {types}")
    store, partition, key = _key_address(state, request)
    old = state.data.entry(store, partition, key) or Entry("NUMBER", None)
    if old.value_type != "NUMBER":
        raise anypoint_error(assumptions.NOT_A_NUMBER_STATUS, f"The value of {key} is not a number")
    try:
        number = assumptions.alter(old.value, parse_json_object(request))
    except ValueError as error:
        raise anypoint_error(400, str(error)) from error
    state.data.write(store, partition, key, Entry("NUMBER", number, old.metadata, old.index))
    return json_response(200, {"keyId": key, "valueType": "NUMBER", "numberValue": number})


def _create_key(state: AnypointState, request: Request) -> Response:
    store, partition, key = _key_address(state, request)
    entry = parse_entry(parse_json_object(request))
    if state.data.entry(store, partition, key) is not None:
        raise anypoint_error(assumptions.KEY_EXISTS_STATUS, f"Key {key} exists already")
    state.data.write(store, partition, key, entry)
    return Response(assumptions.KEY_CREATED_STATUS)


def delete_key(state: AnypointState, request: Request) -> Response:
    """``DELETE /stores/{s}/partitions/{p}/keys/{k}``"""
    confirmable = parse_confirmable(request)
    store, partition, key = _key_address(state, request)
    _find_entry(state, store, partition, key)
    if not confirmable:
        state.data.remove(store, partition, key)
        return Response(204)
    confirmation_id = state.data.open_confirmation(store, (partition, key), Change("delete"))
    return Response(204, headers=[(assumptions.CONFIRMATION_HEADER, confirmation_id.encode())])


# ---- confirmations -----------------------------------------------------------------------------


def acknowledge(state: AnypointState, request: Request) -> Response:
    """``POST /stores/{s}/partitions/{p}/keys/{k}/confirmations/{c}``"""
    confirmation = _find_confirmation(state, request)
    confirmation.change.apply(state.data, _find_store(state, request), confirmation.address)
    state.data.close_confirmation(request.path[6])
    return Response(204)


def extend_confirmation(state: AnypointState, request: Request) -> Response:
    """``PATCH /stores/{s}/partitions/{p}/keys/{k}/confirmations/{c}``"""
    confirmation = _find_confirmation(state, request)
    ttl = min(parse_duration(parse_json_object(request).get("ttl"), "ttl"), MAX_TTL_SECONDS)
    confirmation.expires = state.data.clock() + ttl
    return Response(204)


def reject(state: AnypointState, request: Request) -> Response:
    """``DELETE /stores/{s}/partitions/{p}/keys/{k}/confirmations/{c}``"""
    _find_confirmation(state, request)
    state.data.close_confirmation(request.path[6])
    return Response(204)


def list_regions(state: AnypointState, request: Request) -> Response:
    """``GET /regions``"""
    return json_response(200, REGIONS)


# ---- finding what a path names ----------------------------------------------------------------


def _find_store(state: AnypointState, request: Request) -> Store:
    store = state.data.stores.get(request.path[0])
    if store is None:
        raise anypoint_error(404, f"Store {request.path[0]} does not exist")
    return store


def _find_partition(state: AnypointState, request: Request) -> OrderedKeys[Entry]:
    partition = state.data.partition(_find_store(state, request), request.path[2])
    if partition is None:
        raise anypoint_error(404, f"Partition {request.path[2]} does not exist")
    return partition


def _read_entries(state: AnypointState, request: Request) -> tuple[list[tuple[int, str, Entry]], str | None]:
    """Return a page of a partition's entries and the next page's token. Listing restarts their time to live."""
    partition = _find_partition(state, request)
    page, next_token = read_page(request, partition, state.data.is_alive, state.settings)
    state.data.restart_ttl(_find_store(state, request), [entry for _, _, entry in page])
    return page, next_token


def _key_address(state: AnypointState, request: Request) -> tuple[Store, str, str]:
    key = parse_key(request)
    return _find_store(state, request), request.path[2], key


def _find_entry(state: AnypointState, store: Store, partition: str, key: str) -> Entry:
    entry = state.data.entry(store, partition, key)
    if entry is None:
        raise anypoint_error(404, f"Key {key} does not exist")
    return entry


def _find_confirmation(state: AnypointState, request: Request) -> Confirmation:
    store, partition, key = _key_address(state, request)
    confirmation = state.data.confirmation(store, (partition, key), request.path[6])
    if confirmation is None:
        raise anypoint_error(404, f"Confirmation {request.path[6]} does not exist")
    return confirmation


# ---- response bodies --------------------------------------------------------------------------


def _listing(values: list[Any], next_token: str | None) -> Response:
    return json_response(200, {"values": values, "nextPageToken": next_token})


def _store_json(state: AnypointState, store: Store) -> dict[str, Any]:
    if state.settings.seed_form:
        return {
            "storeId": store.store_id,
            "encrypted": str(store.encrypted).lower(),
            "defaultTtlMillis": store.ttl * 1000,
            "defaultConfirmationTtlMillis": store.default_confirmation_ttl * 1000,
        } | store.others
    return {
        "storeId": store.store_id,
        "encrypted": store.encrypted,
        "permanentOsFlag": False,
        "persistent": True,
        "defaultTtlSeconds": store.ttl,
        "defaultConfirmationTtlSeconds": store.default_confirmation_ttl,
        "isFixedTtl": None,
    } | store.others


# ---- routes ------------------------------------------------------------------------------------

Handler = Callable[[AnypointState, Request], Response]

READ_STORES = frozenset({"read:store", "manage:store", "manage:store_data"})
CHANGE_STORES = frozenset({"manage:store", "manage:store_data"})
DATA = frozenset({"manage:store_data"})
_COLLECTIONS = ["partitions", "keys", "confirmations"]

OPERATIONS: dict[tuple[int, str], tuple[Handler, frozenset[str]]] = {
    (0, "GET"): (list_stores, READ_STORES),
    (1, "GET"): (get_store, READ_STORES),
    (1, "PUT"): (create_store, CHANGE_STORES),
    (1, "PATCH"): (update_store, CHANGE_STORES),
    (1, "DELETE"): (delete_store, CHANGE_STORES),
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
"""Number of segments after ``/stores`` and method → operation, and the scopes of which the token needs one."""


NAMES = frozenset({"anypoint.list_regions", *(f"anypoint.{handler.__name__}" for handler, _ in OPERATIONS.values())})


def route(state: AnypointState, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """Return name and operation of a path's segments after ``/api/v1/organizations``, ``None`` if there is none."""
    if "" in segments or "." in segments or ".." in segments:
        return None
    if segments[1:] == ["regions"] and method == "GET":
        return "anypoint.list_regions", partial(_authorized, state, list_regions, None, segments)
    if len(segments) < 4 or segments[1] != "environments" or segments[3] != "stores":
        return None
    collections = segments[5::2]
    if collections != _COLLECTIONS[: len(collections)]:
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
    """Check token, organization, environment and scope, then execute the operation."""
    granted = state.accounts.scopes(request.bearer_token())
    if granted is None:
        raise anypoint_error(401, "The access token is missing, unknown or has expired")
    if segments[0] != ORGANIZATION:
        raise anypoint_error(assumptions.UNKNOWN_ORGANIZATION_STATUS, f"No access to organization {segments[0]}")
    if scopes is not None:
        if segments[2] != ENVIRONMENT:
            raise anypoint_error(assumptions.UNKNOWN_ENVIRONMENT_STATUS, f"Environment {segments[2]} does not exist")
        if not scopes & granted:
            raise anypoint_error(403, f"One of these scopes is needed: {', '.join(sorted(scopes))}")
    request.path = segments[4:]
    return handler(state, request) if scopes is None else state.statistics.count(request.path, handler(state, request))
