"""Publishing a credential as a key of Anypoint Object Store v2."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.publishers.checks import check_fields, naming_missing_connection

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.s3 import S3Options

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnypointKeyPublisher:
    """
    Publishes a credential as a key of an Object Store v2 partition, for Mule applications.

    The value is JSON text with ``access_key_id``, ``secret_access_key``, ``endpoint_url``, ``region_name`` and
    ``bucket`` (null if the credential does not belong to exactly one bucket). It expires as the store's time to live
    says; publishing renews it.

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

    def check(self) -> None:
        """
        Resolve the connection. No request is sent.

        :raises ConfigurationError: if it does not exist, or naming everything that is missing or wrong in it.
        """
        with naming_missing_connection(self, self.anypoint_conn_id):
            self._hook.resolve()

    def publish(self, credential: S3Options) -> None:
        """
        Write the key.

        :param credential: what to publish.
        :raises InvalidArgumentError: if the credential has no keys, before any request.
        :raises ConfigurationError: if the connection cannot be used, before any request.
        :raises ObjectStoreError: as :meth:`.AnypointObjectStoreHook.put_key`.
        """
        from airflow_provider_objectstore.api.anypoint import put_key

        self._send(put_key(self.store_id, self.partition, self.key, _as_json(credential)), credential)
        log.info("Wrote %s", self)

    def verify(self, credential: S3Options) -> None:
        """
        Read the key.

        :param credential: what was published.
        :raises ObjectStoreError: if the key is missing or holds anything else.
        """
        from airflow_provider_objectstore.api.anypoint import get_key

        entry = self._send(get_key(self.store_id, self.partition, self.key), credential)
        if entry.value != _as_json(credential):
            raise ObjectStoreError(
                f"key {self.key!r} of {self.store_id}/{self.partition} does not hold what was published: something "
                "else writes it too. Give the credential a key of its own"
            )

    @property
    def _hook(self) -> AnypointObjectStoreHook:
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)

    def _send(self, call: Call[T], credential: S3Options) -> T:
        with naming_missing_connection(self, self.anypoint_conn_id):
            return self._hook.send(replace(call, secrets=(credential.secret_access_key,)))


def _as_json(credential: S3Options) -> str:
    credential.require_keys()
    fields = ("access_key_id", "secret_access_key", "endpoint_url", "region_name", "bucket")
    return json.dumps({name: getattr(credential, name) for name in fields})
