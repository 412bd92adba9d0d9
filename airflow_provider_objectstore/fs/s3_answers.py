"""Requests of s3fs whose answers are S3's own: a login page's would be taken for a success with nothing in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from airflow_provider_objectstore.hooks.s3_answers import denial_code, find_doubt


async def proven_answer(call: Callable[..., Awaitable[Any]], method: str, *more: Any, **asked: Any) -> Any:
    """
    Return S3's answer.

    :param call: s3fs's ``_call_s3``.
    :param method: the S3 client's method.
    :param more: further arguments of the method, as dicts.
    :param asked: the method's arguments, of which ``Bucket`` is one.
    :raises OSError: if the answer does not show that S3 did what it was asked for.
    :raises PermissionError: if objects were not deleted.
    """
    if method == "delete_objects":  # quiet, S3 names none of what it deleted
        asked["Delete"] = {**asked["Delete"], "Quiet": False}
    where = "/".join(filter(None, (asked["Bucket"], next((it["Key"] for it in (asked, *more) if it.get("Key")), None))))
    try:
        answer = await call(method, *more, **asked)
    except FileNotFoundError as error:
        response = getattr(error.__cause__, "response", None)
        if response is None or method.startswith("head_") or denial_code(response):  # HEAD has no body with a code
            raise
        raise OSError(f"{where}: {method} was answered with 404, and not by S3: {error}") from error
    if doubt := find_doubt(method, answer, asked):
        if method == "get_object":
            answer["Body"].close()
        raise OSError(f"{where}: {doubt}")
    if method == "delete_objects" and (left := answer.get("Errors")):
        first = f"{where}/{left[0].get('Key')}: {left[0].get('Code')}"
        raise PermissionError(f"{len(left)} objects were not deleted, the first is {first}")
    return answer
