"""The settings that S3 clients need for Civo's backend, which is Ceph's gateway."""

from __future__ import annotations

from collections.abc import KeysView
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_provider_objectstore.api.civo.models import s3_endpoint
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.xcom import NotForXCom

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
    from airflow_provider_objectstore.transport import ResolvedConnection

_INSTEAD = (
    "it holds a secret. Return the object store's name, and call CivoObjectStoreHook.s3_options with it in the task "
    "that needs it, or give the credential to publishers"
)


@dataclass(frozen=True)
class S3Options(NotForXCom):
    """
    How to reach a bucket over S3: ``boto3.client("s3", **options)``.

    It does not go into XCom. An empty access key or secret is refused for every use: boto3 would look for other keys
    in its environment.

    :param bucket: the bucket, which has the object store's name; None for a credential on its own.
    :param endpoint_url: address of the S3 interface.
    :param access_key_id: the owner's access key.
    :param secret_access_key: the owner's secret.
    :param region_name: the region that requests are signed for; the gateway does not check it.
    :param verify: True, False, or the path of a file with the certificates to trust.
    :param proxy: URL of a proxy.
    """

    _instead: ClassVar[str] = _INSTEAD

    bucket: str | None
    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region_name: str
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)

    def keys(self) -> KeysView[str]:
        """Return the names of the arguments of :meth:`boto3`, for ``**options``."""
        return self.boto3().keys()

    def __getitem__(self, name: str) -> Any:
        return self.boto3()[name]

    def boto3(self) -> dict[str, Any]:
        """
        Return the arguments of ``boto3.client("s3", …)``.

        :raises InvalidArgumentError: if the access key or the secret is empty.
        """
        self.require_keys()
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self._config,
        }

    def s3fs(self) -> dict[str, Any]:
        """
        Return the arguments of ``s3fs.S3FileSystem``.

        :raises InvalidArgumentError: if the access key or the secret is empty.
        """
        self.require_keys()
        client: dict[str, Any] = {"region_name": self.region_name}
        if self.verify is not True:
            client["verify"] = self.verify
        return _Arguments(
            {
                "endpoint_url": self.endpoint_url,
                "key": self.access_key_id,
                "secret": self.secret_access_key,
                "client_kwargs": client,
                "config_kwargs": self._config_arguments(),
            }
        )

    def aws_connection(self) -> dict[str, Any]:
        """
        Return an ``aws`` connection for the amazon provider's hooks, as the JSON of an Airflow connection.

        :raises InvalidArgumentError: if the access key or the secret is empty.
        """
        self.require_keys()
        extra: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region_name,
            "config_kwargs": self._config_arguments(),
        }
        if self.verify is not True:
            extra["verify"] = self.verify
        return _Arguments(
            {
                "conn_type": "aws",
                "login": self.access_key_id,
                "password": self.secret_access_key,
                "extra": extra,
            }
        )

    def require_keys(self) -> None:
        """
        Refuse a credential without its keys: it may be new, and the service not have filled it yet.

        :raises InvalidArgumentError: naming which of them is empty.
        """
        keys = {"access key": self.access_key_id, "secret": self.secret_access_key}
        if empty := [name for name, value in keys.items() if not value.strip()]:
            raise InvalidArgumentError(
                f"the credential for {f'bucket {self.bucket}' if self.bucket else self.endpoint_url} has an empty "
                f"{' and an empty '.join(empty)}: it is neither used nor published. Wait until the service has filled "
                "it, with CivoObjectStoreHook.wait_for_keys"
            )

    @cached_property
    def _config(self) -> Any:
        from botocore.config import Config

        config: Any = Config(**self._config_arguments())
        config.serialize = _refuse_xcom  # so that the arguments as a dict are kept out of XCom too
        return config

    def _config_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "signature_version": "s3v4",
            "s3": {"addressing_style": "path"},
            # Newer boto3 adds trailing checksums; over TLS the gateway refuses every put that has one, with 411.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        if self.proxy:
            arguments["proxies"] = {"http": self.proxy, "https": self.proxy}
        return _Arguments(arguments)


class _Arguments(dict[str, Any]):
    """
    A dict that refuses to go into XCom.

    Airflow first checks every dict for this key, which is its own mark; it calls no ``serialize`` of a dict.
    """

    def __contains__(self, name: object) -> bool:
        if name == "__classname__":
            _refuse_xcom()
        return super().__contains__(name)


def options_for(connection: ResolvedConnection, credential: Credential, store: ObjectStore | None) -> S3Options:
    """
    Return what an S3 client needs to act with a credential.

    :param connection: the connection through which the credential was read.
    :param credential: the credential, with its keys.
    :param store: an object store that it owns, if any.
    :raises ObjectStoreError: if its access key or secret is empty.
    """
    if not credential.has_keys:
        raise ObjectStoreError(
            f"credential {credential.name} ({credential.id}) has no keys yet, its status is "
            f"{credential.status or 'not given'}: wait for them with CivoObjectStoreHook.wait_for_keys"
        )
    region, own_endpoint = connection.labels["region"], connection.labels["s3_endpoint"]
    return S3Options(
        bucket=store.name if store else None,
        endpoint_url=s3_endpoint(
            own_endpoint or (store.endpoint if store else None),
            region,
            plain_http=bool(own_endpoint) or connection.base_urls["api"].startswith("http://"),
        ),
        access_key_id=credential.access_key_id,
        secret_access_key=credential.secret_access_key,
        region_name=region.lower(),
        verify=connection.verify,
        proxy=connection.proxy,
    )


def _refuse_xcom() -> NoReturn:
    raise InvalidArgumentError(f"a task must not return the arguments of an S3 client into XCom: {_INSTEAD}")
