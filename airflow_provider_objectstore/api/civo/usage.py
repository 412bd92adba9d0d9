"""How much of an object store, or of the account's quota, is used. What the service does not tell is an error."""

from __future__ import annotations

from typing import Any

from airflow_provider_objectstore.api.civo.models import ObjectStore, ObjectStoreStats, Quota
from airflow_provider_objectstore.exceptions import ObjectStoreError

KB_PER_GB = 1_000_000
"""Assumption: a KB of the statistics is a millionth of a GB, because a store of 500 GB was seen with 500000000 KB."""


def use_of_store(store: ObjectStore, stats: ObjectStoreStats) -> dict[str, Any]:
    """
    Return how much of an object store is used, with ``share`` from 0 to 1 or above.

    The size is the object store's own: that of the statistics may lag behind a change.

    :param store: the object store.
    :param stats: its statistics.
    :raises ObjectStoreError: if the service does not tell the size, or tells a use that cannot be.
    """
    size_kb = store.max_size_gb * KB_PER_GB if store.max_size_gb else stats.max_size_kb
    if size_kb <= 0 or stats.size_kb_utilised < 0 or stats.num_objects < 0:
        raise ObjectStoreError(
            f"the service does not tell how much of object store {store.name} ({store.id}) is used: it has "
            f"{store.max_size_gb} GB, and by its statistics {stats.size_kb_utilised} of {stats.max_size_kb} KB in "
            f"{stats.num_objects} objects"
        )
    return {
        "id": store.id,
        "object_store": store.name,
        "max_size_gb": size_kb // KB_PER_GB,
        "size_kb_utilised": stats.size_kb_utilised,
        "num_objects": stats.num_objects,
        "share": stats.size_kb_utilised / size_kb,
    }


def use_of_quota(quota: Quota) -> dict[str, Any]:
    """
    Return how much of the account's quota is used, with ``share`` from 0 to 1 or above.

    :param quota: the quota.
    :raises ObjectStoreError: if the service does not tell the limit, or tells a use that cannot be.
    """
    limit, usage = quota.objectstore_gb_limit, quota.objectstore_gb_usage
    if limit <= 0 or usage < 0:
        raise ObjectStoreError(
            f"the service does not tell how much of the account's quota is used: {usage} of {limit} GB"
        )
    return {"objectstore_gb_limit": limit, "objectstore_gb_usage": usage, "share": usage / limit}
