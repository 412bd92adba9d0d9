"""
The process that :class:`~airflow_provider_objectstore.emulator.s3.moto.MotoS3` starts.

moto serves the objects and accepts any signature. :class:`AuthProxy`, in front of it, checks signatures, knows who
owns which bucket and object, and denies requests as Ceph's gateway does.
"""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape, unescape

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from airflow_provider_objectstore.emulator.s3 import moto_state
from airflow_provider_objectstore.emulator.s3.policies import (
    MalformedPolicyError,
    Statement,
    action_of,
    decide,
    parse_policy,
)
from airflow_provider_objectstore.emulator.s3.sigv4 import parse_signature
from airflow_provider_objectstore.emulator.s3.wsgi import Environ, S3Error, bucket_and_key, check_payload, read_body

_XML = '<?xml version="1.0" encoding="UTF-8"?>'

_CONTENTS = re.compile(r"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)
_OBJECT = re.compile(r"<Object>.*?</Object>", re.DOTALL)
_OWNER_ID = re.compile(r"<ID>.*?</ID>", re.DOTALL)

StartResponse = Callable[..., Any]


@dataclass
class _User:
    access_key: str
    secret_key: str
    suspended: bool = False


class AuthProxy:
    """moto's S3 as a WSGI application that checks owners and bucket policies, with the methods that administer it."""

    def __init__(self) -> None:
        self._moto = create_backend_app("s3")
        self._backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._users: dict[str, _User] = {}
        self._bucket_owners: dict[str, str] = {}
        # Only of objects that were not transferred with their bucket.
        self._object_owners: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        # By bucket, with the original text. moto does not get them: it would apply them to users that it does not have.
        self._policies: dict[str, tuple[bytes, tuple[Statement, ...]]] = {}
        self._supports_policies = True
        self._moto_lock = threading.Lock()  # moto is not thread-safe
        self._changes = 0

    def reset(self) -> None:
        """Delete all users, buckets and objects."""
        with self._moto_lock:
            self._users.clear()
            self._bucket_owners.clear()
            self._policies.clear()
            self._backend.reset()

    def changes(self) -> int:
        """Return a number that grows with each request that may have changed something."""
        return self._changes

    def count_change(self) -> None:
        """Let :meth:`changes` grow."""
        self._changes += 1

    def dump(self) -> dict[str, Any]:
        """Return users, buckets and objects as JSON can hold them."""
        with self._moto_lock:
            return {
                "users": [
                    {
                        "id": name,
                        "access_key_id": user.access_key,
                        "secret_access_key_id": user.secret_key,
                        "suspended": user.suspended,
                    }
                    for name, user in self._users.items()
                ],
                "buckets": [
                    moto_state.dump_bucket(
                        self._backend.get_bucket(bucket),
                        owner,
                        self._policies[bucket][0] if bucket in self._policies else None,
                        self._object_owners,
                    )
                    for bucket, owner in self._bucket_owners.items()
                ],
            }

    def load(self, state: dict[str, Any]) -> None:
        """Replace everything by what :meth:`dump` returned. If that fails, nothing is changed."""
        users = {
            user["id"]: _User(user["access_key_id"], user["secret_access_key_id"], bool(user.get("suspended")))
            for user in state["users"]
        }
        buckets = state["buckets"]
        policies = {
            bucket["name"]: (text.encode(), parse_policy(text.encode()))
            for bucket in buckets
            if (text := bucket.get("policy"))
        }
        with self._moto_lock:
            owners = moto_state.replace_buckets(self._backend, buckets)
            self._users, self._policies = users, policies
            self._bucket_owners = {bucket["name"]: bucket["owner"] for bucket in buckets}
            self._object_owners = WeakKeyDictionary(owners)

    def put_object(self, bucket: str, key: str, body: str) -> None:
        """Write an object for the bucket's owner. ``body`` is base64."""
        with self._moto_lock:
            moto_state.put_object(self._backend, bucket, key, body)

    def support_policies(self, supported: bool) -> None:
        """Accept bucket policies, or respond that they are not implemented."""
        self._supports_policies = supported

    def put_user(self, user: str, access_key: str, secret_key: str) -> None:
        """Create the user, or replace its one key."""
        suspended = user in self._users and self._users[user].suspended
        self._users[user] = _User(access_key, secret_key, suspended)

    def suspend_user(self, user: str, suspended: bool) -> None:
        """Deny the user's requests, or allow them again."""
        self._users[user].suspended = suspended

    def delete_user(self, user: str) -> None:
        """Delete a user that owns no bucket."""
        del self._users[user]

    def create_bucket(self, bucket: str, owner: str) -> None:
        """Create a bucket that ``owner`` owns."""
        with self._moto_lock:
            self._backend.create_bucket(bucket, "us-east-1")
            self._bucket_owners[bucket] = owner

    def set_owner(self, bucket: str, owner: str, objects: bool = True) -> None:
        """Transfer the bucket, and with ``objects`` its existing objects too. Else their owners keep them."""
        with self._moto_lock:
            for key in self._backend.get_bucket(bucket).keys.values():
                if objects:
                    self._object_owners.pop(key, None)
                else:
                    self._object_owners.setdefault(key, self._bucket_owners[bucket])
            self._bucket_owners[bucket] = owner

    def delete_bucket(self, bucket: str) -> None:
        """Delete the bucket with all its contents, unless that was done through S3."""
        with self._moto_lock:
            if bucket in self._backend.buckets:
                keys = self._backend.get_bucket(bucket).keys
                for key in list(keys):
                    keys.pop(key)
                self._backend.delete_bucket(bucket)
            self._bucket_owners.pop(bucket, None)
            self._policies.pop(bucket, None)

    def usage(self, bucket: str) -> tuple[int, int]:
        """Return bytes and number of objects."""
        with self._moto_lock:
            keys = self._backend.get_bucket(bucket).keys.values()  # a deletion marker is a key without a size
            sizes = [key.size for key in keys if hasattr(key, "size")]
        return sum(sizes), len(sizes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        try:
            response = self._respond(environ)
        finally:
            if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
                self.count_change()
        return response(environ, start_response)

    def _respond(self, environ: Environ) -> Response:
        method, target = environ["REQUEST_METHOD"], environ["RAW_URI"]
        path, _, query = target.partition("?")
        try:
            body = read_body(environ)
            bucket, key = bucket_and_key(path)
            user = self._authenticate(environ, method, path, query, body)
            if not bucket and method in ("GET", "HEAD"):
                return Response(self._list_buckets(user), content_type="application/xml")
            environ["HTTP_HOST"] = f"127.0.0.1:{environ['SERVER_PORT']}"  # moto would read a bucket's name from it
            with self._moto_lock:
                action = action_of(method, key, query)
                deletes_many = action == "s3:DeleteObject" and not key
                if not deletes_many:
                    self._authorize(user, action, bucket, key)
                if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
                    source_bucket, source_key = bucket_and_key(f"/{source.partition('?')[0].lstrip('/')}")
                    self._authorize(user, "s3:GetObject", source_bucket, source_key)
                if action.endswith("BucketPolicy"):
                    response = self._handle_policy(action, bucket, body)
                elif deletes_many:
                    response = self._delete_many(user, bucket, body.decode(), environ)
                else:
                    response = self._forward(environ, bucket)
                if response.status_code < 300:
                    self._record_owners(action, bucket, key, user)
                    if action == "s3:ListBucket" and b"<Owner>" in response.data:
                        response.set_data(
                            _CONTENTS.sub(partial(self._with_owner, bucket), response.get_data(as_text=True))
                        )
        except S3Error as error:
            text = f"{_XML}<Error><Code>{error.code}</Code></Error>"
            response = Response(text, error.status, content_type="application/xml")
        return response

    def _authenticate(self, environ: Environ, method: str, path: str, query: str, body: bytes) -> str | None:
        """Return the user that signed the request, ``None`` if it is anonymous."""

        def header(name: str) -> str:
            key = name.upper().replace("-", "_")
            value = environ.get(key) if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else environ.get(f"HTTP_{key}")
            return str(value or "")

        try:
            signature = parse_signature(query, header)
        except ValueError as error:
            raise S3Error("403 Forbidden", "AccessDenied") from error
        if signature is None:
            return None
        users = [item for item in list(self._users.items()) if item[1].access_key == signature.access_key]
        if not users:
            raise S3Error("403 Forbidden", "InvalidAccessKeyId")
        name, user = users[0]
        if not signature.is_signed_with(user.secret_key, method, path, query, header):
            raise S3Error("403 Forbidden", "SignatureDoesNotMatch")
        if not signature.is_valid_at(datetime.now(UTC)):
            code = "RequestTimeTooSkewed" if signature.expires is None else "AccessDenied"
            raise S3Error("403 Forbidden", code)
        if user.suspended:
            raise S3Error("403 Forbidden", "UserSuspended")
        check_payload(signature, header("content-md5"), body)
        return name

    def _forward(self, environ: Environ, bucket: str) -> Response:
        """Let moto respond, without the version ``null`` that it names, and then refuses, in an unversioned bucket."""
        response = Response.from_app(self._moto, environ, buffered=True)
        if (
            response.headers.get("x-amz-version-id") == "null"
            and not self._backend.get_bucket(bucket).versioning_status
        ):
            del response.headers["x-amz-version-id"]
        return response

    def _authorize(self, user: str | None, action: str, bucket: str, key: str) -> None:
        if not self._is_allowed(user, action, bucket, key):
            raise S3Error("403 Forbidden", "AccessDenied")

    def _is_allowed(self, user: str | None, action: str, bucket: str, key: str) -> bool:
        """
        Apply the bucket's policy. If it does not decide, allow the owner only.

        That is the object's owner for reading it, and the bucket's owner for everything else.
        """
        _, statements = self._policies.get(bucket, (b"", ()))
        allowed = decide(statements, user, action, bucket, key)
        if allowed is not None:
            return allowed
        owner = self._bucket_owners.get(bucket, user)
        if action == "s3:GetObject" and bucket in self._bucket_owners:
            stored = self._backend.get_bucket(bucket).keys.get(key)
            owner = owner if stored is None else self._object_owners.get(stored, owner)
        return user is not None and owner == user

    def _delete_many(self, user: str | None, bucket: str, body: str, environ: Environ) -> Response:
        """Delete the objects that the user may delete; the response has an error for each other one."""
        entries = {unescape(_KEY.findall(entry)[0]): entry for entry in _OBJECT.findall(body)}
        denied = [key for key in entries if not self._is_allowed(user, "s3:DeleteObject", bucket, key)]
        if denied and len(denied) == len(entries) and user != self._bucket_owners.get(bucket):
            raise S3Error("403 Forbidden", "AccessDenied")
        for key in denied:
            body = body.replace(entries[key], "")
        errors = "".join(f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code></Error>" for key in denied)
        if denied and len(denied) == len(entries):
            return Response(f"{_XML}<DeleteResult>{errors}</DeleteResult>", content_type="application/xml")
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body.encode()), str(len(body.encode()))
        response = Response.from_app(self._moto, environ, buffered=True)
        if denied:
            response.set_data(response.get_data(as_text=True).replace("</DeleteResult>", f"{errors}</DeleteResult>"))
        return response

    def _handle_policy(self, action: str, bucket: str, body: bytes) -> Response:
        """Read, store or delete a bucket's policy."""
        if not self._supports_policies:
            raise S3Error("501 Not Implemented", "NotImplemented")
        if bucket not in self._bucket_owners:
            raise S3Error("404 Not Found", "NoSuchBucket")
        if action == "s3:PutBucketPolicy":
            try:
                self._policies[bucket] = body, parse_policy(body)
            except MalformedPolicyError as error:
                raise S3Error("400 Bad Request", "InvalidArgument") from error
            return Response(status=204)
        if action == "s3:DeleteBucketPolicy":
            self._policies.pop(bucket, None)
            return Response(status=204)
        if bucket not in self._policies:
            raise S3Error("404 Not Found", "NoSuchBucketPolicy")
        return Response(self._policies[bucket][0], content_type="application/json")

    def _with_owner(self, bucket: str, entry: re.Match[str]) -> str:
        """Put an object's owner into its entry of a listing: moto knows one owner only."""
        found = _KEY.search(entry[0])
        key = unquote(unescape(found[1])) if found else ""
        stored, owner = self._backend.get_bucket(bucket).keys.get(key), self._bucket_owners[bucket]
        if stored is not None:
            owner = self._object_owners.get(stored, owner)
        return _OWNER_ID.sub(f"<ID>{escape(owner)}</ID>", entry[0])

    def _record_owners(self, action: str, bucket: str, key: str, user: str | None) -> None:
        """Record the buckets and the owners of objects that a request has changed."""
        match action:
            case "s3:CreateBucket" if user is not None:
                self._bucket_owners.setdefault(bucket, user)
            case "s3:DeleteBucket":
                self._bucket_owners.pop(bucket, None)
                self._policies.pop(bucket, None)
            case "s3:PutObject":
                stored = self._backend.get_bucket(bucket).keys.get(key)
                if stored is not None and user is not None and user != self._bucket_owners.get(bucket):
                    self._object_owners.setdefault(stored, user)

    def _list_buckets(self, user: str | None) -> str:
        with self._moto_lock:
            names = sorted(bucket for bucket, owner in self._bucket_owners.items() if owner == user)
            created = [self._backend.get_bucket(bucket).creation_date_ISO8601 for bucket in names]
        buckets = "".join(
            f"<Bucket><Name>{escape(bucket)}</Name><CreationDate>{date}</CreationDate></Bucket>"
            for bucket, date in zip(names, created, strict=True)
        )
        return (
            f'{_XML}<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Owner><ID>{user or 'anonymous'}</ID></Owner><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
        )


class _Handler(MotoRequestHandler):
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: a request's URL may hold a signature."""


def serve(arguments: list[str]) -> None:
    """
    Serve on a listening socket. Make the calls that arrive over stdin until it is closed.

    :param arguments: the socket's descriptor, the certificate's file and its key's file (empty if there is none).
    """
    descriptor, certfile, keyfile = arguments
    replies, sys.stdout = sys.stdout, sys.stderr
    proxy = AuthProxy()
    context = (certfile, keyfile or None) if certfile else None
    server = make_server(
        "127.0.0.1", 0, proxy, threaded=True, request_handler=_Handler, fd=int(descriptor), ssl_context=context
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        name, parameters = json.loads(line)
        try:
            reply = {"result": getattr(proxy, name)(*parameters)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        if name not in ("changes", "dump", "usage"):
            proxy.count_change()
        print(json.dumps(reply), file=replies, flush=True)
