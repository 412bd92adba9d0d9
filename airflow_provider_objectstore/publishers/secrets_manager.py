"""Publishing a credential as a secret of AWS Secrets Manager."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    RateLimitedError,
    TransportError,
    error_for,
)
from airflow_provider_objectstore.publishers.checks import check_fields, resolving

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options

log = logging.getLogger(__name__)

_KINDS: dict[str, type[ApiError]] = {
    "AccessDeniedException": PermissionDeniedError,
    "ExpiredTokenException": AuthenticationError,
    "IncompleteSignatureException": AuthenticationError,
    "InvalidClientTokenId": AuthenticationError,
    "InvalidSignatureException": AuthenticationError,
    "ResourceNotFoundException": NotFoundError,
    "ThrottlingException": RateLimitedError,
    "UnrecognizedClientException": AuthenticationError,
}
_LOG_BODIES = "botocore.endpoint", "botocore.parsers"
"""The loggers to which botocore writes requests and answers in full."""


@dataclass(frozen=True)
class SecretsManagerPublisher:
    """
    Keeps a secret of AWS Secrets Manager, as the JSON of an ``aws`` connection.

    Under the prefix of Airflow's secrets backend, such as ``airflow/connections/s3_civo``, it is the connection
    ``s3_civo``. Needs the extra ``amazon``.

    :param secret_id: name or ARN of the secret. A name that is not there is created; a connection of another type
        is refused.
    :param aws_conn_id: id of an ``aws`` connection to an account that may read, create and write it; None for the
        keys that boto3 finds in its surroundings.
    """

    secret_id: str
    aws_conn_id: str | None = "aws_default"

    def __post_init__(self) -> None:
        """
        Refuse what cannot be published to, before there is anything to publish.

        :raises InvalidArgumentError: naming the argument.
        """
        check_fields(self, secret_id=read.name, aws_conn_id=read.optional(read.name))

    def check(self) -> None:
        """
        See that the connection that is written through is there; no request is sent.

        :raises ConfigurationError: if it is not, or if the extra ``amazon`` is not installed.
        """
        from airflow.providers.common.compat.sdk import BaseHook

        try:
            import airflow.providers.amazon.aws.hooks.base_aws  # noqa: F401
        except ImportError as error:
            raise ConfigurationError(
                "SecretsManagerPublisher needs the amazon provider: pip install 'airflow-provider-objectstore[amazon]'"
            ) from error
        if self.aws_conn_id is not None:
            # The amazon provider takes a connection that is not there for one without keys.
            with resolving(self, self.aws_conn_id):
                BaseHook.get_connection(self.aws_conn_id)

    def publish(self, credential: S3Options) -> None:
        """
        Create the secret, or put a new version if it holds anything else.

        :raises ConfigurationError: if the extra ``amazon`` is not installed.
        :raises ConflictError: if it holds a connection of another type.
        :raises TransportError: if AWS cannot be reached.
        :raises ApiError: if AWS refused.
        """
        wanted = credential.aws_connection()
        with self._client() as client:
            text = self._read(client)
            kind = _conn_type(text)
            if kind not in (None, "aws"):
                raise ConflictError(
                    f"secret {self.secret_id!r} holds a connection of type {kind!r}, not 'aws': it is left as it is. "
                    "Publish under another name, or delete it"
                )
            if _parsed(text) == wanted:
                log.info("Secret %r holds the credential already", self.secret_id)
                return
            new = json.dumps(wanted)
            if text is None:
                try:
                    client.create_secret(Name=self.secret_id, SecretString=new)
                    log.info("Created secret %r", self.secret_id)
                    return
                except client.exceptions.ResourceExistsException:
                    pass  # it was there without a value
            client.put_secret_value(SecretId=self.secret_id, SecretString=new)
            log.info("Put a new version of secret %r", self.secret_id)

    def verify(self, credential: S3Options) -> None:
        """
        Read the secret.

        :raises ObjectStoreError: if it is missing or holds anything else.
        """
        with self._client() as client:
            found = _parsed(self._read(client))
        if found != credential.aws_connection():
            raise ObjectStoreError(
                f"secret {self.secret_id!r} does not hold what was published: something else writes it too. Look "
                "into its versions"
            )

    def _read(self, client: Any) -> str | None:
        try:
            answer = client.get_secret_value(SecretId=self.secret_id)
        except client.exceptions.ResourceNotFoundException:
            return None
        return str(answer.get("SecretString", ""))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        self.check()
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from botocore.exceptions import BotoCoreError, ClientError

        what = f"secret {self.secret_id!r} by way of connection {self.aws_conn_id!r}"
        try:
            with _bodies_unlogged():
                yield AwsBaseHook(self.aws_conn_id, client_type="secretsmanager").get_conn()
        except ClientError as error:
            said = error.response.get("Error", {})
            meta = error.response.get("ResponseMetadata", {})
            raise error_for(
                f"{error.operation_name} ({what})",
                meta.get("HTTPStatusCode") or 500,
                reason=said.get("Message", ""),
                code=said.get("Code"),
                kind=_KINDS.get(said.get("Code", "")),
                hint="Check the connection's account and region, and that it may read, create and write this secret",
                request_id=meta.get("RequestId"),
            ) from error
        except BotoCoreError as error:
            raise TransportError(f"{what}: {error}. Check that connection's keys, region and endpoint_url") from error


@contextmanager
def _bodies_unlogged() -> Iterator[None]:
    """Keep what botocore logs at DEBUG of this thread's requests and answers, which hold secrets, out of the log."""
    thread = threading.get_ident()

    def of_another_thread(record: logging.LogRecord) -> bool:
        return threading.get_ident() != thread

    loggers = [logging.getLogger(name) for name in _LOG_BODIES]
    for logger in loggers:
        logger.addFilter(of_another_thread)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(of_another_thread)


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def _conn_type(text: str | None) -> str | None:
    """Return the type of the connection that a secret holds, as JSON or as a URI; None if it holds none."""
    held = _parsed(text)
    if isinstance(held, dict):
        return held.get("conn_type")
    scheme, separator, _ = (text or "").partition("://")
    return scheme if separator else None
