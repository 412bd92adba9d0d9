"""Publishing a credential as a secret of AWS Secrets Manager."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore import arguments as read
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
from airflow_provider_objectstore.publishers.checks import check_fields, missing_connection
from airflow_provider_objectstore.transport.failures import failure_text, shown_cause

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options
    from airflow_provider_objectstore.publishers import Publisher

log = logging.getLogger(__name__)

_ERROR_TYPES: dict[str, type[ApiError]] = {
    "AccessDeniedException": PermissionDeniedError,
    "ExpiredTokenException": AuthenticationError,
    "IncompleteSignatureException": AuthenticationError,
    "InvalidClientTokenId": AuthenticationError,
    "InvalidSignatureException": AuthenticationError,
    "ResourceNotFoundException": NotFoundError,
    "ThrottlingException": RateLimitedError,
    "UnrecognizedClientException": AuthenticationError,
}
_BODY_LOGGERS = "botocore.endpoint", "botocore.parsers"
"""The loggers to which botocore writes complete requests and responses."""


@dataclass(frozen=True)
class SecretsManagerPublisher:
    """
    Publishes a credential as a secret of AWS Secrets Manager: the JSON of an ``aws`` connection.

    Under the prefix of Airflow's secrets backend, such as ``airflow/connections/s3_civo``, it is the connection
    ``s3_civo``. Needs the extra ``amazon``.

    :param secret_id: name or ARN of the secret. It is created if there is none of this name. A secret that holds a
        connection of another type is left as it is, and publishing fails.
    :param aws_conn_id: id of an ``aws`` connection to an account that may read, create and write the secret; None for
        the keys that boto3 finds in its environment, such as an instance's role.
    """

    secret_id: str
    aws_conn_id: str | None = "aws_default"

    def __post_init__(self) -> None:
        """
        Check the fields.

        :raises InvalidArgumentError: naming the field that is empty, not text, or a template.
        """
        check_fields(self, secret_id=read.name, aws_conn_id=read.optional(read.name))

    def check(self) -> None:
        """
        Verify that the connection exists. No request is sent.

        :raises ConfigurationError: if it does not, or if the extra ``amazon`` is not installed.
        """
        _Access(self).resolve()

    def prepare(self) -> Publisher:
        """
        Create a client, and read the secret. Whether it can be written shows only when it is.

        AWS has no conditional writes: a connection of another type that is put into an existing secret between this and
        publishing is overwritten, and is then the secret's version ``AWSPREVIOUS``.

        :return: what publishes with one request, without reading again.
        :raises ConfigurationError: as :meth:`check`.
        :raises ConflictError: if the secret holds a connection of another type.
        :raises TransportError: if AWS cannot be reached.
        :raises ApiError: if AWS refuses the request.
        """
        access = _Access(self)
        access.look()
        return access

    def publish(self, credential: S3Options) -> None:
        """
        Create the secret, or put a new version if it holds anything else.

        :param credential: what to publish.
        :raises InvalidArgumentError: if the credential has no keys, before any request.
        :raises ConfigurationError: if the connection does not exist, or the extra ``amazon`` is not installed.
        :raises ConflictError: if the secret holds a connection of another type.
        :raises TransportError: if AWS cannot be reached.
        :raises ApiError: if AWS refuses the request.
        """
        _Access(self).publish(credential)

    def verify(self, credential: S3Options) -> None:
        """
        Read the secret.

        :param credential: what was published.
        :raises ObjectStoreError: if the secret is missing or holds anything else.
        """
        _Access(self).verify(credential)


class _Access:
    """A publisher's secret, through a client that is created once."""

    def __init__(self, publisher: SecretsManagerPublisher) -> None:
        self._publisher = publisher
        self._id = publisher.secret_id
        self._found: tuple[str | None] | None = None
        """What :meth:`look` has read, until something is published."""

    def resolve(self) -> None:
        if self._hook.conn_config or self._publisher.aws_conn_id is None:
            return
        # The amazon provider treats a missing connection as one without keys.
        raise missing_connection(self._publisher, self._publisher.aws_conn_id)

    def look(self) -> None:
        self._found = (self._read(),)

    def publish(self, credential: S3Options) -> None:
        wanted = credential.aws_connection()
        (text,) = self._found or (self._read(),)
        self._found = None
        if _parse_json(text) == wanted:
            log.info("Secret %r holds the credential already", self._id)
            return
        new = json.dumps(wanted)
        if text is None:
            if self._create(new):
                return
            self._read()  # it appeared meanwhile, or it exists and has no value
        with self._requesting() as client:
            client.put_secret_value(SecretId=self._id, SecretString=new)
        log.info("Put a new version of secret %r", self._id)

    def verify(self, credential: S3Options) -> None:
        wanted = credential.aws_connection()
        if _parse_json(self._get()) != wanted:
            raise ObjectStoreError(
                f"secret {self._id!r} does not hold what was published: something else writes it too. Check "
                "its versions"
            )

    def _read(self) -> str | None:
        """Return the secret's text, unless it is a connection of another type."""
        text = self._get()
        conn_type = _conn_type(text)
        if conn_type not in (None, "aws"):
            raise ConflictError(
                f"secret {self._id!r} holds a connection of type {conn_type!r}, not 'aws': it is left as it is. "
                "Publish under another name, or delete it"
            )
        return text

    def _get(self) -> str | None:
        with self._requesting() as client:
            try:
                response = client.get_secret_value(SecretId=self._id)
            except client.exceptions.ResourceNotFoundException:
                return None
            return str(response.get("SecretString", ""))

    def _create(self, text: str) -> bool:
        """Return False if the secret exists."""
        with self._requesting() as client:
            try:
                client.create_secret(Name=self._id, SecretString=text)
            except client.exceptions.ResourceExistsException:
                return False
        log.info("Created secret %r", self._id)
        return True

    @cached_property
    def _hook(self) -> Any:
        try:
            from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        except ImportError as error:
            raise ConfigurationError(
                "SecretsManagerPublisher needs the amazon provider: pip install 'airflow-provider-objectstore[amazon]'"
            ) from error
        return AwsBaseHook(self._publisher.aws_conn_id, client_type="secretsmanager")

    @cached_property
    def _client(self) -> Any:
        return self._hook.get_conn()

    @contextmanager
    def _requesting(self) -> Iterator[Any]:
        self.resolve()
        from botocore.exceptions import BotoCoreError, ClientError

        what = f"secret {self._id!r} by way of connection {self._publisher.aws_conn_id!r}"
        try:
            with _without_body_logs():
                yield self._client
        except ClientError as error:
            details = error.response.get("Error", {})
            metadata = error.response.get("ResponseMetadata", {})
            raise error_for(
                f"{error.operation_name} ({what})",
                metadata.get("HTTPStatusCode") or 500,
                reason=details.get("Message", ""),
                code=details.get("Code"),
                kind=_ERROR_TYPES.get(details.get("Code", "")),
                hint="Check the connection's account and region, and that it may read, create and write this secret",
                request_id=metadata.get("RequestId"),
            ) from error
        except BotoCoreError as error:
            raise TransportError(
                f"{what}: {failure_text(error)}. Check that connection's keys, region and endpoint_url"
            ) from shown_cause(error)


@contextmanager
def _without_body_logs() -> Iterator[None]:
    """Drop what botocore logs at DEBUG of this thread's requests and responses, because these hold secrets."""
    thread = threading.get_ident()

    def is_of_another_thread(record: logging.LogRecord) -> bool:
        return threading.get_ident() != thread

    loggers = [logging.getLogger(name) for name in _BODY_LOGGERS]
    for logger in loggers:
        logger.addFilter(is_of_another_thread)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_of_another_thread)


def _parse_json(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def _conn_type(text: str | None) -> str | None:
    """Return the type of the connection that a secret holds as JSON or as a URI; None if it holds no connection."""
    connection = _parse_json(text)
    if isinstance(connection, dict):
        return connection.get("conn_type")
    scheme, separator, _ = (text or "").partition("://")
    return scheme if separator else None
