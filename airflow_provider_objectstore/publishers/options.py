"""What publishers get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.hooks.s3 import S3Options


def published_options(hook: CivoObjectStoreHook, credential: Credential, stores: Sequence[ObjectStore]) -> S3Options:
    """
    Return what publishers get of a credential: with the bucket if it has exactly one store, else without.

    :param hook: the hook through which it was read.
    :param credential: the credential, with its keys.
    :param stores: the stores that it has access to: their endpoint is published.
    :raises ObjectStoreError: if its access key or secret is empty.
    """
    options = hook.s3_options_of(credential, stores[0] if stores else None)
    return options if len(stores) == 1 else replace(options, bucket=None)
