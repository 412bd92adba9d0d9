"""Create a credential that works beside the old one: a bucket policy gives both access until consumers have the new."""

from __future__ import annotations

import logging
from typing import ClassVar

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ObjectStoreError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.rotation.context import RotationContext, same_keys
from airflow_provider_objectstore.rotation.creation import create_or_continue
from airflow_provider_objectstore.rotation.policy import (
    BucketPolicy,
    PolicyUnsupportedError,
    has_statement,
    user_arn,
    users_of,
)
from airflow_provider_objectstore.rotation.publish import is_published, prepare_publishers
from airflow_provider_objectstore.rotation.state import LineageState, has_keys
from airflow_provider_objectstore.rotation.strategies.base import Samples, StrategyUnsupportedError
from airflow_provider_objectstore.rotation.verify import AccessDenied, AccessDeniedError, Bucket, ForeignObjectError

log = logging.getLogger(__name__)


class Overlap:
    """
    Create a credential and give it access by the buckets' policies, beside the old one. Nobody is refused.

    Once consumers have the new credential and the grace period is over, it becomes the owner, and the policies are as
    before. Where the service does not change owners, the policies stay: the owner's keys are not published any more.

    Needs a service whose owners may grant other users access by bucket policies, as Ceph's gateway lets them.

    :param context: what it works with.
    """

    name: ClassVar[str] = "overlap"
    description: ClassVar[str] = (
        "create a credential, give it access by the buckets' policies beside the old one, make it the owner at the end"
    )
    outage_requests_per_store: ClassVar[int] = 0

    def __init__(self, context: RotationContext) -> None:
        self._context = context
        self._granted: set[str] = set()  # ids of the stores to which the new credential has access
        self._users: dict[str, Bucket] = {}  # by the id of a credential: any bucket tells its user

    def must_continue(self, state: LineageState) -> bool:
        """Return False: until the owner is changed, everything can be undone."""
        return False

    def to_publish(self, state: LineageState) -> Credential:
        """Return this rotation's credential, or that of a newer rotation if it has access; without both, an owner."""
        ours = state.created_by(self._context.rotation_id)
        newest = state.newest
        if newest and has_keys(newest) and (ours is None or newest.id != ours.id) and self._has_access(newest, state):
            return newest
        return ours or state.owners[-1]

    def is_applied(self, state: LineageState, new: Credential) -> bool:
        """Return whether the credential is there, with the same keys, and has access to all stores."""
        found = state.created_by(self._context.rotation_id)
        without_access = [store for store, _ in self._not_owned_by_new(state) if store.id not in self._granted]
        return found is not None and same_keys(found, new) and not without_access

    def prepare(self, state: LineageState) -> Samples:
        """Prove that the owners have access and may read their buckets' policies; nothing is changed."""
        samples = {}
        for store, owner in self._not_owned_by_new(state):
            bucket = self._context.bucket(owner, store)
            samples[store.id] = bucket.sample()
            try:
                BucketPolicy(bucket).read()
            except PolicyUnsupportedError as error:
                raise StrategyUnsupportedError(str(error)) from error.__cause__
        return samples

    def apply(self, state: LineageState, samples: Samples) -> Credential:
        """Create the credential, give it access beside the owner and whom the statement names, and prove it."""
        self._granted.clear()
        if state.created_by(self._context.rotation_id) is None:
            prepare_publishers(self._context, state)
        new = create_or_continue(self._context, state)
        for store, owner in self._not_owned_by_new(state):
            users = {self._user_id(owner, store), self._user_id(new, store)}
            try:
                BucketPolicy(self._context.bucket(owner, store)).give_access(users)
                self._verify(new, store, samples.get(store.id))
            except PolicyUnsupportedError as error:
                raise StrategyUnsupportedError(str(error)) from error.__cause__
            self._granted.add(store.id)
        return new

    def undo(self, before: LineageState, error: BaseException) -> None:
        """Take the new credential's access away and delete it, unless it is published."""
        try:
            state = self._context.read()
            new = state.created_by(self._context.rotation_id)
            if new is None or state.stores_of(new):
                return
            if is_published(self._context, new, state.stores, if_unknown=True):
                return
            for store in state.stores if has_keys(new) else ():  # without keys it was given nothing
                self._withdraw(new, store, state)
            self._context.hook.delete_credential(new.id)
        except ObjectStoreError as problem:
            log.error(
                "The rotation failed (%s) and could not be undone (%s). All credentials are kept and work; run this "
                "task again to finish",
                error,
                problem,
            )
        else:
            log.warning("What was not published yet was undone; the old credential was never refused")

    def after_publishing(self) -> None:
        """Note that nobody was refused, unless an earlier try made the change."""
        if self._granted:
            self._context.outage.seconds = 0.0

    def complete(self, state: LineageState, new: Credential) -> LineageState:
        """Make the new credential the owner, and restore the policies. Where owners cannot be changed, keep them."""
        for store in state.stores:
            owner = state.owner_of(store)
            if owner.id != new.id:
                self._make_owner(store, state, new)
            elif self._context.has_granted_access(self._context.bucket(new, store)):  # an earlier try was killed
                self._prove_ownership(store, state, new, None)
            else:
                self._context.bucket(new, store).wait_until_usable()
        return self._context.refresh()

    def _make_owner(self, store: ObjectStore, state: LineageState, new: Credential) -> None:
        owner = state.owner_of(store)
        policy = BucketPolicy(self._context.bucket(owner, store))
        # The owner's access must end with its ownership: what it wrote afterwards, the new owner could not read.
        policy.take_access(user for member, user in self._user_ids(store, state).items() if member != new.id)
        try:
            self._context.transfer_ownership(store, new)
        except OwnerChangeUnsupportedError as error:
            policy.give_access([self._user_id(owner, store)])
            _warn_of_kept_owner(error, store, owner, new)
        else:
            self._prove_ownership(store, state, new, owner)

    def _prove_ownership(
        self, store: ObjectStore, state: LineageState, new: Credential, earlier: Credential | None
    ) -> None:
        """Prove that the new owner owns the objects too, and remove the statement; else give the store back."""
        bucket = self._context.bucket(new, store)
        policy = BucketPolicy(bucket)
        try:
            bucket.wait_until_listed()  # S3 may lag, and the policy gives access until it has caught up
            bucket.wait_until_objects_belong_to(self._user_id(new, store))
            if policy.take_access(self._user_ids(store, state).values()):
                self._context.refresh()  # a newer rotation removes the statement when it ends
                policy.remove_access()
            bucket.wait_until_usable()  # not every service shows who owns an object
        except (AccessDeniedError, OwnerChangeUnsupportedError) as error:
            earlier = earlier or self._owner_of_objects(error, store, state)
            policy.give_access([self._user_id(member, store) for member in (new, earlier) if member])
            if earlier is None:
                raise
            self._context.transfer_ownership(store, earlier)
            self._granted.add(store.id)
            _warn_of_kept_owner(error, store, earlier, new)

    def _owner_of_objects(self, error: Exception, store: ObjectStore, state: LineageState) -> Credential | None:
        """Return the member that a bucket's objects belong to; None if S3 does not show it."""
        if not isinstance(error, ForeignObjectError):
            return None
        user_ids = self._user_ids(store, state)
        return next((member for member in state.members if user_ids.get(member.id) == error.owner_id), None)

    def _not_owned_by_new(self, state: LineageState) -> list[tuple[ObjectStore, Credential]]:
        new = state.created_by(self._context.rotation_id)
        owners = [(store, state.owner_of(store)) for store in state.stores]
        return [(store, owner) for store, owner in owners if new is None or owner.id != new.id]

    def _verify(self, new: Credential, store: ObjectStore, sample: str | None) -> None:
        bucket = self._context.bucket(new, store)
        try:
            bucket.wait_until_usable(sample)
            bucket.wait_until_writable()
        except (AccessDeniedError, OwnerChangeUnsupportedError) as error:
            raise StrategyUnsupportedError(f"the policy does not give credential {new.name} access: {error}") from error

    def _withdraw(self, new: Credential, store: ObjectStore, state: LineageState) -> None:
        owner = state.owner_of(store)
        bucket = self._context.bucket(owner, store)
        policy = BucketPolicy(bucket)
        if not has_statement(policy.read()):
            return
        bucket.delete_probe()
        policy.take_access([self._user_id(new, store)])
        if users_of(policy.read()) <= {user_arn(self._user_id(owner, store))}:
            policy.remove_access()

    def _has_access(self, credential: Credential, state: LineageState) -> bool:
        return not any(
            isinstance(self._context.bucket(credential, store).request("list_objects_v2"), AccessDenied)
            for store in state.stores
        )

    def _user_ids(self, store: ObjectStore, state: LineageState) -> dict[str, str]:
        """Return the members' users, by the members' ids, but for members that own nothing and that S3 refuses."""
        return {
            member.id: self._user_id(member, store)
            for member in state.members
            if has_keys(member)
            and not member.suspended
            and (state.stores_of(member) or not self._is_refused(member, store))
        }

    def _user_id(self, credential: Credential, store: ObjectStore) -> str:
        return self._user(credential, store).user_id

    def _is_refused(self, credential: Credential, store: ObjectStore) -> bool:
        return isinstance(self._user(credential, store).found_user_id, AccessDenied)

    def _user(self, credential: Credential, store: ObjectStore) -> Bucket:
        return self._users.setdefault(credential.id, self._context.bucket(credential, store))


def _warn_of_kept_owner(error: Exception, store: ObjectStore, owner: Credential, new: Credential) -> None:
    log.warning(
        "%s. Object store %s keeps its owner %s, whose keys are not published any more; the bucket's policy gives %s "
        "access",
        error,
        store.name,
        owner.name,
        new.name,
    )
