"""What shows that S3 gave an answer, and not a login page or a gateway on the way: botocore reads those as empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# By the client's method: the path of the value that S3 gives with every success, and the argument that it equals.
_PROOF: dict[str, tuple[tuple[str, ...], str | None]] = {
    "list_objects": (("Name",), "Bucket"),
    "list_objects_v2": (("Name",), "Bucket"),
    "list_object_versions": (("Name",), "Bucket"),
    "list_multipart_uploads": (("Bucket",), "Bucket"),
    "head_object": (("ETag",), None),
    "get_object": (("ETag",), None),
    "put_object": (("ETag",), None),
    "copy_object": (("CopyObjectResult", "ETag"), None),
    "create_multipart_upload": (("UploadId",), None),
    "upload_part": (("ETag",), None),
    "upload_part_copy": (("CopyPartResult", "ETag"), None),
    "complete_multipart_upload": (("ETag",), None),
}
# What a request with good keys is refused for as well.
_OTHER_CODES = {"RequestTimeTooSkewed"}


def find_doubt(method: str, answer: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """
    Say why an answer is no proof that S3 did what it was asked for.

    :param method: the client's method, such as ``copy_object``.
    :param answer: what the client returned.
    :param asked: the request's arguments.
    :return: None if the answer is S3's own, and about what was asked for.
    """
    if method == "delete_objects":
        lacking = _without_result(answer, asked)
    elif method == "delete_object":
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        lacking = "" if status == 204 else f"the status 204: it has {status}"
    else:
        lacking = _without_value(method, answer, asked)
    if not lacking:
        return None
    return (
        f"the answer to {method} lacks {lacking}. Something other than S3 may have answered, such as a proxy or a "
        "login page: check the endpoint and what lies in between"
    )


def denial_code(response: Mapping[str, Any]) -> str | None:
    """
    Return the code with which S3 itself refuses a request.

    :param response: the ``response`` of a ``ClientError``.
    :return: None for any other error: where a body is not S3's, botocore gives the HTTP status, or nothing, as code.
    """
    if response.get("ResponseMetadata", {}).get("HTTPStatusCode") not in (401, 403, 404):
        return None
    error = response.get("Error")
    code = error.get("Code") if isinstance(error, Mapping) else None
    if isinstance(code, str) and re.fullmatch("[A-Za-z]+", code) and code not in _OTHER_CODES:
        return code
    return None


def _without_value(method: str, answer: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    path, argument = _PROOF.get(method, ((), None))
    value: Any = answer
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    where = ".".join(path)
    if not value:
        return where
    if argument and value != asked.get(argument):
        return f"{where} {asked.get(argument)!r}: it has {value!r}"
    return ""


def _without_result(answer: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    results = [*answer.get("Deleted", ()), *answer.get("Errors", ())]
    named = {_as_in_xml(entry.get("Key", "")) for entry in results}
    left = [entry["Key"] for entry in asked["Delete"]["Objects"] if _as_in_xml(entry["Key"]) not in named]
    return f"a result for {len(left)} of the objects, the first is {left[0]!r}" if left else ""


def _as_in_xml(key: str) -> str:
    """Return a key as an XML parser gives it: with line ends that are all alike."""
    return key.replace("\r\n", "\n").replace("\r", "\n")
