"""Give the owner of the stores a new access key and secret."""

from __future__ import annotations

import logging
import secrets
import string
from dataclasses import replace
from typing import ClassVar

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.rotation.context import RotationContext, same_keys
from airflow_provider_objectstore.rotation.names import access_key_for
from airflow_provider_objectstore.rotation.publish import prepare_publishers
from airflow_provider_objectstore.rotation.state import LineageState
from airflow_provider_objectstore.rotation.strategies.base import Samples, is_only_owner
from airflow_provider_objectstore.rotation.verify import Bucket

log = logging.getLogger(__name__)

_SECRET_LENGTH = 40


class InPlace:
    """
    Give the owner of the stores a new access key and secret; its id and name stay. Needs one owner of all stores.

    :param context: what it works with.
    """

    name: ClassVar[str] = "in_place"
    description: ClassVar[str] = "give the owner of the stores a new access key and secret"
    outage_requests_per_store: ClassVar[int] = 2

    def __init__(self, context: RotationContext) -> None:
        self._context = context
        self._changed: Credential | None = None  # with the keys that this try has set
        self._replaced: list[Bucket] = []

    def must_continue(self, state: LineageState) -> bool:
        """Return whether a member has the access key that this rotation gives: the old keys are gone."""
        return any(self._has_new_access_key(member) for member in state.members)

    def to_publish(self, state: LineageState) -> Credential:
        """Return the newest owner."""
        return state.owners[-1]

    def is_applied(self, state: LineageState, new: Credential) -> bool:
        """Return whether the credential is the only owner, with the same keys."""
        return is_only_owner(new, state)

    def prepare(self, state: LineageState) -> Samples:
        """Prove that the old keys have access; return an object's key for each store."""
        owner = self._single_owner(state)
        if self._has_new_access_key(owner):
            return {}
        self._replaced = [self._context.bucket(owner, store) for store in state.stores]
        return {store.id: bucket.sample() for store, bucket in zip(state.stores, self._replaced, strict=True)}

    def apply(self, state: LineageState, samples: Samples) -> Credential:
        """Prepare publishers and set new keys, unless an earlier try has; prove that the new keys have access."""
        owner = self._single_owner(state)
        self._changed = None
        if self._has_new_access_key(owner):
            new = self._context.hook.wait_for_keys(owner)
        else:
            prepare_publishers(self._context, state)
            self._context.refresh()  # the last moment at which nothing has changed for consumers
            new = self._change_keys(owner)
        self._context.verify_access(new, state.stores, samples)
        return new

    def undo(self, before: LineageState, error: BaseException) -> None:
        """Set the old keys if this try has changed them and no other rotation has set its own meanwhile."""
        if self._changed is None:
            return
        old = self._single_owner(before)
        try:
            restored = self._restore_keys(old, self._changed)
        except ObjectStoreError as problem:
            log.error(
                "The change of credential %s's keys could not be undone (%s). Run this task again to finish",
                old.name,
                problem,
            )
            return
        if restored:
            self._context.outage.cancel()
            log.warning("The change was undone: credential %s has its old keys", old.name)
        else:
            log.warning("Another rotation has changed credential %s's keys: they are left as they are", old.name)

    def after_publishing(self) -> None:
        """Prove that the old keys are refused."""
        for bucket in self._replaced:
            bucket.wait_until_refused()

    def complete(self, state: LineageState, new: Credential) -> LineageState:
        """Take away the access that a rotation with overlap may have given to other credentials."""
        self._context.restrict_granted_access(state, new)
        return self._context.refresh()  # another worker may have set keys while the old ones were proven to be refused

    def _single_owner(self, state: LineageState) -> Credential:
        if len(state.owners) != 1:
            raise ObjectStoreError(
                f"the stores of {self._context.target} have {len(state.owners)} owners, "
                f"{', '.join(owner.name for owner in state.owners)}: keys are changed in place only if there is one"
            )
        return state.owners[0]

    def _has_new_access_key(self, credential: Credential) -> bool:
        return credential.access_key_id == self._new_access_key(credential)

    def _new_access_key(self, credential: Credential) -> str:
        return access_key_for(credential.id, self._context.rotation_id)

    def _change_keys(self, owner: Credential) -> Credential:
        access_key = self._new_access_key(owner)
        self._changed = replace(owner, access_key_id=access_key, secret_access_key=_random_secret())
        new = self._set_keys(self._changed)
        # A third secret is that of another worker on the same run, which was faster.
        if new.access_key_id != access_key or new.secret_access_key == owner.secret_access_key:
            raise ObjectStoreError(
                f"the service accepted new keys for credential {owner.name} ({owner.access_key_id}), but has "
                f"{new.access_key_id} with {'its old' if new.access_key_id == access_key else 'a'} secret for it"
            )
        return new

    def _set_keys(self, credential: Credential) -> Credential:
        """Set the keys that a credential should have; return it as the service has it then."""
        self._context.outage.begin()
        self._context.hook.update_credential(
            credential.id,
            access_key_id=credential.access_key_id,
            secret_access_key=credential.secret_access_key,
        )
        found = self._read(credential)
        log.info("Credential %s now has access key %s", found.name, found.access_key_id)
        return found

    def _restore_keys(self, old: Credential, changed: Credential) -> bool:
        """Return False if another rotation has set keys of its own."""
        found = self._read(old)
        if found.access_key_id not in (old.access_key_id, changed.access_key_id):
            return False
        if found.secret_access_key not in (old.secret_access_key, changed.secret_access_key):
            return False
        found = self._set_keys(old)
        if not same_keys(found, old):
            raise ObjectStoreError(f"the service has {found.access_key_id} for it")
        return True

    def _read(self, credential: Credential) -> Credential:
        return self._context.hook.wait_for_keys(self._context.hook.get_credential(credential.id))


def _random_secret() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_SECRET_LENGTH))
