"""Publishing a credential as an Airflow connection."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.exceptions import ConfigurationError, ConflictError, ObjectStoreError, TransportError
from airflow_provider_objectstore.publishers.checks import check_fields, resolving

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.transport import Client, Target

log = logging.getLogger(__name__)

_OURS = ("endpoint_url", "region_name", "config_kwargs", "verify")
_ANOTHER_IDENTITY = ("aws_session_token", "profile_name", "role_arn", "session_kwargs")


@dataclass(frozen=True)
class AirflowConnectionPublisher:
    """
    Keeps an ``aws`` connection, for ``S3Hook``, ``ObjectStoragePath`` and all else that takes one.

    It is written through Airflow's public REST API, because tasks cannot write connections themselves. Of a
    connection that is there, login, password and the extra's ``endpoint_url``, ``region_name``, ``config_kwargs``
    and ``verify`` are set; the rest, such as the description, stays.

    :param conn_id: id of the connection to create or update. One of another type is refused.
    :param airflow_api_conn_id: id of an ``http`` connection to Airflow's API server: ``schema``, ``host`` and
        ``port``; ``login`` and ``password`` of a user who may read, create and edit connections, or no login and a
        token as ``password``; extra ``timeout``, ``verify`` and ``proxy`` as for this package's connections.
    """

    conn_id: str
    airflow_api_conn_id: str

    def __post_init__(self) -> None:
        """
        Refuse what cannot be published to, before there is anything to publish.

        :raises InvalidArgumentError: naming the argument.
        """
        check_fields(self, conn_id=read.connection_id, airflow_api_conn_id=read.name)

    def check(self) -> None:
        """
        Resolve the connection that is written through; no request is sent.

        :raises ConfigurationError: if it is not there, or naming everything that is missing or wrong in it.
        """
        self._target()

    def publish(self, credential: S3Options) -> None:
        """
        Create or update the connection.

        :raises InvalidArgumentError: if the credential has no keys, before any request.
        :raises ConfigurationError: naming everything that is missing or wrong, before any request.
        :raises ConflictError: if there is a connection of this id that is not the publisher's to change.
        :raises TransportError: if no answer came.
        :raises ApiError: if Airflow refused.
        """
        wanted = credential.aws_connection()
        client = self._client(credential)
        try:
            done = self._write(client, wanted)
        except TransportError as error:
            raise TransportError(
                f"{error}. Check host, port and schema of connection {self.airflow_api_conn_id!r}, and whether "
                "Airflow's API server is up",
                request_sent=error.request_sent,
                permanent=error.permanent,
            ) from error
        log.info("%s connection %r", done, self.conn_id)

    def verify(self, credential: S3Options) -> None:
        """
        Look the connection up as every task does.

        :raises ObjectStoreError: if that gives another type, login, password or endpoint.
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
        if differing := [name for name, (is_, shall) in pairs.items() if is_ != shall]:
            raise ObjectStoreError(
                f"connection {self.conn_id!r} was published, but tasks get another one, with another "
                f"{', '.join(differing)}, from {self._shadow()}"
            )

    def _client(self, credential: S3Options) -> Client:
        from airflow.providers.common.compat.sdk import mask_secret

        from airflow_provider_objectstore.transport import Client

        return Client(self._target(credential.secret_access_key), mask=mask_secret)

    def _target(self, *secrets: str) -> Target:
        from airflow.providers.common.compat.sdk import BaseHook, mask_secret

        from airflow_provider_objectstore.publishers.airflow_api import resolve

        problems: list[str] = []
        with resolving(self, self.airflow_api_conn_id):
            connection = BaseHook.get_connection(self.airflow_api_conn_id)
        target = resolve(connection, problems, *secrets)
        if problems:
            raise ConfigurationError(f"connection {self.conn_id!r} cannot be published: {'; '.join(problems)}")
        for secret in target.secrets:
            mask_secret(secret)
        return target

    def _write(self, client: Client, wanted: Mapping[str, Any]) -> str:
        from airflow_provider_objectstore.publishers.airflow_api import (
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
        kept = self._foreign_extra(found)
        # What Airflow redacted goes back as it came, which it takes for unchanged.
        client.send(update_connection(*ids, {**wanted, "extra": json.dumps({**kept, **extra})}))
        return "Updated"

    def _foreign_extra(self, found: Mapping[str, Any]) -> dict[str, Any]:
        if found.get("conn_type") != "aws":
            raise ConflictError(
                f"connection {self.conn_id!r} is there and has the type {found.get('conn_type')!r}, not 'aws': it is "
                "left as it is. Publish under another id, or delete it"
            )
        kept = {name: value for name, value in _json_object(found.get("extra")).items() if name not in _OURS}
        hindering = [f"extra {name}" for name in _ANOTHER_IDENTITY if kept.get(name)]
        if _json_object(_json_object(kept.get("service_config")).get("s3")).get("endpoint_url"):
            hindering.append("extra service_config.s3.endpoint_url")
        if hindering:
            raise ConflictError(
                f"connection {self.conn_id!r} has {', '.join(hindering)}, which would decide instead of the published "
                "keys and endpoint: it is left as it is. Take that out, or publish under another id"
            )
        return kept

    def _shadow(self) -> str:
        from airflow.providers.common.compat.sdk import conf

        variable = f"AIRFLOW_CONN_{self.conn_id.upper()}"
        if variable in os.environ:
            return f"the environment variable {variable}, which comes first: take it away, or publish under another id"
        cache = ""
        if conf.getboolean("secrets", "use_cache", fallback=False):
            cache = " or Airflow's cache of them ([secrets] use_cache), which forgets after cache_ttl_seconds"
        return (
            f"a secrets backend{cache}, which comes first: take it away there, or publish under another id. If "
            f"neither is the case, connection {self.airflow_api_conn_id!r} leads to another Airflow"
        )


def _json_object(value: Any) -> Mapping[str, Any]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
