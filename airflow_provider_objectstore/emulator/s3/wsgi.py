"""Requests to S3 as the proxy in front of moto reads them, and the error that ends one."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from typing import Any
from urllib.parse import unquote

from airflow_provider_objectstore.emulator.s3.sigv4 import SignatureV4

MAX_BODY_BYTES = 1 << 30  # a body is held in memory; larger objects are uploaded in parts
_BUCKET_NAME = re.compile(r"[\w.-]+")

Environ = dict[str, Any]


class S3Error(Exception):
    """Ends a request with this error."""

    def __init__(self, status: str, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def bucket_and_key(path: str) -> tuple[str, str]:
    """Return bucket and key of a path. Reject a path in which moto might see another bucket."""
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not path.startswith("/") or ((bucket or key) and not _BUCKET_NAME.fullmatch(bucket)):
        raise S3Error("400 Bad Request", "InvalidBucketName")
    return bucket, key


def read_body(environ: Environ) -> bytes:
    """Read the whole body, also of a request that will be denied: the connection is used again."""
    chunked = environ.get("wsgi.input_terminated")
    length = MAX_BODY_BYTES + 1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    if not chunked and length > MAX_BODY_BYTES:
        raise S3Error("400 Bad Request", "EntityTooLarge")
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) > MAX_BODY_BYTES:
        raise S3Error("400 Bad Request", "EntityTooLarge")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def check_payload(signature: SignatureV4, md5: str, body: bytes) -> None:
    if signature.payload.endswith("-TRAILER"):  # boto3's default over TLS, which Ceph 16 does not support
        raise S3Error("411 Length Required", "MissingContentLength")
    if len(signature.payload) == 64 and hashlib.sha256(body).hexdigest() != signature.payload:
        raise S3Error("400 Bad Request", "XAmzContentSHA256Mismatch")
    if md5 and base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != md5:
        raise S3Error("400 Bad Request", "BadDigest")
