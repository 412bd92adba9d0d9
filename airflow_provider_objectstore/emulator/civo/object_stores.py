"""Civo's state: object stores and credentials, and the changes on S3 that follow from them. No HTTP here."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_objectstore.emulator.clock import Clock
from airflow_provider_objectstore.emulator.fields import StateError
from airflow_provider_objectstore.emulator.s3.backend import S3Backend, S3Worker, StatefulS3Backend
from airflow_provider_objectstore.emulator.s3.state import create_users_and_buckets, has_contents
from airflow_provider_objectstore.emulator.settings import Settings

logger = logging.getLogger(__name__)


class S3BackendError(Exception):
    """The S3 backend failed."""


@dataclass(kw_only=True)
class Resource:
    """
    What stores and credentials have in common.

    :param ready_at: a time of the settings' clock, before which the resource is not shown as ready.
    :param provisioned: whether S3 has created it, or lags behind and is not waited for.
    :param on_s3: whether S3 has created it.
    :param failed: whether S3 failed to create it.
    """

    name: str
    region: str
    max_size_gb: int
    ready_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    provisioned: bool = False
    on_s3: bool = False
    failed: bool = False

    def is_created(self, now: float) -> bool:
        """Return whether it exists: a store as ready, a credential with its keys."""
        return self.provisioned and not self.failed and now >= self.ready_at

    def status(self, now: float) -> str:
        """Return ``creating``, ``ready`` or ``failed``."""
        return "failed" if self.failed else "ready" if self.is_created(now) else "creating"


@dataclass(kw_only=True)
class Credential(Resource):
    """A credential. Its keys are visible once it is created, ``pending_seconds`` before its status is ``ready``."""

    access_key_id: str
    secret_access_key_id: str
    suspended: bool = False
    pending_seconds: float = 0

    def status(self, now: float) -> str:
        """Return ``pending``, ``ready`` or ``failed``."""
        if self.failed:
            return "failed"
        return "ready" if self.is_created(now) and now >= self.ready_at + self.pending_seconds else "pending"


@dataclass(kw_only=True)
class ObjectStore(Resource):
    """A store. ``suffix`` ends the path of its endpoint's URL."""

    owner: Credential
    own_credential: Credential | None = None
    suffix: str = field(default_factory=lambda: secrets.token_hex(2))


class CivoState:
    """
    The account's stores and credentials, by id in the order of their creation.

    :param settings: the emulator's settings.
    :param s3: the S3 backend's worker; ``None`` without S3.
    :param s3_url: URL of the S3 endpoint; ``None`` without S3.
    :param clock: the emulator's clock.
    """

    def __init__(self, settings: Settings, s3: S3Worker | None, s3_url: str | None, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.s3 = s3
        self.s3_url = s3_url
        self.stores: dict[str, ObjectStore] = {}
        self.credentials: dict[str, Credential] = {}
        self._tasks: set[asyncio.Task[bool]] = set()
        self._queue = asyncio.Lock()

    async def reset(self) -> None:
        """Delete everything, on S3 too. Changes that still wait are dropped."""
        self.stores.clear()
        self.credentials.clear()
        self._queue = asyncio.Lock()
        if self.s3 is not None:
            await self.s3.call(lambda backend: backend.reset())

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """Wait until S3 has made all changes, and hold back further ones."""
        while True:
            while self._tasks:
                await asyncio.wait(self._tasks)
            async with (queue := self._queue):
                if queue is self._queue:  # else a reset or a load came in between
                    yield
                    return

    async def s3_changes(self) -> int:
        """Return a number that grows with each request to S3 that may have changed something."""
        if self.s3 is None or not isinstance(self.s3.backend, StatefulS3Backend):
            return 0
        backend = self.s3.backend
        return await self.s3.call(lambda _: backend.changes())

    async def dump_s3(self) -> dict[str, Any] | None:
        """Return what S3 holds; ``None`` if its backend cannot tell."""
        if self.s3 is None or not isinstance(self.s3.backend, StatefulS3Backend):
            return None
        backend = self.s3.backend
        return await self.s3.call(lambda _: backend.dump())

    async def load_s3(self, contents: dict[str, Any]) -> None:
        """
        Replace what S3 holds. Changes that were requested meanwhile are dropped: they belong to the state before.

        :raises StateError: if there is no S3 for the objects.
        """
        if self.s3 is None or not isinstance(self.s3.backend, StatefulS3Backend):
            if has_contents(contents):
                raise StateError("The state has objects or policies of buckets, but no S3 here can load them", 409)
            if self.s3 is not None:
                await self.s3.call(lambda backend: create_users_and_buckets(backend, contents))
        else:
            backend = self.s3.backend
            await self.s3.call(lambda _: backend.load(contents))
        self._queue = asyncio.Lock()

    def ready_at(self) -> float:
        """Return when something that is created now becomes ready."""
        return self.clock.monotonic() + self.settings.creating_seconds

    def create_on_s3(self, resource: Resource, create: Callable[[S3Backend], None]) -> None:
        """Create a new resource's user or bucket in the background."""
        if self.s3 is None:
            resource.provisioned = True
            return
        resource.provisioned = self.settings.s3_lag_seconds > 0
        task = self._enqueue(self.s3, create)

        def set_result(task: asyncio.Task[bool]) -> None:
            resource.failed = task.cancelled() or not task.result()
            resource.provisioned = resource.on_s3 = not resource.failed

        task.add_done_callback(set_result)

    async def change_s3(self, change: Callable[[S3Backend], None]) -> None:
        """
        Make a change on S3: before this returns, or some time later if S3 lags behind.

        :raises S3BackendError: if the backend fails and S3 does not lag behind.
        """
        if self.s3 is None:
            return
        task = self._enqueue(self.s3, change)
        if self.settings.s3_lag_seconds <= 0 and not await asyncio.shield(task):
            raise S3BackendError

    async def usage(self, store: ObjectStore) -> tuple[int, int]:
        """
        Return bytes and number of objects, zeros if S3 has not created the bucket yet.

        :raises S3BackendError: if the backend cannot tell, such as for a bucket that was deleted through S3.
        """
        if self.s3 is None or not store.on_s3:
            return 0, 0
        try:
            return await self.s3.call(lambda backend: backend.usage(store.name))
        except Exception as error:
            logger.warning("The S3 backend does not tell the use of bucket %s: %s", store.name, error)
            raise S3BackendError from error

    def _enqueue(self, s3: S3Worker, change: Callable[[S3Backend], None]) -> asyncio.Task[bool]:
        """
        Make a change on S3 after all earlier changes, and not before the lag is over.

        :return: a task that results in ``False`` if the backend fails. The error is logged.
        """
        queue, requested = self._queue, self._elapsed()

        async def apply() -> bool:
            async with queue:  # first come, first served
                while queue is self._queue and (wait := self._due(requested)) > 0:
                    await asyncio.sleep(min(wait, 0.02))
                try:
                    if queue is self._queue:  # else a reset came in between
                        await s3.call(change)
                    return True
                except Exception:
                    logger.exception("The S3 backend failed to make a change")
                    return False

        task = asyncio.create_task(apply())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _elapsed(self) -> float:
        """Return seconds for S3's lag. They pass even if a test stops the settings' clock."""
        return time.monotonic() + self.clock.advanced

    def _due(self, requested: float) -> float:
        """Return how many seconds S3 still lags behind."""
        return requested + self.settings.s3_lag_seconds - self._elapsed()
