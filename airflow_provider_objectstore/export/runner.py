"""What exporting, importing and copying have in common: counts, progress, and when to stop."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.listing import CompleteListing
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, StoreNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow.sdk.types import Logger

    from airflow_provider_objectstore.api.call import Call, Page
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
    """What has been done to the values, for the last log line and metrics."""
    done_so_far: ClassVar[str]
    """What has been done to them before the end, for the log lines until then."""

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
        self._logged = (0, 0)

    def run(self, bulk: BulkRunner) -> dict[str, Any]:
        """
        Do the work; log what was done at the end, and the counts after an error, if there are any.

        :param bulk: sends the requests.
        :return: plain data, with counts.
        :raises ObjectStoreError: if values failed, or the task was stopped.
        """
        self._bulk = bulk
        try:
            result = self._transfer()
        except BaseException:
            self.log_progress()
            raise
        self.log.info("%s: %s (%s)", self._title, self._summary(self.done), self._where)
        return result

    @abstractmethod
    def _transfer(self) -> dict[str, Any]: ...

    @property
    @abstractmethod
    def _title(self) -> str:
        """Say what was done, to what."""

    @property
    def _where(self) -> str:
        return self.hook.where

    def log_progress(self) -> None:
        """Log the counts, the rate, and the time left where the number of values is known; nothing if idle."""
        stats, left = self.stats, ""
        if (done := (self._handled, stats.missing)) == self._logged:
            return
        self._logged = done
        if self._handled and stats.total and (remaining := stats.total - self._handled):
            seconds = time.monotonic() - self._started
            left = f", {remaining:,} to go in about {remaining * seconds / self._handled:,.0f} s"
        self.log.info("%s%s", self._summary(self.done_so_far), left)

    @property
    def values_done(self) -> int:
        """How many values are where they belong, also after an error."""
        return self.stats.values

    @property
    def _handled(self) -> int:
        return self.stats.values + self.stats.unchanged + self.stats.skipped

    def _summary(self, done: str) -> str:
        """Say how many values there were, and how fast."""
        stats, seconds = self.stats, time.monotonic() - self._started
        parts = [
            f"{stats.values} value{'' if stats.values == 1 else 's'} {done} in {seconds:.0f} s "
            f"({self._handled / max(seconds, 0.001):.1f} a second)",
            f"{stats.unchanged} unchanged" if stats.unchanged else "",
            f"{stats.skipped} skipped" if stats.skipped else "",
            f"{stats.missing} no longer existed" if stats.missing else "",
            f"{len(stats.errors)} failed" if stats.errors else "",
        ]
        return ", ".join(filter(None, parts))

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


async def stream_names(client: AsyncClient, listing: Call[Page[str]]) -> AsyncIterator[str]:
    """
    Stream all names of a listing, each once, while it is still being read; none that stays is missing.

    :param client: a client of the store's connection.
    :param listing: the call for the first page.
    :raises ObjectStoreError: if names vanish during each of several listings.
    """
    complete = CompleteListing(listing)
    for call in complete.rounds():
        try:
            async for page in client.pages(call):
                for name in complete.new_items(page):
                    yield name
        except NotFoundError as error:
            if not complete.is_end(error):
                raise
            return


async def stream_keys(
    client: AsyncClient, store_id: str, partitions: Sequence[str] | None, stats: TransferStats
) -> AsyncIterator[tuple[str, str]]:
    """
    Stream the keys of a store, each once and after its partition, while the listings are still being read.

    :param client: a client of the store's connection.
    :param store_id: the store.
    :param partitions: only these partitions, which must exist; None means all.
    :param stats: counts partitions that were listed and no longer exist.
    :raises NotFoundError: for a store that does not exist, and for a named partition.
    """
    async for partition in _stream_partitions(client, store_id, partitions):
        try:
            async for key in stream_names(client, api.list_keys(store_id, partition)):
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
    if partitions is None:
        async for partition in stream_names(client, api.list_partitions(store_id)):
            yield partition
    for partition in partitions or ():
        yield partition
