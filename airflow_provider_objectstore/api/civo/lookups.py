"""Find an object store or a credential by what identifies it, and wait until a credential can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Page, Pause
from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.api.civo.operations import get_credential, list_credentials, list_object_stores
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.api.paging import list_all
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError

T = TypeVar("T")


# Object stores


def find_object_store(name_or_id: str) -> Flow[ObjectStore | None]:
    """
    Find an object store by its exact name or id over all pages.

    :param name_or_id: the exact name or id.
    :return: the object store; None if there is none.
    :raises ObjectStoreError: if that is the name of one and the id of another.
    """
    segment("name or id of the object store", name_or_id)
    stores = yield from _list_for(f"object store {name_or_id!r}", list_object_stores())
    return match_object_store(name_or_id, stores)


def require_object_store(name_or_id: str) -> Flow[ObjectStore]:
    """
    Find an object store that must exist, by its exact name or id over all pages.

    :param name_or_id: the exact name or id.
    :raises NotFoundError: if there is none.
    :raises ObjectStoreError: if that is the name of one and the id of another.
    """
    store = yield from find_object_store(name_or_id)
    if store is None:
        raise object_store_not_found(name_or_id)
    return store


def match_object_store(name_or_id: str, stores: Iterable[ObjectStore]) -> ObjectStore | None:
    """Return the one of these object stores with this exact name or id, see :func:`find_object_store`."""
    return _unique_match("object store", name_or_id, stores, lambda store: {"id": store.id, "name": store.name})


def object_store_not_found(name_or_id: str) -> NotFoundError:
    """Return the error for an object store that must exist and does not."""
    return NotFoundError(
        f"there is no object store with the exact name or id {name_or_id!r} in this region: check it and the "
        "connection's region",
        status=404,
    )


# Credentials


def find_credential(name_or_id_or_access_key: str) -> Flow[Credential | None]:
    """
    Find a credential by its exact id, access key or name over all pages.

    :param name_or_id_or_access_key: the exact id, access key or name.
    :return: the credential, with its secret; None if there is none.
    :raises ObjectStoreError: if that is the name of one and the access key or id of another.
    """
    segment("name or id of the credential", name_or_id_or_access_key)
    credentials = yield from _list_for(f"credential {name_or_id_or_access_key!r}", list_credentials())
    return match_credential(name_or_id_or_access_key, credentials)


def require_credential(name_or_id_or_access_key: str) -> Flow[Credential]:
    """
    Find a credential that must exist, by its exact id, access key or name over all pages.

    :param name_or_id_or_access_key: the exact id, access key or name.
    :return: the credential, with its secret.
    :raises NotFoundError: if there is none.
    :raises ObjectStoreError: if that is the name of one and the access key or id of another.
    """
    credential = yield from find_credential(name_or_id_or_access_key)
    if credential is None:
        raise credential_not_found(name_or_id_or_access_key)
    return credential


def match_credential(name_or_id_or_access_key: str, credentials: Iterable[Credential]) -> Credential | None:
    """Return the one of these credentials with this exact id, access key or name, see :func:`find_credential`."""
    return _unique_match(
        "credential",
        name_or_id_or_access_key,
        credentials,
        lambda credential: {
            "id": credential.id,
            "access key": credential.access_key_id,
            "name": credential.name,
        },
    )


def credential_not_found(name_or_id_or_access_key: str) -> NotFoundError:
    """Return the error for a credential that must exist and does not."""
    return NotFoundError(
        f"there is no credential with the exact id, access key or name {name_or_id_or_access_key!r} in this region: "
        "check it and the connection's region",
        status=404,
    )


def owns(credential: Credential, store: ObjectStore) -> bool:
    """Whether a credential owns a store: by its id where the service returns it, else by access key, never by name."""
    if store.owner_credential_id:
        return credential.id == store.owner_credential_id
    return bool(credential.access_key_id) and credential.access_key_id == store.owner_access_key_id


def owner_is_unknown(store: ObjectStore) -> bool:
    """Whether the service does not tell who owns a store, as while it is created. A failed one has no consumers."""
    return not (store.owner_credential_id or store.owner_access_key_id or store.failed)


def owner_of(store: ObjectStore) -> Flow[Credential | None]:
    """Find the credential that owns an object store; None if it is not among the region's credentials."""
    credentials = yield from _list_for(f"the owner of object store {store.name}", list_credentials())
    return next((credential for credential in credentials if owns(credential, store)), None)


def require_owner(store: ObjectStore) -> Flow[Credential]:
    """
    Find the credential that owns an object store.

    :raises ObjectStoreError: if it is not among the region's credentials.
    """
    owner: Credential | None = yield from owner_of(store)
    if owner is None:
        raise ObjectStoreError(
            f"the owner of object store {store.name} ({store.owner_access_key_id}) is not among the region's "
            "credentials; give it one with update_object_store"
        )
    return owner


def wait_for_keys(credential: Credential, *, pauses: tuple[float, ...] = (0.2, 0.5, 1, *(2,) * 30)) -> Flow[Credential]:
    """
    Wait until the service has given a credential its keys.

    :param pauses: seconds between requests; the wait fails after the last.
    :return: the credential with its keys.
    :raises ResourceFailedError: if the credential has failed for good.
    :raises ObjectStoreError: if it still has no keys after all pauses.
    """
    for seconds in pauses:
        if credential.has_keys:
            return credential
        yield Pause(seconds)
        credential = yield from _read_again(credential)
    if credential.has_keys:
        return credential
    raise ObjectStoreError(
        f"credential {credential.name} ({credential.id}) still has no keys after {sum(pauses):.0f} s, its status is "
        f"{credential.status or 'not given'}; it exists: read it again later or delete it"
    )


def wait_until_ready(
    credential: Credential, *, pauses: tuple[float, ...] = (0.5, 1, 1.5, *(3,) * 9)
) -> Flow[Credential]:
    """
    Wait until a credential has its keys and, within a bound, until its status says that it can be used.

    Some services never change the status, although the keys work: check :attr:`Credential.ready`.

    :param pauses: seconds between requests for the status; after the last the credential is returned as it is.
    :return: the credential with its keys.
    :raises ResourceFailedError: if the credential has failed for good.
    :raises ObjectStoreError: if it has no keys after a minute.
    """
    credential = yield from wait_for_keys(credential)
    for seconds in pauses:
        if credential.ready or not credential.status:
            break
        yield Pause(seconds)
        credential = yield from wait_for_keys((yield from _read_again(credential)))
    return credential


def _read_again(credential: Credential) -> Flow[Credential]:
    """Read a credential while waiting for it; the id alone, in an error, would not say which one was created."""
    try:
        read: Credential = yield get_credential(credential.id)
    except ObjectStoreError as error:
        created = f"credential {credential.name} ({credential.id}) was created, but waiting for its keys failed: "
        raise error.prefixed(created) from error.__cause__
    return read


def _list_for(wanted: str, listing: Call[Page[T]]) -> Flow[list[T]]:
    """Return the items of all pages; an error names what is looked for in them."""
    try:
        return (yield from list_all(listing))
    except ObjectStoreError as error:
        raise error.prefixed(f"looking for {wanted}: ") from error.__cause__


def _unique_match(
    kind: str, wanted: str, candidates: Iterable[T], identifiers: Callable[[T], dict[str, str]]
) -> T | None:
    matches = {}
    for candidate in candidates:
        known = identifiers(candidate)
        if fields := [name for name, value in known.items() if value == wanted]:
            matches[known["id"]] = (
                candidate,
                f"the {' and '.join(fields)} of {known['name']} (id {known['id']})",
            )
    if len(matches) > 1:
        raise ObjectStoreError(
            f"{wanted!r} means {len(matches)} {kind}s: it is {', '.join(text for _, text in matches.values())}. "
            "Give the id or another value that only one of them has"
        )
    return next((candidate for candidate, _ in matches.values()), None)
