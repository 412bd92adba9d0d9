"""
Civo object stores and their credentials: ten operations, with usage, regions and quota.

Contract: https://www.civo.com/api/objectstores and, where the live service differs from that page, the
vendor's clients (github.com/civo/civogo). Every call carries the connection's region, see
:func:`parameters`. What no source says is marked "assumption" where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_objectstore.api.call import (
    Call,
    Flow,
    Page,
    Pause,
    Reply,
    check_flag,
    every,
    given,
    segment,
)
from airflow_provider_objectstore.api.civo_model import (
    Credential,
    ObjectStore,
    ObjectStoreStats,
    Quota,
    Region,
    failure,
    page_of,
    read_credential,
    read_quota,
    read_regions,
    read_stats,
    read_store,
    unrouted,
)
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError

T = TypeVar("T")

DEFAULT_URL = "https://api.civo.com"
SIZE_STEP_GB = 500
MAX_NAME_LENGTH = 63

_STORES = "/objectstores"
_CREDENTIALS = "/objectstore/credentials"


def roots(url: str) -> dict[str, str]:
    """Return the base address that this module's calls are under."""
    return {"api": f"{url}/v2"}


def parameters(region: str) -> dict[str, str]:
    """Return what the service wants on every call: in the query and, where there is one, in the body."""
    return {"region": region}


# Object stores


def list_object_stores() -> Call[Page[ObjectStore]]:
    """List object stores; `GET /v2/objectstores`."""
    return _call("list_object_stores", "", "GET", _STORES, page_of(read_store), page_parameter="page", first_page="1")


def get_object_store(id: str) -> Call[ObjectStore]:
    """Read an object store; `GET /v2/objectstores/{id}`."""
    return _call("get_object_store", f"object store {id}", "GET", _store_path(id), _one(read_store, id=id))


def create_object_store(name: str, size_gb: int = SIZE_STEP_GB, access_key_id: str | None = None) -> Call[ObjectStore]:
    """Create an object store; `POST /v2/objectstores`. After a lost answer it is looked up by name."""
    check_name(name)
    size_gb = check_size(size_gb)

    def created() -> Flow[ObjectStore | None]:
        stores = yield from every(list_object_stores())
        found = [store for store in stores if store.name == name]
        # Same name but not what was asked for: it was there before, and this create was refused or lost.
        ours = len(found) == 1 and found[0].max_size_gb == size_gb
        return found[0] if ours and access_key_id in (None, found[0].owner_access_key_id) else None

    # The vendor's page calls the size `size`, its clients `max_size_gb`: send both.
    body = given(name=name, size=size_gb, max_size_gb=size_gb, access_key_id=access_key_id)
    return _call(
        "create_object_store",
        f"object store {name}",
        "POST",
        _STORES,
        _one(read_store, name=name),
        body=body,
        repeatable=False,
        settle=created,
    )


def update_object_store(
    id: str, *, max_size_gb: int | None = None, access_key_id: str | None = None
) -> Call[ObjectStore]:
    """
    Change size or owner of an object store; `PATCH`, else `PUT /v2/objectstores/{id}`.

    A success does not prove a change of owner: read the object store back.
    """
    size = None if max_size_gb is None else check_size(max_size_gb)
    body = _changes(f"object store {id}", max_size_gb=size, access_key_id=access_key_id)
    return _update("update_object_store", f"object store {id}", _store_path(id), body, _one(read_store, id=id))


def delete_object_store(id: str) -> Call[None]:
    """Delete an object store with all its contents, at once; `DELETE /v2/objectstores/{id}`."""
    return _call("delete_object_store", f"object store {id}", "DELETE", _store_path(id), _nothing)


def get_object_store_stats(id: str) -> Call[ObjectStoreStats]:
    """Read how much an object store holds; `GET /v2/objectstores/{id}/stats`."""
    path = f"{_store_path(id)}/stats"
    return _call("get_object_store_stats", f"object store {id}", "GET", path, _one(read_stats))


def find_object_store(name_or_id: str) -> Flow[ObjectStore | None]:
    """
    Find an object store by its exact name or id over all pages.

    :raises ObjectStoreError: if that is the name of one and the id of another.
    """
    segment("name or id of the object store", name_or_id)
    stores = yield from every(list_object_stores())
    return the_store(name_or_id, stores)


def the_store(name_or_id: str, stores: Iterable[ObjectStore]) -> ObjectStore | None:
    """Return the one object store that this exact name or id means, see :func:`find_object_store`."""
    return _the_one("object store", name_or_id, stores, lambda store: {"id": store.id, "name": store.name})


# Credentials


def list_credentials() -> Call[Page[Credential]]:
    """List credentials, with their secrets; `GET /v2/objectstore/credentials`."""
    return _call(
        "list_credentials", "", "GET", _CREDENTIALS, page_of(read_credential), page_parameter="page", first_page="1"
    )


def get_credential(id: str) -> Call[Credential]:
    """Read a credential, with its secret; `GET /v2/objectstore/credentials/{id}`."""
    return _call("get_credential", f"credential {id}", "GET", _credential_path(id), _one(read_credential, id=id))


def create_credential(
    name: str,
    *,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    max_size_gb: int | None = None,
) -> Call[Credential]:
    """Create a credential, maybe without keys yet; `POST /v2/objectstore/credentials`. See :func:`fill`."""
    check_name(name)
    size = None if max_size_gb is None else check_size(max_size_gb)

    def created() -> Flow[Credential | None]:
        credentials = yield from every(list_credentials())
        found = [credential for credential in credentials if credential.name == name]
        return found[0] if len(found) == 1 and asked_for(found[0]) else None

    def asked_for(found: Credential) -> bool:
        wanted = (
            (access_key_id, found.access_key_id),
            (secret_access_key, found.secret_access_key),
            (size, found.max_size_gb),
        )
        return all(asked in (None, has) for asked, has in wanted)

    body = given(
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
        _one(read_credential, name=name),
        body=body,
        repeatable=False,
        settle=created,
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
    """Change a credential; `PATCH`, else `PUT /v2/objectstore/credentials/{id}`."""
    check_flag("suspended", suspended)
    body = _changes(
        f"credential {id}",
        max_size_gb=None if max_size_gb is None else check_size(max_size_gb),
        suspended=suspended,
        access_key_id=access_key_id,
        secret_access_key_id=secret_access_key,
    )
    call = _update("update_credential", f"credential {id}", _credential_path(id), body, _one(read_credential, id=id))
    return replace(call, secrets=_secrets(access_key_id, secret_access_key))


def delete_credential(id: str) -> Call[None]:
    """Delete a credential; `DELETE /v2/objectstore/credentials/{id}`."""
    return _call("delete_credential", f"credential {id}", "DELETE", _credential_path(id), _nothing)


def find_credential(name_or_id_or_access_key: str) -> Flow[Credential | None]:
    """
    Find a credential by its exact id, access key or name over all pages.

    :raises ObjectStoreError: if that is the name of one and the access key or id of another.
    """
    segment("name or id of the credential", name_or_id_or_access_key)
    credentials = yield from every(list_credentials())
    return the_credential(name_or_id_or_access_key, credentials)


def the_credential(wanted: str, credentials: Iterable[Credential]) -> Credential | None:
    """Return the one credential that this exact id, access key or name means, see :func:`find_credential`."""
    return _the_one(
        "credential",
        wanted,
        credentials,
        lambda credential: {
            "id": credential.id,
            "access key": credential.access_key_id,
            "name": credential.name,
        },
    )


def owns(credential: Credential, store: ObjectStore) -> bool:
    """Whether a credential owns a store: by its id where the service tells it, else by access key, never by name."""
    if store.owner_credential_id:
        return credential.id == store.owner_credential_id
    return bool(credential.access_key_id) and credential.access_key_id == store.owner_access_key_id


def owner_of(store: ObjectStore) -> Flow[Credential | None]:
    """Find the credential that owns an object store."""
    credentials = yield from every(list_credentials())
    return next((credential for credential in credentials if owns(credential, store)), None)


def fill(credential: Credential, *, pauses: tuple[float, ...] = (0.2, 0.5, 1, *(2,) * 30)) -> Flow[Credential]:
    """
    Wait until the service has given a credential its keys.

    :param pauses: seconds between looks; after the last the wait ends in an error.
    """
    for seconds in pauses:
        if credential.filled:
            return credential
        yield Pause(seconds)
        credential = yield get_credential(credential.id)
    if credential.filled:
        return credential
    raise ObjectStoreError(
        f"credential {credential.name} ({credential.id}) still has no keys after {sum(pauses):.0f} s, its status is "
        f"{credential.status or 'not given'}; it exists: read it again later or delete it"
    )


def until_ready(credential: Credential, *, pauses: tuple[float, ...] = (0.5, 1, 1.5, *(3,) * 9)) -> Flow[Credential]:
    """
    Wait until a credential has its keys and, within a bound, until its status says that it can be used.

    Some services leave the status as it was at first, although the keys work: look at :attr:`Credential.ready`.

    :param pauses: seconds between looks at the status; after the last the credential is returned as it is.
    """
    credential = yield from fill(credential)
    for seconds in pauses:
        if credential.ready or not credential.status:
            break
        yield Pause(seconds)
        credential = yield from fill((yield get_credential(credential.id)))
    return credential


# The account


def list_regions() -> Call[tuple[Region, ...]]:
    """List regions; `GET /v2/regions`."""
    return _call("list_regions", "", "GET", "/regions", lambda reply: read_regions(reply.json()))


def get_quota() -> Call[Quota]:
    """Read how much of the account's quota is used; `GET /v2/quota`."""
    return _call("get_quota", "", "GET", "/quota", _one(read_quota))


# What is refused before any request


def check_size(size_gb: int) -> int:
    """
    Return the size, refusing what the service would refuse: it is never rounded, because it costs money.

    :raises InvalidArgumentError: unless it is a positive multiple of 500 GB; text with digits is taken.
    """
    text = str(size_gb)
    size = int(text) if not isinstance(size_gb, bool) and text.isascii() and text.isdigit() else 0
    if size < SIZE_STEP_GB or size % SIZE_STEP_GB:
        raise InvalidArgumentError(
            f"a size of {size_gb!r} GB is not allowed: it must be {SIZE_STEP_GB} or a multiple of it"
        )
    return size


def check_name(name: str) -> None:
    """
    Refuse what cannot be the name of an object store or a credential.

    :raises InvalidArgumentError: saying the limit and the length.
    """
    segment("name", name)
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidArgumentError(
            f"the name {name!r} has {len(name)} characters; at most {MAX_NAME_LENGTH} are allowed"
        )
    if any(character.isspace() for character in name) or "/" in name:
        raise InvalidArgumentError(f"the name {name!r} must not hold white space or a slash")


# Building


def _call(operation: str, subject: str, method: str, path: str, read: Callable[[Reply], T], **fields: Any) -> Call[T]:
    return Call(
        operation=f"civo.{operation}",
        subject=subject,
        method=method,
        path=path,
        read=read,
        failure=failure,
        **fields,
    )


def _update(operation: str, subject: str, path: str, body: Mapping[str, Any], read: Callable[[Reply], T]) -> Call[T]:
    # It states values, so repeating it changes nothing. The vendor's page says PATCH, its clients use PUT.
    return _call(operation, subject, "PATCH", path, read, body=body, alternative="PUT", unrouted=unrouted)


def _changes(subject: str, **fields: Any) -> dict[str, Any]:
    body = given(**fields)
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


def _one(read: Callable[[Any], T], **expected: str) -> Callable[[Reply], T]:
    """Read one object, which has to be the one that was asked about."""

    def one(reply: Reply) -> T:
        item = read(reply.json())
        if any(getattr(item, name) != value for name, value in expected.items()):
            raise ValueError("another object")
        return item

    return one


def _nothing(reply: Reply) -> None:
    answer = reply.json() or {}
    if not isinstance(answer, Mapping) or str(answer.get("result", "success")).lower() != "success":
        raise ValueError("no success")


def _the_one(kind: str, wanted: str, found: Iterable[T], identifiers: Callable[[T], dict[str, str]]) -> T | None:
    matches = {}
    for each in found:
        known = identifiers(each)
        if which := [name for name, value in known.items() if value == wanted]:
            matches[known["id"]] = each, f"the {' and '.join(which)} of {known['name']} (id {known['id']})"
    if len(matches) > 1:
        raise ObjectStoreError(
            f"{wanted!r} means {len(matches)} {kind}s: it is {', '.join(which for _, which in matches.values())}. "
            "Name the one that is meant by what only it has, such as its id"
        )
    return next((each for each, _ in matches.values()), None)


def _secrets(access_key_id: Any, secret: Any) -> tuple[str, ...]:
    for name, value in (("access_key_id", access_key_id), ("secret_access_key", secret)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise InvalidArgumentError(f"{name} must be text that is not empty, not {type(value).__name__}")
    return (secret,) if secret else ()
