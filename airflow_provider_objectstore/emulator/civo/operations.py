"""Civo's operations: each reads a request, reads or changes the state and returns a response."""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.civo.object_stores import (
    CivoState,
    Credential,
    ObjectStore,
    Resource,
    S3BackendError,
)
from airflow_provider_objectstore.emulator.civo.parsing import (
    REGIONS,
    STEP_GB,
    civo_error,
    parse_fields,
    parse_flag,
    parse_name,
    parse_region,
    parse_size,
    parse_string,
    parse_update,
)
from airflow_provider_objectstore.emulator.messages import (
    Operation,
    Request,
    Response,
    json_response,
    method_not_allowed,
)
from airflow_provider_objectstore.emulator.settings import CIVO_KEY

PER_PAGE = 20

ResourceT = TypeVar("ResourceT", bound=Resource)

# ---- stores -------------------------------------------------------------------------------------


def list_object_stores(state: CivoState, request: Request) -> Response:
    """``GET /objectstores``"""
    return _listing(state, request, state.stores.values(), _store_json)


def get_object_store(state: CivoState, request: Request) -> Response:
    """``GET /objectstores/{id}``"""
    return json_response(200, _store_json(state, _find_store(state, request)))


def create_object_store(state: CivoState, request: Request) -> Response:
    """``POST /objectstores``"""
    body = parse_fields(request)
    region = parse_region(request, body)
    name = parse_name(body)
    size = parse_size(body, STEP_GB)
    if any(store.name == name for store in state.stores.values()):
        raise civo_error("database_objectstore_exists")
    _check_quota(state, size)
    access_key = parse_string(body, "access_key_id")
    owner = _find_by_access_key(state, region, access_key) if access_key is not None else None
    own_credential = None
    if owner is None:
        own_credential = owner = _new_credential(state, assumptions.own_credential_name(name), region, size)
    store = ObjectStore(
        name=name,
        region=region,
        max_size_gb=size,
        ready_at=state.ready_at(),
        owner=owner,
        own_credential=own_credential,
    )
    state.stores[store.id] = store
    owner_id = owner.id
    state.create_on_s3(store, lambda backend: backend.create_bucket(name, owner_id))
    return json_response(200, _store_json(state, store))


async def update_object_store(state: CivoState, request: Request) -> Response:
    """``PATCH or PUT /objectstores/{id}``"""
    store = _find_store(state, request)
    body = parse_update(request, "access_key_id")
    size = parse_size(body, store.max_size_gb)
    _check_quota(state, size - store.max_size_gb)
    access_key = parse_string(body, "access_key_id")
    owner = store.owner if access_key is None else _find_by_access_key(state, store.region, access_key)
    store.max_size_gb = size
    owner_change = state.settings.owner_change
    if owner is not store.owner and owner_change != "ignored":
        store.owner = owner
        await state.change_s3(lambda backend: backend.set_owner(store.name, owner.id, owner_change == "whole"))
    return json_response(200, _store_json(state, store))


async def delete_object_store(state: CivoState, request: Request) -> Response:
    """``DELETE /objectstores/{id}``"""
    store = _find_store(state, request)
    del state.stores[store.id]
    if not store.failed:
        await state.change_s3(lambda backend: backend.delete_bucket(store.name))
    own = store.own_credential
    if own is not None and own.id in state.credentials and not state.settings.keep_own_credential:
        owns_others = any(other.owner is own for other in state.stores.values())
        if not owns_others:
            await _remove_credential(state, own)
    return json_response(200, {"result": "success"})


async def get_object_store_stats(state: CivoState, request: Request) -> Response:
    """``GET /objectstores/{id}/stats``"""
    store = _find_store(state, request)
    size, objects = await state.usage(store)
    used, maximum = assumptions.usage_in_kilobytes(size, store.max_size_gb)
    return json_response(200, {"size_kb_utilised": used, "max_size_kb": maximum, "num_objects": objects})


# ---- credentials -------------------------------------------------------------------------------


def list_credentials(state: CivoState, request: Request) -> Response:
    """``GET /objectstore/credentials``"""
    return _listing(state, request, state.credentials.values(), _credential_json)


def get_credential(state: CivoState, request: Request) -> Response:
    """``GET /objectstore/credentials/{id}``"""
    return json_response(200, _credential_json(state, _find_credential(state, request)))


def create_credential(state: CivoState, request: Request) -> Response:
    """``POST /objectstore/credentials``"""
    body = parse_fields(request)
    region = parse_region(request, body)
    name = parse_name(body)
    access_key, secret = parse_string(body, "access_key_id"), parse_string(body, "secret_access_key_id")
    if any(credential.name == name for credential in state.credentials.values()):
        raise civo_error("database_objectstore_credential_exists")
    _check_access_key(state, access_key, None)
    credential = _new_credential(state, name, region, parse_size(body, STEP_GB), access_key, secret)
    return json_response(200, _credential_json(state, credential))


async def update_credential(state: CivoState, request: Request) -> Response:
    """``PATCH or PUT /objectstore/credentials/{id}``"""
    credential = _find_credential(state, request)
    body = parse_update(request, "access_key_id", "secret_access_key_id", "suspended")
    size, suspended = parse_size(body, credential.max_size_gb), parse_flag(body, "suspended", credential.suspended)
    access_key = parse_string(body, "access_key_id") or credential.access_key_id
    secret = parse_string(body, "secret_access_key_id") or credential.secret_access_key_id
    _check_access_key(state, access_key, credential)
    keys_changed = (access_key, secret) != (credential.access_key_id, credential.secret_access_key_id)
    suspended_changed = suspended != credential.suspended
    credential.max_size_gb, credential.suspended = size, suspended
    credential.access_key_id, credential.secret_access_key_id = access_key, secret
    if keys_changed:
        await state.change_s3(lambda backend: backend.put_user(credential.id, access_key, secret))
    if suspended_changed:
        await state.change_s3(lambda backend: backend.suspend_user(credential.id, suspended))
    return json_response(200, _credential_json(state, credential))


async def delete_credential(state: CivoState, request: Request) -> Response:
    """``DELETE /objectstore/credentials/{id}``"""
    credential = _find_credential(state, request)
    if any(store.owner is credential for store in state.stores.values()):
        raise civo_error("database_objectstore_credential_in_use")
    await _remove_credential(state, credential)
    return json_response(200, {"result": "success"})


def list_regions(state: CivoState, request: Request) -> Response:
    """``GET /regions``"""
    return json_response(200, REGIONS)


def get_quota(state: CivoState, request: Request) -> Response:
    """``GET /quota``"""
    return json_response(
        200, {"objectstore_gb_limit": state.settings.quota_gb, "objectstore_gb_usage": _used_gb(state)}
    )


def _new_credential(
    state: CivoState,
    name: str,
    region: str,
    size: int,
    access_key: str | None = None,
    secret: str | None = None,
) -> Credential:
    credential = Credential(
        name=name,
        region=region,
        max_size_gb=size,
        ready_at=state.ready_at(),
        pending_seconds=state.settings.pending_seconds,
        access_key_id=access_key or secrets.token_hex(10).upper(),
        secret_access_key_id=secret or secrets.token_urlsafe(30),
    )
    state.credentials[credential.id] = credential
    user, keys = credential.id, (credential.access_key_id, credential.secret_access_key_id)
    state.create_on_s3(credential, lambda backend: backend.put_user(user, *keys))
    return credential


async def _remove_credential(state: CivoState, credential: Credential) -> None:
    del state.credentials[credential.id]
    if not credential.failed:
        await state.change_s3(lambda backend: backend.delete_user(credential.id))


def _used_gb(state: CivoState) -> int:
    return sum(store.max_size_gb for store in state.stores.values())


def _check_quota(state: CivoState, additional_gb: int) -> None:
    if additional_gb > 0 and _used_gb(state) + additional_gb > state.settings.quota_gb:
        raise civo_error("quota_limit_reached")


# ---- finding what a path names ----------------------------------------------------------------


def _find(request: Request, resources: dict[str, ResourceT], error_code: str) -> ResourceT:
    body = parse_fields(request) if request.method in ("PATCH", "PUT") else None
    region = parse_region(request, body)
    resource = resources.get(request.path[0])
    if resource is None or resource.region != region:
        raise civo_error(error_code)
    return resource


def _find_store(state: CivoState, request: Request) -> ObjectStore:
    return _find(request, state.stores, "database_objectstore_not_found")


def _find_credential(state: CivoState, request: Request) -> Credential:
    return _find(request, state.credentials, "database_objectstore_credential_not_found")


def _find_by_access_key(state: CivoState, region: str, access_key: str) -> Credential:
    for credential in state.credentials.values():
        if credential.access_key_id == access_key and credential.region == region:
            return credential
    raise civo_error("database_objectstore_credential_not_found")


def _check_access_key(state: CivoState, access_key: str | None, owner: Credential | None) -> None:
    for credential in state.credentials.values():
        if access_key is not None and credential is not owner and credential.access_key_id == access_key:
            raise civo_error("database_objectstore_credential_exists")


# ---- response bodies --------------------------------------------------------------------------


def _store_json(state: CivoState, store: ObjectStore) -> dict[str, Any]:
    now = state.clock.monotonic()
    status = store.status(now)
    owner = {"access_key_id": _visible_keys(store.owner, now)[0], "name": store.owner.name}
    body = {
        "id": store.id,
        "name": store.name,
        "objectstore_endpoint": _endpoint(state, store),
        "status": status,
    }
    if state.settings.seed_form:
        return body | {"max_size_gb": store.max_size_gb, "owner_info": owner}
    return body | {"max_size": store.max_size_gb, "owner_info": owner | {"credential_id": store.owner.id}}


def _credential_json(state: CivoState, credential: Credential) -> dict[str, Any]:
    now = state.clock.monotonic()
    access_key, secret = _visible_keys(credential, now)
    return {
        "id": credential.id,
        "name": credential.name,
        "access_key_id": access_key,
        "secret_access_key_id": secret,
        "max_size_gb": credential.max_size_gb,
        "suspended": credential.suspended,
        "state" if state.settings.seed_form else "status": credential.status(now),
    }


def _visible_keys(credential: Credential, now: float) -> tuple[str, str]:
    if not credential.is_created(now):
        return "", ""
    return credential.access_key_id, credential.secret_access_key_id


def _endpoint(state: CivoState, store: ObjectStore) -> str:
    url = state.s3_url or f"https://objectstore.{store.region.lower()}.civo.com"
    if state.settings.endpoint_form == "url":
        return f"{url}/{store.name}-{store.suffix}"
    return url.partition("://")[2]


def _listing(
    state: CivoState,
    request: Request,
    resources: Iterable[ResourceT],
    render: Callable[[CivoState, ResourceT], dict[str, Any]],
) -> Response:
    """Return a page of a region's resources. ``per_page`` is null in the response if the request did not set it."""
    region = parse_region(request)
    items = [resource for resource in resources if resource.region == region]
    try:
        page = int(request.query.get("page") or 1)
        requested_per_page = request.query.get("per_page") or None
        per_page = int(requested_per_page or PER_PAGE)
    except ValueError:
        raise civo_error("parameter_invalid", "page and per_page must be integers") from None
    if page < 1 or per_page < 1:
        raise civo_error("parameter_invalid", "page and per_page must be at least 1")
    per_page = min(per_page, state.settings.max_per_page)
    return json_response(
        200,
        {
            "page": page,
            "per_page": per_page if requested_per_page else None,
            "pages": max(1, math.ceil(len(items) / per_page)),
            "items": [render(state, item) for item in items[(page - 1) * per_page : page * per_page]],
        },
    )


# ---- routes ------------------------------------------------------------------------------------

Handler = Callable[[CivoState, Request], Response | Awaitable[Response]]

OPERATIONS: dict[tuple[str, str], Handler] = {
    ("GET", "objectstores"): list_object_stores,
    ("POST", "objectstores"): create_object_store,
    ("GET", "objectstores/{id}"): get_object_store,
    ("PATCH", "objectstores/{id}"): update_object_store,
    ("PUT", "objectstores/{id}"): update_object_store,
    ("DELETE", "objectstores/{id}"): delete_object_store,
    ("GET", "objectstores/{id}/stats"): get_object_store_stats,
    ("GET", "credentials"): list_credentials,
    ("POST", "credentials"): create_credential,
    ("GET", "credentials/{id}"): get_credential,
    ("PATCH", "credentials/{id}"): update_credential,
    ("PUT", "credentials/{id}"): update_credential,
    ("DELETE", "credentials/{id}"): delete_credential,
    ("GET", "regions"): list_regions,
    ("GET", "quota"): get_quota,
}


NAMES = frozenset(f"civo.{handler.__name__}" for handler in OPERATIONS.values())


def route(state: CivoState, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """Return name and operation of a path's segments after ``/v2``, ``None`` if there is none."""
    if segments[-1:] == [""]:  # the published examples end with a slash
        segments = segments[:-1]
    match segments:
        case ["objectstore", "credentials", *path]:
            pattern = ["credentials"]
        case [("objectstores" | "regions" | "quota") as collection, *path]:
            pattern = [collection]
        case _:
            return None
    if path:
        pattern += ["{id}", *path[1:]]
    handler = OPERATIONS.get((method, "/".join(pattern)))
    return handler and (f"civo.{handler.__name__}", partial(_authorized, state, handler, path))


async def _authorized(state: CivoState, handler: Handler, path: list[str], request: Request) -> Response:
    """Check key and method, then execute the operation."""
    if not request.bearer_token():
        raise civo_error("authentication_invalid_key")
    if request.bearer_token() != CIVO_KEY:
        raise civo_error("database_account_not_found")
    update_method = state.settings.update_method
    if request.method in ("PATCH", "PUT") and update_method not in ("both", request.method.lower()):
        return method_not_allowed(["GET", update_method.upper(), "DELETE"])
    request.path = path
    try:
        response = handler(state, request)
        return response if isinstance(response, Response) else await response
    except S3BackendError:
        raise civo_error("objectstore_backend_failed") from None
