"""Publishing a credential as a key of Anypoint Object Store v2."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import ObjectStoreError, PermissionDeniedError
from airflow_provider_objectstore.publishers.base import BasePublisher, PublishedPlace
from airflow_provider_objectstore.publishers.checks import check_fields, naming_missing_connection

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.hooks.s3 import S3Options

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnypointKeyPublisher(BasePublisher):
    """
    Publishes a credential as a key of an Object Store v2 partition, for Mule applications.

    The value is JSON text with ``access_key_id``, ``secret_access_key``, ``endpoint_url``, ``region_name`` and
    ``bucket`` (null if the credential does not belong to exactly one bucket). It expires as the store's time to live
    says; publishing renews it.

    Whether the key can be written shows only when it is.

    :param store_id: id of an existing store, which should be an encrypted one.
    :param partition: the partition; it need not exist.
    :param key: the key.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's, such as ``us-east-1``; None for the connection's.
    """

    store_id: str
    partition: str
    key: str
    anypoint_conn_id: str = "anypoint_default"
    region: str | None = None

    def __post_init__(self) -> None:
        """
        Check the fields.

        :raises InvalidArgumentError: naming the field that is empty, not text, or a template.
        """
        check_fields(
            self,
            store_id=read.name,
            partition=read.name,
            key=read.name,
            anypoint_conn_id=read.identifier,
            region=read.override,
        )

    def _place(self) -> _Key:
        return _Key(self)


class _Key(PublishedPlace):
    """A publisher's key, through a connection that is looked up once."""

    def __init__(self, publisher: AnypointKeyPublisher) -> None:
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        self._publisher = publisher
        self._names = publisher.store_id, publisher.partition, publisher.key
        self._hook = AnypointObjectStoreHook(publisher.anypoint_conn_id, region=publisher.region)

    def resolve(self) -> None:
        with naming_missing_connection(self._publisher, self._publisher.anypoint_conn_id):
            self._hook.resolve()

    def look(self) -> None:
        from airflow_provider_objectstore.api.anypoint import get_store, key_exists
        from airflow_provider_objectstore.assets import lineage_collector

        # The store is read apart from the key: writing keys does not need the permission to view stores.
        if not self._send(replace(key_exists(*self._names), parent=None)):
            with suppress(PermissionDeniedError):
                self._send(get_store(self._publisher.store_id))
        with suppress(Exception):  # what a plugin raises does not concern the key
            lineage_collector()

    def publish(self, credential: S3Options) -> None:
        from airflow_provider_objectstore.api.anypoint import put_key

        call = put_key(*self._names, _as_json(credential))
        self._send(replace(call, secrets=(credential.secret_access_key,)))
        log.info("Wrote %s", self._publisher)

    def verify(self, credential: S3Options) -> None:
        from airflow_provider_objectstore.api.anypoint import get_key

        wanted = _as_json(credential)
        entry = self._send(replace(get_key(*self._names), secrets=(credential.secret_access_key,)))
        if entry.value != wanted:
            raise ObjectStoreError(
                f"key {self._publisher.key!r} of {self._publisher.store_id}/{self._publisher.partition} does not hold "
                "what was published: something else writes it too. Give the credential a key of its own"
            )

    def _send(self, call: Call[T]) -> T:
        with naming_missing_connection(self._publisher, self._publisher.anypoint_conn_id):
            return self._hook.send(call)


def _as_json(credential: S3Options) -> str:
    credential.require_keys()
    fields = ("access_key_id", "secret_access_key", "endpoint_url", "region_name", "bucket")
    return json.dumps({name: getattr(credential, name) for name in fields})
