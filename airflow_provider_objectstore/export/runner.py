"""What exporting and importing have in common: counts, progress, and when to stop."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.exceptions import ObjectStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk.types import Logger

    from airflow_provider_objectstore.export.folder import ExportFolder
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.transport.bulk import BulkRunner

MAX_ERRORS = 5
"""Values that fail, after which an export or import stops."""


@dataclass
class TransferStats:
    """
    What an export or import did.

    :param values: values written.
    :param skipped: values whose key existed already.
    :param missing: values that were listed and no longer existed when they were read.
    :param missing_partitions: partitions that were listed and no longer existed when their keys were listed.
    :param total: number of values to handle, where it is known.
    :param errors: what failed.
    """

    values: int = 0
    skipped: int = 0
    missing: int = 0
    missing_partitions: int = 0
    total: int | None = None
    errors: list[str] = field(default_factory=list)


class TransferRunner(ABC):
    """
    Base of :class:`.exporter.Exporter` and :class:`.importer.Importer`.

    :param hook: the hook of the store.
    :param store_id: the store.
    :param partitions: only these partitions; None means all.
    :param folder: the folder of the export.
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
        folder: ExportFolder,
        log: Logger,
    ) -> None:
        self.hook = hook
        self.store_id = store_id
        self.partitions = partitions
        self.folder = folder
        self.log = log
        self.stats = TransferStats()
        self._started = time.monotonic()

    def run(self, bulk: BulkRunner) -> dict[str, Any]:
        """
        Do the work; log the counts at the end, also after an error.

        :param bulk: sends the requests.
        :return: the manifest as plain data, with counts.
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
        handled = stats.values + stats.skipped
        if handled and stats.total and (remaining := stats.total - handled):
            left = f", {remaining:,} to go in about {remaining * seconds / handled:,.0f} s"
        self.log.info(
            "%d values %s in %.0f s (%.1f a second), %d skipped, %d no longer existed, %d failed%s",
            stats.values,
            self.done,
            seconds,
            handled / max(seconds, 0.001),
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
