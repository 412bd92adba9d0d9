"""Check that S3 itself responds to s3fs: it would take a login page for an empty success."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    ObjectStoreError,
    StoreNotFoundError,
    printable,
)
from airflow_provider_objectstore.hooks.s3_responses import NOT_ABOUT_KEYS, denial_code, is_page, response_problem
from airflow_provider_objectstore.transport.failures import failure_text, forget_handled, shown_cause

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

_CHECK_ENDPOINT = "Check s3_endpoint of the connection, and what lies in between"
_CHECK_UPLOAD = "It was aborted, or completed with a lost response: check the object before you write it again"
_SUSPENDED = (
    "The credential of the bucket's owner is suspended: CivoUpdateCredentialOperator with suspended=False ends that"
)
_REFUSED = (
    "Check whether the credential of the bucket's owner is suspended, and whether a policy of the bucket denies this"
)


async def call_checked(
    call: Callable[..., Awaitable[Any]], hook: CivoObjectStoreHook, method: str, *more: Any, **arguments: Any
) -> Any:
    """
    Call a method of S3 and return S3's response. Errors say which object they are about, where, and what to do.

    :param call: s3fs's ``_call_s3``.
    :param hook: the hook of the bucket's connection.
    :param method: the S3 client's method.
    :param more: further arguments of the method, as dicts.
    :param arguments: the method's arguments; ``Bucket`` is one of them.
    :raises InvalidArgumentError: if an argument is not allowed, such as an object without a key.
    :raises OSError: if there is no response, or if the response does not prove that S3 did what was requested.
    :raises PermissionError: if objects were not deleted, or S3 refuses it.
    :raises StoreNotFoundError: if S3 says that it has no such bucket.
    """
    if method == "delete_objects":  # a quiet response names no deleted objects
        arguments["Delete"] = {**arguments["Delete"], "Quiet": False}
    path = _path(arguments, *more)
    try:
        result = await _call(call, method, *more, **arguments)
        if problem := response_problem(method, result, arguments):
            if method == "get_object":
                result["Body"].close()
            raise OSError(problem)
        if method == "delete_objects" and (failed := result.get("Errors")):
            first = f"{path}/{failed[0].get('Key')}: {failed[0].get('Code')}"
            raise PermissionError(f"{len(failed)} objects were not deleted, the first is {first}")
    except (InvalidArgumentError, StoreNotFoundError) as error:
        if error.is_placed:  # of the look-up of the bucket's keys
            raise
        raise error.prefixed(f"{path or 'civo://'}: ").placed(hook.where) from None
    except OSError as error:
        if path:
            _complete(error, method, path, hook.where)
        raise
    return result


async def _call(call: Callable[..., Awaitable[Any]], method: str, *more: Any, **arguments: Any) -> Any:
    """Call a method; raise errors that are S3's own, or say that they are not."""
    handled = sys.exception()
    try:
        return await call(method, *more, **arguments)
    except FileNotFoundError as error:
        response = getattr(error.__cause__, "response", None)
        if not _is_of_s3(method, response):
            raise OSError(
                f"{method} got 404, and not from S3: {failure_text(error)}. {_CHECK_ENDPOINT}"
            ) from shown_cause(error)
        code = denial_code(response) if response else None
        if code == "NoSuchBucket":
            raise StoreNotFoundError(
                f"S3 has no bucket {arguments['Bucket']!r}, although Civo has an object store of this name: "
                "check s3_endpoint, and whether it is being created or deleted",
                status=404,
            ) from None
        if code != "NoSuchUpload":
            raise
        if method == "abort_multipart_upload":
            return {}  # it has ended: s3fs raises the error for which it aborts
        raise OSError(f"{method} failed: S3 has no such upload. {_CHECK_UPLOAD}") from shown_cause(error)
    except (OSError, ObjectStoreError):
        raise
    except Exception as error:  # botocore and aiohttp raise many kinds of errors for what a server may send
        forget_handled(error, handled)
        raise _failure(error, method, arguments) from shown_cause(error)


def _failure(error: Exception, method: str, arguments: dict[str, Any]) -> OSError | InvalidArgumentError:
    """Return what to raise for an error that S3 did not send. The endpoint has no part in a mistake of the caller."""
    said = failure_text(error)
    if type(error).__name__ == "ParamValidationError":  # botocore has sent nothing
        if arguments.get("Key") == "":
            return InvalidArgumentError("a bucket is no file: one is named civo://bucket/key")
        return InvalidArgumentError(f"{method} was not sent: " + said.partition("\n")[2])
    if isinstance(error, (AttributeError, KeyError, TypeError)):
        return OSError(f"{method} failed: {type(error).__name__}: {printable(said)}")
    return OSError(f"{method} failed: {printable(said)}. {_CHECK_ENDPOINT}")


def _path(*arguments: Any) -> str:
    """Return the path of what a method is about; empty if it is about no bucket."""
    keys = (each.get("Key") or each.get("Prefix") for each in arguments)
    path = "/".join(filter(None, (arguments[0]["Bucket"], next(filter(None, keys), None))))
    return path and f"civo://{path}"


def _is_of_s3(method: str, response: Any) -> bool:
    """Tell whether a refusal or a 404 is S3's own; ``response`` is botocore's, None if there was none."""
    if response is None or denial_code(response):
        return True
    return method.startswith("head_") and not is_page(response)  # HEAD has no body with a code


def _complete(error: OSError, method: str, path: str, where: str) -> None:
    """Add to an error, which may have S3's words only, what it is about, what to do, and where."""
    text = error.strerror or str(error)
    if path not in text:
        text = f"{path}: {text}"
    if advice := _advice(method, getattr(error.__cause__, "response", None)):
        text = f"{text.rstrip(' .:')}. {advice}"
    text = f"{text} [{where}]"
    if error.strerror is None:  # it was created with a message only
        error.args = (text,)
    else:
        error.args, error.strerror = (error.errno, text), text


def _advice(method: str, response: Any) -> str:
    """Return what to do where a request is refused; ``response`` is botocore's, None if there was none."""
    if not response or response.get("ResponseMetadata", {}).get("HTTPStatusCode") not in (401, 403):
        return ""
    code = response["Error"].get("Code")
    if code in NOT_ABOUT_KEYS:
        return ""
    if not _is_of_s3(method, response):
        return _CHECK_ENDPOINT
    return _SUSPENDED if code == "UserSuspended" else _REFUSED
