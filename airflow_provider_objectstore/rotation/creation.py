"""Create the credential of a rotation."""

from __future__ import annotations

import logging
from collections.abc import Callable

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError, ResourceFailedError
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.publish import is_published
from airflow_provider_objectstore.rotation.state import LineageState

log = logging.getLogger(__name__)


def create_or_continue(
    context: RotationContext, state: LineageState, *, before_change: Callable[[], object] = lambda: None
) -> Credential:
    """
    Create the credential, or take the one that an earlier try created; wait until it can be used.

    :param before_change: is called when it can be used, unless it owns all stores already.
    :raises SupersededError: if a newer rotation began meanwhile.
    :raises ResourceFailedError: if it has another size than the owner, and the service does not change that.
    """
    begun = state.created_by(context.rotation_id)
    if begun is not None and begun.has_keys and all(state.owner_of(store).id == begun.id for store in state.stores):
        return begun
    size = _size_to_copy(state)
    new = context.hook.wait_until_ready(begun or _create(context, state, size))
    if civo.is_other_size(new.max_size_gb, size) and not is_published(context, new, state.stores, if_unknown=True):
        new = _resize(context, new, size)
    before_change()
    context.refresh()  # the last moment at which nothing has changed for consumers
    return new


def _create(context: RotationContext, state: LineageState, size: int | None) -> Credential:
    name = name_for(state.base, context.rotation_id)
    try:
        return context.hook.create_credential(name, max_size_gb=size)
    except ConflictError:
        # Another worker on the same run was faster.
        created = context.refresh().created_by(context.rotation_id)
        if created is None:
            raise
        return created


def _size_to_copy(state: LineageState) -> int | None:
    """Return the largest size of the owners; None for the service's default."""
    size = max((owner.max_size_gb or 0 for owner in state.owners), default=0) or None
    try:
        return size and civo.check_size(size)
    except InvalidArgumentError as error:
        log.warning("The size of %s is not copied: %s", ", ".join(owner.name for owner in state.owners), error)
        return None


def _resize(context: RotationContext, new: Credential, size: int | None) -> Credential:
    """
    Give a credential that consumers do not use yet the owner's size, which may have changed since an earlier try.

    :raises ResourceFailedError: if the service accepts the change and does not make it.
    """
    context.hook.update_credential(new.id, max_size_gb=size)
    found = context.hook.wait_until_ready(context.hook.get_credential(new.id))
    if civo.is_other_size(found.max_size_gb, size):
        raise ResourceFailedError(
            f"the service was asked for {size} GB, which the owner may store, and credential {new.name} has "
            f"{found.max_size_gb} GB. It is not published"
        )
    return found
