"""What Airflow reads about this package. Runs while Airflow's configuration loads: standard library only."""

from __future__ import annotations

from typing import Any


def _field(label: str, kind: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "schema": {"type": [kind, "null"], **schema}, "description": description}


def _switch(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "boolean",
        "example": None,
        "default": "True",
    }


_SHARED_FIELDS = {
    "requests_per_second": _field(
        "Requests per second", "number", "Pace of one process; 10 if empty", exclusiveMinimum=0
    ),
    "timeout": _field("Timeout", "number", "Seconds to wait for the service; 30 if empty", exclusiveMinimum=0),
    "retry_attempts": _field(
        "Retry attempts", "integer", "Requests for one call at most, where responses fail; 6 if empty", minimum=1
    ),
    "retry_deadline": _field(
        "Retry deadline",
        "number",
        "Seconds for which a call is tried; 120, or four times the time-out if that is less, if empty",
        exclusiveMinimum=0,
    ),
    "verify": _field("Verify TLS", "string", "true, false, or the path of a file of certificates to trust"),
    "proxy": _field("Proxy", "string", "URL of an HTTP proxy; the environment's if empty"),
}


def get_provider_info() -> dict[str, Any]:
    """Return this provider's metadata in the form of Airflow's ``provider.yaml``."""
    return {
        "package-name": "airflow-provider-objectstore",
        "name": "Object stores",
        "description": "MuleSoft Anypoint Object Store v2 and Civo object stores.",
        "integrations": [
            {
                "integration-name": "Anypoint Object Store v2",
                "external-doc-url": "https://docs.mulesoft.com/object-store/",
                "tags": ["service"],
            },
            {
                "integration-name": "Civo object stores",
                "external-doc-url": "https://www.civo.com/api/objectstores",
                "tags": ["service"],
            },
        ],
        "plugins": [
            {
                "name": "object_stores",
                "plugin-class": "airflow_provider_objectstore.plugins.object_stores.ObjectStoresPlugin",
            }
        ],
        "config": {
            "objectstore": {
                "description": "Anypoint Object Store v2 and Civo object stores.",
                "options": {
                    "page": _switch("Show the page *Object stores* in Airflow's UI."),
                    "page_values": _switch(
                        "Let those who may read a connection see the values of keys on that page, on request."
                    ),
                },
            }
        },
        "cli": ["airflow_provider_objectstore.cli.definition.get_objectstore_commands"],
        "operators": [
            {
                "integration-name": "Anypoint Object Store v2",
                "python-modules": [
                    "airflow_provider_objectstore.operators.anypoint",
                    "airflow_provider_objectstore.operators.anypoint_keys",
                    "airflow_provider_objectstore.operators.purge",
                    "airflow_provider_objectstore.operators.transfer",
                    "airflow_provider_objectstore.operators.copy_store",
                    "airflow_provider_objectstore.operators.anypoint_usage",
                ],
            },
            {
                "integration-name": "Civo object stores",
                "python-modules": [
                    "airflow_provider_objectstore.operators.civo",
                    "airflow_provider_objectstore.operators.civo_credentials",
                    "airflow_provider_objectstore.operators.civo_usage",
                    "airflow_provider_objectstore.operators.rotation",
                ],
            },
        ],
        "transfers": [
            {
                "source-integration-name": source,
                "target-integration-name": target,
                "python-module": "airflow_provider_objectstore.transfers.sync_folder",
            }
            for source, target in (
                ("Anypoint Object Store v2", "Civo object stores"),
                ("Civo object stores", "Anypoint Object Store v2"),
                ("Civo object stores", "Civo object stores"),
            )
        ],
        "sensors": [
            {
                "integration-name": "Anypoint Object Store v2",
                "python-modules": ["airflow_provider_objectstore.sensors.anypoint"],
            },
            {
                "integration-name": "Civo object stores",
                "python-modules": ["airflow_provider_objectstore.sensors.civo"],
            },
        ],
        "hooks": [
            {
                "integration-name": "Anypoint Object Store v2",
                "python-modules": ["airflow_provider_objectstore.hooks.anypoint"],
            },
            {
                "integration-name": "Civo object stores",
                "python-modules": ["airflow_provider_objectstore.hooks.civo"],
            },
        ],
        "triggers": [
            {
                "integration-name": "Anypoint Object Store v2",
                "python-modules": ["airflow_provider_objectstore.triggers.anypoint"],
            },
            {
                "integration-name": "Civo object stores",
                "python-modules": ["airflow_provider_objectstore.triggers.civo"],
            },
        ],
        "notifications": ["airflow_provider_objectstore.notifications.anypoint.AnypointKeyNotifier"],
        "filesystems": ["airflow_provider_objectstore.fs.anypoint", "airflow_provider_objectstore.fs.civo"],
        "asset-uris": [
            {
                "schemes": ["osv2"],
                "handler": "airflow_provider_objectstore.assets.normalize_osv2",
                "factory": "airflow_provider_objectstore.assets.anypoint_asset",
                "to_openlineage_converter": "airflow_provider_objectstore.lineage.to_openlineage",
            },
            {
                "schemes": ["civo"],
                "handler": "airflow_provider_objectstore.assets.normalize_civo",
                "factory": "airflow_provider_objectstore.assets.civo_asset",
                "to_openlineage_converter": "airflow_provider_objectstore.lineage.to_openlineage",
            },
        ],
        "connection-types": [
            {
                "connection-type": "anypoint",
                "hook-class-name": "airflow_provider_objectstore.hooks.anypoint.AnypointObjectStoreHook",
                "hook-name": "Anypoint Object Store v2",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "login": "Client ID",
                        "password": "Client secret",
                        "host": "Base URL",
                    },
                    "placeholders": {
                        "host": "empty: the vendor's own, by control plane and region",
                        "login": "connected app's client id (or user name)",
                        "password": "client secret (or password, or bearer token)",
                    },
                },
                "conn-fields": {
                    "organization_id": _field("Organization ID", "string", "The business group's ID"),
                    "environment_id": _field("Environment ID", "string", "The environment's ID"),
                    "region": _field(
                        "Region",
                        "string",
                        "Such as eu-west-1; if empty by base URL or control plane",
                    ),
                    "control_plane": _field(
                        "Control plane",
                        "string",
                        "us (if empty), eu1, gov; ca1 or jp1, with a base URL",
                        enum=["us", "eu1", "gov", "ca1", "jp1", None],
                    ),
                    "auth": _field(
                        "Authentication",
                        "string",
                        "connected_app (if empty), user, or bearer (the password is a ready token)",
                        enum=["connected_app", "user", "bearer", None],
                    ),
                    "accounts_url": _field(
                        "Accounts URL",
                        "string",
                        "Where tokens come from; if empty by control plane, or a base URL that is not the vendor's",
                    ),
                    "statistics_url": _field(
                        "Statistics URL",
                        "string",
                        "Where usage is read; if empty by control plane, or a base URL that is not the vendor's",
                    ),
                    **_SHARED_FIELDS,
                },
            },
            {
                "connection-type": "civo",
                "hook-class-name": "airflow_provider_objectstore.hooks.civo.CivoObjectStoreHook",
                "hook-name": "Civo object stores",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"password": "API key", "host": "Base URL"},
                    "placeholders": {"host": "empty: https://api.civo.com", "password": "API key"},
                },
                "conn-fields": {
                    "region": _field("Region", "string", "Region code, such as LON1"),
                    "s3_endpoint": _field(
                        "S3 endpoint", "string", "URL of the S3 interface; empty: what the service says"
                    ),
                    **_SHARED_FIELDS,
                },
            },
        ],
    }
