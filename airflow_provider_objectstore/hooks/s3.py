"""The settings that S3 clients need for Civo's backend, which is Ceph's gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

from airflow_provider_objectstore.api.xcom import NotForXCom
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.s3_answers import find_doubt

_CONFIG = {
    "signature_version": "s3v4",
    "s3": {"addressing_style": "path"},
    # Newer boto3 adds trailing checksums, which the gateway answers over TLS with 411 on every put.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


_INSTEAD = (
    "it holds a secret. Return the object store's name, and call CivoObjectStoreHook.s3_options with it in the task "
    "that needs it, or give the credential to publishers"
)


@dataclass(frozen=True)
class S3Options(NotForXCom, Mapping[str, Any]):
    """
    How to reach a bucket over S3. As a mapping it holds the arguments of ``boto3.client("s3", **options)``.

    It goes into no XCom. Whatever it is used for, an empty access key or secret is refused: boto3 would look for
    other keys in its surroundings.

    :param bucket: the bucket, which has the object store's name; None for a credential on its own.
    :param endpoint_url: address of the S3 interface.
    :param access_key_id: the owner's access key.
    :param secret_access_key: the owner's secret.
    :param region_name: what requests are signed for; the gateway does not check it.
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

    def __getitem__(self, name: str) -> Any:
        return self._boto3()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._boto3())

    def __len__(self) -> int:
        return len(self._boto3())

    def s3fs(self) -> dict[str, Any]:
        """Return the arguments of ``s3fs.S3FileSystem(**options.s3fs())``."""
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
                "config_kwargs": self._config(),
            }
        )

    def aws_connection(self) -> dict[str, Any]:
        """Return an ``aws`` connection for the amazon provider's hooks, as the JSON of an Airflow connection."""
        self.require_keys()
        extra: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region_name,
            "config_kwargs": self._config(),
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

        :raises InvalidArgumentError: saying which of them is empty.
        """
        given = {"access key": self.access_key_id, "secret": self.secret_access_key}
        if empty := [name for name, value in given.items() if not value.strip()]:
            raise InvalidArgumentError(
                f"the credential for {f'bucket {self.bucket}' if self.bucket else self.endpoint_url} has an empty "
                f"{' and an empty '.join(empty)}: it is neither used nor published. Wait until the service has filled "
                "it, with CivoObjectStoreHook.wait_for_keys"
            )

    def _config(self) -> dict[str, Any]:
        proxies = {"proxies": {"http": self.proxy, "https": self.proxy}} if self.proxy else {}
        return _Arguments({**_CONFIG, **proxies})

    def _boto3(self) -> dict[str, Any]:
        from botocore.config import Config

        self.require_keys()
        config: Any = Config(**self._config())
        config.serialize = _refuse_arguments  # so that the arguments as a dict are kept out of XCom too
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": config,
        }


class _Arguments(dict[str, Any]):
    """
    A dict that refuses to go into XCom, and in all else is one.

    Airflow asks every dict first whether it has this key, which is its own mark; it calls no ``serialize`` of a dict.
    """

    def __contains__(self, name: object) -> bool:
        if name == "__classname__":
            _refuse_arguments()
        return super().__contains__(name)


def _refuse_arguments() -> NoReturn:
    raise InvalidArgumentError(f"a task must not return the arguments of an S3 client into XCom: {_INSTEAD}")


def find_contents(options: S3Options) -> str | None:
    """
    Say what a bucket holds: objects, older versions or deletion markers of some, multipart uploads under way.

    :return: None if it is empty.
    :raises ObjectStoreError: if that cannot be told, as where a backend does not know one of the questions.
    """
    boto3 = require_boto3("whether a bucket is empty is asked over S3")
    questions: dict[str, tuple[str, dict[str, int]]] = {
        "objects": ("list_objects_v2", {"MaxKeys": 1}),
        "older versions of objects": ("list_object_versions", {"MaxKeys": 1}),
        "multipart uploads under way": ("list_multipart_uploads", {"MaxUploads": 1}),
    }
    arguments = dict(options)
    try:
        client = boto3.client("s3", **arguments)
        answers = {
            what: ask_s3(client, method, Bucket=options.bucket, **limit) for what, (method, limit) in questions.items()
        }
    except Exception as error:
        raise ObjectStoreError(f"bucket {options.bucket}: {describe_s3_error(error)}") from error
    entries = "Contents", "Versions", "DeleteMarkers", "Uploads", "IsTruncated"
    return next((what for what, answer in answers.items() if any(answer.get(name) for name in entries)), None)


def ask_s3(client: Any, method: str, **asked: Any) -> Any:
    """
    Return S3's answer.

    :param client: a boto3 client.
    :param method: the client's method.
    :param asked: its arguments.
    :raises ObjectStoreError: if the answer is not S3's own, or is about another bucket.
    """
    answer = getattr(client, method)(**asked)
    if doubt := find_doubt(method, answer, asked):
        raise ObjectStoreError(doubt)
    return answer


def describe_s3_error(error: Exception) -> str:
    """Say what went wrong with a request of boto3's, which raises whatever its parsers do where an answer is no S3."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError) and not (error.response.get("Error") or {}).get("Code"):
        status = error.response["ResponseMetadata"].get("HTTPStatusCode")
        return f"{error.operation_name} was answered with HTTP {status} and no error code, so not by S3"
    if isinstance(error, (BotoCoreError, ClientError, ObjectStoreError)):
        return str(error)
    return f"the answer cannot be read as S3's ({type(error).__name__}: {error})"


def require_boto3(why: str) -> Any:
    """
    Return boto3.

    :param why: what it is needed for, for the message.
    :raises ConfigurationError: saying what to install.
    """
    try:
        import boto3
    except ImportError as error:
        raise ConfigurationError(f"{why}, which needs: pip install 'airflow-provider-objectstore[s3]'") from error
    return boto3
