"""Emptying partitions of Object Store v2, at scale."""

from __future__ import annotations

import string
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.call import segment
from airflow_provider_objectstore.assets import tell_outlets
from airflow_provider_objectstore.bases import AnypointBulkOperator
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.hooks.bulk import Bulk
    from airflow_provider_objectstore.transport import AsyncClient

DEFAULT_PARTITIONS = ("DEFAULT_PARTITION", "_defaultPartition")
APP_STORES = ("APP_*__defaultPersistentObjectStore", "*-Object-Store")
"""What running Mule applications call their stores, as far as it was seen: an assumption."""
SAMPLES = 5
PROBES = tuple(12 * character for character in f"{string.ascii_letters}{string.digits}{string.punctuation}é名")
"""Names with nothing in common: patterns that fit all of them fit everything."""


Place = tuple[str, str | None]
"""A partition, or a partition and a key."""


@dataclass
class Purged:
    """
    What was done; ``partitions`` and ``keys`` count what is gone, or would be with ``dry_run``.

    :param missing: what was gone already.
    :param vanished: of that, what a listing had just shown.
    :param failures: of all rounds.
    :param idle_rounds: those that found no less than the one before.
    :param found: what there was to delete, in the round that is under way.
    :param failed: likewise.
    :param samples: likewise, the first errors.
    """

    partitions: int = 0
    keys: int = 0
    missing: int = 0
    vanished: int = 0
    failures: int = 0
    rounds: int = 0
    idle_rounds: int = 0
    found: int = 0
    failed: int = 0
    samples: list[str] = field(default_factory=list)


class AnypointPurgePartitionsOperator(AnypointBulkOperator):
    """
    Empties partitions: whole, by one request each, or their keys that begin with something.

    It deletes while it lists, holds no listing, and lists again until there is nothing left. Safe to stop and run again
    at any point. A kill, ``execution_timeout`` or SIGTERM lets the requests under way finish and logs the counts.

    XCom: ``{"partitions", "keys", "missing", "rounds", "seconds", "retries", "throttled"}``: what is gone, what was not
    there any more, how often requests were repeated, and how often the service told it to slow down.

    Arguments that are given and come out of their templates as None, empty or blank are refused: nothing widens what is
    deleted.

    :param partitions: names of partitions, at least one; mappable.
    :param include: instead of names: patterns as in a shell, such as ``tmp-*``, of which one has to fit.
    :param exclude: patterns of which none must fit.
    :param key_prefix: delete only keys that begin with this; without it whole partitions.
    :param dry_run: only log what would be deleted.
    :param force: also the default partition, stores named like a running application's, and everything where
        ``include`` fits everything.
    :param max_failures: failures of a round after which it stops. With fewer it goes on, and fails at its end if the
        last round had failures.
    :param max_rounds: listings that found no less than the one before, after which it ends: something keeps writing.
    :param if_nothing: what becomes of the task if nothing fits: ``succeed``, ``skip`` or ``fail``.
    """

    template_fields: Sequence[str] = (
        *AnypointBulkOperator.template_fields,
        "partitions",
        "include",
        "exclude",
        "key_prefix",
        "plan_only",
        "force",
        "max_failures",
        "max_rounds",
        "if_nothing",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointBulkOperator.arguments,
        "partitions": read.optional(read.one_or_several),
        "include": read.optional(read.one_or_several),
        "exclude": read.optional(read.patterns),
        "key_prefix": read.optional(read.prefix),
        "plan_only": read.named("dry_run", read.flag),
        "force": read.flag,
        "max_failures": read.whole(0),
        "max_rounds": read.whole(1),
        "if_nothing": read.choice("succeed", "skip", "fail"),
    }

    def __init__(
        self,
        *,
        partitions: str | Sequence[str] | None = None,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        key_prefix: str | None = None,
        dry_run: bool | str = False,
        force: bool | str = False,
        max_failures: int | str = 100,
        max_rounds: int | str = 10,
        if_nothing: str = "succeed",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.partitions = partitions
        self.include = include
        self.exclude = exclude
        self.key_prefix = key_prefix
        self.plan_only = dry_run  # dry_run is a method of every operator
        self.force = force
        self.max_failures: Any = max_failures
        self.max_rounds: Any = max_rounds
        self.if_nothing = if_nothing
        self._named: list[str] | None = None
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete, round after round."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        self.read_arguments()
        with self.naming_task():
            self._check()
        purged, started = Purged(), time.monotonic()
        bulk = self._begin(lambda: self._tell(purged, time.monotonic() - started))
        try:
            while self._another_round(bulk, purged):
                pass
        finally:
            seconds = time.monotonic() - started
            self._tell(purged, seconds)
            self._count(purged)
        if purged.vanished:
            self.log.warning(
                "%d names were listed and not there when their turn came. Look again if nobody else deletes here",
                purged.vanished,
            )
        if not (purged.partitions or purged.keys):
            nothing = f"nothing to delete in store {self.store_id} fits {self._what()}"
            if self.if_nothing == "fail":
                raise ObjectStoreError(nothing)
            if self.if_nothing == "skip":
                raise AirflowSkipException(nothing)
        self._tell_outlets(context)
        return {
            "partitions": purged.partitions,
            "keys": purged.keys,
            "missing": purged.missing,
            "rounds": purged.rounds,
            "seconds": round(seconds, 3),
            "retries": bulk.retries,
            "throttled": bulk.throttled,
        }

    def _another_round(self, bulk: Bulk, purged: Purged) -> bool:
        """Go through everything once; tell whether there may be more."""
        before, purged.found, purged.failed, purged.samples = purged.found, 0, 0, []
        purged.rounds += 1
        no_store: list[StoreNotFoundError] = []

        def gone(place: Place, answer: Any) -> None:
            if answer is False:
                missing()
            elif place[1] is None:
                purged.partitions += 1
                if self.plan_only:
                    self.log.info("Would delete partition %r", place[0])
            else:
                purged.keys += 1

        def missing() -> None:
            purged.missing += 1
            purged.vanished += self._named is None or self.key_prefix is not None
            purged.found -= 1  # a listing that still shows what is gone must not cost another round

        def failed(place: Place, error: ObjectStoreError) -> None:
            if isinstance(error, StoreNotFoundError):
                no_store.append(error)
                bulk.stop()
            elif isinstance(error, NotFoundError):
                missing()
            else:
                purged.failed += 1
                purged.failures += 1
                purged.samples = [*purged.samples, str(error)][:SAMPLES]
                if purged.failed > self.max_failures:
                    bulk.stop()

        bulk.run(lambda client: self._deletions(client, purged, failed), gone, failed)
        if no_store:
            raise no_store[0]
        if purged.failed > self.max_failures:
            raise ObjectStoreError(
                f"stopped after {purged.failed} failed deletions in store {self.store_id}, more than max_failures="
                f"{self.max_failures}: {'; '.join(purged.samples)}"
            )
        if bulk.stopped:
            raise ObjectStoreError(f"told to stop while purging store {self.store_id}: run this task again to go on")
        if before and purged.found >= before:
            purged.idle_rounds += 1
        once = self.plan_only or (self._named is not None and self.key_prefix is None)
        if purged.failed and (once or purged.failed == purged.found or purged.idle_rounds >= self.max_rounds):
            raise ObjectStoreError(
                f"{purged.failed} deletions in store {self.store_id} failed: {'; '.join(purged.samples)}"
            )
        if once or not purged.found:
            return False
        if purged.idle_rounds >= self.max_rounds:
            raise ObjectStoreError(
                f"after {purged.rounds} rounds there is still something in store {self.store_id} that fits "
                f"{self._what()}, and no less than before: an application may be writing there. Stop it, or run this "
                "task again"
            )
        return True

    async def _deletions(
        self, client: AsyncClient, purged: Purged, failed: Callable[[Place, ObjectStoreError], None]
    ) -> AsyncIterator[tuple[Place, Any]]:
        from airflow_provider_objectstore.api import anypoint as api

        def refused(place: Place, error: ObjectStoreError) -> None:
            purged.found += 1
            failed(place, error)

        dry = self.plan_only
        delete = api.partition_exists if dry else api.delete_partition
        async for partition in self._partitions(client):
            try:
                if self.key_prefix is None:
                    call = delete(self.store_id, partition)
                    purged.found += 1
                    yield (partition, None), call
                    continue
                async for page in client.pages(api.list_keys(self.store_id, partition, self.key_prefix)):
                    for key in page.items:
                        if dry:
                            purged.keys += 1
                            self.log.info("Would delete key %r of partition %r", key, partition)
                            continue
                        try:
                            deletion = api.delete_key(self.store_id, partition, key)
                        except InvalidArgumentError as error:  # named ``..``, for one
                            refused((partition, key), error)
                        else:
                            purged.found += 1
                            yield (partition, key), deletion
            except StoreNotFoundError:
                raise
            except NotFoundError:
                purged.missing += purged.rounds == 1  # later it may be this purge that has emptied it
                self.log.info("Partition %r is not there", partition)
            except ObjectStoreError as error:
                refused((partition, None), error)

    async def _partitions(self, client: AsyncClient) -> AsyncIterator[str]:
        from airflow_provider_objectstore.api import anypoint as api

        if self._named is not None:
            for partition in self._named:
                yield partition
            return
        async for page in client.pages(api.list_partitions(self.store_id)):
            for partition in page.items:
                if not _fits(partition, self._included) or _fits(partition, self._excluded):
                    continue
                if partition in DEFAULT_PARTITIONS and not self.force:
                    self.log.warning("Partition %r is left out: it is deleted only with force=True", partition)
                    continue
                yield partition

    def _check(self) -> None:
        self._named = read.optional(read.names)("partitions", self.partitions)
        self._included = read.optional(read.names)("include", self.include) or []
        self._excluded = read.optional(read.names)("exclude", self.exclude) or []
        segment("store id", self.store_id)
        if (self.partitions is None) == (self.include is None):
            raise InvalidArgumentError("give partitions or include, and not both; include='tmp-*' is all that fit")
        if self.partitions is not None and self.exclude is not None:
            raise InvalidArgumentError("exclude goes with include: leave it out where partitions are named")
        for partition in self._named or ():
            segment("partition", partition)
        if self.force:
            return
        kept = [it for it in self._named or () if it in DEFAULT_PARTITIONS]
        if kept:
            raise InvalidArgumentError(f"partition {kept[0]} of store {self.store_id} is deleted only with force=True")
        if self._included and all(_fits(probe, self._included) for probe in PROBES):
            raise InvalidArgumentError(
                f"include={self.include!r} fits every partition of store {self.store_id}, which needs force=True. "
                "Give a narrower pattern otherwise"
            )
        if _fits(self.store_id, APP_STORES):
            raise InvalidArgumentError(
                f"store {self.store_id} is named like that of a running application, whose state this would delete: "
                "that needs force=True"
            )

    def _what(self) -> str:
        where = ", ".join(self._named or self._included)
        return where if self.key_prefix is None else f"{where} (keys that begin with {self.key_prefix})"

    def _tell(self, purged: Purged, seconds: float) -> None:
        gone = purged.partitions + purged.keys
        left = ""
        if self._named is not None and self.key_prefix is None and gone and purged.rounds == 1:
            remaining = len(self._named) - gone - purged.missing - purged.failed
            left = f", {remaining:,} to go in about {remaining * seconds / gone:,.0f} s"
        self.log.info(
            "Round %d: %s%d partitions and %d keys deleted in %.0f s (%.1f a second), %d were gone, %d failed%s",
            purged.rounds,
            "would be: " if self.plan_only else "",
            purged.partitions,
            purged.keys,
            seconds,
            gone / max(seconds, 0.001),
            purged.missing,
            purged.failed,
            left,
        )

    def _tell_outlets(self, context: Context) -> None:
        """Say on this task's outlets which partitions were purged, as far as they were named."""
        if self.plan_only or not self.outlets:
            return
        hook = self.hook
        for partition in self._named or ():
            said = {"operation": "purge", "store_id": self.store_id, "partition": partition}
            tell_outlets(self.outlets, context, partial(hook.asset, self.store_id, partition), said)

    def _count(self, purged: Purged) -> None:
        from airflow.providers.common.compat.sdk import Stats

        if not self.plan_only:
            Stats.incr("objectstore.purged.partitions", purged.partitions)
            Stats.incr("objectstore.purged.keys", purged.keys)
            Stats.incr("objectstore.purge.failures", purged.failures)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
