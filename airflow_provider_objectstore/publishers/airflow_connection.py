"""Publishing a credential as an Airflow connection."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import ConfigurationError, ConflictError, ObjectStoreError, TransportError
from airflow_provider_objectstore.publishers.checks import check_fields, naming_missing_connection

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.transport import Client, ResolvedConnection

log = logging.getLogger(__name__)

_PUBLISHED_EXTRA = ("endpoint_url", "region_name", "config_kwargs", "verify")
_IDENTITY_EXTRA = ("aws_session_token", "profile_name", "role_arn", "session_kwargs")


@dataclass(frozen=True)
class AirflowConnectionPublisher:
    """
    Publishes a credential as an ``aws`` connection, for ``S3Hook``, ``ObjectStoragePath`` and all else that takes one.

    It uses Airflow's public REST API, because tasks cannot write connections themselves. Of an existing connection it
    sets login, password and the extra's ``endpoint_url``, ``region_name``, ``config_kwargs`` and ``verify``; the rest,
    such as the description, stays.

    :param conn_id: id of the connection to create or update: 1 to 200 letters, digits, ``_``, ``-`` or ``.``. An
        existing connection of another type is left as it is, and publishing fails.
    :param airflow_api_conn_id: id of an ``http`` connection to Airflow's API server: ``schema``, ``host`` and
        ``port``; ``login`` and ``password`` of a user who may read, create and edit connections, or no login and a
        token as ``password``; extra ``timeout``, ``verify`` and ``proxy`` as for this package's connections.
    """

    conn_id: str
    airflow_api_conn_id: str

    def __post_init__(self) -> None:
        """
        Check the fields.

        :raises InvalidArgumentError: naming the field that is not an id, or a template.
        """
        check_fields(self, conn_id=read.connection_id, airflow_api_conn_id=read.name)

    def check(self) -> None:
        """
        Resolve the connection to Airflow's API. No request is sent.

        :raises ConfigurationError: if it does not exist, or naming everything that is missing or wrong in it.
        """
        self._resolve()

    def publish(self, credential: S3Options) -> None:
        """
        Create or update the connection.

        :param credential: what to publish.
        :raises InvalidArgumentError: if the credential has no keys, before any request.
        :raises ConfigurationError: naming everything that is missing or wrong in the connection to Airflow's API,
            before any request.
        :raises ConflictError: if the existing connection is of another type, or its extra would override the keys.
        :raises TransportError: if there is no response.
        :raises ApiError: if Airflow refuses the request.
        """
        wanted = credential.aws_connection()
        client = self._client(credential)
        try:
            action = self._create_or_update(client, wanted)
        except TransportError as error:
            raise TransportError(
                f"{error}. Check host, port and schema of connection {self.airflow_api_conn_id!r}, and whether "
                "Airflow's API server is up",
                request_sent=error.request_sent,
                permanent=error.permanent,
            ) from error
        log.info("%s connection %r", action, self.conn_id)

    def verify(self, credential: S3Options) -> None:
        """
        Look the connection up as every task does.

        :param credential: what was published.
        :raises ObjectStoreError: if the look-up returns another type, login, password or endpoint.
        """
        from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

        wanted = credential.aws_connection()
        try:
            found = BaseHook.get_connection(self.conn_id)
        except AirflowNotFoundException as error:
            raise ObjectStoreError(
                f"connection {self.conn_id!r} was published through connection {self.airflow_api_conn_id!r}, but "
                "tasks do not find it: that connection may lead to another Airflow"
            ) from error
        pairs = {
            "type": (found.conn_type, wanted["conn_type"]),
            "login": (found.login, wanted["login"]),
            "password": (found.password, wanted["password"]),
            "endpoint_url": (found.extra_dejson.get("endpoint_url"), wanted["extra"]["endpoint_url"]),
        }
        if differing := [name for name, (actual, expected) in pairs.items() if actual != expected]:
            raise ObjectStoreError(
                f"connection {self.conn_id!r} was published, but tasks get another one, with another "
                f"{', '.join(differing)}, from {self._override_source()}"
            )

    def _client(self, credential: S3Options) -> Client:
        from airflow.providers.common.compat.sdk import mask_secret

        from airflow_provider_objectstore.transport import Client

        return Client(self._resolve(credential.secret_access_key), mask=mask_secret)

    def _resolve(self, *secrets: str) -> ResolvedConnection:
        from airflow.providers.common.compat.sdk import BaseHook, mask_secret

        from airflow_provider_objectstore.hooks.connections import resolve_airflow_api

        problems: list[str] = []
        with naming_missing_connection(self, self.airflow_api_conn_id):
            connection = BaseHook.get_connection(self.airflow_api_conn_id)
        resolved = resolve_airflow_api(connection, problems, *secrets)
        if problems:
            raise ConfigurationError(f"connection {self.conn_id!r} cannot be published: {'; '.join(problems)}")
        for secret in resolved.secrets:
            mask_secret(secret)
        return resolved

    def _create_or_update(self, client: Client, wanted: Mapping[str, Any]) -> str:
        from airflow_provider_objectstore.api.airflow_rest import (
            create_connection,
            get_connection,
            update_connection,
        )

        ids = self.conn_id, self.airflow_api_conn_id
        extra = wanted["extra"]
        found = client.send(get_connection(*ids))
        if found is None:
            if client.send(create_connection(*ids, {**wanted, "extra": json.dumps(extra)})):
                return "Created"
            found = client.send(get_connection(*ids)) or {}
        preserved = self._preserved_extra(found)
        # Airflow takes a value that comes back redacted as unchanged.
        client.send(update_connection(*ids, {**wanted, "extra": json.dumps({**preserved, **extra})}))
        return "Updated"

    def _preserved_extra(self, found: Mapping[str, Any]) -> dict[str, Any]:
        if found.get("conn_type") != "aws":
            raise ConflictError(
                f"connection {self.conn_id!r} exists and has the type {found.get('conn_type')!r}, not 'aws': it is "
                "left as it is. Publish under another id, or delete it"
            )
        preserved = {
            name: value for name, value in _json_object(found.get("extra")).items() if name not in _PUBLISHED_EXTRA
        }
        overriding = [f"extra {name}" for name in _IDENTITY_EXTRA if preserved.get(name)]
        if _json_object(_json_object(preserved.get("service_config")).get("s3")).get("endpoint_url"):
            overriding.append("extra service_config.s3.endpoint_url")
        if overriding:
            raise ConflictError(
                f"connection {self.conn_id!r} has {', '.join(overriding)}, which would override the published "
                "keys and endpoint: it is left as it is. Remove that, or publish under another id"
            )
        return preserved

    def _override_source(self) -> str:
        from airflow.providers.common.compat.sdk import conf

        variable = f"AIRFLOW_CONN_{self.conn_id.upper()}"
        if variable in os.environ:
            return (
                f"the environment variable {variable}, which takes precedence: remove it, or publish under another id"
            )
        cache = ""
        if conf.getboolean("secrets", "use_cache", fallback=False):
            cache = " or Airflow's cache of them ([secrets] use_cache), which expires after cache_ttl_seconds"
        return (
            f"a secrets backend{cache}, which takes precedence: remove it there, or publish under another id. If "
            f"neither is the case, connection {self.airflow_api_conn_id!r} leads to another Airflow"
        )


def _json_object(value: Any) -> Mapping[str, Any]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
