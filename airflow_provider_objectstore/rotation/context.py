"""What every step of a rotation works with."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ApiError, ConflictError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.names import RotationId
from airflow_provider_objectstore.rotation.policy import BucketPolicy, PolicyUnsupportedError, has_statement
from airflow_provider_objectstore.rotation.state import LineageState, RotationTarget, read_state, require_current
from airflow_provider_objectstore.rotation.verify import AccessDeniedError, Bucket

log = logging.getLogger(__name__)


class Outage:
    """Measures the outage of consumers: from the first change of an owner or key to the last publisher."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        """None until it has ended; it stays None where an earlier try made the change."""
        self._began: float | None = None

    def begin(self) -> None:
        """Start the clock, unless it runs already."""
        if self._began is None:
            self._began = time.monotonic()

    @property
    def has_begun(self) -> bool:
        """Whether this try has made the change from which on the old keys are refused."""
        return self._began is not None

    def cancel(self) -> None:
        """Stop the clock: the change was undone."""
        self._began = None

    def end(self) -> None:
        """Stop the clock and set :attr:`seconds`, once."""
        if self._began is not None and self.seconds is None:
            self.seconds = time.monotonic() - self._began


@dataclass(frozen=True)
class ResumePoint:
    """
    What a task keeps of its switch over the grace period.

    :param rotation_id: identifies the run.
    :param lineage: the base of the lineage that it has rotated.
    :param credential_id: the id of the credential that it has published.
    :param strategy: the name of the strategy that gave the stores their keys.
    :param outage_seconds: how long consumers were refused; None where an earlier try made the change.
    """

    rotation_id: RotationId
    lineage: str
    credential_id: str
    strategy: str
    outage_seconds: float | None

    def serialize(self) -> dict[str, Any]:
        """Return it as plain data, which a deferred task keeps."""
        return asdict(self)

    @classmethod
    def deserialize(cls, data: Mapping[str, Any]) -> ResumePoint:
        """Return what :meth:`serialize` made plain data of."""
        return cls(**{**data, "rotation_id": RotationId(**data["rotation_id"])})


@dataclass(frozen=True)
class RotationContext:
    """
    What every step of a rotation works with.

    :param hook: the hook of the target's connection.
    :param target: what to rotate.
    :param rotation_id: identifies the run.
    :param publishers: where the new credential goes, in this order.
    :param settle_timeout: for how many seconds S3 may lag behind the control plane.
    :param outage: the outage of this try.
    :param resumed: what an earlier part of this task has done; None at its beginning.
    :param prepared: what the ``prepare`` of each publisher has returned, by the ``id`` of the publisher.
    """

    hook: CivoObjectStoreHook
    target: RotationTarget
    rotation_id: RotationId
    publishers: Sequence[Publisher] = ()
    settle_timeout: float = 60
    outage: Outage = field(default_factory=Outage)
    resumed: ResumePoint | None = None
    prepared: dict[int, Publisher] = field(default_factory=dict)

    def prepared_form(self, publisher: Publisher) -> Publisher:
        """Return what publishes for a publisher: what it has prepared, or itself."""
        return self.prepared.get(id(publisher), publisher)

    def read(self) -> LineageState:
        """
        Read the state, also where a newer rotation has changed it.

        :raises ConflictError: if the target belongs to another lineage since this task began.
        """
        state = read_state(self.hook, self.target, self.rotation_id)
        if self.resumed and state.base != self.resumed.lineage:
            raise ConflictError(
                f"{self.target}: credential {self.resumed.lineage} was rotated, and the target belongs to "
                f"{state.base} since. Nothing is retired. Give it back and run this task again, or rotate "
                f"{self.resumed.lineage} by its name"
            )
        return state

    def require_current(self, state: LineageState) -> LineageState:
        """
        Return the state if no other rotation interferes, see :func:`.state.require_current`.

        :raises ConflictError: also if the credential is gone that an earlier part of this task has published.
        """
        require_current(state, self.target, self.rotation_id)
        if self.resumed and all(member.id != self.resumed.credential_id for member in state.members):
            raise ConflictError(
                f"{self.target}: the credential that this task has published (id {self.resumed.credential_id}) is "
                "gone, or its connection leads elsewhere since. Nothing is retired. Run this task again: it begins a "
                "new rotation, with a grace period"
            )
        return state

    def refresh(self) -> LineageState:
        """
        Read the state.

        :raises SupersededError: if there has been a newer rotation.
        :raises ConflictError: if another rotation that is due in the same second rotates the same credential, or the
            credential is gone that an earlier part of this task has published.
        """
        return self.require_current(self.read())

    def bucket(self, credential: Credential, store: ObjectStore) -> Bucket:
        """Return a store's bucket as a credential sees it over S3."""
        return Bucket(self.hook.s3_options_of(credential, store), self.settle_timeout)

    def verify_access(
        self, credential: Credential, stores: Iterable[ObjectStore], samples: Mapping[str, str | None]
    ) -> None:
        """
        Prove over S3 that a credential lists each store's bucket and reads what was there before.

        :param samples: by store id, the key of an object that was there; see :meth:`.verify.Bucket.sample`.
        """
        for store in stores:
            self.bucket(credential, store).wait_until_usable(samples.get(store.id))

    def transfer_ownership(self, store: ObjectStore, owner: Credential) -> None:
        """
        Make a credential the owner of a store, and read the store back.

        :raises OwnerChangeUnsupportedError: if the service does not support the change, or accepts and does not make
            it.
        """
        try:
            self.hook.update_object_store(store.id, access_key_id=owner.access_key_id)
        except ApiError as error:
            if civo.is_change_unsupported(error):
                raise OwnerChangeUnsupportedError(str(error)) from error.__cause__
            raise
        found = self.hook.get_object_store(store.id)
        if owner.access_key_id != found.owner_access_key_id:
            raise OwnerChangeUnsupportedError(
                f"the service accepted credential {owner.name} as owner of object store {store.name}, but its owner is "
                f"still {found.owner_access_key_id}"
            )
        log.info("Object store %s now belongs to credential %s", store.name, owner.name)

    def remove_granted_access(self, state: LineageState, owner: Credential) -> None:
        """
        Remove a rotation's statement from the policies of the stores that a credential owns with all objects.

        :raises OwnerChangeUnsupportedError: if it does not own all objects: then the statement stays.
        """
        for store in state.stores_of(owner):
            bucket = self.bucket(owner, store)
            if self.has_granted_access(bucket):
                bucket.wait_until_listed()
                bucket.wait_until_objects_belong_to(bucket.user_id)
                BucketPolicy(bucket).remove_access()
                try:
                    bucket.wait_until_usable()  # not every service shows who owns an object
                except (AccessDeniedError, OwnerChangeUnsupportedError):
                    BucketPolicy(bucket).give_access([bucket.user_id])
                    raise

    def has_granted_access(self, bucket: Bucket) -> bool:
        """Return whether a bucket's policy has a rotation's statement; not where the service has no policies."""
        try:
            return has_statement(BucketPolicy(bucket).read())
        except PolicyUnsupportedError as error:
            log.debug("%s", error)  # so there is none
            return False

    def restrict_granted_access(self, state: LineageState, owner: Credential) -> None:
        """
        Let a rotation's statement in the policies of a credential's stores name nobody else.

        Without the statement the owner would be refused objects that others have written.
        """
        for store in state.stores_of(owner):
            bucket = self.bucket(owner, store)
            if self.has_granted_access(bucket):
                BucketPolicy(bucket).give_access([bucket.user_id])
                BucketPolicy(bucket).keep_access([bucket.user_id])


def same_keys(one: Credential, other: Credential) -> bool:
    """Return whether two readings show the same credential with the same keys."""
    return (one.id, one.access_key_id, one.secret_access_key) == (
        other.id,
        other.access_key_id,
        other.secret_access_key,
    )
