"""The interface of an S3 backend: any software that can hold users and buckets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


class S3Backend(Protocol):
    """
    An S3 service that the emulator administers. ``user`` is the credential's id.

    Methods may block: the emulator calls them from a worker thread, one at a time.
    """

    def start(self, port: int) -> str:
        """Serve on 127.0.0.1 at ``port`` (0: a free one) and return the endpoint's URL."""

    def stop(self) -> None:
        """Stop serving."""

    def reset(self) -> None:
        """Delete all users, buckets and objects."""

    def put_user(self, user: str, access_key: str, secret_key: str) -> None:
        """Create the user, or replace its one key. The old key is rejected from the next request on."""

    def suspend_user(self, user: str, suspended: bool) -> None:
        """Deny the user's requests from the next one on, or allow them again."""

    def delete_user(self, user: str) -> None:
        """Delete a user that owns no bucket."""

    def create_bucket(self, bucket: str, owner: str) -> None:
        """Create a bucket that ``owner`` owns."""

    def set_owner(self, bucket: str, owner: str, objects: bool = True) -> None:
        """Transfer the bucket, and with ``objects`` its existing objects too. Else their owners keep them."""

    def delete_bucket(self, bucket: str) -> None:
        """Delete the bucket with all its contents."""

    def usage(self, bucket: str) -> tuple[int, int]:
        """Return bytes and number of objects."""


@runtime_checkable
class StatefulS3Backend(S3Backend, Protocol):
    """An S3 service whose whole contents can be read and replaced. Without this, a state has no objects."""

    def changes(self) -> int:
        """Return a number that grows with each request that may have changed something."""

    def dump(self) -> dict[str, Any]:
        """Return users, buckets and objects, in the form that ``s3/state.py`` checks."""

    def load(self, state: dict[str, Any]) -> None:
        """Replace everything by what :meth:`dump` returned. If that fails, nothing may be changed."""

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object for the bucket's owner."""


class S3Worker:
    """Calls a backend outside the event loop, one call at a time in the order of the calls."""

    def __init__(self, backend: S3Backend) -> None:
        self.backend = backend
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator-s3")

    def call(self, function: Callable[[S3Backend], T]) -> asyncio.Future[T]:
        """Queue a call. It is made even if nobody awaits the result."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function, self.backend)

    def stop(self) -> None:
        """Make the queued calls, then stop the backend."""
        self._executor.shutdown()
        self.backend.stop()
