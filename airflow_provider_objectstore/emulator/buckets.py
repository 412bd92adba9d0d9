"""Civo's state: object stores and credentials, with the S3 side kept in step. No HTTP here."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_objectstore.emulator.s3 import S3Backend, S3Worker
from airflow_provider_objectstore.emulator.settings import Settings

logger = logging.getLogger(__name__)


class BackendFailed(Exception):
    """The S3 side did not carry out a change."""


@dataclass(kw_only=True)
class Resource:
    """
    What stores and credentials have in common.

    ``ready_at`` is a time of the settings' clock. ``provisioned`` lets it be shown as ready, ``on_s3`` says that S3
    knows it.
    """

    name: str
    region: str
    max_size_gb: int
    ready_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    provisioned: bool = False
    on_s3: bool = False
    failed: bool = False

    def made(self, now: float) -> bool:
        """Whether it is there, with its keys."""
        return self.provisioned and not self.failed and now >= self.ready_at

    def status(self, now: float) -> str:
        """``creating``, ``ready`` or ``failed``."""
        return "failed" if self.failed else "ready" if self.made(now) else "creating"


@dataclass(kw_only=True)
class Credential(Resource):
    """A credential; its keys are shown once it is made, ``pending_seconds`` before it says that it is ready."""

    access_key_id: str
    secret_access_key_id: str
    suspended: bool = False
    pending_seconds: float = 0

    def status(self, now: float) -> str:
        """``pending``, ``ready`` or ``failed``."""
        if self.failed:
            return "failed"
        return "ready" if self.made(now) and now >= self.ready_at + self.pending_seconds else "pending"


@dataclass(kw_only=True)
class ObjectStore(Resource):
    """A store; ``suffix`` ends the path of its endpoint's URL."""

    owner: Credential
    own_credential: Credential | None = None
    suffix: str = field(default_factory=lambda: secrets.token_hex(2))


class Buckets:
    """The account's stores and credentials, by id in the order of their creation."""

    def __init__(self, settings: Settings, s3: S3Worker | None, s3_url: str | None) -> None:
        self.settings = settings
        self.s3 = s3
        self.s3_url = s3_url
        self.stores: dict[str, ObjectStore] = {}
        self.credentials: dict[str, Credential] = {}
        self._tasks: set[asyncio.Task[bool]] = set()
        self._order = asyncio.Lock()

    async def reset(self) -> None:
        """Forget everything, on S3 too."""
        self.stores.clear()
        self.credentials.clear()
        self._order = asyncio.Lock()
        if self.s3 is not None:
            await self.s3.call(lambda backend: backend.reset())

    def ready_at(self) -> float:
        """When something created now becomes ready."""
        return self.settings.clock() + self.settings.creating_seconds

    def provision(self, resource: Resource, create: Callable[[S3Backend], None]) -> None:
        """Create the S3 side of a new resource in the background."""
        if self.s3 is None:
            resource.provisioned = True
            return
        resource.provisioned = self.settings.s3_lag_seconds > 0
        created = self._in_turn(self.s3, create)

        def note(task: asyncio.Task[bool]) -> None:
            resource.failed = task.cancelled() or not task.result()
            resource.provisioned = resource.on_s3 = not resource.failed

        created.add_done_callback(note)

    async def carry_out(self, change: Callable[[S3Backend], None]) -> None:
        """Change the S3 side: before the answer, or some time after it if S3 lags behind."""
        if self.s3 is None:
            return
        changed = self._in_turn(self.s3, change)
        if self.settings.s3_lag_seconds <= 0 and not await asyncio.shield(changed):
            raise BackendFailed

    async def usage(self, store: ObjectStore) -> tuple[int, int]:
        """Bytes and number of objects; what S3 does not know yet is empty."""
        if self.s3 is None or not store.on_s3:
            return 0, 0
        return await self.s3.call(lambda backend: backend.usage(store.name))

    def _in_turn(self, s3: S3Worker, change: Callable[[S3Backend], None]) -> asyncio.Task[bool]:
        """
        Change S3 after what was asked for before, and not before the lag is over. A reset drops what still waits.

        :return: becomes ``False`` if S3 fails; the log says why.
        """
        order, asked = self._order, time.monotonic()

        async def apply() -> bool:
            async with order:  # first come, first served
                while (left := asked + self.settings.s3_lag_seconds - time.monotonic()) > 0:
                    await asyncio.sleep(min(left, 0.02))
                try:
                    if order is self._order:
                        await s3.call(change)
                    return True
                except Exception:
                    logger.exception("The S3 side did not carry out a change")
                    return False

        task = asyncio.create_task(apply())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
