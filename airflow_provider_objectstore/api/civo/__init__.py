"""Civo object stores: each operation once, with its models and lookups."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.civo.checks import (
        MAX_NAME_LENGTH,
        SIZE_STEP_GB,
        check_name,
        check_object_key,
        check_size,
        is_other_size,
    )
    from airflow_provider_objectstore.api.civo.lookups import (
        credential_not_found,
        find_credential,
        find_object_store,
        match_credential,
        match_object_store,
        object_store_not_found,
        owner_is_unknown,
        owner_of,
        owns,
        require_credential,
        require_object_store,
        require_owner,
        wait_for_keys,
        wait_until_ready,
    )
    from airflow_provider_objectstore.api.civo.operations import (
        DEFAULT_URL,
        base_urls,
        create_credential,
        create_object_store,
        delete_credential,
        delete_object_store,
        get_credential,
        get_object_store,
        get_object_store_stats,
        get_quota,
        is_change_unsupported,
        list_credentials,
        list_object_stores,
        list_regions,
        parameters,
        update_credential,
        update_object_store,
    )

__all__ = [
    "DEFAULT_URL",
    "MAX_NAME_LENGTH",
    "SIZE_STEP_GB",
    "base_urls",
    "check_name",
    "check_object_key",
    "check_size",
    "create_credential",
    "create_object_store",
    "credential_not_found",
    "delete_credential",
    "delete_object_store",
    "find_credential",
    "find_object_store",
    "get_credential",
    "get_object_store",
    "get_object_store_stats",
    "get_quota",
    "is_change_unsupported",
    "is_other_size",
    "list_credentials",
    "list_object_stores",
    "list_regions",
    "match_credential",
    "match_object_store",
    "object_store_not_found",
    "owner_is_unknown",
    "owner_of",
    "owns",
    "parameters",
    "require_credential",
    "require_object_store",
    "require_owner",
    "update_credential",
    "update_object_store",
    "wait_for_keys",
    "wait_until_ready",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: parsing a DAG needs checks and models only.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in ("checks", "lookups", "operations"):
        found = getattr(import_module(f"{__name__}.{module}"), name, None)
        if found is not None:
            return found
    raise AttributeError(name)
