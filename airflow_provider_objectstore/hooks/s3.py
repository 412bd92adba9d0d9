"""The settings that S3 clients need for Civo's backend, which is Ceph's gateway."""

from __future__ import annotations

import os
from collections.abc import KeysView
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_provider_objectstore.api.civo.models import s3_endpoint
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.transport.certificates import find_certificates
from airflow_provider_objectstore.xcom import NotForXCom

if TYPE_CHECKING:
    from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
    from airflow_provider_objectstore.transport import ResolvedConnection

_CA_VARIABLES = "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"
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
    :param verify: True, False, or the path of a file with the certificates to trust. With True, :meth:`boto3`,
        :meth:`s3fs`, :meth:`aws_connection`, :meth:`obstore` and :meth:`pyarrow` trust the file that the environment
        variable ``AWS_CA_BUNDLE`` or ``REQUESTS_CA_BUNDLE`` names, if any. Other engines read neither. Empty variables
        count as unset, except where another process reads the ``aws`` connection. A folder, or a file without
        certificates, is refused with ``ConfigurationError``.
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
            "config": self._config,
            "verify": None,
            **self._verify_here,
        }

    def s3fs(self) -> dict[str, Any]:
        """
        Return the arguments of ``s3fs.S3FileSystem``.

        :raises InvalidArgumentError: if the access key or the secret is empty.
        """
        self.require_keys()
        return _Arguments(
            {
                "endpoint_url": self.endpoint_url,
                "key": self.access_key_id,
                "secret": self.secret_access_key,
                "client_kwargs": {"region_name": self.region_name, **self._verify_here},
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
            **self._own_verify,
        }
        return _Arguments(
            {
                "conn_type": "aws",
                "login": self.access_key_id,
                "password": self.secret_access_key,
                "extra": extra,
            }
        )

    def polars(self) -> dict[str, Any]:
        """
        Return the ``storage_options`` of Polars: ``pl.read_parquet("s3://…", storage_options=options.polars())``.

        Polars trusts the certificates in the file that the environment variable ``SSL_CERT_FILE`` names. It reads
        neither ``AWS_CA_BUNDLE`` nor ``REQUESTS_CA_BUNDLE``, and has no option for a file.

        :raises InvalidArgumentError: if the access key or the secret is empty, or ``verify`` is a file.
        """
        return self._storage_options("Polars")

    def deltalake(self) -> dict[str, Any]:
        """
        Return the ``storage_options`` of deltalake: ``DeltaTable("s3://…", storage_options=options.deltalake())``.

        A commit is a conditional put, so that of two writers at the same time one is refused. A backend that ignores
        the condition loses a commit of one of them: then let one writer write at a time. Certificates are those of
        :meth:`polars`.

        :raises InvalidArgumentError: as :meth:`polars` does.
        """
        return _Arguments({**self._storage_options("deltalake"), "aws_conditional_put": "etag"})

    def obstore(self) -> dict[str, Any]:
        """
        Return the arguments of ``obstore.store.S3Store(options.bucket, …)``.

        :raises InvalidArgumentError: if the access key or the secret is empty.
        """
        self.require_keys()
        client: dict[str, Any] = {"allow_http": self._plain_http}
        if self.verify is False:
            client["allow_invalid_certificates"] = True
        elif self._ca_file:
            client["root_certificate"] = Path(self._ca_file).read_text()
        if self.proxy:
            client["proxy_url"] = self.proxy
        return _Arguments({"config": self._object_store_config(), "client_options": _Arguments(client)})

    def pyarrow(self) -> dict[str, Any]:
        """
        Return the arguments of ``pyarrow.fs.S3FileSystem``.

        Before pyarrow writes, set the environment variable ``AWS_REQUEST_CHECKSUM_CALCULATION`` to ``when_required``.
        Otherwise it sends checksums in a form that the gateway refuses with 411, and has no argument against that.

        :raises InvalidArgumentError: if the access key or the secret is empty, or ``verify`` is False, which pyarrow
            does not know.
        """
        self.require_keys()
        if self.verify is False:
            raise InvalidArgumentError(
                "pyarrow always checks certificates: set verify of the connection to the file of those to trust"
            )
        arguments: dict[str, Any] = {
            "access_key": self.access_key_id,
            "secret_key": self.secret_access_key,
            "region": self.region_name,
            "scheme": "http" if self._plain_http else "https",
            "endpoint_override": self.endpoint_url.partition("://")[2],
            "force_virtual_addressing": False,
        }
        if self._ca_file:
            arguments["tls_ca_file_path"] = self._ca_file
        if self.proxy:
            arguments["proxy_options"] = self.proxy
        return _Arguments(arguments)

    def duckdb_secret(self, name: str | None = None) -> tuple[str, dict[str, Any]]:
        """
        Return a statement for DuckDB and its parameters: ``connection.execute(*options.duckdb_secret())``.

        It creates a temporary secret, which DuckDB does not store and uses for this bucket only. DuckDB needs its
        extension ``httpfs``. Certificates of your own go into its setting ``ca_cert_file``.

        :param name: the secret's name in DuckDB; by default ``civo_`` and the bucket's name.
        :raises InvalidArgumentError: if the access key or the secret is empty, or the connection has a proxy or its own
            ``verify``, which DuckDB knows for the whole database only.
        """
        self.require_keys()
        if self.proxy or self.verify is not True:
            raise InvalidArgumentError(
                "a secret of DuckDB has no proxy and no certificates: take a connection without proxy and verify, and "
                "set DuckDB's http_proxy, ca_cert_file or enable_server_cert_verification"
            )
        values: dict[str, Any] = {
            "key_id": self.access_key_id,
            "secret": self.secret_access_key,
            "region": self.region_name,
            "endpoint": self.endpoint_url.partition("://")[2],
            "url_style": "path",
            "use_ssl": not self._plain_http,
        }
        if self.bucket:
            values["scope"] = f"s3://{self.bucket}/"
        identifier = (name or f"civo_{self.bucket or self.region_name}").replace('"', '""')
        options = ", ".join(f"{option.upper()} ${option}" for option in values)
        statement = f'CREATE OR REPLACE TEMPORARY SECRET "{identifier}" (TYPE s3, {options})'
        return statement, _Arguments(values)

    @property
    def _own_verify(self) -> dict[str, Any]:
        """The argument of botocore; none for a plain True, with which it would ignore the environment's bundle."""
        if self.verify is False:
            return {"verify": False}
        own = find_certificates(self.verify)
        return {"verify": own.path} if own else {}

    @property
    def _verify_here(self) -> dict[str, Any]:
        """The argument of botocore in this process: with a variable that is empty, some versions check nothing."""
        if own := self._own_verify:
            return own
        file = self._ca_file
        any_empty = any(not os.environ.get(name, name).strip() for name in _CA_VARIABLES)
        return {"verify": file or True} if any_empty else {}

    @property
    def _ca_file(self) -> str | None:
        """The file of certificates to trust: the connection's, else the one that botocore finds in the environment."""
        found = None if self._plain_http else find_certificates(self.verify, *_CA_VARIABLES)
        if found is None:
            return None
        found.require_file()
        return found.path

    @property
    def _plain_http(self) -> bool:
        return self.endpoint_url.startswith("http://")

    def _storage_options(self, engine: str) -> dict[str, Any]:
        """Return what the Rust library of several engines takes: text only."""
        self.require_keys()
        if isinstance(self.verify, str):
            raise InvalidArgumentError(
                f"{engine} takes no file of certificates: leave verify of the connection out, and let the environment "
                "variable SSL_CERT_FILE name the file"
            )
        options = {f"aws_{name}": value for name, value in self._object_store_config().items()}
        options["allow_http"] = str(self._plain_http).lower()
        if self.verify is False:
            options["allow_invalid_certificates"] = "true"
        if self.proxy:
            options["proxy_url"] = self.proxy
        return _Arguments(options)

    def _object_store_config(self) -> dict[str, str]:
        return _Arguments(
            {
                "endpoint": self.endpoint_url,
                "access_key_id": self.access_key_id,
                "secret_access_key": self.secret_access_key,
                # The environment's token belongs to other keys: it would be sent along, and S3 would refuse it.
                "session_token": "",
                "region": self.region_name,
                "virtual_hosted_style_request": "false",
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
        from airflow_provider_objectstore.hooks.s3_client import require_module

        configuration = require_module("botocore.config", "boto3's arguments hold a configuration of botocore's")
        config: Any = configuration.Config(**self._config_arguments())
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
