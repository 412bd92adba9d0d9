"""How a credential, its predecessors and its object stores stand with the service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
from airflow_provider_objectstore.api.rotation_names import Tag, base_of, is_first, tag_of
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook


@dataclass(frozen=True)
class Target:
    """
    What to rotate: one of the two.

    :param credential: a credential's exact id, access key or name; its first name stands for its successors too.
    :param object_store: an object store's exact id or name, for the credential that owns it.
    """

    credential: str | None = None
    object_store: str | None = None

    def __str__(self) -> str:
        return f"credential {self.credential}" if self.credential else f"owner of object store {self.object_store}"


@dataclass(frozen=True)
class Standing:
    """
    One reading.

    :param base: what the names of the lineage have in common.
    :param members: the lineage: the first credential and its successors, as far as they are there.
    :param stores: the object stores that one of them owns.
    """

    base: str
    members: tuple[Credential, ...]
    stores: tuple[ObjectStore, ...]

    def owner_of(self, store: ObjectStore) -> Credential:
        """Return the member that owns a store."""
        return next(member for member in self.members if civo.owns(member, store))

    def stores_of(self, credential: Credential) -> tuple[ObjectStore, ...]:
        """Return the stores that a member owns."""
        return tuple(store for store in self.stores if civo.owns(credential, store))

    @property
    def owners(self) -> list[Credential]:
        """The members that own stores, the newest last."""
        return sorted(filter(self.stores_of, self.members), key=_age)

    def made_by(self, tag: Tag) -> Credential | None:
        """Return the credential that carries a rotation's tag: of several the one that owns stores, else the first."""
        found = sorted((it for it in self.members if tag_of(it) == tag), key=lambda it: it.id)
        return next(filter(self.stores_of, found), found[0] if found else None)

    @property
    def newest(self) -> Tag | None:
        """The newest rotation that there has been."""
        return max((tag for tag in map(tag_of, self.members) if tag), default=None)

    def rival_of(self, tag: Tag) -> Credential | None:
        """Return what another rotation that is due at the same moment has made."""
        tags = ((it, tag_of(it)) for it in self.members)
        return next((it for it, other in tags if other and other.moment == tag.moment and other != tag), None)


def read(hook: CivoObjectStoreHook, target: Target, tag: Tag) -> Standing:
    """
    Read how things stand.

    :param tag: this run's; by it a rotation finds its way back where what it was told to rotate is gone.
    :raises ObjectStoreError: if there is no such credential or store, or the lineage is not clear.
    """
    credentials = list(hook.list_credentials())
    stores = list(hook.list_object_stores())
    base = base_of(_credential(target, tag, credentials, stores).name)
    members = tuple(sorted((it for it in credentials if base_of(it.name) == base), key=_age))
    first = [it for it in members if is_first(it.name)]
    if len(first) > 1:
        raise ObjectStoreError(
            f"{len(first)} credentials are called {first[0].name} ({', '.join(it.id for it in first)}), and a rotation "
            "tells credentials by their names: rename one, or delete it if it owns nothing"
        )
    owned = tuple(store for store in stores if any(civo.owns(member, store) for member in members))
    return Standing(base, members, owned)


def _credential(target: Target, tag: Tag, credentials: list[Credential], stores: list[ObjectStore]) -> Credential:
    if target.object_store is not None:
        return _owner(target.object_store, credentials, stores)
    wanted = target.credential or ""
    if exact := civo.the_credential(wanted, credentials):
        return exact
    for matches in (
        [credential for credential in credentials if base_of(credential.name) == base_of(wanted)],
        [credential for credential in credentials if tag_of(credential) == tag],
    ):
        if matches:
            return matches[0]
    raise NotFoundError(
        f"there is no credential with the exact id, access key or name {wanted!r}, nor one that took its place. A "
        "rotation changes ids and access keys: name its object store, or the first credential's name",
        status=404,
    )


def _owner(wanted: str, credentials: list[Credential], stores: list[ObjectStore]) -> Credential:
    store = civo.the_store(wanted, stores)
    if store is None:
        raise NotFoundError(f"there is no object store with the exact name or id {wanted!r}", status=404)
    owner = next((it for it in credentials if civo.owns(it, store)), None)
    if owner is None:
        raise ObjectStoreError(
            f"the owner of object store {store.name} ({store.owner_access_key_id}) is not among the region's "
            "credentials; give it one with CivoUpdateObjectStoreOperator"
        )
    return owner


def _age(credential: Credential) -> tuple[bool, Tag, str]:
    tag = tag_of(credential)
    return tag is not None, tag or Tag("", ""), credential.id


def names(stores: Iterable[ObjectStore]) -> str:
    """Return the stores' names, for a message."""
    return ", ".join(store.name for store in stores) or "none"
