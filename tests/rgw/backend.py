"""Ceph's gateway, the software that serves Civo's buckets, as an S3 backend of the emulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.rgw.cluster import Cluster, free_port
from tests.rgw.prepare import HOME, prepare

# Buckets can be created over S3 only: this user creates them and transfers them to their owners.
_BUCKET_MAKER = "bucket-maker"
_BUCKET_MAKER_KEYS = "BUCKETMAKER", "bucket-maker-secret"


class RgwS3:
    """
    An S3 backend for ``--s3 tests.rgw.backend:RgwS3``.

    :param tls: serve https too. After :meth:`start`, ``tls_url`` is its URL and ``ca_file`` the certificate to trust.
    :param home: folder that Ceph's packages are unpacked into, by default ``.cache/rgw``.
    """

    tls_url: str | None = None
    ca_file: str | None = None

    def __init__(self, tls: bool = False, home: Path | None = None) -> None:
        self._tls = tls
        self._home = home or HOME

    def start(self, port: int) -> str:
        """Serve on 127.0.0.1 and return the endpoint's URL."""
        port = port or free_port()
        tls_port = free_port() if self._tls else None
        self._cluster = Cluster(prepare(self._home), port, tls_port)
        if tls_port:
            self.tls_url, self.ca_file = f"https://127.0.0.1:{tls_port}", str(self._cluster.certificate)
        url = f"http://127.0.0.1:{port}"
        self._access_keys: dict[str, str] = {}
        self.put_user(_BUCKET_MAKER, *_BUCKET_MAKER_KEYS)
        self._bucket_maker = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=_BUCKET_MAKER_KEYS[0],
            aws_secret_access_key=_BUCKET_MAKER_KEYS[1],
            config=Config(s3={"addressing_style": "path"}),
        )
        return url

    def stop(self) -> None:
        """Stop serving and delete everything."""
        self._cluster.stop()

    def reset(self) -> None:
        """Delete all users, buckets and objects."""
        for user in self._admin("user", "list"):
            self._admin("user", "rm", f"--uid={user}", "--purge-data")
        self._access_keys.clear()
        self.put_user(_BUCKET_MAKER, *_BUCKET_MAKER_KEYS)

    def put_user(self, user: str, access_key: str, secret_key: str) -> None:
        """Create the user, or replace its one key."""
        keys = f"--access-key={access_key}", f"--secret-key={secret_key}"
        if user not in self._access_keys:
            self._admin("user", "create", f"--uid={user}", f"--display-name={user}", *keys)
        else:
            self._admin("key", "create", f"--uid={user}", "--key-type=s3", *keys)
            if self._access_keys[user] != access_key:
                self._admin("key", "rm", f"--uid={user}", f"--access-key={self._access_keys[user]}")
        self._access_keys[user] = access_key

    def suspend_user(self, user: str, suspended: bool) -> None:
        """Deny the user's requests, or allow them again."""
        self._admin("user", "suspend" if suspended else "enable", f"--uid={user}")

    def delete_user(self, user: str) -> None:
        """Delete a user that owns no bucket."""
        self._admin("user", "rm", f"--uid={user}")
        del self._access_keys[user]

    def create_bucket(self, bucket: str, owner: str) -> None:
        """Create a bucket that ``owner`` owns."""
        self._bucket_maker.create_bucket(Bucket=bucket)
        self.set_owner(bucket, owner)

    def set_owner(self, bucket: str, owner: str, objects: bool = True) -> None:
        """Transfer the bucket with ``bucket link``, and its existing objects with ``bucket chown``."""
        self._admin("bucket", "link", f"--bucket={bucket}", f"--uid={owner}")
        if objects:
            self._admin("bucket", "chown", f"--bucket={bucket}", f"--uid={owner}")

    def delete_bucket(self, bucket: str) -> None:
        """Delete the bucket with all its contents."""
        self._admin("bucket", "rm", f"--bucket={bucket}", "--purge-objects", "--bypass-gc")

    def usage(self, bucket: str) -> tuple[int, int]:
        """Return bytes and number of objects."""
        usage = self._admin("bucket", "stats", f"--bucket={bucket}")["usage"].get("rgw.main", {})
        return usage.get("size", 0), usage.get("num_objects", 0)

    def _admin(self, *arguments: str) -> Any:
        printed = self._cluster.admin(*arguments)
        return json.loads(printed) if printed.strip() else None
