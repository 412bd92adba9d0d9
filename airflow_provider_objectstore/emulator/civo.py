"""Civo's operations: they read a request, ask or change the state, and answer."""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.buckets import (
    BackendFailed,
    Buckets,
    Credential,
    ObjectStore,
    Resource,
)
from airflow_provider_objectstore.emulator.civo_request import (
    REGIONS,
    STEP_GB,
    fields_of,
    flag,
    name_of,
    refusal,
    region_of,
    size_of,
    string,
    update_of,
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

R = TypeVar("R", bound=Resource)

# ---- stores -------------------------------------------------------------------------------------


def list_object_stores(state: Buckets, request: Request) -> Response:
    return _listing(state, request, state.stores.values(), _store_json)


def get_object_store(state: Buckets, request: Request) -> Response:
    return json_response(200, _store_json(state, _store(state, request)))


def create_object_store(state: Buckets, request: Request) -> Response:
    body = fields_of(request)
    region = region_of(request, body)
    name = name_of(body)
    size = size_of(body, STEP_GB)
    if any(store.name == name for store in state.stores.values()):
        raise refusal("database_objectstore_exists")
    _check_quota(state, size)
    given = string(body, "access_key_id")
    owner = _by_access_key(state, region, given) if given is not None else None
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
    state.provision(store, lambda backend: backend.create_bucket(name, owner_id))
    return json_response(200, _store_json(state, store))


async def update_object_store(state: Buckets, request: Request) -> Response:
    store = _store(state, request)
    body = update_of(request, "access_key_id")
    size = size_of(body, store.max_size_gb)
    _check_quota(state, size - store.max_size_gb)
    given = string(body, "access_key_id")
    owner = store.owner if given is None else _by_access_key(state, store.region, given)
    store.max_size_gb = size
    how = state.settings.owner_change
    if owner is not store.owner and how != "ignored":
        store.owner = owner
        await state.carry_out(lambda backend: backend.set_owner(store.name, owner.id, how == "whole"))
    return json_response(200, _store_json(state, store))


async def delete_object_store(state: Buckets, request: Request) -> Response:
    store = _store(state, request)
    del state.stores[store.id]
    if not store.failed:
        await state.carry_out(lambda backend: backend.delete_bucket(store.name))
    own = store.own_credential
    if own is not None and own.id in state.credentials and not state.settings.keep_own_credential:
        shared = any(other.owner is own for other in state.stores.values())
        if not shared:
            await _remove_credential(state, own)
    return json_response(200, {"result": "success"})


async def get_object_store_stats(state: Buckets, request: Request) -> Response:
    store = _store(state, request)
    size, objects = await state.usage(store)
    used, maximum = assumptions.usage_in_kilobytes(size, store.max_size_gb)
    return json_response(200, {"size_kb_utilised": used, "max_size_kb": maximum, "num_objects": objects})


# ---- credentials -------------------------------------------------------------------------------


def list_credentials(state: Buckets, request: Request) -> Response:
    return _listing(state, request, state.credentials.values(), _credential_json)


def get_credential(state: Buckets, request: Request) -> Response:
    return json_response(200, _credential_json(state, _credential(state, request)))


def create_credential(state: Buckets, request: Request) -> Response:
    body = fields_of(request)
    region = region_of(request, body)
    name = name_of(body)
    access_key, secret = string(body, "access_key_id"), string(body, "secret_access_key_id")
    if any(credential.name == name for credential in state.credentials.values()):
        raise refusal("database_objectstore_credential_exists")
    _check_access_key(state, access_key, None)
    credential = _new_credential(state, name, region, size_of(body, STEP_GB), access_key, secret)
    return json_response(200, _credential_json(state, credential))


async def update_credential(state: Buckets, request: Request) -> Response:
    credential = _credential(state, request)
    body = update_of(request, "access_key_id", "secret_access_key_id", "suspended")
    size, suspended = size_of(body, credential.max_size_gb), flag(body, "suspended", credential.suspended)
    access_key = string(body, "access_key_id") or credential.access_key_id
    secret = string(body, "secret_access_key_id") or credential.secret_access_key_id
    _check_access_key(state, access_key, credential)
    new_keys = (access_key, secret) != (credential.access_key_id, credential.secret_access_key_id)
    new_state = suspended != credential.suspended
    credential.max_size_gb, credential.suspended = size, suspended
    credential.access_key_id, credential.secret_access_key_id = access_key, secret
    if new_keys:
        await state.carry_out(lambda backend: backend.put_user(credential.id, access_key, secret))
    if new_state:
        await state.carry_out(lambda backend: backend.suspend_user(credential.id, suspended))
    return json_response(200, _credential_json(state, credential))


async def delete_credential(state: Buckets, request: Request) -> Response:
    credential = _credential(state, request)
    if any(store.owner is credential for store in state.stores.values()):
        raise refusal("database_objectstore_credential_in_use")
    await _remove_credential(state, credential)
    return json_response(200, {"result": "success"})


def list_regions(state: Buckets, request: Request) -> Response:
    return json_response(200, REGIONS)


def get_quota(state: Buckets, request: Request) -> Response:
    return json_response(
        200, {"objectstore_gb_limit": state.settings.quota_gb, "objectstore_gb_usage": _used_gb(state)}
    )


def _new_credential(
    state: Buckets,
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
    state.provision(credential, lambda backend: backend.put_user(user, *keys))
    return credential


async def _remove_credential(state: Buckets, credential: Credential) -> None:
    del state.credentials[credential.id]
    if not credential.failed:
        await state.carry_out(lambda backend: backend.delete_user(credential.id))


def _used_gb(state: Buckets) -> int:
    return sum(store.max_size_gb for store in state.stores.values())


def _check_quota(state: Buckets, more: int) -> None:
    if more > 0 and _used_gb(state) + more > state.settings.quota_gb:
        raise refusal("quota_limit_reached")


# ---- what is addressed -------------------------------------------------------------------------


def _find(request: Request, resources: dict[str, R], missing: str) -> R:
    body = fields_of(request) if request.method in ("PATCH", "PUT") else None
    region = region_of(request, body)
    resource = resources.get(request.path[0])
    if resource is None or resource.region != region:
        raise refusal(missing)
    return resource


def _store(state: Buckets, request: Request) -> ObjectStore:
    return _find(request, state.stores, "database_objectstore_not_found")


def _credential(state: Buckets, request: Request) -> Credential:
    return _find(request, state.credentials, "database_objectstore_credential_not_found")


def _by_access_key(state: Buckets, region: str, access_key: str) -> Credential:
    for credential in state.credentials.values():
        if credential.access_key_id == access_key and credential.region == region:
            return credential
    raise refusal("database_objectstore_credential_not_found")


def _check_access_key(state: Buckets, access_key: str | None, holder: Credential | None) -> None:
    for credential in state.credentials.values():
        if access_key is not None and credential is not holder and credential.access_key_id == access_key:
            raise refusal("database_objectstore_credential_exists")


# ---- answers -----------------------------------------------------------------------------------


def _store_json(state: Buckets, store: ObjectStore) -> dict[str, Any]:
    now = state.settings.clock()
    status = store.status(now)
    owner = {"access_key_id": _keys(store.owner, now)[0], "name": store.owner.name}
    answer = {
        "id": store.id,
        "name": store.name,
        "objectstore_endpoint": _endpoint(state, store),
        "status": status,
    }
    if state.settings.seed_form:
        return answer | {"max_size_gb": store.max_size_gb, "owner_info": owner}
    return answer | {"max_size": store.max_size_gb, "owner_info": owner | {"credential_id": store.owner.id}}


def _credential_json(state: Buckets, credential: Credential) -> dict[str, Any]:
    now = state.settings.clock()
    access_key, secret = _keys(credential, now)
    return {
        "id": credential.id,
        "name": credential.name,
        "access_key_id": access_key,
        "secret_access_key_id": secret,
        "max_size_gb": credential.max_size_gb,
        "suspended": credential.suspended,
        "state" if state.settings.seed_form else "status": credential.status(now),
    }


def _keys(credential: Credential, now: float) -> tuple[str, str]:
    if not credential.made(now):
        return "", ""
    return credential.access_key_id, credential.secret_access_key_id


def _endpoint(state: Buckets, store: ObjectStore) -> str:
    url = state.s3_url or f"https://objectstore.{store.region.lower()}.civo.com"
    if state.settings.endpoint_form == "url":
        return f"{url}/{store.name}-{store.suffix}"
    return url.partition("://")[2]


def _listing(
    state: Buckets, request: Request, resources: Iterable[R], render: Callable[[Buckets, R], dict[str, Any]]
) -> Response:
    """A page; ``per_page`` is null in the answer if the request did not give it."""
    region = region_of(request)
    items = [resource for resource in resources if resource.region == region]
    try:
        page, given = int(request.query.get("page") or 1), request.query.get("per_page") or None
        per_page = int(given or PER_PAGE)
    except ValueError:
        raise refusal("parameter_invalid", "page and per_page must be integers") from None
    if page < 1 or per_page < 1:
        raise refusal("parameter_invalid", "page and per_page must be at least 1")
    return json_response(
        200,
        {
            "page": page,
            "per_page": per_page if given else None,
            "pages": max(1, math.ceil(len(items) / per_page)),
            "items": [render(state, item) for item in items[(page - 1) * per_page : page * per_page]],
        },
    )


# ---- routes ------------------------------------------------------------------------------------

Handler = Callable[[Buckets, Request], Response | Awaitable[Response]]

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


def route(state: Buckets, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """The operation behind a path's segments after ``/v2``."""
    if segments[-1:] == [""]:  # the published examples have a slash at the end
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


async def _authorized(state: Buckets, handler: Handler, path: list[str], request: Request) -> Response:
    """Check key and verb, then answer."""
    if not request.credential():
        raise refusal("authentication_invalid_key")
    if request.credential() != CIVO_KEY:
        raise refusal("database_account_not_found")
    allowed = state.settings.update_method
    if request.method in ("PATCH", "PUT") and allowed not in ("both", request.method.lower()):
        return method_not_allowed(["GET", allowed.upper(), "DELETE"])
    request.path = path
    try:
        answer = handler(state, request)
        return answer if isinstance(answer, Response) else await answer
    except BackendFailed:
        raise refusal("objectstore_backend_failed") from None
