"""The operator that copies a store of Object Store v2 to another region, environment or name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.assets import emit_asset_events, report_lineage
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.lineage import LineageMixin, in_store
from airflow_provider_objectstore.operators.base import BulkRequests

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

IfExists: TypeAlias = Literal["overwrite", "skip", "fail"]
IfAttributesDiffer: TypeAlias = Literal["fail", "update", "keep"]


class AnypointCopyStoreOperator(LineageMixin, BulkRequests):
    """
    Copy a store to another region, environment or name: its attributes, and its values with type, metadata and index.

    A target that does not exist is created with the source's attributes. Each value is read back after it was written,
    and compared. A value that is the same at the target is not written again, so a second try goes on with what is
    missing. Nothing is deleted at the target: what only the target has stays.

    XCom: ``source``, ``target``, ``created`` (whether this try created the target), ``attributes`` of the source,
    ``unverified`` (attributes that the service does not return for both stores), ``partitions`` (number of values by
    partition), ``values``, and of these ``written``, ``overwritten``, ``unchanged`` and ``skipped``; ``missing`` and
    ``missing_partitions``, which were listed and no longer existed when they were read; ``seconds``, ``retries``,
    ``throttled``. The counts are of the last try alone: what an earlier one wrote is ``unchanged``.

    :param source: id of the store to copy.
    :param target: id of the store to write into.
    :param partitions: only these partitions, at least one. Left out, all.
    :param if_exists: what to do with a key that has another value, metadata or index at the target: ``overwrite`` or
        ``skip`` it, or ``fail`` before anything is written.
    :param if_attributes_differ: what to do if the target exists with other attributes: ``fail`` before anything is
        written, ``update`` them, or ``keep`` them.
    :param source_conn_id: id of the ``anypoint`` connection of the source.
    :param target_conn_id: id of the ``anypoint`` connection of the target.
    :param source_region: region of the source, such as ``us-east-1``, instead of its connection's. An empty one is an
        error.
    :param target_region: region of the target, likewise.
    :param source_environment_id: environment of the source, instead of its connection's. An empty one is an error.
    :param target_environment_id: environment of the target, likewise.
    :param max_concurrency: values at a time.
    :param requests_per_second: rate limit of this task for each of the two places, instead of their connections'.
    """

    template_fields: Sequence[str] = (
        "source",
        "target",
        "partitions",
        "if_exists",
        "if_attributes_differ",
        "source_conn_id",
        "target_conn_id",
        "source_region",
        "target_region",
        "source_environment_id",
        "target_environment_id",
        *BulkRequests.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"partitions": "py"}
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        "source": read.name,
        "target": read.name,
        "partitions": read.optional(read.name_or_names),
        "if_exists": read.choice(*get_args(IfExists)),
        "if_attributes_differ": read.choice(*get_args(IfAttributesDiffer)),
        "source_conn_id": read.identifier,
        "target_conn_id": read.identifier,
        "source_region": read.override,
        "target_region": read.override,
        "source_environment_id": read.override,
        "target_environment_id": read.override,
        **BulkRequests.arguments,
    }
    ui_color = "#cfe8f5"

    def __init__(
        self,
        *,
        source: str,
        target: str,
        partitions: str | Sequence[str] | None = None,
        if_exists: IfExists = "overwrite",
        if_attributes_differ: IfAttributesDiffer = "fail",
        source_conn_id: str = "anypoint_default",
        target_conn_id: str = "anypoint_default",
        source_region: str | None = None,
        target_region: str | None = None,
        source_environment_id: str | None = None,
        target_environment_id: str | None = None,
        max_concurrency: int | str = 32,
        requests_per_second: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(max_concurrency=max_concurrency, requests_per_second=requests_per_second, **kwargs)
        self.source = source
        self.target = target
        self.partitions = partitions
        self.if_exists = if_exists
        self.if_attributes_differ = if_attributes_differ
        self._hooks_used: tuple[AnypointObjectStoreHook, ...] = ()
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.source_region = source_region
        self.target_region = target_region
        self.source_environment_id = source_environment_id
        self.target_environment_id = target_environment_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Copy the store."""
        from airflow.providers.common.compat.sdk import Stats

        from airflow_provider_objectstore.export.copier import Copier

        self.read_arguments()
        started = time.monotonic()
        partitions = read.optional(read.names_or_empty)("partitions", self.partitions)
        source, target = self._hooks(partitions or ())
        self._hooks_used = source, target
        source_bulk = self._bulk_runner(source)
        self.log.info("Copying store %r (%s) to %r (%s)", self.source, source.where, self.target, target.where)
        copier = Copier(
            hook=target,
            store_id=self.target,
            source=source,
            source_id=self.source,
            source_bulk=source_bulk,
            partitions=partitions,
            if_exists=self.if_exists,
            if_attributes_differ=self.if_attributes_differ,
            log=self.log,
        )
        bulk = self._bulk_runner(target, copier.log_progress)
        try:
            result = copier.run(bulk)
        finally:
            Stats.incr(f"objectstore.{copier.done}.values", copier.values_done)
        self._report(context, source, target, result["partitions"])
        return {
            **result,
            "seconds": round(time.monotonic() - started, 3),
            "retries": source_bulk.retries + bulk.retries,
            "throttled": source_bulk.throttled + bulk.throttled,
        }

    @property
    def _place(self) -> str:
        return ", to ".join(hook.where for hook in self._hooks_used)

    def _hooks(self, partitions: Sequence[str]) -> tuple[AnypointObjectStoreHook, AnypointObjectStoreHook]:
        """
        Return the hooks of source and target.

        :param partitions: names to check.
        :raises InvalidArgumentError: if both are the same store, whatever their connections are called.
        """
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        with self.naming_task():
            for name in (self.source, self.target):
                segment("store id", name)
            for partition in partitions:
                segment("partition", partition)
            source = AnypointObjectStoreHook(
                self.source_conn_id, region=self.source_region, environment_id=self.source_environment_id
            )
            target = AnypointObjectStoreHook(
                self.target_conn_id, region=self.target_region, environment_id=self.target_environment_id
            )
            if _place(source, self.source) == _place(target, self.target):
                raise InvalidArgumentError(
                    f"source and target are the same: store {self.source!r} in {source.where} and {target.where}"
                )
        return source, target

    def _report(
        self,
        context: Context,
        source: AnypointObjectStoreHook,
        target: AnypointObjectStoreHook,
        partitions: Mapping[str, int],
    ) -> None:
        named = list(partitions) if self.partitions else None
        self._record_lineage(inputs=in_store(source, self.source, named), outputs=in_store(target, self.target, named))
        for name, values in partitions.items():
            report_lineage(source, "input", partial(source.asset, self.source, name))
            report_lineage(target, "output", partial(target.asset, self.target, name))
            event = {"operation": "copy", "store_id": self.target, "partition": name, "values": values}
            emit_asset_events(self.outlets, context, partial(target.asset, self.target, name), event)


def _place(hook: AnypointObjectStoreHook, store_id: str) -> tuple[str, str]:
    """Return environment and region, and the store: an environment belongs to one organization alone."""
    return urlsplit(hook.asset(store_id, "partition").uri).netloc.partition(".")[2], store_id
