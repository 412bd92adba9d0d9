"""Publishing a credential as an Airflow connection."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import ConfigurationError, ConflictError, ObjectStoreError, TransportError
from airflow_provider_objectstore.publishers.base import BasePublisher, PublishedPlace
from airflow_provider_objectstore.publishers.checks import check_fields, naming_missing_connection

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.airflow_rest import Connection
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.transport import Client, ResolvedConnection

T = TypeVar("T")

log = logging.getLogger(__name__)

_PUBLISHED_EXTRA = ("endpoint_url", "region_name", "config_kwargs", "verify")
_IDENTITY_EXTRA = ("aws_session_token", "profile_name", "role_arn", "session_kwargs")


@dataclass(frozen=True)
class AirflowConnectionPublisher(BasePublisher):
    """
    Publishes a credential as an ``aws`` connection, for ``S3Hook``, ``ObjectStoragePath`` and all else that takes one.

    It uses Airflow's public REST API, because tasks cannot write connections themselves. Of an existing connection it
    sets login, password and the extra's ``endpoint_url``, ``region_name``, ``config_kwargs`` and ``verify``; the rest,
    such as the description, stays.

    That the connection may be edited is verified before, by an update that sets no field. Airflow has no conditional
    updates: if the connection is replaced by one of another type after that, it keeps its type, but its login, password
    and extra are overwritten. Publishing fails then.

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

    def _place(self) -> _Connection:
        return _Connection(self)


class _Connection(PublishedPlace):
    """A publisher's connection, through a connection to Airflow's API that is looked up once."""

    def __init__(self, publisher: AirflowConnectionPublisher) -> None:
        self._publisher = publisher
        self._ids = publisher.conn_id, publisher.airflow_api_conn_id
        self._found: tuple[Connection | None] | None = None
        """What :meth:`look` has read, until something is published."""

    def resolve(self) -> ResolvedConnection:
        from airflow.providers.common.compat.sdk import BaseHook, mask_secret

        from airflow_provider_objectstore.hooks.connections import resolve_airflow_api

        conn_id, api_conn_id = self._ids
        problems: list[str] = []
        with naming_missing_connection(self._publisher, api_conn_id):
            connection = BaseHook.get_connection(api_conn_id)
        resolved = resolve_airflow_api(connection, problems)
        if problems:
            raise ConfigurationError(f"connection {conn_id!r} cannot be published: {'; '.join(problems)}")
        for secret in resolved.secrets:
            mask_secret(secret)
        return resolved

    def look(self) -> None:
        from airflow_provider_objectstore.api.airflow_rest import update_connection

        found = self._read()
        if found is not None:
            _preserved_extra(found)
        self._send(update_connection(*self._ids, "aws", {}))
        self._found = (found,)

    def publish(self, credential: S3Options) -> None:
        wanted = credential.aws_connection()
        (found,) = self._found or (self._read(wanted["password"]),)
        self._found = None
        log.info("%s connection %r", self._create_or_update(found, wanted), self._publisher.conn_id)

    def verify(self, credential: S3Options) -> None:
        from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

        conn_id, api_conn_id = self._ids
        wanted = credential.aws_connection()
        try:
            found = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException as error:  # also where the API server could not answer the task
            if self._read(wanted["password"]) is None:
                raise ObjectStoreError(
                    f"connection {conn_id!r} was published, but neither tasks nor connection {api_conn_id!r} find it: "
                    "something else deletes it"
                ) from error
            raise TransportError(
                f"connection {conn_id!r} was published through connection {api_conn_id!r}, but tasks do not find it: "
                "Airflow's API server could not answer them, or that connection leads to another Airflow"
            ) from error
        pairs = {
            "type": (found.conn_type, wanted["conn_type"]),
            "login": (found.login, wanted["login"]),
            "password": (found.password, wanted["password"]),
            "endpoint_url": (found.extra_dejson.get("endpoint_url"), wanted["extra"]["endpoint_url"]),
        }
        if differing := [name for name, (actual, expected) in pairs.items() if actual != expected]:
            raise ObjectStoreError(
                f"connection {conn_id!r} was published, but tasks get another one, with another "
                f"{', '.join(differing)}, from {self._override_source()}"
            )

    def _read(self, *secrets: str) -> Connection | None:
        from airflow_provider_objectstore.api.airflow_rest import get_connection

        return self._send(get_connection(*self._ids), *secrets)

    def _create_or_update(self, found: Connection | None, wanted: Mapping[str, Any]) -> str:
        if found is not None and self._update(found, wanted):
            return "Updated"
        if self._create(wanted):
            return "Created"
        found = self._read(wanted["password"])  # it appeared meanwhile
        if found is not None and self._update(found, wanted):
            return "Updated"
        raise ConflictError(f"connection {self._publisher.conn_id!r} is created and deleted by something else")

    def _create(self, wanted: Mapping[str, Any]) -> bool:
        from airflow_provider_objectstore.api.airflow_rest import create_connection

        fields = {**wanted, "extra": json.dumps(wanted["extra"])}
        return self._send(create_connection(*self._ids, fields), wanted["password"])

    def _update(self, found: Connection, wanted: Mapping[str, Any]) -> bool:
        """Return False if it does not exist any more."""
        from airflow_provider_objectstore.api.airflow_rest import update_connection

        # Airflow takes a value that comes back redacted as unchanged.
        extra = json.dumps({**_preserved_extra(found), **wanted["extra"]})
        fields = {"login": wanted["login"], "password": wanted["password"], "extra": extra}
        updated = self._send(update_connection(*self._ids, wanted["conn_type"], fields), wanted["password"])
        if updated is not None and updated.get("conn_type") != wanted["conn_type"]:
            raise ConflictError(
                f"connection {self._publisher.conn_id!r} has become one of type {updated.get('conn_type')!r}, since it "
                "was read: its login, password and extra were overwritten. Restore them, and publish under another id"
            )
        return updated is not None

    def _send(self, call: Call[T], *secrets: str) -> T:
        try:
            return self._client.send(replace(call, secrets=secrets))
        except TransportError as error:
            raise error.reworded(
                f"{error}. Check host, port and schema of connection {self._publisher.airflow_api_conn_id!r}, and "
                "whether Airflow's API server is up"
            ) from error.__cause__

    @cached_property
    def _client(self) -> Client:
        from airflow.providers.common.compat.sdk import mask_secret

        from airflow_provider_objectstore.transport import Client

        return Client(self.resolve(), mask=mask_secret, refresh_connection=self.resolve)

    def _override_source(self) -> str:
        from airflow.providers.common.compat.sdk import conf

        conn_id, api_conn_id = self._ids
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        if variable in os.environ:
            return (
                f"the environment variable {variable}, which takes precedence: remove it, or publish under another id"
            )
        cache = ""
        if conf.getboolean("secrets", "use_cache", fallback=False):
            cache = " or Airflow's cache of them ([secrets] use_cache), which expires after cache_ttl_seconds"
        return (
            f"a secrets backend{cache}, which takes precedence: remove it there, or publish under another id. If "
            f"neither is the case, connection {api_conn_id!r} leads to another Airflow"
        )


def _preserved_extra(found: Connection) -> dict[str, Any]:
    """Return what stays of an existing connection's extra."""
    conn_id, conn_type = found.get("connection_id"), found.get("conn_type")
    if conn_type != "aws":
        raise ConflictError(
            f"connection {conn_id!r} exists and has the type {conn_type!r}, not 'aws': it is left as it is. Publish "
            "under another id, or delete it"
        )
    preserved = {
        name: value for name, value in _json_object(found.get("extra")).items() if name not in _PUBLISHED_EXTRA
    }
    overriding = [f"extra {name}" for name in _IDENTITY_EXTRA if preserved.get(name)]
    if _json_object(_json_object(preserved.get("service_config")).get("s3")).get("endpoint_url"):
        overriding.append("extra service_config.s3.endpoint_url")
    if overriding:
        raise ConflictError(
            f"connection {conn_id!r} has {', '.join(overriding)}, which would override the published keys and "
            "endpoint: it is left as it is. Remove that, or publish under another id"
        )
    return preserved


def _json_object(value: Any) -> Mapping[str, Any]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
