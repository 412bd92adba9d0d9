"""What moto's process holds, written to and read from the part ``s3`` of a state. It was checked before."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.s3.models import FakeBucket, S3Backend, s3_backends


def dump_bucket(bucket: FakeBucket, owner: str, policy: bytes | None, owners: Mapping[Any, str]) -> dict[str, Any]:
    """Return a bucket with the newest version of its objects."""
    objects = [
        {
            "key": name,
            "body": base64.b64encode(stored.value).decode(),
            "headers": {name: str(value) for name, value in stored.metadata.items()},
            "etag": stored.etag.strip('"'),
            "modified": stored.last_modified.replace(tzinfo=UTC).isoformat(),
            "owner": owners.get(stored),
        }
        for name, stored in bucket.keys.items()
        if hasattr(stored, "size")  # not a deletion marker
    ]
    return {
        "name": bucket.name,
        "owner": owner,
        "policy": None if policy is None else policy.decode(),
        "versioning": bucket.versioning_status,
        "created": bucket.creation_date.isoformat(),
        "objects": objects,
    }


def load_bucket(backend: S3Backend, value: dict[str, Any]) -> dict[Any, str]:
    """Create a bucket with its objects. Return the owners of objects that are not the bucket's."""
    bucket = backend.create_bucket(value["name"], "us-east-1")
    bucket.versioning_status = value.get("versioning")
    if created := value.get("created"):
        bucket.creation_date = datetime.fromisoformat(created)
    owners = {}
    for item in value.get("objects") or []:
        stored = put_object(backend, bucket.name, item["key"], item["body"], item.get("etag"))
        stored.set_metadata(dict(item.get("headers") or {}))
        if modified := item.get("modified"):
            stored.last_modified = datetime.fromisoformat(modified).astimezone(UTC).replace(tzinfo=None)
        if owner := item.get("owner"):
            owners[stored] = owner
    return owners


def put_object(backend: S3Backend, bucket: str, key: str, body: str, etag: str | None = None) -> Any:
    """Write an object, whose body is base64."""
    return backend.put_object(bucket, key, base64.b64decode(body), etag=etag, disable_notification=True)


def replace_buckets(backend: S3Backend, values: list[dict[str, Any]]) -> dict[Any, str]:
    """Replace all buckets, or none if that fails. Return the owners of objects as :func:`load_bucket` does."""
    before, accounts = backend.buckets, dict(s3_backends.bucket_accounts)
    backend.buckets = {}
    s3_backends.bucket_accounts.clear()
    owners: dict[Any, str] = {}
    try:
        for value in values:
            owners |= load_bucket(backend, value)
    except BaseException:
        backend.buckets = before
        s3_backends.bucket_accounts.clear()
        s3_backends.bucket_accounts.update(accounts)
        raise
    for bucket in before.values():
        for key in list(bucket.keys):
            bucket.keys.pop(key)
    return owners
