"""
The operations of Civo object stores and credentials, each as a function that returns its call.

Contract: https://www.civo.com/api/objectstores and, where the live service differs from that page, the
vendor's clients (github.com/civo/civogo). Every call is sent with the connection's region, see
:func:`parameters`. Where no source is clear, a comment says "assumption".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Page, Response, drop_none
from airflow_provider_objectstore.api.civo.checks import SIZE_STEP_GB, check_name, check_size
from airflow_provider_objectstore.api.civo.models import (
    Credential,
    ObjectStore,
    ObjectStoreStats,
    Quota,
    Region,
    failure,
    is_method_unsupported,
    page_of,
    read_credential,
    read_quota,
    read_regions,
    read_stats,
    read_store,
)
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.api.paging import list_all
from airflow_provider_objectstore.arguments import optional, strict_flag
from airflow_provider_objectstore.exceptions import ApiError, InvalidArgumentError

T = TypeVar("T")
Item = TypeVar("Item")

DEFAULT_URL = "https://api.civo.com"

_STORES = "/objectstores"
_CREDENTIALS = "/objectstore/credentials"
PER_PAGE = 500
"""
How many object stores or credentials a page should have.

Nothing shifts in a listing of one page. The vendor's page names no limit and its client asks for 10,000 credentials; a
service that gives fewer is read page by page.
"""


def base_urls(url: str) -> dict[str, str]:
    """Return the base URLs of the calls of Civo, by name."""
    return {"api": f"{url}/v2"}


def parameters(region: str) -> dict[str, str]:
    """Return what is sent with every call: in the query and, if there is one, in the body."""
    return {"region": region}


# Object stores


def list_object_stores(*, per_page: int = PER_PAGE) -> Call[Page[ObjectStore]]:
    """
    List object stores; `GET /v2/objectstores`.

    :param per_page: how many a page should have.
    """
    return _listing("list_object_stores", _STORES, page_of(read_store), per_page)


def get_object_store(id: str) -> Call[ObjectStore]:
    """Read an object store; `GET /v2/objectstores/{id}`."""
    return _call("get_object_store", f"object store {id}", "GET", _store_path(id), _read_one(read_store, id=id))


def create_object_store(name: str, size_gb: int = SIZE_STEP_GB, access_key_id: str | None = None) -> Call[ObjectStore]:
    """
    Create an object store; `POST /v2/objectstores`. If the response is lost, it is looked up by name.

    :param name: its name, which is its bucket's name: at most 63 characters, no white space.
    :param size_gb: 500 or a multiple of it.
    :param access_key_id: access key of the credential that should own it; None for a new one.
    """
    check_name(name)
    size_gb = check_size(size_gb)

    def find_created() -> Flow[ObjectStore | None]:
        stores = yield from list_all(list_object_stores())
        named = [store for store in stores if store.name == name]
        # Another size or owner: it existed before, and this create was refused or lost.
        created = len(named) == 1 and named[0].max_size_gb == size_gb
        return named[0] if created and access_key_id in (None, named[0].owner_access_key_id) else None

    # The vendor's page calls the size `size`, its clients `max_size_gb`: send both.
    body = drop_none(name=name, size=size_gb, max_size_gb=size_gb, access_key_id=access_key_id)
    return _call(
        "create_object_store",
        f"object store {name}",
        "POST",
        _STORES,
        _read_one(read_store, name=name),
        about=(name,),
        body=body,
        idempotent=False,
        reconcile=find_created,
    )


def update_object_store(
    id: str, *, max_size_gb: int | None = None, access_key_id: str | None = None
) -> Call[ObjectStore]:
    """
    Change size or owner of an object store; `PATCH`, else `PUT /v2/objectstores/{id}`.

    A success does not prove a change of owner: read the object store back.

    :param id: its id.
    :param max_size_gb: 500 or a multiple of it; None to leave it.
    :param access_key_id: access key of the credential that should own it; None to leave it.
    """
    size = None if max_size_gb is None else check_size(max_size_gb)
    body = _changes(f"object store {id}", max_size_gb=size, access_key_id=access_key_id)
    return _update("update_object_store", f"object store {id}", _store_path(id), body, _read_one(read_store, id=id))


def delete_object_store(id: str) -> Call[None]:
    """Delete an object store with all its contents, at once; `DELETE /v2/objectstores/{id}`."""
    return _call("delete_object_store", f"object store {id}", "DELETE", _store_path(id), _read_none)


def get_object_store_stats(id: str) -> Call[ObjectStoreStats]:
    """Read how much an object store holds; `GET /v2/objectstores/{id}/stats`."""
    path = f"{_store_path(id)}/stats"
    return _call("get_object_store_stats", f"object store {id}", "GET", path, _read_one(read_stats))


# Credentials


def list_credentials(*, per_page: int = PER_PAGE) -> Call[Page[Credential]]:
    """
    List credentials, with their secrets; `GET /v2/objectstore/credentials`.

    :param per_page: how many a page should have.
    """
    return _listing("list_credentials", _CREDENTIALS, page_of(read_credential), per_page)


def get_credential(id: str) -> Call[Credential]:
    """Read a credential, with its secret; `GET /v2/objectstore/credentials/{id}`."""
    return _call("get_credential", f"credential {id}", "GET", _credential_path(id), _read_one(read_credential, id=id))


def create_credential(
    name: str,
    *,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    max_size_gb: int | None = None,
) -> Call[Credential]:
    """
    Create a credential; `POST /v2/objectstore/credentials`. It may have no keys yet: see ``wait_for_keys``.

    :param name: at most 63 characters, no white space.
    :param access_key_id: its access key; None for a new one.
    :param secret_access_key: its secret; None for a new one.
    :param max_size_gb: how much it may hold: 500 or a multiple of it; None for the service's default.
    """
    check_name(name)
    size = None if max_size_gb is None else check_size(max_size_gb)

    def find_created() -> Flow[Credential | None]:
        credentials = yield from list_all(list_credentials())
        named = [credential for credential in credentials if credential.name == name]
        return named[0] if len(named) == 1 and is_as_requested(named[0]) else None

    def is_as_requested(credential: Credential) -> bool:
        pairs = (
            (access_key_id, credential.access_key_id),
            (secret_access_key, credential.secret_access_key),
            (size, credential.max_size_gb),
        )
        return all(requested in (None, actual) for requested, actual in pairs)

    body = drop_none(
        name=name,
        access_key_id=access_key_id,
        secret_access_key_id=secret_access_key,
        max_size_gb=size,
    )
    return _call(
        "create_credential",
        f"credential {name}",
        "POST",
        _CREDENTIALS,
        _read_one(read_credential, name=name),
        body=body,
        idempotent=False,
        reconcile=find_created,
        secrets=_secrets(access_key_id, secret_access_key),
    )


def update_credential(
    id: str,
    *,
    max_size_gb: int | None = None,
    suspended: bool | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
) -> Call[Credential]:
    """
    Change a credential; `PATCH`, else `PUT /v2/objectstore/credentials/{id}`. None leaves a field as it is.

    :param id: its id.
    :param max_size_gb: how much it may hold: 500 or a multiple of it.
    :param suspended: whether the service refuses it.
    :param access_key_id: a new access key.
    :param secret_access_key: a new secret.
    """
    body = _changes(
        f"credential {id}",
        max_size_gb=None if max_size_gb is None else check_size(max_size_gb),
        suspended=optional(strict_flag)("suspended", suspended),
        access_key_id=access_key_id,
        secret_access_key_id=secret_access_key,
    )
    call = _update(
        "update_credential", f"credential {id}", _credential_path(id), body, _read_one(read_credential, id=id)
    )
    return replace(call, secrets=_secrets(access_key_id, secret_access_key))


def is_change_unsupported(error: ApiError) -> bool:
    """
    Return whether the service does not support a change at all. An assumption: no document says how it would answer.

    :param error: what it answered to an update.
    """
    return error.status in (400, 405, 422, 501)


def delete_credential(id: str) -> Call[None]:
    """Delete a credential; `DELETE /v2/objectstore/credentials/{id}`."""
    return _call("delete_credential", f"credential {id}", "DELETE", _credential_path(id), _read_none)


# The account


def list_regions() -> Call[tuple[Region, ...]]:
    """List regions; `GET /v2/regions`."""
    return _call("list_regions", "", "GET", "/regions", lambda response: read_regions(response.json()))


def get_quota() -> Call[Quota]:
    """Read how much of the account's quota is used; `GET /v2/quota`."""
    return _call("get_quota", "", "GET", "/quota", _read_one(read_quota))


# Building


def _call(
    operation: str, subject: str, method: str, path: str, read: Callable[[Response], T], **fields: Any
) -> Call[T]:
    return Call(
        operation=f"civo.{operation}",
        subject=subject,
        method=method,
        path=path,
        read=read,
        failure=failure,
        **fields,
    )


def _listing(operation: str, path: str, read: Callable[[Response], Page[Item]], per_page: int) -> Call[Page[Item]]:
    query = (("per_page", str(per_page)),)
    return _call(operation, "", "GET", path, read, query=query, page_parameter="page", first_page="1")


def _update(operation: str, subject: str, path: str, body: Mapping[str, Any], read: Callable[[Response], T]) -> Call[T]:
    # Idempotent: it sends values, not differences. The vendor's page says PATCH, its clients use PUT.
    return _call(
        operation,
        subject,
        "PATCH",
        path,
        read,
        body=body,
        fallback_method="PUT",
        is_method_unsupported=is_method_unsupported,
    )


def _changes(subject: str, **fields: Any) -> dict[str, Any]:
    body = drop_none(**fields)
    if not body:
        raise InvalidArgumentError(f"nothing to change on {subject}: give at least one of {', '.join(fields)}")
    empty = [name for name, value in body.items() if value == ""]
    if empty:
        raise InvalidArgumentError(f"{', '.join(empty)} of {subject} must not be empty")
    return body


def _store_path(id: str) -> str:
    return f"{_STORES}/{segment('object store id', id)}"


def _credential_path(id: str) -> str:
    return f"{_CREDENTIALS}/{segment('credential id', id)}"


def _read_one(read: Callable[[Any], T], **expected: str) -> Callable[[Response], T]:
    """Return what reads one object and checks that it is the expected one."""

    def read_expected(response: Response) -> T:
        item = read(response.json())
        if any(getattr(item, name) != value for name, value in expected.items()):
            raise ValueError("another object")
        return item

    return read_expected


def _read_none(response: Response) -> None:
    body = response.json() or {}
    if not isinstance(body, Mapping) or str(body.get("result", "success")).lower() != "success":
        raise ValueError("no success")


def _secrets(access_key_id: Any, secret: Any) -> tuple[str, ...]:
    for name, value in (("access_key_id", access_key_id), ("secret_access_key", secret)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise InvalidArgumentError(f"{name} must be text that is not empty, not {type(value).__name__}")
    return (secret,) if secret else ()
