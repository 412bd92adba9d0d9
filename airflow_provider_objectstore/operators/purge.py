"""Operator that empties partitions of Object Store v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.assets import emit_asset_events
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.lineage import LineageMixin, in_store
from airflow_provider_objectstore.operators.base import AnypointBulkOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.operators.purge_runner import PurgePlan, PurgeStats

IfEmpty: TypeAlias = Literal["succeed", "skip", "fail"]


class AnypointPurgePartitionsOperator(LineageMixin, AnypointBulkOperator):
    """
    Delete partitions, each by one request, or only their keys that begin with a prefix.

    Deletions run while the listing is read, so memory does not grow with the number of keys. Listings are repeated
    until one finds nothing to delete. The task can be stopped and run again at any point. After a kill, an
    ``execution_timeout`` or SIGTERM, requests under way finish and the counts are logged.

    XCom: ``{"partitions", "keys", "missing", "rounds", "seconds", "retries", "throttled"}``: partitions and keys
    deleted, those that did not exist, listings, duration in seconds, repeated requests, and responses with status 429.
    All are of the last try alone: what a try that failed or was killed has deleted is not in them.

    An argument that is given and whose template renders as None, empty or blank is an error, so that no template
    makes the task delete more.

    :param store_id: the store.
    :param partitions: names of partitions, at least one; can be mapped. Give this or ``include``.
    :param include: patterns as in a shell, such as ``tmp-*``; a partition must match one of them.
    :param exclude: patterns of which a partition must match none. Only with ``include``.
    :param key_prefix: delete only keys that begin with this. Left out, whole partitions are deleted.
    :param dry_run: only log what would be deleted.
    :param force: also delete the default partition, and allow stores named like a running application's and
        ``include`` patterns that match everything.
    :param max_failures: failed deletions in one round after which the task stops. With fewer it continues, and fails
        at the end if the last round had failures.
    :param max_rounds: number of listings that found no less than the one before, after which the task fails:
        something keeps writing.
    :param if_empty: result of the task if there is nothing to delete: ``succeed``, ``skip`` or ``fail``.
    :param max_concurrency: requests at a time.
    :param requests_per_second: rate limit of this task, instead of the connection's.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (
        *AnypointBulkOperator.template_fields,
        "partitions",
        "include",
        "exclude",
        "key_prefix",
        "dry_run",
        "force",
        "max_failures",
        "max_rounds",
        "if_empty",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"partitions": "py", "include": "py", "exclude": "py"}
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointBulkOperator.arguments,
        "partitions": read.optional(read.name_or_names),
        "include": read.optional(read.name_or_names),
        "exclude": read.optional(read.patterns),
        "key_prefix": read.optional(read.prefix),
        "dry_run": read.flag,
        "force": read.flag,
        "max_failures": read.integer(0),
        "max_rounds": read.integer(1),
        "if_empty": read.choice(*get_args(IfEmpty)),
    }
    dry_run: Any  # hides BaseOperator.dry_run(), which only logs the template fields and which Airflow 3 never calls

    def __init__(
        self,
        *,
        store_id: str,
        partitions: str | Sequence[str] | None = None,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        key_prefix: str | None = None,
        dry_run: bool | str = False,
        force: bool | str = False,
        max_failures: int | str = 100,
        max_rounds: int | str = 10,
        if_empty: IfEmpty = "succeed",
        max_concurrency: int | str = 32,
        requests_per_second: float | str | None = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(store_id=store_id, **kwargs)
        self.partitions = partitions
        self.include = include
        self.exclude = exclude
        self.key_prefix = key_prefix
        self.dry_run = dry_run
        self.force = force
        self.max_failures: Any = max_failures
        self.max_rounds: Any = max_rounds
        self.if_empty = if_empty
        self.max_concurrency = max_concurrency
        self.requests_per_second = requests_per_second
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def check_combination(self) -> None:
        """Check that either partitions are named or patterns of them."""
        read.exactly_one(partitions=self.partitions, include=self.include)

    def execute(self, context: Context) -> dict[str, Any]:
        """Purge the partitions."""
        from airflow_provider_objectstore.operators.purge_runner import PurgeRunner

        self.read_arguments()
        with self.naming_task():
            plan = self._plan()
        what = read.shortened(plan, 200)
        self.log.info("Purging store %r (%s): %s", self.store_id, self.where, what)
        runner = PurgeRunner(plan, self.log)
        bulk = self._start_bulk(runner.log_progress)
        try:
            runner.run(bulk)
        finally:
            self._count(runner.stats)
        if runner.stats.deleted and not self.dry_run:
            whole = plan.key_prefix is None
            self._record_lineage(outputs=in_store(self.hook, self.store_id, plan.partitions, deleted=whole))
        did = "Dry run: would purge" if self.dry_run else "Purged"
        self.log.info("%s %s of store %r: %s (%s)", did, what, self.store_id, runner.summary(), self.where)
        self._check_stats(runner.stats, plan)
        self._emit_asset_events(context, plan)
        return {
            "partitions": runner.stats.partitions,
            "keys": runner.stats.keys,
            "missing": runner.stats.missing,
            "rounds": runner.stats.rounds,
            "seconds": round(runner.seconds, 3),
            "retries": bulk.retries,
            "throttled": bulk.throttled,
        }

    def _plan(self) -> PurgePlan:
        from airflow_provider_objectstore.operators.purge_runner import PurgePlan

        return PurgePlan(
            store_id=self.store_id,
            partitions=read.optional(read.names)("partitions", self.partitions),
            include=read.optional(read.names)("include", self.include) or (),
            exclude=read.optional(read.names)("exclude", self.exclude) or (),
            key_prefix=self.key_prefix,
            dry_run=self.dry_run,
            force=bool(self.force),
            max_failures=self.max_failures,
            max_rounds=self.max_rounds,
        )

    def _check_stats(self, stats: PurgeStats, plan: PurgePlan) -> None:
        """Warn about what vanished while it was read; apply ``if_empty``."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        if stats.vanished:
            self.log.warning(
                "%d partitions or keys were listed and no longer existed when they were to be deleted. If nothing "
                "else deletes in this store, check again",
                stats.vanished,
            )
        if stats.deleted:
            return
        empty = f"nothing to delete in store {self.store_id} matches {plan} [{self.where}]"
        if self.if_empty == "fail":
            raise ObjectStoreError(empty)
        if self.if_empty == "skip":
            raise AirflowSkipException(empty)

    def _emit_asset_events(self, context: Context, plan: PurgePlan) -> None:
        """Emit this task's asset events for the partitions that it names."""
        if self.dry_run or not self.outlets:
            return
        hook = self.hook
        for partition in plan.partitions or ():
            event = {"operation": "purge", "store_id": self.store_id, "partition": partition}
            emit_asset_events(self.outlets, context, partial(hook.asset, self.store_id, partition), event)

    def _count(self, stats: PurgeStats) -> None:
        """Send the metrics."""
        from airflow.providers.common.compat.sdk import Stats

        if not self.dry_run:
            Stats.incr("objectstore.purged.partitions", stats.partitions)
            Stats.incr("objectstore.purged.keys", stats.keys)
            Stats.incr("objectstore.purge.failures", stats.failures)
