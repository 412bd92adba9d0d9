"""What Airflow reads about this package. Runs while Airflow's configuration loads: standard library only."""

from __future__ import annotations

from typing import Any

_PORT = "empty: by base URL; 443 lets Airflow 3.3 test the connection"
_BUSINESS_GROUP = "Anypoint Platform, Access Management > Business Groups > the group"
_REGIONS = {
    "anypoint": [
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "ap-southeast-1"),
        *("ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-1", "eu-west-2", "us-gov-west-1"),
    ],
    "civo": ["LON1", "FRA1", "NYC1", "MUM1"],
}


def _field(label: str, kind: str, description: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    # What may be null is no required field to Airflow 3.2 and later, which marks one and does not save without it.
    return {
        "label": label,
        "schema": {"type": kind if required else [kind, "null"], **schema},
        "description": description,
    }


def _switch(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "1.0.0",
        "type": "boolean",
        "example": None,
        "default": "True",
    }


_SHARED_FIELDS = {
    "requests_per_second": _field(
        "Requests per second", "number", "Rate limit of one process. If empty: 10", exclusiveMinimum=0
    ),
    "timeout": _field(
        "Timeout", "number", "Seconds to wait for the service. If empty: 30", exclusiveMinimum=0, maximum=86_400
    ),
    "retry_attempts": _field(
        "Retry attempts", "integer", "Requests for one call at most, where responses fail. If empty: 6", minimum=1
    ),
    "retry_deadline": _field(
        "Retry deadline",
        "number",
        "Seconds for which a call is tried. If empty: 120, or four times the time-out if that is less",
        exclusiveMinimum=0,
        maximum=86_400,
    ),
    "verify": _field(
        "Verify TLS",
        "string",
        "true, false, or the path of a file of certificates to trust. If empty: true",
        examples=["true", "false"],
    ),
    "proxy": _field("Proxy", "string", "URL of an HTTP proxy. If empty: the environment's proxy"),
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
        "extra-links": ["airflow_provider_objectstore.plugins.operator_links.ObjectStoreLink"],
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
                        "login": "Client ID *",
                        "password": "Client secret *",
                        "host": "Base URL",
                        "port": "Port",
                    },
                    "placeholders": {
                        "host": "empty: the vendor's own, by control plane and region",
                        "login": "Anypoint Platform, Access Management > Connected Apps (or a user name)",
                        "password": "shown beside the client ID (or a password, or a bearer token)",
                        "port": _PORT,
                    },
                },
                "conn-fields": {
                    "organization_id": _field(
                        "Organization ID", "string", f"ID of the business group: {_BUSINESS_GROUP}", required=True
                    ),
                    "environment_id": _field(
                        "Environment ID",
                        "string",
                        f"ID of the environment: {_BUSINESS_GROUP} > Environments",
                        required=True,
                    ),
                    "region": _field(
                        "Region",
                        "string",
                        "Region of the stores, such as eu-west-1: that of the Mule applications that use them. "
                        "If empty: by base URL or control plane",
                        examples=_REGIONS["anypoint"],
                    ),
                    "control_plane": _field(
                        "Control plane",
                        "string",
                        "Shown by the address of Anypoint Platform in your browser, such as eu1.anypoint.mulesoft.com. "
                        "ca1 and jp1 need a base URL. If empty: us",
                        enum=["us", "eu1", "gov", "ca1", "jp1"],
                    ),
                    "auth": _field(
                        "Authentication",
                        "string",
                        "What the client ID and secret are: a connected app's, a user's name and password, or no ID "
                        "and a bearer token. If empty: connected_app",
                        enum=["connected_app", "user", "bearer"],
                    ),
                    "accounts_url": _field(
                        "Accounts URL",
                        "string",
                        "Where tokens come from. If empty: by control plane, or a base URL that is not the vendor's",
                    ),
                    "statistics_url": _field(
                        "Statistics URL",
                        "string",
                        "Where usage is read. If empty: by control plane, or a base URL that is not the vendor's",
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
                    "relabeling": {"password": "API key *", "host": "Base URL", "port": "Port"},
                    "placeholders": {
                        "host": "empty: https://api.civo.com",
                        "password": "Civo dashboard, Profile > Security",
                        "port": _PORT,
                    },
                },
                "conn-fields": {
                    "region": _field(
                        "Region",
                        "string",
                        "Code of the object stores' region, such as LON1: civo region ls lists them",
                        required=True,
                        examples=_REGIONS["civo"],
                    ),
                    "s3_endpoint": _field(
                        "S3 endpoint", "string", "URL of the S3 interface. If empty: the one that the service returns"
                    ),
                    **_SHARED_FIELDS,
                },
            },
        ],
    }
