"""Publishing a credential as a key of Anypoint Object Store v2."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_objectstore.exceptions import ObjectStoreError

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.s3 import S3Options

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

    def publish(self, credential: S3Options) -> None:
        """
        Write the key.

        :raises ObjectStoreError: as :meth:`AnypointObjectStoreHook.put_key`.
        """
        self._hook().put_key(self.store_id, self.partition, self.key, _text(credential))
        log.info("Wrote %s", self)

    def verify(self, credential: S3Options) -> None:
        """
        Read the key.

        :raises ObjectStoreError: if it is missing or holds anything else.
        """
        found = self._hook().get_key(self.store_id, self.partition, self.key).value
        if found != _text(credential):
            raise ObjectStoreError(
                f"key {self.key!r} of {self.store_id}/{self.partition} does not hold what was published: something "
                "else writes it too. Give the credential a key of its own"
            )

    def _hook(self) -> AnypointObjectStoreHook:
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)


def _text(credential: S3Options) -> str:
    members = ("access_key_id", "secret_access_key", "endpoint_url", "region_name", "bucket")
    return json.dumps({name: getattr(credential, name) for name in members})
