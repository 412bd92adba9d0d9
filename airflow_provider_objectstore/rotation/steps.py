"""
What a rotation does, in order: prepare, prove the old, switch, prove the new, publish; later retire the old.

Each step reads the services first; see the package's docstring.
"""

from __future__ import annotations

import logging
import secrets
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
from airflow_provider_objectstore.api.rotation_names import Tag, access_key_for, name_for, tag_of
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConflictError,
    NotFoundError,
    ObjectStoreError,
    OwnerChangeUnsupportedError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.probe import Bucket
from airflow_provider_objectstore.rotation.published import problem_of, require_published
from airflow_provider_objectstore.rotation.standing import Standing, Target, names, read

ROUNDS = 5

log = logging.getLogger(__name__)


class SupersededError(ObjectStoreError):
    """A newer rotation has been at work: this one is not to go on."""


@dataclass
class Rotation:
    """
    One rotation; every method may be called again, in this process or another.

    :param tag: of the run.
    :param strategy: ``auto``, ``replace`` or ``in_place``.
    :param retire: ``delete``, ``suspend`` or ``keep``.
    :param patience: for how many seconds S3 may lag behind the control plane.
    """

    hook: CivoObjectStoreHook
    target: Target
    tag: Tag
    strategy: str = "auto"
    publishers: Sequence[Publisher] = ()
    retire: str = "delete"
    patience: float = 60
    gap: float | None = field(default=None, init=False)
    """Seconds from the first change to the last publisher; None where an earlier try had made the change."""
    _switched: float | None = field(default=None, init=False)
    _ended: list[Bucket] = field(default_factory=list, init=False)

    def look(self) -> Standing:
        """
        Read how things stand.

        :raises SupersededError: if there has been a newer rotation.
        :raises ConflictError: if another one, due at the same moment, rotates the same credential.
        """
        standing = read(self.hook, self.target, self.tag)
        if standing.newest and standing.newest.moment > self.tag.moment:
            raise SupersededError(
                f"{self.target}: the rotation of {standing.newest.time} is newer than this run's of {self.tag.time}; "
                "nothing is left to do for this one"
            )
        if other := standing.rival_of(self.tag):
            raise ConflictError(
                f"{self.target}: another task of this run, or a run due at the same moment, rotates the same "
                f"credential: it made {other.name} ({other.access_key_id}). What it publishes and retires cannot agree "
                "with this task. Use one task with all its publishers; if the other one is gone, a run that is due "
                "later takes over"
            )
        return standing

    def require_published(self) -> None:
        """See that this rotation's publishers have what a newer one has made, see :func:`require_published`."""
        require_published(self.hook, self.publishers, read(self.hook, self.target, self.tag))

    def plan(self, standing: Standing) -> dict[str, Any]:
        """Say what this rotation is about, without secrets."""
        return {
            "target": str(self.target),
            "strategy": self.strategy,
            "stores": [store.name for store in standing.stores],
            "owners": [_shown(owner) for owner in standing.owners],
            "new_name": name_for(standing.base, self.tag),
            "publishers": [str(publisher) for publisher in self.publishers],
            "retire": self.retire,
            "leftovers": [_shown(it) for it in standing.members if not standing.stores_of(it)],
        }

    def switch(self, standing: Standing) -> Credential:
        """
        Give the stores their new credential and publish it.

        :return: the credential.
        :raises SupersededError: if a newer rotation came in between.
        :raises OwnerChangeUnsupportedError: if the service does not change owners, and ``in_place`` is not allowed.
        """
        if not standing.stores:
            raise ObjectStoreError(f"{self.target} owns no object store: there is nothing to rotate")
        try:
            new = self._publish(self._change(standing), standing)
        except ObjectStoreError:
            self.look()  # a newer rotation may be why: it says so
            raise
        for bucket in self._ended:
            bucket.wait_until_refused()
        return new

    def _change(self, standing: Standing) -> Credential:
        if self.strategy == "in_place" or self._changed_in_place(standing):
            return self._change_in_place(standing)
        try:
            return self._replace(standing)
        except OwnerChangeUnsupportedError as error:
            if self.strategy == "replace":
                raise
            log.warning("%s. Its keys are changed in place instead", error)
            return self._change_in_place(self.look())

    def finish(self) -> dict[str, Any]:
        """
        Retire what the new credential has replaced, once it is sure that the new one works and is published.

        :return: what was done, without secrets.
        """
        new = self.switch(self.look())
        standing = self.look()
        old = self.replaced(standing, new)
        for credential in old:
            self._retire(credential, standing)
        return {
            "strategy": "in_place" if self._changed_in_place(standing) else "replace",
            "credential": _shown(new),
            "stores": [store.name for store in standing.stores],
            "published_to": [str(publisher) for publisher in self.publishers],
            "retired": [_shown(it) for it in old],
        }

    @staticmethod
    def replaced(standing: Standing, new: Credential) -> list[Credential]:
        """Return the members whose time is over."""
        return [it for it in standing.members if it.id != new.id and not standing.stores_of(it)]

    # Replacing

    def _replace(self, standing: Standing) -> Credential:
        new = standing.made_by(self.tag)
        before = {store.id: standing.owner_of(store) for store in standing.stores}
        waiting = [store for store in standing.stores if new is None or before[store.id].id != new.id]
        samples = {store.id: self._bucket(before[store.id], store).sample() for store in waiting}
        try:
            if new is None or waiting or not new.filled:
                new = self._prepare(standing, new)
            for store in waiting:
                self._hand_over(store, new)
            self._prove(new, standing.stores, samples)
        except BaseException as error:
            self._undo_replace(error, before)
            raise
        return new

    def _prepare(self, standing: Standing, begun: Credential | None) -> Credential:
        """Create the new credential, or take the one that an earlier try created; wait until it can be used."""
        if begun is None:
            name = name_for(standing.base, self.tag)
            size = max((it.max_size_gb or 0 for it in standing.owners), default=0) or None
            try:
                begun = self.hook.create_credential(name, max_size_gb=size)
            except ConflictError:
                # Another worker on the same run was faster.
                begun = self.look().made_by(self.tag)
                if begun is None:
                    raise
        new = self.hook.wait_until_ready(begun)
        self.look()  # the last moment to leave it to a newer rotation
        return new

    def _hand_over(self, store: ObjectStore, owner: Credential) -> None:
        self._switched = self._switched or time.monotonic()
        self.hook.update_object_store(store.id, access_key_id=owner.access_key_id)
        found = self.hook.get_object_store(store.id)
        if owner.access_key_id != found.owner_access_key_id:
            raise OwnerChangeUnsupportedError(
                f"the service accepted credential {owner.name} as owner of object store {store.name}, but its owner is "
                f"still {found.owner_access_key_id}"
            )
        log.info("Object store %s now belongs to credential %s", store.name, owner.name)

    def _undo_replace(self, error: BaseException, before: Mapping[str, Credential]) -> None:
        """Give back what this try has switched; unless the new credential is published, give back all and delete it."""
        try:
            standing = read(self.hook, self.target, self.tag)
            new = standing.made_by(self.tag)
            if new is None:
                return
            begun = any(it.id == new.id for it in before.values())
            published = self._published(new, standing, unsure=begun)
            if published and not begun:  # by another worker on the same run
                return
            given_back = []
            for store in standing.stores_of(new):
                old = before.get(store.id)
                if old is None or old.id == new.id:  # an earlier try had switched it
                    if published:
                        continue
                    old = next(it for it in reversed(standing.members) if it.id != new.id and not it.suspended)
                self._hand_over(store, old)
                given_back.append(store)
            if not published:
                self.hook.delete_credential(new.id)
        except (ObjectStoreError, StopIteration) as problem:
            log.error(
                "The rotation failed (%s) and could not be undone (%s). All credentials are kept; run this task again "
                "to finish",
                error,
                str(problem) or "no earlier credential is left",
            )
        else:
            self._switched = None
            log.warning("What was not published yet was undone. Given back to the earlier owner: %s", names(given_back))

    # Changing in place

    def _changed_in_place(self, standing: Standing) -> bool:
        return any(it.access_key_id == access_key_for(it.id, self.tag) for it in standing.members)

    def _change_in_place(self, standing: Standing) -> Credential:
        if len(standing.owners) != 1:
            raise ObjectStoreError(
                f"the stores of {self.target} have {len(standing.owners)} owners, "
                f"{', '.join(it.name for it in standing.owners)}: keys are changed in place only where there is one"
            )
        (owner,) = standing.owners
        access_key = access_key_for(owner.id, self.tag)
        if owner.access_key_id == access_key:
            new = self.hook.wait_for_keys(owner)
            self._prove(new, standing.stores, {})
            return new
        buckets = [self._bucket(owner, store) for store in standing.stores]
        samples = {store.id: bucket.sample() for store, bucket in zip(standing.stores, buckets, strict=True)}
        secret = _new_secret()
        try:
            new = self._set_keys(owner, access_key, secret)
            # A third secret is that of another worker on the same run, which was faster.
            if new.access_key_id != access_key or new.secret_access_key == owner.secret_access_key:
                raise ObjectStoreError(
                    f"the service accepted new keys for credential {owner.name} ({owner.access_key_id}), but has "
                    f"{new.access_key_id} with {'its old' if new.access_key_id == access_key else 'a'} secret for it"
                )
            self._prove(new, standing.stores, samples)
        except BaseException:
            self._undo_in_place(owner, access_key, secret)
            raise
        self._ended = buckets
        return new

    def _set_keys(self, credential: Credential, access_key: str, secret: str) -> Credential:
        self._switched = self._switched or time.monotonic()
        self.hook.update_credential(credential.id, access_key_id=access_key, secret_access_key=secret)
        found = self.hook.wait_for_keys(self.hook.get_credential(credential.id))
        log.info("Credential %s now has access key %s", found.name, found.access_key_id)
        return found

    def _undo_in_place(self, old: Credential, access_key: str, secret: str) -> None:
        """Set the old keys, unless another rotation has set its own meanwhile."""
        try:
            found = self.hook.wait_for_keys(self.hook.get_credential(old.id))
            if found.access_key_id not in (old.access_key_id, access_key) or found.secret_access_key not in (
                old.secret_access_key,
                secret,
            ):
                log.warning("Another rotation has changed credential %s's keys: they are left as they are", old.name)
                return
            found = self._set_keys(old, old.access_key_id, old.secret_access_key)
            if _keys(found) != _keys(old):
                raise ObjectStoreError(f"the service has {found.access_key_id} for it")
        except ObjectStoreError as problem:
            log.error(
                "The change of credential %s's keys could not be undone (%s). Run this task again to finish",
                old.name,
                problem,
            )
        else:
            self._switched = None
            log.warning("The change was undone: credential %s has its old keys", old.name)

    # Proving, publishing, retiring

    def _prove(self, new: Credential, stores: Sequence[ObjectStore], samples: Mapping[str, str | None]) -> None:
        for store in stores:
            self._bucket(new, store).wait_until_usable(samples.get(store.id))

    def _publish(self, new: Credential, standing: Standing) -> Credential:
        """Publish the owner; if another rotation has changed it meanwhile, the one that it is now."""
        for _ in range(ROUNDS):
            for publisher in self.publishers:
                self._publish_to(publisher, new, standing)
            if self._switched is not None and self.gap is None:
                self.gap = time.monotonic() - self._switched
            standing = read(self.hook, self.target, self.tag)
            owner = standing.owners[-1] if standing.owners else new
            if _keys(owner) == _keys(new):
                self.look()
                return new
            new = self.hook.wait_for_keys(owner)
        raise ObjectStoreError(
            f"the owner of {names(standing.stores)} changes again and again: another rotation is at work"
        )

    def _publish_to(self, publisher: Publisher, new: Credential, standing: Standing) -> None:
        options = self._options(new, standing.stores)
        try:
            publisher.publish(options)
            publisher.verify(options)
        except Exception as error:
            old = ", ".join(it.name for it in standing.members if it.id != new.id) or "its old keys"
            raise ObjectStoreError(
                f"credential {new.name} could not be published to {publisher} "
                f"({str(error).replace(new.secret_access_key, '***')}). It is the owner of {names(standing.stores)} "
                f"already, and consumers of {old} are refused. Nothing is retired: run this task again to finish"
            ) from error
        log.info("Published credential %s to %s", new.name, publisher)

    def _published(self, new: Credential, standing: Standing, *, unsure: bool) -> bool:
        """
        Whether consumers may have it: alone, or with the bucket that was its only one then.

        :param unsure: the answer where no publisher has it and one cannot be asked.
        """
        owned = standing.stores_of(new)
        answer = False
        for publisher in self.publishers if new.filled and owned else ():
            problem = problem_of(self.hook, publisher, new, owned)
            if problem is None:
                return True
            if isinstance(problem, (TransportError, ServerError)):
                answer = unsure
        return answer

    def _retire(self, credential: Credential, standing: Standing) -> None:
        try:
            if self.retire != "keep" and not credential.suspended:
                self._suspend(credential)
            if self.retire == "delete":
                self.hook.delete_credential(credential.id)
        except NotFoundError:
            log.info("Credential %s was deleted meanwhile", credential.name)
        if credential.filled:
            for store in standing.stores:
                self._bucket(credential, store).wait_until_refused()
        done = {"delete": "deleted", "suspend": "suspended", "keep": "kept"}[self.retire]
        log.info("The replaced credential %s is %s, and refused", credential.name, done)

    def _suspend(self, credential: Credential) -> None:
        """Suspend a credential, which is only the step before its deletion where it is deleted."""
        try:
            self.hook.update_credential(credential.id, suspended=True)
        except ApiError as error:
            if self.retire == "suspend" or error.status not in (400, 405, 422):
                raise
            log.warning("Credential %s is not suspended before it is deleted (%s)", credential.name, error)
        if self.retire == "suspend" and not self.hook.get_credential(credential.id).suspended:
            raise ObjectStoreError(
                f"the service accepted suspending credential {credential.name} and did not do it; with "
                "retire='delete' it is deleted"
            )

    def _bucket(self, credential: Credential, store: ObjectStore) -> Bucket:
        return Bucket(self.hook.s3_options_of(credential, store), self.patience)

    def _options(self, credential: Credential, stores: Sequence[ObjectStore]) -> S3Options:
        """Return what is published: with the bucket where there is just one."""
        options = self.hook.s3_options_of(credential, stores[0])
        return options if len(stores) == 1 else replace(options, bucket=None)


def _keys(credential: Credential) -> tuple[str, str, str]:
    return credential.id, credential.access_key_id, credential.secret_access_key


def _new_secret() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))


def _shown(credential: Credential) -> dict[str, Any]:
    rotated = tag_of(credential)
    return {
        "id": credential.id,
        "name": credential.name,
        "access_key_id": credential.access_key_id,
        "rotated": str(rotated.time) if rotated else None,
    }
