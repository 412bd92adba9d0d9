"""Publishing a credential as a secret of AWS Secrets Manager."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class SecretsManagerPublisher:
    """
    Keeps a secret of AWS Secrets Manager, as the JSON of an ``aws`` connection.

    Under the prefix of Airflow's secrets backend, such as ``airflow/connections/s3_civo``, it is the connection
    ``s3_civo``. Needs the extra ``amazon``.

    :param secret_id: name or ARN of the secret. A name that is not there is created; a connection of another type
        is refused.
    :param aws_conn_id: id of an ``aws`` connection to an account that may read, create and write it.
    """

    secret_id: str
    aws_conn_id: str = "aws_default"

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
        try:
            from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise ConfigurationError(
                "SecretsManagerPublisher needs the amazon provider: pip install 'airflow-provider-objectstore[amazon]'"
            ) from error
        what = f"secret {self.secret_id!r} by way of connection {self.aws_conn_id!r}"
        try:
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
