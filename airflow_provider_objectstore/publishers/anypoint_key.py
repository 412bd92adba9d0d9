"""Publishing a credential as a key of Anypoint Object Store v2."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.publishers.checks import check_fields, resolving

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.s3 import S3Options

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnypointKeyPublisher:
    """
    Keeps a key of an Object Store v2 partition, for Mule applications.

    The value is JSON text with ``access_key_id``, ``secret_access_key``, ``endpoint_url``, ``region_name`` and
    ``bucket`` (null for a credential on its own). It lives as long as the store says; publishing renews it.

    :param store_id: the store, which must be there. Let it be an encrypted one.
    :param partition: the partition.
    :param key: the key.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's.
    """

    store_id: str
    partition: str
    key: str
    anypoint_conn_id: str = "anypoint_default"
    region: str | None = None

    def __post_init__(self) -> None:
        """
        Refuse what cannot be published to, before there is anything to publish.

        :raises InvalidArgumentError: naming the argument.
        """
        check_fields(
            self,
            store_id=read.name,
            partition=read.name,
            key=read.name,
            anypoint_conn_id=read.place,
            region=read.elsewhere,
        )

    def check(self) -> None:
        """
        Resolve the connection that is written through; no request is sent.

        :raises ConfigurationError: if it is not there, or naming everything that is missing or wrong in it.
        """
        with resolving(self, self.anypoint_conn_id):
            self._hook._resolve()

    def publish(self, credential: S3Options) -> None:
        """
        Write the key.

        :raises ObjectStoreError: as :meth:`AnypointObjectStoreHook.put_key`, and if the credential has no keys.
        """
        from airflow_provider_objectstore.api.anypoint import put_key

        self._send(put_key(self.store_id, self.partition, self.key, _text(credential)), credential)
        log.info("Wrote %s", self)

    def verify(self, credential: S3Options) -> None:
        """
        Read the key.

        :raises ObjectStoreError: if it is missing or holds anything else.
        """
        from airflow_provider_objectstore.api.anypoint import get_key

        found = self._send(get_key(self.store_id, self.partition, self.key), credential).value
        if found != _text(credential):
            raise ObjectStoreError(
                f"key {self.key!r} of {self.store_id}/{self.partition} does not hold what was published: something "
                "else writes it too. Give the credential a key of its own"
            )

    @property
    def _hook(self) -> AnypointObjectStoreHook:
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)

    def _send(self, call: Call[T], credential: S3Options) -> T:
        with resolving(self, self.anypoint_conn_id):
            return self._hook._send(replace(call, secrets=(credential.secret_access_key,)))


def _text(credential: S3Options) -> str:
    credential.require_keys()
    members = ("access_key_id", "secret_access_key", "endpoint_url", "region_name", "bucket")
    return json.dumps({name: getattr(credential, name) for name in members})
