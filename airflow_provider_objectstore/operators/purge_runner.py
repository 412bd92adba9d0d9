"""How a purge works: what it deletes, and its rounds until a listing finds nothing more."""

from __future__ import annotations

import string
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.export.runner import stream_names

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_objectstore.api.call import Call, Page
    from airflow_provider_objectstore.transport import AsyncClient
    from airflow_provider_objectstore.transport.bulk import BulkRunner

DEFAULT_PARTITIONS = ("DEFAULT_PARTITION", "_defaultPartition")
APP_STORES = ("APP_*__defaultPersistentObjectStore", "*-Object-Store")
"""How running Mule applications name their stores, as far as observed: an assumption."""
MAX_SAMPLES = 5
PROBES = tuple(12 * character for character in f"{string.ascii_letters}{string.digits}{string.punctuation}é名")
"""Names with nothing in common: patterns that match all of them match everything."""


class PurgeItem(NamedTuple):
    """What one request deletes: a partition, or one of its keys."""

    partition: str
    key: str | None = None


@dataclass(frozen=True)
class PurgePlan:
    """
    What a purge deletes.

    :param store_id: the store.
    :param partitions: names of partitions; None where ``include`` selects them.
    :param include: patterns as in a shell; a partition must match one of them.
    :param exclude: patterns of which a partition must match none.
    :param key_prefix: delete only keys that begin with this; None deletes whole partitions.
    :param dry_run: log what would be deleted, and delete nothing.
    :param force: also delete the default partition, and allow stores of running applications and patterns that
        match everything.
    :param max_failures: failed deletions in one round after which the purge stops.
    :param max_rounds: rounds that found no less than the one before, after which the purge stops.
    """

    store_id: str
    partitions: Sequence[str] | None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    key_prefix: str | None = None
    dry_run: bool = False
    force: bool = False
    max_failures: int = 100
    max_rounds: int = 10

    def __post_init__(self) -> None:
        segment("store id", self.store_id)
        if (self.partitions is None) == (not self.include):
            raise InvalidArgumentError("give partitions or include, and not both; include='tmp-*' selects by a pattern")
        if self.partitions is not None and self.exclude:
            raise InvalidArgumentError("exclude needs include: leave it out where partitions are named")
        for partition in self.partitions or ():
            segment("partition", partition)
        if not self.force:
            self._refuse_what_needs_force()

    def _refuse_what_needs_force(self) -> None:
        for partition in self.partitions or ():
            if partition in DEFAULT_PARTITIONS:
                raise InvalidArgumentError(
                    f"partition {partition} of store {self.store_id} is deleted only with force=True"
                )
        if self.include and all(_matches(probe, self.include) for probe in PROBES):
            raise InvalidArgumentError(
                f"include={list(self.include)!r} matches every partition of store {self.store_id}, which needs "
                "force=True. Give a narrower pattern otherwise"
            )
        if _matches(self.store_id, APP_STORES):
            raise InvalidArgumentError(
                f"store {self.store_id} is named like that of a running application, whose state this would delete: "
                "that needs force=True"
            )

    def selects(self, partition: str) -> bool:
        """Whether the patterns select a partition."""
        return _matches(partition, self.include) and not _matches(partition, self.exclude)

    @property
    def single_round(self) -> bool:
        """Whether one round is enough: nothing is deleted, or whole partitions whose names are known."""
        return self.dry_run or (self.partitions is not None and self.key_prefix is None)

    def __str__(self) -> str:
        names = ", ".join(self.partitions or self.include)
        return names if self.key_prefix is None else f"{names} (keys that begin with {self.key_prefix})"


@dataclass
class PurgeStats:
    """
    What a purge did. With ``dry_run``, what it would do.

    :param partitions: partitions deleted.
    :param keys: keys deleted.
    :param missing: partitions and keys that did not exist.
    :param vanished: of those, the ones that a listing had just returned.
    :param failures: deletions that failed, in all rounds.
    :param rounds: rounds begun.
    :param idle_rounds: rounds that found no less than the one before.
    """

    partitions: int = 0
    keys: int = 0
    missing: int = 0
    vanished: int = 0
    failures: int = 0
    rounds: int = 0
    idle_rounds: int = 0

    @property
    def deleted(self) -> int:
        """Partitions and keys deleted."""
        return self.partitions + self.keys


@dataclass
class PurgeRound:
    """
    What one round found.

    :param found: what there was to delete.
    :param failed: deletions that failed.
    :param errors: the first errors.
    :param store_missing: the service's statement that the store does not exist.
    """

    found: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    store_missing: StoreNotFoundError | None = None


class PurgeRunner:
    """
    Deletes what a plan selects, round after round: a deletion may move what follows into a page already read.

    :param plan: what to delete.
    :param log: the task's logger.
    """

    def __init__(self, plan: PurgePlan, log: Logger) -> None:
        self.plan = plan
        self.log = log
        self.stats = PurgeStats()
        self._round = PurgeRound()
        self._logged = (1, 0, 0)
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the purge began."""
        return time.monotonic() - self._started

    def run(self, bulk: BulkRunner) -> None:
        """
        Delete everything that the plan selects; log the counts after an error, if anything was done.

        :param bulk: sends the requests.
        :raises StoreNotFoundError: if the store does not exist.
        :raises ObjectStoreError: if deletions failed, or something keeps writing to the store.
        """
        self._bulk = bulk
        try:
            self._run_round()
            while self._needs_another_round():
                self._run_round()
        except BaseException:
            self.log_progress()
            raise

    def log_progress(self) -> None:
        """Log the counts, the rate, and the time left where the number of partitions is known; nothing if idle."""
        stats, left = self.stats, ""
        if (done := (stats.rounds, stats.deleted, stats.missing)) == self._logged:
            return
        self._logged = done
        if self.plan.partitions is not None and self.plan.key_prefix is None and stats.deleted and stats.rounds == 1:
            remaining = len(self.plan.partitions) - stats.deleted - stats.missing - self._round.failed
            left = f", {remaining:,} to go in about {remaining * self.seconds / stats.deleted:,.0f} s"
        self.log.info("Round %d: %s%s", stats.rounds, self.summary(), left)

    def summary(self) -> str:
        """Say how much was deleted, and how fast."""
        stats, seconds = self.stats, self.seconds
        what = ("partition" if self.plan.key_prefix is None else "key") + ("s" if stats.deleted != 1 else "")
        verb = "would be deleted" if self.plan.dry_run else "deleted"
        parts = [
            f"{stats.deleted} {what} {verb} in {seconds:.0f} s ({stats.deleted / max(seconds, 0.001):.1f} a second)",
            f"{stats.missing} did not exist" if stats.missing else "",
            f"{self._round.failed} failed" if self._round.failed else "",
        ]
        return ", ".join(filter(None, parts))

    # One round

    def _run_round(self) -> None:
        """Delete everything that is found now."""
        found_before, self._round = self._round.found, PurgeRound()
        self.stats.rounds += 1
        self._bulk.run(self._deletions, self._record_result, self._record_failure)
        self._raise_if_stopped()
        if found_before and self._round.found >= found_before:
            self.stats.idle_rounds += 1

    async def _deletions(self, client: AsyncClient) -> AsyncIterator[tuple[PurgeItem, Call[Any]]]:
        """Stream the calls of one round, while the listings are still being read."""
        async for partition in self._partitions(client):
            try:
                async for item in self._items(client, partition):
                    if call := self._deletion(item):
                        yield item, call
            except StoreNotFoundError:
                raise
            except NotFoundError:
                # In a later round this purge may have deleted its last key.
                self.stats.missing += self.stats.rounds == 1
                self.log.info("Partition %r does not exist", partition)
            except ObjectStoreError as error:
                self._round.found += 1
                self._record_failure(PurgeItem(partition), error)

    async def _partitions(self, client: AsyncClient) -> AsyncIterator[str]:
        if self.plan.partitions is not None:
            for partition in self.plan.partitions:
                yield partition
            return
        async for partition in self._names(client, api.list_partitions(self.plan.store_id)):
            if not self.plan.selects(partition):
                continue
            if partition in DEFAULT_PARTITIONS and not self.plan.force:
                self.log.warning("Partition %r is left out: it is deleted only with force=True", partition)
            else:
                yield partition

    async def _items(self, client: AsyncClient, partition: str) -> AsyncIterator[PurgeItem]:
        if self.plan.key_prefix is None:
            yield PurgeItem(partition)
            return
        async for key in self._names(client, api.list_keys(self.plan.store_id, partition, self.plan.key_prefix)):
            yield PurgeItem(partition, key)

    async def _names(self, client: AsyncClient, listing: Call[Page[str]]) -> AsyncIterator[str]:
        if self.plan.dry_run:
            async for name in stream_names(client, listing):
                yield name
            return
        async for page in client.pages(listing):  # each round lists again
            for name in page.items:
                yield name

    def _deletion(self, item: PurgeItem) -> Call[Any] | None:
        """Return the call that deletes an item, or in a dry run checks it; None if there is nothing to send."""
        if self.plan.dry_run and item.key is not None:  # its listing is the check
            self.stats.keys += 1
            self.log.info("Would delete key %r of partition %r", item.key, item.partition)
            return None
        self._round.found += 1
        try:
            if item.key is not None:
                return api.delete_key(self.plan.store_id, item.partition, item.key)
            if self.plan.dry_run:
                return api.partition_exists(self.plan.store_id, item.partition)
            return api.delete_partition(self.plan.store_id, item.partition)
        except InvalidArgumentError as error:  # such as a key named ``..``
            self._record_failure(item, error)
            return None

    # Results

    def _record_result(self, item: PurgeItem, result: Any) -> None:
        if result is False:  # of partition_exists
            self._record_missing()
        elif item.key is not None:
            self.stats.keys += 1
        else:
            self.stats.partitions += 1
            if self.plan.dry_run:
                self.log.info("Would delete partition %r", item.partition)

    def _record_missing(self) -> None:
        self.stats.missing += 1
        if self.plan.partitions is None or self.plan.key_prefix is not None:
            self.stats.vanished += 1
        self._round.found -= 1  # a listing that still returns what is deleted must not cost another round

    def _record_failure(self, item: PurgeItem, error: ObjectStoreError) -> None:
        if isinstance(error, StoreNotFoundError):
            self._round.store_missing = self._round.store_missing or error
            self._bulk.stop()
        elif isinstance(error, NotFoundError):
            self._record_missing()
        else:
            self.stats.failures += 1
            self._round.failed += 1
            self._round.errors = [*self._round.errors, str(error)][:MAX_SAMPLES]
            if self._round.failed > self.plan.max_failures:
                self._bulk.stop()

    # Decisions

    def _raise_if_stopped(self) -> None:
        if self._round.store_missing:
            raise self._round.store_missing
        if self._round.failed > self.plan.max_failures:
            raise ObjectStoreError(
                f"stopped after {self._round.failed} failed deletions in store {self.plan.store_id}, more than "
                f"max_failures={self.plan.max_failures}: {'; '.join(self._round.errors)}"
            )
        if self._bulk.stopped:
            raise ObjectStoreError(
                f"the task was stopped while purging store {self.plan.store_id}: run it again to delete the rest"
            )

    def _needs_another_round(self) -> bool:
        """
        Decide whether to list and delete again.

        :raises ObjectStoreError: if deletions failed and another round would not help, or if the rounds find no less.
        """
        found, failed = self._round.found, self._round.failed
        out_of_rounds = self.stats.idle_rounds >= self.plan.max_rounds
        if failed and (self.plan.single_round or failed == found or out_of_rounds):
            raise ObjectStoreError(
                f"{failed} deletions in store {self.plan.store_id} failed: {'; '.join(self._round.errors)}"
            )
        if self.plan.single_round or not found:
            return False
        if out_of_rounds:
            raise ObjectStoreError(
                f"after {self.stats.rounds} rounds store {self.plan.store_id} still holds something that matches "
                f"{self.plan}, and no less than before: an application may be writing there. Stop it, or run this "
                "task again"
            )
        return True


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
