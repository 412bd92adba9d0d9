"""S3 below HTTP: what the package's S3 clients do while a server misbehaves."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.hooks.s3_client import find_contents
from tests.chaos.wire import Request, WireServer

BUCKET = "photos"
VALUE = b"the value of an object, " * 20
LIMITS = {"connect_timeout": 1, "read_timeout": 1, "retries": {"total_max_attempts": 2}}
"""What S3 clients are given, to be quick. By themselves they wait for a minute, five times."""
DATE = "Wed, 25 Nov 2026 10:00:00 GMT"


@dataclass
class S3Server(WireServer):
    """A server with one bucket and one object in it."""

    def headers_of(self, request: Request) -> list[str]:
        headers = ["Content-Type: binary/octet-stream", 'ETag: "e"', f"Last-Modified: {DATE}"]
        if request.method == "GET" and "range" in request.headers:
            headers.append(f"Content-Range: bytes 0-{len(VALUE) - 1}/{len(VALUE)}")
        return headers

    def _good(self, request: Request) -> bytes:
        if request.method == "PUT":
            return b""
        if request.path.strip("/") != BUCKET:
            return VALUE
        if "uploads" in request.target:
            return f"<ListMultipartUploadsResult><Bucket>{BUCKET}</Bucket></ListMultipartUploadsResult>".encode()
        item = f"<Key>key</Key><LastModified>2026-11-25T10:00:00Z</LastModified><ETag>e</ETag><Size>{len(VALUE)}</Size>"
        kind, member = (
            ("ListVersionsResult", "Version") if "versions" in request.target else ("ListBucketResult", "Contents")
        )
        return f"<{kind}><Name>{BUCKET}</Name><{member}>{item}</{member}></{kind}>".encode()


@dataclass(frozen=True)
class S3Operation:
    """
    A use of S3.

    :param run: does it, given the options, and a filesystem.
    :param right: its result.
    :param errors: what it may raise.
    :param names: what its errors name.
    """

    run: Callable[[S3Options, Any], Any]
    right: Any
    errors: tuple[type[BaseException], ...]
    names: str = ""


def _boto3(options: S3Options) -> Any:
    import boto3

    return boto3.session.Session().client("s3", **options.boto3())


def operations() -> dict[str, S3Operation]:
    from aiohttp import ClientPayloadError
    from botocore.exceptions import IncompleteReadError

    # A body that breaks off is s3fs's to report, and so is a HEAD without a length.
    # After 101 it is botocore's.
    of_files = OSError, ClientPayloadError, KeyError, IncompleteReadError
    return {
        "find_contents": S3Operation(
            lambda options, fs: find_contents(options), "objects", (ObjectStoreError,), BUCKET
        ),
        "civo:// cat": S3Operation(lambda options, fs: fs.cat_file(f"{BUCKET}/key"), VALUE, of_files),
        "civo:// pipe": S3Operation(lambda options, fs: fs.pipe_file(f"{BUCKET}/key", VALUE) and None, None, of_files),
        "civo:// open": S3Operation(
            # s3fs looks for the first argument of a time-out, which has none.
            lambda options, fs: fs.open(f"{BUCKET}/key").read(),
            VALUE,
            (*of_files, IndexError),
        ),
        "civo:// ls": S3Operation(lambda options, fs: fs.ls(BUCKET, detail=False), [f"{BUCKET}/key"], of_files),
        "civo:// exists": S3Operation(lambda options, fs: fs.exists(f"{BUCKET}/key"), True, of_files),
        "boto3 get": S3Operation(
            lambda options, fs: _boto3(options).get_object(Bucket=BUCKET, Key="key")["Body"].read(), VALUE, (Exception,)
        ),
    }


@dataclass
class S3Outcome:
    name: str
    operation: str
    kind: str = "result"
    seconds: float = 0.0
    text: str = ""
    problems: list[str] = field(default_factory=list)


def run_operation(name: str, label: str, server: S3Server, options: S3Options, fs: Any, *, misleads: bool) -> S3Outcome:
    operation = operations()[label]
    outcome = S3Outcome(name, label)
    server.mode = "always"
    started = time.monotonic()
    try:
        result = operation.run(options, fs)
        outcome.text = repr(result)[:100]
        if result != operation.right and not misleads:
            outcome.problems.append(f"a wrong result: {outcome.text}")
    except BaseException as error:
        outcome.kind, outcome.text = type(error).__name__, f"{type(error).__name__}: {error}"[:300]
        if not isinstance(error, operation.errors):
            outcome.problems.append(f"an error of another kind: {outcome.text}")
        if operation.names not in str(error):
            outcome.problems.append(f"an error that does not name {operation.names}: {outcome.text}")
        if options.secret_access_key in "".join(traceback.format_exception(error)):
            outcome.problems.append("the secret in an error")
    outcome.seconds = time.monotonic() - started
    server.mode = "good"
    server.settle()
    time.sleep(0.02)
    outcome.problems += _problems_of_good(operation, options, fs)
    return outcome


def _problems_of_good(operation: S3Operation, options: S3Options, fs: Any) -> list[str]:
    problem = ""
    for _ in range(2):  # a busy machine may be slower than these time-outs, and a response may have come late
        try:
            result = operation.run(options, fs)
        except BaseException as error:
            problem = f"the next good call: {type(error).__name__}: {error}"[:300]
        else:
            return [] if result == operation.right else [f"the next good call got {result!r:.100}"]
    return [problem]
