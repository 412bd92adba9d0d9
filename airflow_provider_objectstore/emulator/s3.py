"""The S3 side's interface: any software that can hold users and buckets plugs in here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class S3Backend(Protocol):
    """
    An S3 service that the emulator administers. ``user`` is the credential's id.

    Its methods may block: they are called from a worker thread, one call at a time.
    """

    def start(self, port: int) -> str:
        """Serve on 127.0.0.1 at ``port`` (0 = a free one) and return the endpoint's URL."""

    def stop(self) -> None:
        """Stop serving."""

    def reset(self) -> None:
        """Forget all users, buckets and objects."""

    def put_user(self, user: str, access_key: str, secret_key: str) -> None:
        """Create the user, or replace its one key; the old key is refused from the next request on."""

    def suspend_user(self, user: str, suspended: bool) -> None:
        """Refuse the user's requests from the next one on, or let them in again."""

    def delete_user(self, user: str) -> None:
        """Remove a user that owns no bucket."""

    def create_bucket(self, bucket: str, owner: str) -> None:
        """Create a bucket."""

    def set_owner(self, bucket: str, owner: str, objects: bool = True) -> None:
        """Hand over the bucket, and its existing objects unless they are to stay their owners'."""

    def delete_bucket(self, bucket: str) -> None:
        """Remove the bucket with all its contents."""

    def usage(self, bucket: str) -> tuple[int, int]:
        """Bytes and number of objects."""


class S3Worker:
    """Calls a backend off the event loop, one call at a time in the order asked for."""

    def __init__(self, backend: S3Backend) -> None:
        self.backend = backend
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator-s3")

    def call(self, function: Callable[[S3Backend], T]) -> asyncio.Future[T]:
        """Queue a call; it happens also if nobody awaits the result."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function, self.backend)

    def stop(self) -> None:
        """Finish what is queued, then stop the backend."""
        self._executor.shutdown()
        self.backend.stop()
