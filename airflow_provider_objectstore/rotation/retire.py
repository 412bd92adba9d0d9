"""Retire a credential that was replaced."""

from __future__ import annotations

import logging

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ApiError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.rotation.context import RotationContext
from airflow_provider_objectstore.rotation.state import LineageState

log = logging.getLogger(__name__)


def retire_credential(context: RotationContext, credential: Credential, state: LineageState, how: str) -> None:
    """
    Retire a credential, and prove over S3 that it is refused.

    :param credential: owns no store any more.
    :param state: the stores that must refuse it.
    :param how: ``delete``, ``suspend`` or ``keep``.
    :raises ObjectStoreError: if the service does not do it, or S3 still accepts the credential.
    """
    try:
        if how != "keep" and not credential.suspended:
            _suspend(context, credential, how)
        if how == "delete":
            context.hook.delete_credential(credential.id)
    except NotFoundError:
        log.info("Credential %s was deleted meanwhile", credential.name)
    if credential.has_keys:
        for store in state.stores:
            context.bucket(credential, store).wait_until_refused()
    done = {"delete": "deleted", "suspend": "suspended", "keep": "kept"}[how]
    log.info("The replaced credential %s is %s, and refused", credential.name, done)


def _suspend(context: RotationContext, credential: Credential, how: str) -> None:
    try:
        context.hook.update_credential(credential.id, suspended=True)
    except ApiError as error:
        # Before a deletion it is a precaution, which a service without suspension does not need.
        if how == "suspend" or not civo.is_change_unsupported(error):
            raise
        log.warning("Credential %s is not suspended before it is deleted (%s)", credential.name, error)
    if how == "suspend" and not context.hook.get_credential(credential.id).suspended:
        raise ObjectStoreError(
            f"the service accepted suspending credential {credential.name} and did not do it; with "
            "retire='delete' it is deleted"
        )
