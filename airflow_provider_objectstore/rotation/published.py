"""Whether publishers have a credential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ObjectStoreError, ServerError, TransportError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.standing import Standing, names


def problem_of(
    hook: CivoObjectStoreHook, publisher: Publisher, credential: Credential, owned: Sequence[ObjectStore]
) -> Exception | None:
    """
    Return why a publisher does not have a credential; None if it has.

    :param owned: the credential's stores. It may be published alone, or with the bucket that was its only one then.
    :return: ``TransportError`` or ``ServerError`` where the publisher cannot be asked.
    """
    found: Exception | None = None
    for bucket in (None, *(store.name for store in owned)):
        try:
            publisher.verify(replace(hook.s3_options_of(credential, owned[0]), bucket=bucket))
        except (TransportError, ServerError) as error:
            return error
        except Exception as error:
            found = error
        else:
            return None
    return found


def require_published(hook: CivoObjectStoreHook, publishers: Sequence[Publisher], standing: Standing) -> None:
    """
    See that publishers have the stores' credential, which another rotation has made. Nothing is published.

    :raises ObjectStoreError: if one has not, or cannot be asked.
    """
    if not publishers or not standing.owners:
        return
    owner = hook.wait_for_keys(standing.owners[-1])
    owned = standing.stores_of(owner)
    for publisher in publishers:
        problem = problem_of(hook, publisher, owner, owned)
        if problem is None:
            continue
        asked = not isinstance(problem, (TransportError, ServerError))
        raise ObjectStoreError(
            f"a newer rotation has made credential {owner.name}, the owner of {names(owned)}, and "
            f"{publisher} {'does not have it' if asked else 'cannot be asked whether it has it'} "
            f"({str(problem).replace(owner.secret_access_key, '***')}). This run publishes nothing. If the newer one "
            "is still at work, run this task again after it; if it has other publishers, use one task with them all"
        ) from problem
