"""Retire a credential that was replaced."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ConflictError,
    NotFoundError,
    ObjectStoreError,
    is_transient,
)
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.state import LineageState, has_keys, store_names

log = logging.getLogger(__name__)


def retire_credential(context: RotationContext, credential: Credential, state: LineageState, how: str) -> None:
    """
    Retire a credential, and prove over S3 that it is refused. One that has failed is only deleted: it has no keys.

    Nothing is suspended while it may own a store: that is read right before and after the suspension.

    :param credential: owned no store when the state was read.
    :param state: the stores that must refuse it.
    :param how: ``delete``, ``suspend`` or ``keep``.
    :raises ConflictError: if it may own a store by now, or the service refuses to delete it; it works as before.
    :raises ObjectStoreError: if the service does not do it, or S3 still accepts the credential.
    """
    if how != "keep":
        _end_access(context, credential, how)
    if not has_keys(credential):
        log.info("Credential %s has no keys that could be refused", credential.name)
        return
    for store in state.stores:
        context.bucket(credential, store).wait_until_refused()
    done = {"delete": "deleted", "suspend": "suspended", "keep": "kept"}[how]
    log.info("The replaced credential %s is %s, and refused", credential.name, done)


def reactivate_owners(context: RotationContext, state: LineageState) -> LineageState:
    """
    End the suspension of owners that an earlier run has replaced: it was killed before it noticed their stores.

    No rotation suspends the newest credential or all owners. Somebody else did, for a reason: they stay suspended.

    :param state: what was read before.
    :return: the state afterwards.
    :raises ObjectStoreError: if one stays suspended, or S3 still refuses it.
    """
    suspended = [owner for owner in state.owners if owner.suspended and owner != state.newest]
    if not suspended or all(owner.suspended for owner in state.owners):
        return state
    for owner in suspended:
        _reactivate(context, owner)
        context.verify_access(owner, state.stores_of(owner), {})
        log.warning(
            "Credential %s was suspended although it owns %s: it works again, and is replaced there too",
            owner.name,
            store_names(state.stores_of(owner)),
        )
    return context.refresh()


def _end_access(context: RotationContext, credential: Credential, how: str) -> None:
    found = _read_ownerless(context, credential)
    if found is None:
        return
    with _reactivated_on_failure(context, found):
        if not found.suspended and not found.failed:  # without keys there is no access to end
            _suspend(context, found, how)
        if how == "delete":
            try:
                context.hook.delete_credential(found.id)
            except NotFoundError:
                _log_gone(found)


def _read_ownerless(context: RotationContext, credential: Credential) -> Credential | None:
    """
    Read a credential that owns no store; None if it is gone.

    :raises ConflictError: if it owns a store, or may own one whose owner the service does not tell.
    """
    state = context.refresh()
    found = next((member for member in state.members if member.id == credential.id), None)
    if found is None:
        _log_gone(credential)
        return None
    if owned := state.stores_of(found):
        raise ConflictError(
            f"credential {credential.name} owns {store_names(owned)} since it was replaced, and is not retired. Run "
            "this task again: it gives these stores the new credential too"
        )
    if state.without_owner:
        raise ConflictError(
            f"the service does not tell who owns {store_names(state.without_owner)}. It may be credential "
            f"{credential.name}, which is therefore not retired: run this task again when these stores are ready"
        )
    return found


def _suspend(context: RotationContext, credential: Credential, how: str) -> None:
    try:
        context.hook.update_credential(credential.id, suspended=True)
    except NotFoundError:
        _log_gone(credential)
        return
    except ApiError as error:
        # Before a deletion it is a precaution, which a service without suspension does not need.
        if how == "suspend" or not civo.is_change_unsupported(error):
            raise
        log.warning("Credential %s is not suspended before it is deleted (%s)", credential.name, error)
        return
    found = _read_ownerless(context, credential)  # a store may have been created meanwhile
    if how == "suspend" and found is not None and not found.suspended:
        raise ObjectStoreError(
            f"the service accepted suspending credential {credential.name} and did not do it; with "
            "retire='delete' it is deleted"
        )


@contextmanager
def _reactivated_on_failure(context: RotationContext, found: Credential) -> Iterator[None]:
    """
    Let a credential work as before if it cannot be retired. One that is gone is retired.

    :param found: the credential as it was before. If it was suspended then, only a conflict tells that it is needed.
    """
    try:
        yield
    except BaseException as error:
        if found.suspended and not isinstance(error, ConflictError):
            raise
        try:
            if _reactivate(context, found):
                outcome = f"credential {found.name} is not retired, and not suspended"
            elif is_transient(error):  # its deletion was done, and the response was lost
                return
            else:
                outcome = f"credential {found.name} is gone"
        except ObjectStoreError as problem:
            outcome = (
                f"credential {found.name} is not retired, and stays suspended ({problem}): run this task again, or set "
                "suspended=False with CivoUpdateCredentialOperator"
            )
        if isinstance(error, ObjectStoreError):
            raise error.prefixed(f"{outcome}: ") from error.__cause__
        log.warning("After %r: %s", error, outcome)
        raise


def _reactivate(context: RotationContext, credential: Credential) -> bool:
    """Return False if the credential is gone."""
    try:
        if not context.hook.get_credential(credential.id).suspended:
            return True
        context.hook.update_credential(credential.id, suspended=False)
        if context.hook.get_credential(credential.id).suspended:
            raise ObjectStoreError(f"the service accepted suspended=False for credential {credential.name}, in vain")
    except NotFoundError:
        _log_gone(credential)
        return False
    return True


def _log_gone(credential: Credential) -> None:
    log.info("Credential %s was deleted meanwhile", credential.name)
