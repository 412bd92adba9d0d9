"""Civo's part of a state: object stores and credentials of all regions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_objectstore.emulator.civo.object_stores import CivoState, Credential, ObjectStore, Resource
from airflow_provider_objectstore.emulator.civo.parsing import REGIONS, STEP_GB
from airflow_provider_objectstore.emulator.fields import Fields, StateError

_RESOURCE = frozenset({"id", "name", "region", "max_size_gb", "failed", "ready_in_seconds"})
_CREDENTIAL = _RESOURCE | {"access_key_id", "secret_access_key_id", "suspended", "pending_seconds"}
_STORE = _RESOURCE | {"owner", "own_credential", "suffix"}


@dataclass
class CivoContents:
    """What :func:`parse` has read. Times are seconds from the moment of loading."""

    credentials: dict[str, Credential] = field(default_factory=dict)
    stores: dict[str, ObjectStore] = field(default_factory=dict)


def dump(state: CivoState) -> dict[str, Any]:
    """Return the part as JSON can hold it."""
    now = state.clock.monotonic()
    return {
        "credentials": [
            _dump_resource(credential, now)
            | {
                "access_key_id": credential.access_key_id,
                "secret_access_key_id": credential.secret_access_key_id,
                "suspended": credential.suspended,
                "pending_seconds": credential.pending_seconds if math.isfinite(credential.pending_seconds) else None,
            }
            for credential in state.credentials.values()
        ],
        "stores": [
            _dump_resource(store, now)
            | {
                "owner": store.owner.id,
                "own_credential": own.id if (own := store.own_credential) and own.id in state.credentials else None,
                "suffix": store.suffix,
            }
            for store in state.stores.values()
        ],
    }


def _dump_resource(resource: Resource, now: float) -> dict[str, Any]:
    return {
        "id": resource.id,
        "name": resource.name,
        "region": resource.region,
        "max_size_gb": resource.max_size_gb,
        "failed": resource.failed,
        "ready_in_seconds": round(resource.ready_at - now, 3),
    }


def parse(value: Any) -> CivoContents:
    """
    Read the part.

    :raises StateError: saying what is wrong, and where.
    """
    fields = Fields(value, "civo", ("credentials", "stores"))
    contents = CivoContents()
    for item, place in fields.items("credentials"):
        credential = _parse_credential(item, place)
        _check_unique(contents.credentials, credential, place)
        if any(other.access_key_id == credential.access_key_id for other in contents.credentials.values()):
            raise StateError(f"{place}: there is a second credential with this access_key_id")
        contents.credentials[credential.id] = credential
    for item, place in fields.items("stores"):
        store = _parse_store(item, place, contents.credentials)
        _check_unique(contents.stores, store, place)
        contents.stores[store.id] = store
    return contents


def load(state: CivoState, contents: CivoContents) -> None:
    """Replace everything by what was read."""
    now = state.clock.monotonic()
    for resource in (*contents.credentials.values(), *contents.stores.values()):
        resource.ready_at += now
    state.credentials, state.stores = contents.credentials, contents.stores


def s3_part(contents: CivoContents) -> dict[str, Any]:
    """Return what S3 holds if nothing but Civo's API has ever changed it: users, and empty buckets."""
    return {
        "users": [
            {
                "id": credential.id,
                "access_key_id": credential.access_key_id,
                "secret_access_key_id": credential.secret_access_key_id,
                "suspended": credential.suspended,
            }
            for credential in contents.credentials.values()
            if not credential.failed
        ],
        "buckets": [
            {"name": store.name, "owner": store.owner.id} for store in contents.stores.values() if not store.failed
        ],
    }


def _parse_credential(value: Any, place: str) -> Credential:
    fields = Fields(value, place, _CREDENTIAL)
    return Credential(
        **_parse_resource(fields),
        access_key_id=fields.text("access_key_id"),
        secret_access_key_id=fields.text("secret_access_key_id"),
        suspended=fields.get("suspended", bool, False),
        pending_seconds=fields.get("pending_seconds", float, math.inf),
    )


def _parse_store(value: Any, place: str, credentials: dict[str, Credential]) -> ObjectStore:
    fields = Fields(value, place, _STORE)
    own = fields.optional("own_credential", str)
    for credential in (fields.text("owner"), own):
        if credential is not None and credential not in credentials:
            raise StateError(f"{place}: there is no credential with the id {credential}")
    return ObjectStore(
        **_parse_resource(fields),
        owner=credentials[fields.text("owner")],
        own_credential=None if own is None else credentials[own],
        suffix=fields.text("suffix"),
    )


def _parse_resource(fields: Fields) -> dict[str, Any]:
    region, size = fields.get("region", str), fields.get("max_size_gb", int)
    if region not in [known["code"] for known in REGIONS if known["features"].get("object_store")]:
        raise StateError(f"{fields.place}: {region} is no region with object stores")
    if size < STEP_GB or size % STEP_GB:
        raise StateError(f"{fields.place}: max_size_gb must be a multiple of {STEP_GB}")
    failed = fields.get("failed", bool, False)
    return {
        "id": fields.text("id"),
        "name": fields.text("name"),
        "region": region,
        "max_size_gb": size,
        "ready_at": fields.get("ready_in_seconds", float, 0.0),
        "failed": failed,
        "provisioned": not failed,
        "on_s3": not failed,
    }


def _check_unique(resources: dict[str, Any], resource: Resource, place: str) -> None:
    if resource.id in resources or any(other.name == resource.name for other in resources.values()):
        raise StateError(f"{place}: there is a second one with this id or name")
