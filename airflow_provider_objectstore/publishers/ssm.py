"""Publishing a credential as a parameter of AWS Systems Manager's Parameter Store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError
from airflow_provider_objectstore.publishers.aws import AwsStoredConnection
from airflow_provider_objectstore.publishers.base import BasePublisher
from airflow_provider_objectstore.publishers.checks import check_fields


@dataclass(frozen=True)
class SsmParameterPublisher(BasePublisher):
    """
    Publishes a credential as an encrypted parameter of AWS SSM Parameter Store: the JSON of an ``aws`` connection.

    Under the prefix of Airflow's secrets backend, such as ``/airflow/connections/s3_civo``, it is the connection
    ``s3_civo``. Needs the extra ``amazon``.

    AWS has no conditional writes: what somebody else puts into an existing parameter after it was read is
    overwritten, and is then in the parameter's history. Whether it can be written shows only when it is.

    :param parameter: name of the parameter, of type ``SecureString``. It is created if there is none of this name. One
        of another type, or that holds anything but an ``aws`` connection, is left as it is, and publishing fails.
    :param aws_conn_id: id of an ``aws`` connection to an account that may read and write the parameter; None for the
        keys that boto3 finds in its environment, such as an instance's role.
    :param kms_key_id: key to encrypt with, also each new version; None for the account's ``alias/aws/ssm``.
    """

    parameter: str
    aws_conn_id: str | None = "aws_default"
    kms_key_id: str | None = None

    def __post_init__(self) -> None:
        """
        Check the fields.

        :raises InvalidArgumentError: naming the field that is empty, not text, a template, or no name of a parameter.
        """
        check_fields(
            self,
            parameter=read.checked(read.name, _check_name),
            aws_conn_id=read.optional(read.name),
            kms_key_id=read.optional(read.name),
        )

    def _place(self) -> _Parameter:
        return _Parameter(self)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[\w.-]+|(/[\w.-]+)+", name, re.ASCII):
        raise InvalidArgumentError(
            f"{name!r} is no name of a parameter, and an ARN cannot be written to: give letters, digits, '_', '.' and "
            "'-', and a '/' before each part if it has any, such as '/airflow/connections/s3'"
        )


class _Parameter(AwsStoredConnection):
    """A publisher's parameter, through a client that is created once."""

    def __init__(self, publisher: SsmParameterPublisher) -> None:
        super().__init__(publisher, "parameter", publisher.parameter, publisher.aws_conn_id)
        self._key = {"KeyId": publisher.kms_key_id} if publisher.kms_key_id else {}

    def _new_hook(self) -> Any:
        from airflow.providers.amazon.aws.hooks.ssm import SsmHook

        return SsmHook(self._conn_id)

    def _get(self) -> str | None:
        with self._requesting() as client:
            try:
                found = client.get_parameter(Name=self._name, WithDecryption=True)["Parameter"]
            except client.exceptions.ParameterNotFound:
                return None
        if found["Type"] != "SecureString":
            raise ConflictError(
                f"{self} has the type {found['Type']!r}, not 'SecureString', and AWS cannot change that: it is left as "
                "it is. Delete it, or publish under another name"
            )
        return str(found["Value"])

    def _create(self, text: str) -> bool:
        with self._requesting() as client:
            try:
                self._write(client, text, overwrite=False)
            except client.exceptions.ParameterAlreadyExists:
                return False
        return True

    def _put(self, text: str) -> None:
        with self._requesting() as client:
            self._write(client, text, overwrite=True)

    def _write(self, client: Any, text: str, *, overwrite: bool) -> None:
        client.put_parameter(Name=self._name, Value=text, Type="SecureString", Overwrite=overwrite, **self._key)
