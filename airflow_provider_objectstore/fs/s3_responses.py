"""Check that S3 itself responds to s3fs: it would take a login page for an empty success."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from airflow_provider_objectstore.exceptions import ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.hooks.s3_responses import denial_code, is_page, response_problem
from airflow_provider_objectstore.transport.failures import failure_text, forget_handled, shown_cause


async def call_checked(call: Callable[..., Awaitable[Any]], method: str, *more: Any, **arguments: Any) -> Any:
    """
    Call a method of S3 and return S3's response.

    :param call: s3fs's ``_call_s3``.
    :param method: the S3 client's method.
    :param more: further arguments of the method, as dicts.
    :param arguments: the method's arguments; ``Bucket`` is one of them.
    :raises OSError: if there is no response, or if the response does not prove that S3 did what was requested.
    :raises PermissionError: if objects were not deleted, or S3 refuses it.
    :raises StoreNotFoundError: if S3 says that it has no such bucket.
    """
    if method == "delete_objects":  # a quiet response names no deleted objects
        arguments["Delete"] = {**arguments["Delete"], "Quiet": False}
    where = _path(arguments, *more)
    result = await _call(call, method, where, *more, **arguments)
    if problem := response_problem(method, result, arguments):
        if method == "get_object":
            result["Body"].close()
        raise OSError(f"{where}: {problem}")
    if method == "delete_objects" and (failed := result.get("Errors")):
        first = f"{where}/{failed[0].get('Key')}: {failed[0].get('Code')}"
        raise PermissionError(f"{len(failed)} objects were not deleted, the first is {first}")
    return result


async def _call(call: Callable[..., Awaitable[Any]], method: str, where: str, *more: Any, **arguments: Any) -> Any:
    """Call a method; raise errors that are S3's own, or say that they are not."""
    handled = sys.exception()
    try:
        return await call(method, *more, **arguments)
    except FileNotFoundError as error:
        response = getattr(error.__cause__, "response", None)
        if not _is_of_s3(method, response):
            raise OSError(f"{where}: {method} got 404, and not from S3: {failure_text(error)}") from error
        if response and denial_code(response) == "NoSuchBucket":
            raise StoreNotFoundError(
                f"{where}: S3 has no bucket {arguments['Bucket']!r}, although Civo has an object store of this name: "
                "check s3_endpoint, and whether it is being created or deleted",
                status=404,
            ) from None
        raise
    except OSError as error:
        _name(error, where)
        raise
    except ObjectStoreError:  # of the look-up of the bucket's keys
        raise
    except Exception as error:  # botocore and aiohttp raise many kinds of errors for what a server may send
        forget_handled(error, handled)
        raise OSError(f"{where}: {method} failed: {failure_text(error)}") from shown_cause(error)


def _path(*arguments: Any) -> str:
    """Return the path of what a method is about."""
    keys = (each.get("Key") or each.get("Prefix") for each in arguments)
    return "/".join(filter(None, (arguments[0]["Bucket"], next(filter(None, keys), None))))


def _is_of_s3(method: str, response: Any) -> bool:
    """Tell whether a 404 is S3's own; ``response`` is botocore's, None if there was none."""
    if response is None or denial_code(response):
        return True
    return method.startswith("head_") and not is_page(response)  # HEAD has no body with a code


def _name(error: OSError, where: str) -> None:
    """Add the object to an error of s3fs, which has S3's message only."""
    if where in str(error):
        return
    if error.strerror is None:  # it was created with a message only
        error.args = (f"{where}: {error}",)
    else:
        error.filename = where
