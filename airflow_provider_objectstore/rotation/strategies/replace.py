"""Create a credential and make it the owner of the stores."""

from __future__ import annotations

import logging
from typing import ClassVar

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.publish import is_published
from airflow_provider_objectstore.rotation.state import LineageState, store_names
from airflow_provider_objectstore.rotation.strategies.base import Samples

log = logging.getLogger(__name__)


class Replace:
    """
    Create a credential and make it the owner of the stores. Needs a service that changes owners.

    :param context: what it works with.
    """

    name: ClassVar[str] = "replace"
    description: ClassVar[str] = "create a credential and make it the owner of the stores"
    expected_outage: ClassVar[str] = "from the change of owner until the new credential is published"

    def __init__(self, context: RotationContext) -> None:
        self._context = context

    def must_continue(self, state: LineageState) -> bool:
        """Return False: stores can be given back to their earlier owner."""
        return False

    def prepare(self, state: LineageState) -> Samples:
        """Prove that the owners have access; return the key of an object for each store to be transferred."""
        return {
            store.id: self._context.bucket(state.owner_of(store), store).sample()
            for store in self._stores_to_transfer(state)
        }

    def apply(self, state: LineageState, samples: Samples) -> Credential:
        """Create the credential, make it the owner of each store, and prove that it has access."""
        new = state.created_by(self._context.rotation_id)
        waiting = self._stores_to_transfer(state)
        if new is None or waiting or not new.has_keys:
            new = self._create_or_continue(state, new)
        for store in waiting:
            self._transfer_ownership(store, new)
        self._context.verify_access(new, state.stores, samples)
        return new

    def undo(self, before: LineageState, error: BaseException) -> None:
        """
        Give the stores that this try has transferred back to their owners.

        If the new credential is not published, give back all stores and delete it.
        """
        try:
            given_back = self._give_back(before)
        except ObjectStoreError as problem:
            log.error(
                "The rotation failed (%s) and could not be undone (%s). All credentials are kept; run this task again "
                "to finish",
                error,
                problem,
            )
            return
        if given_back is not None:
            self._context.outage.cancel()
            log.warning(
                "What was not published yet was undone. Given back to the earlier owner: %s", store_names(given_back)
            )

    def after_publishing(self) -> None:
        """Do nothing: the replaced credential is refused since the change of owner, and is retired later."""

    def _stores_to_transfer(self, state: LineageState) -> list[ObjectStore]:
        new = state.created_by(self._context.rotation_id)
        return [store for store in state.stores if new is None or state.owner_of(store).id != new.id]

    def _create_or_continue(self, state: LineageState, begun: Credential | None) -> Credential:
        """Create the credential, or take the one that an earlier try created; wait until it can be used."""
        new = self._context.hook.wait_until_ready(begun or self._create(state))
        self._context.refresh()  # the last moment at which nothing has changed for consumers
        return new

    def _create(self, state: LineageState) -> Credential:
        name = name_for(state.base, self._context.rotation_id)
        size = max((owner.max_size_gb or 0 for owner in state.owners), default=0) or None
        try:
            return self._context.hook.create_credential(name, max_size_gb=size)
        except ConflictError:
            # Another worker on the same run was faster.
            created = self._context.refresh().created_by(self._context.rotation_id)
            if created is None:
                raise
            return created

    def _transfer_ownership(self, store: ObjectStore, owner: Credential) -> None:
        self._context.outage.begin()
        self._context.hook.update_object_store(store.id, access_key_id=owner.access_key_id)
        found = self._context.hook.get_object_store(store.id)
        if owner.access_key_id != found.owner_access_key_id:
            raise OwnerChangeUnsupportedError(
                f"the service accepted credential {owner.name} as owner of object store {store.name}, but its owner is "
                f"still {found.owner_access_key_id}"
            )
        log.info("Object store %s now belongs to credential %s", store.name, owner.name)

    def _give_back(self, before: LineageState) -> list[ObjectStore] | None:
        """Return the stores that were given back; None if there was nothing to undo."""
        state = self._context.read()
        new = state.created_by(self._context.rotation_id)
        if new is None:
            return None
        earlier_owners = {store.id: before.owner_of(store) for store in before.stores}
        owned_before = any(owner.id == new.id for owner in earlier_owners.values())
        published = is_published(self._context, new, state, if_unknown=owned_before)
        if published and not owned_before:  # by another worker on the same run
            return None
        given_back = []
        for store in state.stores_of(new):
            owner = earlier_owners.get(store.id)
            if owner is None or owner.id == new.id:  # an earlier try transferred it
                if published:
                    continue
                owner = _newest_other(state, new)
            self._transfer_ownership(store, owner)
            given_back.append(store)
        if not published:
            self._context.hook.delete_credential(new.id)
        return given_back


def _newest_other(state: LineageState, new: Credential) -> Credential:
    for member in reversed(state.members):
        if member.id != new.id and not member.suspended:
            return member
    raise ObjectStoreError("no earlier credential is left")
