"""The settings that S3 clients need for Civo's backend, which is Ceph's gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_CONFIG = {
    "signature_version": "s3v4",
    "s3": {"addressing_style": "path"},
    # Newer boto3 adds trailing checksums, which the gateway answers over TLS with 411 on every put.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


@dataclass(frozen=True)
class S3Options(Mapping[str, Any]):
    """
    How to reach a bucket over S3. As a mapping it holds the arguments of ``boto3.client("s3", **options)``.

    :param bucket: the bucket, which has the object store's name; None for a credential on its own.
    :param endpoint_url: address of the S3 interface.
    :param access_key_id: the owner's access key.
    :param secret_access_key: the owner's secret.
    :param region_name: what requests are signed for; the gateway does not check it.
    :param verify: True, False, or the path of a file with the certificates to trust.
    :param proxy: URL of a proxy.
    """

    bucket: str | None
    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region_name: str
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self._boto3()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._boto3())

    def __len__(self) -> int:
        return len(self._boto3())

    def s3fs(self) -> dict[str, Any]:
        """Return the arguments of ``s3fs.S3FileSystem(**options.s3fs())``."""
        client: dict[str, Any] = {"region_name": self.region_name}
        if self.verify is not True:
            client["verify"] = self.verify
        return {
            "endpoint_url": self.endpoint_url,
            "key": self.access_key_id,
            "secret": self.secret_access_key,
            "client_kwargs": client,
            "config_kwargs": self._config(),
        }

    def aws_connection(self) -> dict[str, Any]:
        """Return an ``aws`` connection for the amazon provider's hooks, as the JSON of an Airflow connection."""
        extra: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region_name,
            "config_kwargs": self._config(),
        }
        if self.verify is not True:
            extra["verify"] = self.verify
        return {
            "conn_type": "aws",
            "login": self.access_key_id,
            "password": self.secret_access_key,
            "extra": extra,
        }

    def _config(self) -> dict[str, Any]:
        proxies = {"proxies": {"http": self.proxy, "https": self.proxy}} if self.proxy else {}
        return {**_CONFIG, **proxies}

    def _boto3(self) -> dict[str, Any]:
        from botocore.config import Config

        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": Config(**self._config()),
        }
