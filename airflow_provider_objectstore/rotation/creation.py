"""Create the credential of a rotation."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ConflictError
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.state import LineageState


def create_or_continue(
    context: RotationContext, state: LineageState, *, before_change: Callable[[], object] = lambda: None
) -> Credential:
    """
    Create the credential, or take the one that an earlier try created; wait until it can be used.

    :param before_change: is called when it can be used, unless it owns all stores already.
    :raises SupersededError: if a newer rotation began meanwhile.
    """
    begun = state.created_by(context.rotation_id)
    if begun is not None and begun.has_keys and all(state.owner_of(store).id == begun.id for store in state.stores):
        return begun
    new = context.hook.wait_until_ready(begun or _create(context, state))
    before_change()
    context.refresh()  # the last moment at which nothing has changed for consumers
    return new


def _create(context: RotationContext, state: LineageState) -> Credential:
    name = name_for(state.base, context.rotation_id)
    size = max((owner.max_size_gb or 0 for owner in state.owners), default=0) or None
    try:
        return context.hook.create_credential(name, max_size_gb=size)
    except ConflictError:
        # Another worker on the same run was faster.
        created = context.refresh().created_by(context.rotation_id)
        if created is None:
            raise
        return created
