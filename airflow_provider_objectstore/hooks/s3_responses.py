"""Whether S3 sent a response, and not a login page or a gateway in between: botocore reads those as empty successes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_objectstore.api.call import HTML_TYPES

_PROOFS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "list_objects": (("Name",), "Bucket"),
    "list_objects_v2": (("Name",), "Bucket"),
    "list_object_versions": (("Name",), "Bucket"),
    "list_multipart_uploads": (("Bucket",), "Bucket"),
    "list_buckets": (("Owner", "ID"), None),
    "get_bucket_policy": (("Policy",), None),
    "head_object": (("ETag",), None),
    "get_object": (("ETag",), None),
    "put_object": (("ETag",), None),
    "copy_object": (("CopyObjectResult", "ETag"), None),
    "create_multipart_upload": (("UploadId",), None),
    "upload_part": (("ETag",), None),
    "upload_part_copy": (("CopyPartResult", "ETag"), None),
    "complete_multipart_upload": (("Key",), None),  # Ceph may leave the ETag empty
}
"""By the client's method: the path of a value in S3's every success, and the argument that it equals."""
NOT_ABOUT_KEYS = {"QuotaExceeded", "RequestTimeTooSkewed"}
"""Codes of refusals that good keys get as well."""


def response_problem(method: str, response: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """
    Return why a response does not prove that S3 did what was requested.

    :param method: the client's method, such as ``copy_object``.
    :param response: what the client returned.
    :param arguments: the request's arguments.
    :return: None if the response is S3's own, and about what was requested.
    """
    if method == "delete_objects":
        lacking = _missing_result(response, arguments)
    elif method == "delete_object":
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        lacking = "" if status == 204 else f"the status 204: it has {status}"
    else:
        lacking = _missing_value(method, response, arguments)
    if not lacking:
        return None
    return (
        f"the response to {method} lacks {lacking}. Something other than S3 may have sent it, such as a proxy or a "
        "login page: check s3_endpoint and what lies in between"
    )


def denial_code(response: Mapping[str, Any]) -> str | None:
    """
    Return the code with which S3 itself refuses a request.

    :param response: the ``response`` of a ``ClientError``.
    :return: None for any other error: where a body is not S3's, botocore's code is the HTTP status, or empty.
    """
    if response.get("ResponseMetadata", {}).get("HTTPStatusCode") not in (401, 403, 404):
        return None
    error = response.get("Error")
    code = error.get("Code") if isinstance(error, Mapping) else None
    if isinstance(code, str) and re.fullmatch("[A-Za-z]+", code) and code not in NOT_ABOUT_KEYS:
        return code
    return None


def is_page(response: Mapping[str, Any]) -> bool:
    """
    Return whether a response is a page of something in between, by its headers: a HEAD has no body that could tell.

    :param response: the ``response`` of a ``ClientError``.
    """
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if any(name.startswith("x-amz") for name in headers):  # S3's own, even if a web framework called it HTML
        return False
    return str(headers.get("content-type", "")).partition(";")[0].strip().lower() in HTML_TYPES


def _missing_value(method: str, response: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    path, argument = _PROOFS.get(method, ((), None))
    value: Any = response
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    where = ".".join(path)
    if not value:
        return where
    if argument and value != arguments.get(argument):
        return f"{where} {arguments.get(argument)!r}: it has {value!r}"
    return ""


def _missing_result(response: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    results = [*response.get("Deleted", ()), *response.get("Errors", ())]
    reported = {_as_in_xml(entry.get("Key", "")) for entry in results}
    keys = [entry["Key"] for entry in arguments["Delete"]["Objects"]]
    missing = [key for key in keys if _as_in_xml(key) not in reported]
    return f"a result for {len(missing)} of the objects, the first is {missing[0]!r}" if missing else ""


def _as_in_xml(key: str) -> str:
    """Return a key as an XML parser returns it: with all line ends alike."""
    return key.replace("\r\n", "\n").replace("\r", "\n")
