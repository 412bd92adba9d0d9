"""Anypoint Object Store v2: its operations as calls, its models, values, tokens and addresses."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.anypoint.building import check_names
    from airflow_provider_objectstore.api.anypoint.operations import (
        Inclusion,
        acknowledge,
        alter_number,
        create_store,
        delete_key,
        delete_partition,
        delete_store,
        extend_confirmation,
        get_key,
        get_partition,
        get_store,
        key_exists,
        list_keys,
        list_partitions,
        list_regions,
        list_stores,
        partition_exists,
        put_key,
        reject,
        update_store,
    )
    from airflow_provider_objectstore.api.anypoint.statistics import (
        Period,
        get_environment_usage,
        get_organization_usage,
        get_region_usage,
        get_store_usage,
        list_used_environments,
        list_used_regions,
        list_used_stores,
        utc_time,
    )

__all__ = [
    "Inclusion",
    "Period",
    "acknowledge",
    "alter_number",
    "check_names",
    "create_store",
    "delete_key",
    "delete_partition",
    "delete_store",
    "extend_confirmation",
    "get_environment_usage",
    "get_key",
    "get_organization_usage",
    "get_partition",
    "get_region_usage",
    "get_store",
    "get_store_usage",
    "key_exists",
    "list_keys",
    "list_partitions",
    "list_regions",
    "list_stores",
    "list_used_environments",
    "list_used_regions",
    "list_used_stores",
    "partition_exists",
    "put_key",
    "reject",
    "update_store",
    "utc_time",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: parsing a DAG needs checks and models only.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in ("building", "operations", "statistics"):
        found = getattr(import_module(f"{__name__}.{module}"), name, None)
        if found is not None:
            return found
    raise AttributeError(name)
