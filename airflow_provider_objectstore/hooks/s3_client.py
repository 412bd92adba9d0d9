"""Send requests to S3 with boto3, and read what its responses and errors mean."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    ObjectStoreError,
    ServerError,
    TransportError,
    error_for,
)
from airflow_provider_objectstore.hooks.s3_responses import denial_code, response_problem
from airflow_provider_objectstore.transport.failures import failure_text, forget_handled, is_hopeless_tls, shown_cause

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.s3 import S3Options

_CONTENTS: dict[str, tuple[str, dict[str, int]]] = {
    "objects": ("list_objects_v2", {"MaxKeys": 1}),
    "older versions of objects": ("list_object_versions", {"MaxKeys": 1}),
    "multipart uploads under way": ("list_multipart_uploads", {"MaxUploads": 1}),
}
"""What a bucket may hold, with the request that lists it."""
_LISTED = "Contents", "Versions", "DeleteMarkers", "Uploads", "IsTruncated"


def find_contents(options: S3Options) -> str | None:
    """
    Return what a bucket holds: objects, older versions or deletion markers of some, or multipart uploads under way.

    :param options: the bucket and its owner's keys.
    :return: None if it is empty.
    :raises ConfigurationError: if boto3 is missing.
    :raises ObjectStoreError: if a request fails, as where a backend does not know one of them.
    """
    client = create_client(options, "whether a bucket is empty is asked over S3")
    handled = sys.exception()
    try:
        responses = {
            what: call_s3(client, method, Bucket=options.bucket, **limit) for what, (method, limit) in _CONTENTS.items()
        }
    except ObjectStoreError as error:
        raise error.prefixed(f"bucket {options.bucket}: ") from error.__cause__
    except Exception as error:
        forget_handled(error, handled)
        raise s3_error(error, f"bucket {options.bucket}") from shown_cause(error)
    return next((what for what, response in responses.items() if any(response.get(name) for name in _LISTED)), None)


def create_client(options: S3Options, why: str, **config: Any) -> Any:
    """
    Return a client of boto3's.

    :param options: the bucket and its owner's keys.
    :param why: what it is needed for, for the message if boto3 is missing.
    :param config: settings of botocore's ``Config``, beside those of the options.
    :raises ConfigurationError: if boto3 is missing, or the endpoint or a certificate file cannot be used.
    """
    boto3 = require_module("boto3", why)
    from botocore.config import Config

    arguments = options.boto3()
    arguments["config"] = arguments["config"].merge(Config(**config))
    try:
        return stop_at_redirects(boto3.client("s3", **arguments))
    except Exception as error:
        raise no_client(options, error) from error


def no_client(options: S3Options, error: Exception) -> ConfigurationError:
    """
    Return the error for a client that cannot be created.

    :param options: the bucket and its owner's keys.
    :param error: any exception; boto3 raises various ones for settings that cannot be used.
    """
    if isinstance(error, ConfigurationError):
        return error
    return ConfigurationError(f"there is no S3 client for bucket {options.bucket}: {failure_text(error)}")


def stop_at_redirects(client: Any) -> Any:
    """
    Let a client take a redirect for an error. Return it.

    It would ask for the bucket's region, with a request that is redirected as well, until Python's stack is full.

    :param client: a client of boto3 or aiobotocore; may be prepared already.
    """
    client.meta.events.register("before-call.s3", _mark_as_redirected, unique_id=__name__)
    return client


def _mark_as_redirected(context: dict[str, Any], **event: Any) -> None:
    context.get("s3_redirect", {})["redirected"] = True


def call_s3(client: Any, method: str, **arguments: Any) -> Any:
    """
    Call a method of an S3 client and return S3's response.

    :param client: a boto3 client.
    :param method: the client's method, such as ``list_objects_v2``.
    :param arguments: its arguments.
    :raises ObjectStoreError: if the response is not S3's own, or is about another bucket.
    """
    response = getattr(client, method)(**arguments)
    if problem := response_problem(method, response, arguments):
        raise ObjectStoreError(problem)
    return response


def describe_s3_error(error: Exception) -> str:
    """
    Return what went wrong with a request of boto3's.

    :param error: any exception: boto3's parsers raise various ones for a response that is not S3's.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError) and not (error.response.get("Error") or {}).get("Code"):
        status = error.response["ResponseMetadata"].get("HTTPStatusCode")
        return f"{error.operation_name} got HTTP {status} and no error code, so not from S3"
    if isinstance(error, ObjectStoreError):
        return str(error)
    if isinstance(error, (BotoCoreError, ClientError)):
        return failure_text(error)
    return f"the response cannot be read as S3's ({type(error).__name__})"  # its text may quote the response


def s3_error(error: Exception, operation: str) -> ObjectStoreError:
    """
    Return an error of this package for what went wrong with a request of botocore's.

    :param error: any exception.
    :param operation: the request and its object, for the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ObjectStoreError):
        return error
    message = f"{operation}: {describe_s3_error(error)}"
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
        if status == 404 and not denial_code(error.response):
            return ServerError(f"{message}. This 404 is not from S3", status=status)
        found = error.response.get("Error") or {}
        return error_for(operation, status, reason=found.get("Message") or failure_text(error), code=found.get("Code"))
    if isinstance(error, (ConnectionError, HTTPClientError, OSError)) or type(error).__module__.startswith("aiohttp"):
        message = f"{operation}: {failure_text(error)}"
        return TransportError(message, permanent=is_hopeless_tls(error))
    return ObjectStoreError(message) if isinstance(error, BotoCoreError) else ServerError(message)


def require_module(name: str, why: str) -> Any:
    """
    Return a module of the extra ``s3``.

    :param name: the module's name.
    :param why: what it is needed for, for the message.
    :raises ConfigurationError: if it is missing, with what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigurationError(f"{why}, which needs: pip install 'airflow-provider-objectstore[s3]'") from error
