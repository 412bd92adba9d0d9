"""Publishing a credential as a secret of AWS Secrets Manager."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.publishers.aws import AwsStoredConnection
from airflow_provider_objectstore.publishers.base import BasePublisher
from airflow_provider_objectstore.publishers.checks import check_fields
from airflow_provider_objectstore.publishers.stored_connection import NO_TEXT


@dataclass(frozen=True)
class SecretsManagerPublisher(BasePublisher):
    """
    Publishes a credential as a secret of AWS Secrets Manager: the JSON of an ``aws`` connection.

    Under the prefix of Airflow's secrets backend, such as ``airflow/connections/s3_civo``, it is the connection
    ``s3_civo``. Needs the extra ``amazon``.

    AWS has no conditional writes: what somebody else puts into an existing secret after it was read is
    overwritten, and is then the secret's version ``AWSPREVIOUS``. Whether the secret can be written shows only when it
    is.

    :param secret_id: name or ARN of the secret. It is created if there is none of this name. A secret that holds
        anything but an ``aws`` connection is left as it is, and publishing fails.
    :param aws_conn_id: id of an ``aws`` connection to an account that may read, create and write the secret; None for
        the keys that boto3 finds in its environment, such as an instance's role.
    """

    secret_id: str
    aws_conn_id: str | None = "aws_default"

    def __post_init__(self) -> None:
        """
        Check the fields.

        :raises InvalidArgumentError: naming the field that is empty, not text, a template, or no id of a secret.
        """
        check_fields(self, secret_id=read.checked(read.name, _check_id), aws_conn_id=read.optional(read.name))

    def _place(self) -> _Secret:
        return _Secret(self)


def _check_id(secret_id: str) -> None:
    if not re.fullmatch(r"[\w/+=.@:-]+", secret_id, re.ASCII):
        raise InvalidArgumentError(f"{secret_id!r} is no name or ARN: give letters, digits and '/_+=.@-'")


class _Secret(AwsStoredConnection):
    """A publisher's secret, through a client that is created once."""

    def __init__(self, publisher: SecretsManagerPublisher) -> None:
        super().__init__(publisher, "secret", publisher.secret_id, publisher.aws_conn_id)

    def _new_hook(self) -> Any:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        return AwsBaseHook(self._conn_id, client_type="secretsmanager")

    def _get(self) -> str | None:
        with self._requesting() as client:
            try:
                response = client.get_secret_value(SecretId=self._name)
            except client.exceptions.ResourceNotFoundException:
                return None
            return str(response.get("SecretString", NO_TEXT if response.get("SecretBinary") else ""))

    def _create(self, text: str) -> bool:
        with self._requesting() as client:
            try:
                client.create_secret(Name=self._name, SecretString=text)
            except client.exceptions.ResourceExistsException:
                return False
        return True

    def _put(self, text: str) -> None:
        with self._requesting() as client:
            client.put_secret_value(SecretId=self._name, SecretString=text)
