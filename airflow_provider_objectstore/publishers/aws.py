"""What the publishers to services of AWS have in common."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
    error_for,
)
from airflow_provider_objectstore.publishers.checks import missing_connection
from airflow_provider_objectstore.publishers.stored_connection import StoredConnection
from airflow_provider_objectstore.transport.failures import failure_text, forget_handled, shown_cause

_ERROR_TYPES: dict[str, type[ApiError]] = {
    "AccessDeniedException": PermissionDeniedError,
    "ExpiredTokenException": AuthenticationError,
    "IncompleteSignatureException": AuthenticationError,
    "InvalidClientTokenId": AuthenticationError,
    "InvalidSignatureException": AuthenticationError,
    "ParameterNotFound": NotFoundError,
    "ResourceNotFoundException": NotFoundError,
    "ThrottlingException": RateLimitedError,
    "TooManyUpdates": RateLimitedError,
    "UnrecognizedClientException": AuthenticationError,
}
_BODY_LOGGERS = "botocore.endpoint", "botocore.parsers"
"""The loggers to which botocore writes complete requests and responses."""


class AwsStoredConnection(StoredConnection):
    """
    A connection in a service of AWS.

    :param publisher: the publisher.
    :param kind: what the service calls it, such as ``secret``.
    :param name: its name there.
    :param conn_id: id of the ``aws`` connection; None for the environment's keys.
    """

    def __init__(self, publisher: Any, kind: str, name: str, conn_id: str | None) -> None:
        super().__init__(kind, name)
        self._publisher = publisher
        self._conn_id = conn_id

    def resolve(self) -> None:
        """
        Verify that the connection exists. No request is sent.

        :raises AirflowNotFoundException: if Airflow does not find it.
        :raises ConfigurationError: if it is of another type, or if the extra ``amazon`` is not installed.
        """
        from airflow_provider_objectstore.hooks.connection_fields import require_type

        if self._conn_id is None:
            return
        if found := self._hook.conn_config:
            require_type(self._conn_id, found.conn_type, "aws")
            return
        # The amazon provider treats a missing connection as one without keys.
        raise missing_connection(self._publisher, self._conn_id)

    @cached_property
    def _hook(self) -> Any:
        try:
            return self._new_hook()
        except ImportError as error:
            raise ConfigurationError(
                f"{type(self._publisher).__name__} needs the amazon provider: "
                "pip install 'airflow-provider-objectstore[amazon]'"
            ) from error

    def _new_hook(self) -> Any:
        """Return the amazon provider's hook."""
        raise NotImplementedError

    @cached_property
    def _client(self) -> Any:
        return self._hook.get_conn()

    @contextmanager
    def _requesting(self) -> Iterator[Any]:
        self.resolve()
        from botocore.exceptions import BotoCoreError, ClientError

        what = f"{self} by way of connection {self._conn_id!r}"
        handled = sys.exception()
        try:
            with _without_body_logs():
                yield self._client
        except ClientError as error:
            details = error.response.get("Error", {})
            metadata = error.response["ResponseMetadata"]
            status = metadata["HTTPStatusCode"]
            raise error_for(
                f"{error.operation_name} ({what})",
                status,
                reason=details.get("Message", ""),
                code=details.get("Code"),
                # AWS says by a code that something is missing: any other 404 is of something in between.
                kind=_ERROR_TYPES.get(details.get("Code", ""), ServerError if status == 404 else None),
                hint="Check the connection's account and region, and that it may read, create and write this "
                f"{self._kind}",
                request_id=metadata.get("RequestId"),
            ) from error
        except BotoCoreError as error:
            forget_handled(error, handled)
            raise TransportError(
                f"{what}: {failure_text(error)}. Check that connection's keys, region and endpoint_url"
            ) from shown_cause(error)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{what}: {error}. Check that connection and the files that it names") from error


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
