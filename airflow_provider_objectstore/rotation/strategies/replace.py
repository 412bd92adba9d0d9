"""Create a credential and make it the owner of the stores."""

from __future__ import annotations

import logging
from functools import partial
from typing import ClassVar

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.creation import create_or_continue
from airflow_provider_objectstore.rotation.publish import is_published, prepare_publishers
from airflow_provider_objectstore.rotation.state import LineageState, has_keys, store_names
from airflow_provider_objectstore.rotation.strategies.base import Samples, is_only_owner

log = logging.getLogger(__name__)


class Replace:
    """
    Create a credential and make it the owner of the stores. Needs a service that changes owners.

    :param context: what it works with.
    """

    name: ClassVar[str] = "replace"
    description: ClassVar[str] = "create a credential and make it the owner of the stores"
    outage_requests_per_store: ClassVar[int] = 2

    def __init__(self, context: RotationContext) -> None:
        self._context = context

    def must_continue(self, state: LineageState) -> bool:
        """Return False: stores can be given back to their earlier owner."""
        return False

    def to_publish(self, state: LineageState) -> Credential:
        """Return the newest owner."""
        return state.owners[-1]

    def is_applied(self, state: LineageState, new: Credential) -> bool:
        """Return whether the credential is the only owner, with the same keys."""
        return is_only_owner(new, state)

    def prepare(self, state: LineageState) -> Samples:
        """Prove that the owners have access; return the key of an object for each store to be transferred."""
        return {
            store.id: self._context.bucket(state.owner_of(store), store).sample()
            for store in self._stores_to_transfer(state)
        }

    def apply(self, state: LineageState, samples: Samples) -> Credential:
        """Create the credential, prepare publishers, make it the owner of each store, and prove that it has access."""
        prepare = partial(prepare_publishers, self._context, state)
        new = create_or_continue(self._context, state, before_change=prepare)
        for store in self._stores_to_transfer(state):
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

    def complete(self, state: LineageState, new: Credential) -> LineageState:
        """Remove the statement that a rotation with overlap may have left in the buckets' policies."""
        self._context.remove_granted_access(state, new)
        return state

    def _stores_to_transfer(self, state: LineageState) -> list[ObjectStore]:
        new = state.created_by(self._context.rotation_id)
        return [store for store in state.stores if new is None or state.owner_of(store).id != new.id]

    def _transfer_ownership(self, store: ObjectStore, owner: Credential) -> None:
        self._context.outage.begin()
        self._context.transfer_ownership(store, owner)

    def _give_back(self, before: LineageState) -> list[ObjectStore] | None:
        """Return the stores that were given back; None if there was nothing to undo."""
        state = self._context.read()
        new = state.created_by(self._context.rotation_id)
        if new is None:
            return None
        earlier_owners = {store.id: before.owner_of(store) for store in before.stores}
        owned_before = any(owner.id == new.id for owner in earlier_owners.values())
        published = is_published(self._context, new, state.stores_of(new), if_unknown=owned_before)
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
        if member.id != new.id and has_keys(member) and not member.suspended:
            return member
    raise NotFoundError("no earlier credential is left")
