"""What exporting, importing and copying have in common: counts, progress, and when to stop."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, StoreNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow.sdk.types import Logger

    from airflow_provider_objectstore.export.folder import ExportFolder
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.transport import AsyncClient
    from airflow_provider_objectstore.transport.bulk import BulkRunner

MAX_ERRORS = 5
"""Values that fail, after which an export, import or copy stops."""


@dataclass
class TransferStats:
    """
    What an export, import or copy did.

    :param values: values written.
    :param unchanged: values that were there already, and the same.
    :param skipped: values whose key existed already, and that were left as they were.
    :param missing: values that were listed and no longer existed when they were read.
    :param missing_partitions: partitions that were listed and no longer existed when their keys were listed.
    :param total: number of values to handle, where it is known.
    :param errors: what failed.
    """

    values: int = 0
    unchanged: int = 0
    skipped: int = 0
    missing: int = 0
    missing_partitions: int = 0
    total: int | None = None
    errors: list[str] = field(default_factory=list)


class TransferRunner(ABC):
    """
    Base of :class:`.exporter.Exporter`, :class:`.importer.Importer` and :class:`.copier.Copier`.

    :param hook: the hook of the store.
    :param store_id: the store.
    :param partitions: only these partitions; None means all.
    :param log: the task's logger.
    """

    done: ClassVar[str]
    """What has been done to the values, for log lines and metrics."""

    def __init__(
        self,
        *,
        hook: AnypointObjectStoreHook,
        store_id: str,
        partitions: Sequence[str] | None,
        log: Logger,
    ) -> None:
        self.hook = hook
        self.store_id = store_id
        self.partitions = partitions
        self.log = log
        self.stats = TransferStats()
        self._started = time.monotonic()

    def run(self, bulk: BulkRunner) -> dict[str, Any]:
        """
        Do the work; log the counts at the end, also after an error.

        :param bulk: sends the requests.
        :return: plain data, with counts.
        :raises ObjectStoreError: if values failed, or the task was stopped.
        """
        self._bulk = bulk
        try:
            return self._transfer()
        finally:
            self.log_progress()

    @abstractmethod
    def _transfer(self) -> dict[str, Any]: ...

    def log_progress(self) -> None:
        """Log the counts, the rate, and the time left where the number of values is known."""
        stats, seconds, left = self.stats, time.monotonic() - self._started, ""
        handled = stats.values + stats.unchanged + stats.skipped
        if handled and stats.total and (remaining := stats.total - handled):
            left = f", {remaining:,} to go in about {remaining * seconds / handled:,.0f} s"
        self.log.info(
            "%d values %s in %.0f s (%.1f a second)%s, %d skipped, %d no longer existed, %d failed%s",
            stats.values,
            self.done,
            seconds,
            handled / max(seconds, 0.001),
            f", {stats.unchanged} unchanged" if stats.unchanged else "",
            stats.skipped,
            stats.missing,
            len(stats.errors),
            left,
        )

    def _record_failure(self, item: object, error: ObjectStoreError) -> None:
        self.stats.errors.append(str(error))
        if len(self.stats.errors) >= MAX_ERRORS:
            self._bulk.stop()

    def _raise_if_stopped(self, what: str) -> None:
        """
        Raise if values failed or the task was stopped.

        :param what: the work and its objects, as the beginning of the message.
        """
        if self.stats.errors:
            raise ObjectStoreError(f"{what} after {self.stats.values} values: {'; '.join(self.stats.errors)}")
        if self._bulk.stopped:
            raise ObjectStoreError(f"{what} after {self.stats.values} values: the task was stopped. Run it again")


class FolderTransferRunner(TransferRunner):
    """
    Base of what writes or reads the folder of an export.

    :param folder: the folder.
    """

    def __init__(self, *, folder: ExportFolder, **settings: Any) -> None:
        super().__init__(**settings)
        self.folder = folder


async def stream_keys(
    client: AsyncClient, store_id: str, partitions: Sequence[str] | None, stats: TransferStats
) -> AsyncIterator[tuple[str, str]]:
    """
    Stream the keys of a store, each after its partition, while the listings are still being read.

    :param client: a client of the store's connection.
    :param store_id: the store.
    :param partitions: only these partitions, which must exist; None means all.
    :param stats: counts partitions that were listed and no longer exist.
    :raises NotFoundError: for a store that does not exist, and for a named partition.
    """
    async for partition in _stream_partitions(client, store_id, partitions):
        try:
            async for page in client.pages(api.list_keys(store_id, partition)):
                for key in page.items:
                    yield partition, key
        except StoreNotFoundError:
            raise
        except NotFoundError:
            if partitions is not None:
                raise
            stats.missing_partitions += 1


async def _stream_partitions(
    client: AsyncClient, store_id: str, partitions: Sequence[str] | None
) -> AsyncIterator[str]:
    if partitions is not None:
        for partition in partitions:
            yield partition
        return
    async for page in client.pages(api.list_partitions(store_id)):
        for partition in page.items:
            yield partition
