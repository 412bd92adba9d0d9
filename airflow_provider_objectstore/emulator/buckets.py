"""Civo's state: object stores and credentials, with the S3 side kept in step. No HTTP here."""

from __future__ import annotations

import asyncio
import logging
import secrets
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
    """What stores and credentials have in common. ``ready_at`` is a time of the settings' clock."""

    name: str
    region: str
    max_size_gb: int
    ready_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    provisioned: bool = False
    failed: bool = False

    def status(self, now: float) -> str:
        """``creating``, ``ready`` or ``failed``."""
        if self.failed:
            return "failed"
        return "ready" if self.provisioned and now >= self.ready_at else "creating"


@dataclass(kw_only=True)
class Credential(Resource):
    """A credential; its keys are shown once it is ready."""

    access_key_id: str
    secret_access_key_id: str
    suspended: bool = False


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
        self._tasks: set[asyncio.Task[None]] = set()

    async def reset(self) -> None:
        """Forget everything, on S3 too."""
        self.stores.clear()
        self.credentials.clear()
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
        created = self.s3.call(create)

        async def note() -> None:
            try:
                await created
                resource.provisioned = True
            except Exception:
                logger.exception("The S3 side of %s was not created", resource.name)
                resource.failed = True

        task = asyncio.create_task(note())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def carry_out(self, change: Callable[[S3Backend], None]) -> None:
        """Change the S3 side before the answer."""
        if self.s3 is None:
            return
        try:
            await self.s3.call(change)
        except Exception as error:
            logger.exception("The S3 side did not carry out a change")
            raise BackendFailed from error
