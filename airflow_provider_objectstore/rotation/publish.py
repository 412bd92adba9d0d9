"""Publish the stores' credential, and find out whether publishers have it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    NotFoundError,
    ObjectStoreError,
    UnreadableValueError,
    cause_of,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.publishers.options import published_options
from airflow_provider_objectstore.rotation.context import RotationContext, same_keys
from airflow_provider_objectstore.rotation.state import LineageState, has_keys, store_names

MAX_PUBLISH_ATTEMPTS = 5
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SAYING_WHAT_IS_THERE = frozenset(
    {ConflictError, FileNotFoundError, NotFoundError, ObjectStoreError, UnreadableValueError, ValueError}
)
"""The errors of a publisher's ``verify`` by which its place does not have a credential."""

log = logging.getLogger(__name__)


def identities_of(publishers: Iterable[Publisher]) -> list[str]:
    """
    Return what tells publishers from other ones, in whatever order they are called.

    It is the same in each process: where a class has no text of its own, Python's has an object's address.
    """
    return sorted({_ADDRESS.sub("", str(publisher)) for publisher in publishers})


def prepare_publishers(context: RotationContext, state: LineageState) -> None:
    """
    Call each publisher's optional ``prepare()``, before the first change that consumers notice.

    :param state: what was read before.
    :raises ObjectStoreError: naming the publisher that cannot publish.
    """
    for publisher in context.publishers:
        try:
            prepared = getattr(publisher, "prepare", lambda: None)()
            if prepared is not None and not isinstance(prepared, Publisher):
                raise TypeError(f"its prepare() returned a {type(prepared).__name__}, which cannot publish and verify")
        except Exception as error:
            raise ObjectStoreError(
                f"{publisher} cannot publish ({_redacted(error, *state.members)}). Nothing was changed for consumers: "
                "run this task again when it can"
            ) from cause_of(error)
        context.prepared[id(publisher)] = publisher if prepared is None else prepared


def publish_credential(
    context: RotationContext,
    credential: Credential,
    state: LineageState,
    current: Callable[[LineageState], Credential],
    *,
    again: bool = False,
) -> LineageState:
    """
    Publish a credential. If another rotation changes it meanwhile, publish the one that consumers should have then.

    All publishers have it before the first one is verified: looking it up would let the consumers of the next one wait.

    :param credential: the credential that consumers should have, with its keys.
    :param state: what was read before.
    :param current: returns the credential that consumers should have in a state.
    :param again: whether an earlier try may have published it: then publishers that have it are not called.
    :return: the state after publishing.
    :raises ObjectStoreError: if a publisher fails, or the credential keeps changing.
    :raises SupersededError: if the credential is that of a newer rotation; it is published.
    """
    for _ in range(MAX_PUBLISH_ATTEMPTS):
        options = published_options(context.hook, credential, state.stores)
        called = []
        for publisher in context.publishers:
            if not (again and _has(publisher, context, credential, state)):
                with _naming(publisher, context, credential, state):
                    context.prepared_form(publisher).publish(options)
                called.append(publisher)
        context.outage.end()
        for publisher in called:
            with _naming(publisher, context, credential, state):
                context.prepared_form(publisher).verify(options)
            log.info("Published credential %s to %s", credential.name, publisher)
        state = context.read()
        found = current(state)
        if same_keys(found, credential):
            return context.require_current(state)
        credential = context.hook.wait_for_keys(found)
    raise ObjectStoreError(f"the credential of {store_names(state.stores)} keeps changing: another rotation is running")


def is_published(
    context: RotationContext, credential: Credential, stores: Sequence[ObjectStore], *, if_unknown: bool
) -> bool:
    """
    Return whether a publisher has a credential, so that consumers may use it.

    :param stores: the stores that it has access to.
    :param if_unknown: what to return if no publisher has it and at least one could not be asked.
    """
    if not has_keys(credential) or not stores:
        return False
    result = False
    for publisher in context.publishers:
        problem = _find_problem(context.prepared_form(publisher), context.hook, credential, stores)
        if problem is None:
            return True
        if _is_unclear(problem):
            kind = type(problem).__name__
            log.warning("%s cannot be asked whether it has credential %s (%s)", publisher, credential.name, kind)
            result = if_unknown
    return result


def newest_published(
    hook: CivoObjectStoreHook,
    credentials: Sequence[Credential],
    stores: Sequence[ObjectStore],
    publishers: Iterable[Publisher],
) -> Credential | None:
    """
    Return the newest credential that a publisher has, so that consumers may use it.

    :param credentials: of one lineage, with their keys, the newest last.
    :param stores: the stores that they have access to.
    :raises ObjectStoreError: if a publisher could not be asked, and none has that credential.
    """
    publishers = list(publishers)
    for credential in reversed(credentials):
        problems = [(publisher, _find_problem(publisher, hook, credential, stores)) for publisher in publishers]
        if any(problem is None for _, problem in problems):
            return credential
        for publisher, problem in problems:
            if problem and _is_unclear(problem):
                raise ObjectStoreError(
                    f"{publisher} cannot be asked whether it has credential {credential.name} "
                    f"({_redacted(problem, *credentials)}). Nothing is published: run this task again when it can"
                ) from cause_of(problem)
    return None


def require_published(context: RotationContext) -> None:
    """
    Verify that publishers have the stores' credential, which another rotation has made. Nothing is published.

    :raises ObjectStoreError: if a publisher does not have it, or could not be asked.
    """
    state = context.read()
    if not context.publishers or not state.owners:
        return
    owner = context.hook.wait_for_keys(state.owners[-1])
    stores = state.stores_of(owner)
    newest = state.newest or owner
    for publisher in context.publishers:
        problem = _find_problem(context.prepared_form(publisher), context.hook, owner, stores)
        if problem is None or _has(publisher, context, newest, state):
            continue
        found = "cannot be asked whether it has it" if _is_unclear(problem) else "does not have it"
        raise ObjectStoreError(
            f"a newer rotation has made credential {owner.name}, the owner of {store_names(stores)}, and "
            f"{publisher} {found} ({_redacted(problem, owner, *state.members)}). This run publishes nothing. If the "
            "newer one is still running, run this task again after it; if it has other publishers, use one task with "
            "them all"
        ) from cause_of(problem)


@contextmanager
def _naming(publisher: Publisher, context: RotationContext, new: Credential, state: LineageState) -> Iterator[None]:
    """Turn a publisher's error into one that names the publisher and says what it means for consumers."""
    try:
        yield
    except Exception as error:
        raise ObjectStoreError(
            f"credential {new.name} could not be published to {publisher} ({_redacted(error, new, *state.members)}). "
            f"{_consequence(context, new, state)} Nothing is retired: run this task again to finish"
        ) from cause_of(error)


def _consequence(context: RotationContext, new: Credential, state: LineageState) -> str:
    old = ", ".join(member.name for member in state.members if member.id != new.id) or "its old keys"
    if not context.outage.has_begun and all(state.owner_of(store).id != new.id for store in state.stores):
        return f"Consumers of {old} are not affected."
    return f"It is the owner of {store_names(state.stores)} already, and consumers of {old} are refused."


def _has(publisher: Publisher, context: RotationContext, credential: Credential, state: LineageState) -> bool:
    if not has_keys(credential):
        return False
    return _find_problem(context.prepared_form(publisher), context.hook, credential, state.stores) is None


def _find_problem(
    publisher: Publisher, hook: CivoObjectStoreHook, credential: Credential, stores: Sequence[ObjectStore]
) -> Exception | None:
    """
    Return why a publisher does not have a credential; None if it has it.

    :param stores: the credential's stores. It may have been published without a bucket, or with the bucket that was
        its only one then.
    """
    problem: Exception | None = None
    options = published_options(hook, credential, stores)
    for bucket in dict.fromkeys((options.bucket, None, *(store.name for store in stores))):
        try:
            publisher.verify(replace(options, bucket=bucket))
        except Exception as error:
            problem = error
            if _is_unclear(error):
                break
        else:
            return None
    return problem


def _is_unclear(error: Exception) -> bool:
    """Return whether an error of reading a publisher's place says nothing about what is there."""
    return type(error) not in _SAYING_WHAT_IS_THERE  # a subclass may say less, as a JSONDecodeError does


def _redacted(error: Exception, *credentials: Credential) -> str:
    text = str(error)
    for credential in credentials:
        if credential.secret_access_key.strip():
            text = text.replace(credential.secret_access_key, "***")
    return text
