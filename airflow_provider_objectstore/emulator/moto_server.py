"""
The process that :class:`~airflow_provider_objectstore.emulator.moto_s3.MotoS3` starts.

moto serves the objects. It takes any signature, so a front checks it, knows who owns which bucket and object, and
refuses as Ceph's gateway does.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from airflow_provider_objectstore.emulator.sigv4 import Claim, claim_of

MAX_BODY_BYTES = 1 << 30  # it is held in memory; larger objects go up in parts
_BUCKET = re.compile(r"[\w.-]+")
_XML = '<?xml version="1.0" encoding="UTF-8"?>'

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


@dataclass
class _User:
    access_key: str
    secret_key: str
    suspended: bool = False


class _Refused(Exception):
    def __init__(self, status: str, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Front:
    """moto's S3 as a WSGI application that lets only owners in, and what administers it."""

    def __init__(self) -> None:
        self._moto = create_backend_app("s3")
        self._backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._users: dict[str, _User] = {}
        self._owners: dict[str, str] = {}
        self._left: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # objects that did not go with their bucket
        self._moto_lock = threading.Lock()  # moto is not made for threads

    def reset(self) -> None:
        """Forget all users, buckets and objects."""
        with self._moto_lock:
            self._users.clear()
            self._owners.clear()
            self._backend.reset()

    def put_user(self, user: str, access_key: str, secret_key: str) -> None:
        """Create the user, or replace its one key."""
        suspended = user in self._users and self._users[user].suspended
        self._users[user] = _User(access_key, secret_key, suspended)

    def suspend_user(self, user: str, suspended: bool) -> None:
        """Refuse the user's requests, or let them in again."""
        self._users[user].suspended = suspended

    def delete_user(self, user: str) -> None:
        """Remove a user that owns no bucket."""
        del self._users[user]

    def create_bucket(self, bucket: str, owner: str) -> None:
        """Create a bucket."""
        with self._moto_lock:
            self._backend.create_bucket(bucket, "us-east-1")
            self._owners[bucket] = owner

    def set_owner(self, bucket: str, owner: str, objects: bool = True) -> None:
        """Hand over the bucket, and its objects unless they are to stay their owners'."""
        with self._moto_lock:
            for key in self._backend.get_bucket(bucket).keys.values():
                if objects:
                    self._left.pop(key, None)
                else:
                    self._left.setdefault(key, self._owners[bucket])
            self._owners[bucket] = owner

    def delete_bucket(self, bucket: str) -> None:
        """Remove the bucket with all its contents."""
        with self._moto_lock:
            keys = self._backend.get_bucket(bucket).keys
            for key in list(keys):
                keys.pop(key)
            self._backend.delete_bucket(bucket)
            del self._owners[bucket]

    def usage(self, bucket: str) -> tuple[int, int]:
        """Bytes and number of objects."""
        with self._moto_lock:
            keys = self._backend.get_bucket(bucket).keys.values()  # a deletion marker is a key without a size
            sizes = [key.size for key in keys if hasattr(key, "size")]
        return sum(sizes), len(sizes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        method, target = environ["REQUEST_METHOD"], environ["RAW_URI"]
        path, _, query = target.partition("?")
        try:
            body = _read_body(environ)
            bucket, key = _place(path)
            user = self._authenticated(environ, method, path, query, body)
            if not bucket and method in ("GET", "HEAD"):
                answer = Response(self._list_buckets(user), content_type="application/xml")
                return answer(environ, start_response)
            environ["HTTP_HOST"] = f"127.0.0.1:{environ['SERVER_PORT']}"  # moto would take a bucket's name from it
            with self._moto_lock:
                self._authorize(user, method, bucket, key)
                if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
                    self._authorize(user, "GET", *_place(f"/{source.partition('?')[0].lstrip('/')}"))
                answer = Response.from_app(self._moto, environ, buffered=True)
                if answer.status_code < 300 and not query and not key:
                    self._note(method, bucket, user)
        except _Refused as refused:
            text = f"{_XML}<Error><Code>{refused.code}</Code></Error>"
            answer = Response(text, refused.status, content_type="application/xml")
        return answer(environ, start_response)

    def _authenticated(self, environ: Environ, method: str, path: str, query: str, body: bytes) -> str | None:
        """The user that signed the request; ``None`` if it is anonymous."""

        def header(name: str) -> str:
            key = name.upper().replace("-", "_")
            value = environ.get(key) if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else environ.get(f"HTTP_{key}")
            return str(value or "")

        try:
            claim = claim_of(query, header)
        except ValueError as error:
            raise _Refused("403 Forbidden", "AccessDenied") from error
        if claim is None:
            return None
        holders = [item for item in list(self._users.items()) if item[1].access_key == claim.access_key]
        if not holders:
            raise _Refused("403 Forbidden", "InvalidAccessKeyId")
        name, user = holders[0]
        if not claim.signed_with(user.secret_key, method, path, query, header):
            raise _Refused("403 Forbidden", "SignatureDoesNotMatch")
        if not claim.in_time(datetime.now(UTC)):
            code = "RequestTimeTooSkewed" if claim.expires is None else "AccessDenied"
            raise _Refused("403 Forbidden", code)
        if user.suspended:
            raise _Refused("403 Forbidden", "UserSuspended")
        _check_payload(claim, header("content-md5"), body)
        return name

    def _authorize(self, user: str | None, method: str, bucket: str, key: str) -> None:
        """Reading an object is up to its owner, everything else to the bucket's."""
        owner = self._owners.get(bucket, user)
        if method in ("GET", "HEAD") and bucket in self._owners:
            found = self._backend.get_bucket(bucket).keys.get(key)
            owner = owner if found is None else self._left.get(found, owner)
        if user is None or owner != user:
            raise _Refused("403 Forbidden", "AccessDenied")

    def _note(self, method: str, bucket: str, user: str | None) -> None:
        """Keep in mind a bucket that its user created or removed over S3."""
        if method == "PUT" and user is not None:
            self._owners.setdefault(bucket, user)
        elif method == "DELETE":
            self._owners.pop(bucket, None)

    def _list_buckets(self, user: str | None) -> str:
        with self._moto_lock:
            own = sorted(bucket for bucket, owner in self._owners.items() if owner == user)
            created = [self._backend.get_bucket(bucket).creation_date_ISO8601 for bucket in own]
        buckets = "".join(
            f"<Bucket><Name>{escape(bucket)}</Name><CreationDate>{date}</CreationDate></Bucket>"
            for bucket, date in zip(own, created, strict=True)
        )
        return (
            f'{_XML}<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Owner><ID>{user or 'anonymous'}</ID></Owner><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
        )


def _place(path: str) -> tuple[str, str]:
    """Bucket and key in a path. One in which moto might find another bucket is refused."""
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not path.startswith("/") or ((bucket or key) and not _BUCKET.fullmatch(bucket)):
        raise _Refused("400 Bad Request", "InvalidBucketName")
    return bucket, key


def _read_body(environ: Environ) -> bytes:
    """The whole body, also of a request that will be refused: the connection goes on after it."""
    chunked = environ.get("wsgi.input_terminated")
    length = MAX_BODY_BYTES + 1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    if not chunked and length > MAX_BODY_BYTES:
        raise _Refused("400 Bad Request", "EntityTooLarge")
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) > MAX_BODY_BYTES:
        raise _Refused("400 Bad Request", "EntityTooLarge")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _check_payload(claim: Claim, md5: str, body: bytes) -> None:
    if claim.payload.endswith("-TRAILER"):  # Ceph 16 does not know it; boto3's default over TLS
        raise _Refused("411 Length Required", "MissingContentLength")
    if len(claim.payload) == 64 and hashlib.sha256(body).hexdigest() != claim.payload:
        raise _Refused("400 Bad Request", "XAmzContentSHA256Mismatch")
    if md5 and base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != md5:
        raise _Refused("400 Bad Request", "BadDigest")


class _Handler(MotoRequestHandler):
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: a request's address may hold a signature."""


def serve(arguments: list[str]) -> None:
    """
    Serve on a listening socket; carry out calls that come in over stdin until it is closed.

    :param arguments: the socket's descriptor, the certificate's file and its key's (empty if there is none).
    """
    descriptor, certfile, keyfile = arguments
    replies, sys.stdout = sys.stdout, sys.stderr
    front = Front()
    context = (certfile, keyfile or None) if certfile else None
    server = make_server(
        "127.0.0.1", 0, front, threaded=True, request_handler=_Handler, fd=int(descriptor), ssl_context=context
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        name, parameters = json.loads(line)
        try:
            reply = {"result": getattr(front, name)(*parameters)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)
