"""The part of a state that is on S3: users, buckets and objects."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from airflow_provider_objectstore.emulator.fields import Fields, StateError
from airflow_provider_objectstore.emulator.s3.backend import S3Backend
from airflow_provider_objectstore.emulator.s3.policies import MalformedPolicyError, parse_policy

_BUCKET_NAME = re.compile(r"[\w.-]{3,63}")
_VERSIONING = (None, "Enabled", "Suspended")


def check(value: Any) -> None:
    """
    Check the part, before a backend loads it.

    :raises StateError: saying what is wrong, and where.
    """
    fields = Fields(value, "s3", ("users", "buckets"))
    for item, place in fields.items("users"):
        user = Fields(item, place, ("id", "access_key_id", "secret_access_key_id", "suspended"))
        user.text("access_key_id"), user.text("secret_access_key_id")
        user.get("suspended", bool, False)
        user.text("id")
    buckets: set[str] = set()
    for item, place in fields.items("buckets"):
        name = _check_bucket(Fields(item, place, ("name", "owner", "policy", "versioning", "created", "objects")))
        if name in buckets:
            raise StateError(f"{place}: there is a second bucket {name}")
        buckets.add(name)


def has_contents(value: dict[str, Any]) -> bool:
    """Return whether there is more than users and empty buckets without a policy."""
    return any(bucket.get("objects") or bucket.get("policy") for bucket in value.get("buckets", []))


def _check_bucket(bucket: Fields) -> str:
    name, policy = bucket.text("name"), bucket.optional("policy", str)
    if not _BUCKET_NAME.fullmatch(name):
        raise StateError(f"{bucket.place}: {name} is no name of a bucket")
    bucket.text("owner")
    if bucket.optional("versioning", str) not in _VERSIONING:
        raise StateError(f"{bucket.place}: versioning must be Enabled, Suspended or null")
    _check_time(bucket, "created")
    try:
        if policy is not None:
            parse_policy(policy.encode())
    except (MalformedPolicyError, UnicodeEncodeError) as error:
        raise StateError(f"{bucket.place}: the policy is invalid: {error}") from error
    keys = [
        _check_object(Fields(item, place, ("key", "body", "headers", "etag", "modified", "owner")))
        for item, place in bucket.items("objects")
    ]
    if len(set(keys)) < len(keys):
        raise StateError(f"{bucket.place}: two objects have the same key")
    return name


def _check_object(stored: Fields) -> str:
    try:
        base64.b64decode(stored.get("body", str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise StateError(f"{stored.place}: body must be base64") from error
    if not all(isinstance(value, str) for value in stored.get("headers", dict, {}).values()):
        raise StateError(f"{stored.place}: headers must be strings")
    for name in ("owner", "etag"):
        stored.optional(name, str)
    _check_time(stored, "modified")
    return stored.text("key")


def _check_time(fields: Fields, name: str) -> None:
    try:
        time = datetime.fromisoformat(fields.get(name, str, "1970-01-01T00:00:00+00:00"))
        time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise StateError(f"{fields.place}: {name} must be a date and time as in RFC 3339") from None
    if time.tzinfo is None:
        raise StateError(f"{fields.place}: {name} needs a time zone")


def create_users_and_buckets(backend: S3Backend, value: dict[str, Any]) -> None:
    """Replace what a backend holds by users and empty buckets, call by call."""
    backend.reset()
    for user in value["users"]:
        backend.put_user(user["id"], user["access_key_id"], user["secret_access_key_id"])
    for bucket in value["buckets"]:
        backend.create_bucket(bucket["name"], bucket["owner"])
    for user in value["users"]:
        if user.get("suspended"):
            backend.suspend_user(user["id"], True)
