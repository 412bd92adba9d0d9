"""Read which credentials a lineage has, and which object stores each of them owns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ConflictError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.rotation.names import (
    RotationId,
    is_of_the_future,
    is_original,
    lineage_name,
    looks_rotated,
    members_of,
    rotation_id_of,
)


class SupersededError(ObjectStoreError):
    """A newer rotation has changed the credential: this one must not continue."""


@dataclass(frozen=True)
class RotationTarget:
    """
    What to rotate. Exactly one of the two is given.

    :param credential: a credential's exact id, access key or name; its first name stands for its successors too.
    :param object_store: an object store's exact id or name, for the credential that owns it.
    """

    credential: str | None = None
    object_store: str | None = None

    def __str__(self) -> str:
        return f"credential {self.credential}" if self.credential else f"owner of object store {self.object_store}"


@dataclass(frozen=True)
class LineageState:
    """
    The state of a lineage: a first credential and its successors, as the services showed it in one reading.

    :param base: what the names of the lineage have in common, see :func:`.names.lineage_name`.
    :param members: the credentials of the lineage that exist, the oldest first.
    :param stores: the object stores that a member owns.
    :param look_alikes: credentials that are named like those of the lineage and that no rotation made. They are
        reported and never changed.
    :param without_owner: the region's stores whose owner the service does not tell, as while they are being created.
    """

    base: str
    members: tuple[Credential, ...]
    stores: tuple[ObjectStore, ...]
    look_alikes: tuple[Credential, ...] = ()
    without_owner: tuple[ObjectStore, ...] = ()

    def owner_of(self, store: ObjectStore) -> Credential:
        """Return the member that owns a store."""
        return next(member for member in self.members if civo.owns(member, store))

    def stores_of(self, credential: Credential) -> tuple[ObjectStore, ...]:
        """Return the stores that a member owns."""
        return tuple(store for store in self.stores if civo.owns(credential, store))

    @property
    def owners(self) -> list[Credential]:
        """The members that own stores, the newest last."""
        return [member for member in self.members if self.stores_of(member)]

    @property
    def newest_rotation(self) -> RotationId | None:
        """The newest rotation that a member shows."""
        return max((rotation_id for rotation_id in map(rotation_id_of, self.members) if rotation_id), default=None)

    @property
    def newest(self) -> Credential | None:
        """The member of the newest rotation; None if there has been none."""
        newest = self.newest_rotation
        return self.created_by(newest) if newest else None

    def created_by(self, rotation_id: RotationId) -> Credential | None:
        """Return the credential that a rotation made. If there are several, prefer one that owns stores."""
        made = [member for member in self.members if rotation_id_of(member) == rotation_id]
        made.sort(key=lambda member: member.id)
        return next(filter(self.stores_of, made), made[0] if made else None)

    def rival_of(self, rotation_id: RotationId) -> Credential | None:
        """Return a credential that another rotation made which is due in the same second."""
        for member in self.members:
            other = rotation_id_of(member)
            if other and other.timestamp == rotation_id.timestamp and other != rotation_id:
                return member
        return None


def read_state(hook: CivoObjectStoreHook, target: RotationTarget, rotation_id: RotationId) -> LineageState:
    """
    Read the state of the target's lineage from the service.

    :param rotation_id: of this run. It identifies the lineage where the credential that the target names is gone.
    :raises ObjectStoreError: if there is no such credential or store, or several lineages share a name.
    """
    credentials = list(hook.list_credentials())
    stores = list(hook.list_object_stores())
    base = lineage_name(_find_credential(target, rotation_id, credentials, stores).name)
    members = members_of(base, credentials)
    originals = [member for member in members if is_original(member.name)]
    if len(originals) > 1:
        ids = ", ".join(original.id for original in originals)
        raise ObjectStoreError(
            f"{len(originals)} credentials are called {originals[0].name} ({ids}), and a rotation "
            "distinguishes credentials by their names: rename one, or delete it if it owns nothing"
        )
    owned = owned_stores(members, stores)
    look_alikes = tuple(credential for credential in credentials if looks_rotated(credential.name, base))
    without_owner = tuple(filter(civo.owner_is_unknown, stores))
    return LineageState(base, tuple(sorted(members, key=_age)), owned, look_alikes, without_owner)


def owned_stores(members: Iterable[Credential], stores: Iterable[ObjectStore]) -> tuple[ObjectStore, ...]:
    """Return the stores that any of these credentials owns."""
    members = list(members)
    return tuple(store for store in stores if any(civo.owns(member, store) for member in members))


def require_current(state: LineageState, target: RotationTarget, rotation_id: RotationId) -> LineageState:
    """
    Return the state if no other rotation interferes with this one.

    :raises SupersededError: if there has been a newer rotation.
    :raises ConflictError: if another rotation that is due in the same second rotates the same credential.
    :raises ObjectStoreError: if a credential is named like a rotation of the future.
    """
    for credential in (*state.members, *state.look_alikes):
        if rotation_id_of(credential) != rotation_id and is_of_the_future(credential):
            raise ObjectStoreError(
                f"{target}: credential {credential.name} ({credential.access_key_id}) is named like a rotation of the "
                "future, which no run can have made yet: it would hold up every rotation until then. Rename it, or "
                "delete it if nobody uses it"
            )
    if state.newest_rotation and state.newest_rotation.timestamp > rotation_id.timestamp:
        raise SupersededError(
            f"{target}: the rotation of {state.newest_rotation.time} is newer than this run's, which is of "
            f"{rotation_id.time}; nothing is left to do for this one"
        )
    if rival := state.rival_of(rotation_id):
        raise ConflictError(
            f"{target}: another task of this run, or a run due at the same time, rotates the same "
            f"credential: it made {rival.name} ({rival.access_key_id}). What it publishes and retires cannot agree "
            "with this task. Use one task with all its publishers. If the other one is gone, or is this task before "
            "its publishers were changed, trigger a new run: it takes over"
        )
    return state


def has_keys(credential: Credential) -> bool:
    """Return whether a credential has its keys. One that has failed has none; who waits for it gets an error."""
    return not credential.failed and credential.has_keys


def store_names(stores: Iterable[ObjectStore]) -> str:
    """Return the stores' names for a message."""
    return ", ".join(store.name for store in stores) or "none"


def _find_credential(
    target: RotationTarget, rotation_id: RotationId, credentials: list[Credential], stores: list[ObjectStore]
) -> Credential:
    if target.object_store is not None:
        return _find_owner(target.object_store, credentials, stores)
    wanted = target.credential or ""
    if exact := civo.match_credential(wanted, credentials):
        return exact
    for matches in (
        [credential for credential in credentials if lineage_name(credential.name) == lineage_name(wanted)],
        [credential for credential in credentials if rotation_id_of(credential) == rotation_id],
    ):
        if matches:
            return matches[0]
    raise NotFoundError(
        f"there is no credential with the exact id, access key or name {wanted!r}, nor one that took its place. A "
        "rotation changes ids and access keys: name its object store, or the first credential's name",
        status=404,
    )


def _find_owner(wanted: str, credentials: list[Credential], stores: list[ObjectStore]) -> Credential:
    store = civo.match_object_store(wanted, stores)
    if store is None:
        raise civo.object_store_not_found(wanted)
    owner = next((credential for credential in credentials if civo.owns(credential, store)), None)
    if owner is None:
        raise ObjectStoreError(
            f"the owner of object store {store.name} ({store.owner_access_key_id}) is not among the region's "
            "credentials; give it one with CivoUpdateObjectStoreOperator"
        )
    return owner


def _age(credential: Credential) -> tuple[bool, RotationId, str]:
    rotation_id = rotation_id_of(credential)
    return rotation_id is not None, rotation_id or RotationId("", ""), credential.id
