"""Operators that export stores of Object Store v2 to files, and import them."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.assets import emit_asset_events
from airflow_provider_objectstore.fs import storage_paths
from airflow_provider_objectstore.lineage import DataObject, LineageMixin, in_store
from airflow_provider_objectstore.operators.base import AnypointBulkOperator, used_place

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_objectstore.export.folder import ExportFolder
    from airflow_provider_objectstore.export.importer import Importer
    from airflow_provider_objectstore.export.runner import TransferRunner

T = TypeVar("T")
IfExists: TypeAlias = Literal["skip", "overwrite", "fail"]


class _TransferOperator(LineageMixin, AnypointBulkOperator):
    """Base of export and import."""

    template_fields: Sequence[str] = (*AnypointBulkOperator.template_fields, "path", "partitions")
    template_fields_renderers: ClassVar[dict[str, str]] = {"partitions": "py"}
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointBulkOperator.arguments,
        "path": storage_paths.path,
        "partitions": read.optional(read.name_or_names),
    }
    path: str | ObjectStoragePath
    partitions: str | Sequence[str] | None
    _folder: ExportFolder | None = None
    _folder_hook: object = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Transfer the values."""
        from airflow.providers.common.compat.sdk import Stats

        self.read_arguments()
        started = time.monotonic()
        with self.naming_task():
            runner = self._build_runner(**self._settings())
        bulk = self._start_bulk(runner.log_progress)
        try:
            result = runner.run(bulk)
        finally:
            Stats.incr(f"objectstore.{runner.done}.values", runner.values_done)
        store, folder = in_store(self.hook, self.store_id, runner.partitions), [DataObject(self.path)]
        self._record_lineage(**self._directions(store, folder))
        self._emit_asset_events(context, runner, result["partitions"])
        seconds = round(time.monotonic() - started, 3)
        return {**result, "seconds": seconds, "retries": bulk.retries, "throttled": bulk.throttled}

    @abstractmethod
    def _build_runner(self, **settings: Any) -> TransferRunner:
        """Return what transfers the values."""

    def _settings(self) -> dict[str, Any]:
        from airflow_provider_objectstore.export.folder import ExportFolder

        partitions = read.optional(read.names_or_empty)("partitions", self.partitions)
        segment("store id", self.store_id)
        for partition in partitions or ():
            segment("partition", partition)
        path = storage_paths.usable_path("path", self.path)
        self._folder, self._folder_hook = ExportFolder(path), getattr(path.fs, "hook", None)
        return {
            "hook": self.hook,
            "store_id": self.store_id,
            "partitions": partitions,
            "folder": self._folder,
            "log": self.log,
        }

    @property
    def _place(self) -> str:
        folder = self._folder and (used_place(self._folder_hook) or str(self._folder))
        ends = self._directions(super()._place, folder or "")
        return ", to ".join(filter(None, (ends["inputs"], ends["outputs"])))

    @abstractmethod
    def _directions(self, store: T, folder: T) -> dict[str, T]:
        """Return which of the two is read, and which is written."""

    def _emit_asset_events(self, context: Context, runner: Any, partitions: Mapping[str, int]) -> None:
        """Emit this task's asset events for what was written to the store."""


class AnypointExportOperator(_TransferOperator):
    """
    Export a store to a folder: a data file with one value a line, and ``manifest.json``, which names it.

    An export keeps the store's attributes, and of its values types, metadata, indexes, exact numbers and bytes. What
    is written to the store during the export may or may not be in it; what was there the whole time is, or the task
    fails because the store never rests. The export replaces an earlier one of the same store at the end: one that
    fails, is killed or is empty leaves the earlier one. It never replaces the export of another store, nor of one with
    the same id in another organization, environment or region, nor of another selection of partitions, nor one whose
    manifest it cannot read, nor one that another export has written since it began. A folder without a manifest has no
    complete export.

    XCom: the manifest, with ``missing`` (values that were listed and no longer existed when they were read),
    ``missing_partitions`` (likewise), ``seconds``, ``retries`` and ``throttled``. All are of the last try alone,
    which exports everything anew.

    :param store_id: the store.
    :param path: folder of the export, as any ``ObjectStoragePath``: ``file:///…``, ``s3://conn_id@bucket/…``,
        ``civo://conn_id@bucket/…``.
    :param partitions: only these partitions, at least one. Left out, all.
    :param max_concurrency: requests at a time.
    :param requests_per_second: rate limit of this task, instead of the connection's.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    def __init__(
        self,
        *,
        store_id: str,
        path: str | ObjectStoragePath,
        partitions: str | Sequence[str] | None = None,
        max_concurrency: int | str = 32,
        requests_per_second: float | str | None = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(store_id=store_id, **kwargs)
        self.path = path
        self.partitions = partitions
        self.max_concurrency = max_concurrency
        self.requests_per_second = requests_per_second
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def _build_runner(self, **settings: Any) -> TransferRunner:
        from airflow_provider_objectstore.export.exporter import Exporter

        self.log.info("Exporting store %r to %s (%s)", self.store_id, self.path, self.where)
        return Exporter(**settings)

    def _directions(self, store: T, folder: T) -> dict[str, T]:
        return {"inputs": store, "outputs": folder}


class AnypointImportOperator(_TransferOperator):
    """
    Import an export into a store, in any region or environment.

    The whole export is checked against its manifest, and every value against the service's limits, before anything is
    written. Run again after a failure, the task continues: writing a value twice changes nothing.

    XCom: the manifest, with ``created`` (whether this try created the store), ``written``, ``skipped``, ``seconds``,
    ``retries`` and ``throttled``. These counts are of the last try alone: what an earlier try wrote counts as
    ``skipped``, or is written again with ``overwrite``.

    :param store_id: the store to write into; it must exist, unless ``create_store`` is true.
    :param path: folder of the export, as any ``ObjectStoragePath``: ``file:///…``, ``s3://conn_id@bucket/…``,
        ``civo://conn_id@bucket/…``.
    :param partitions: only these partitions; an empty list imports nothing. Left out, all.
    :param if_exists: what to do with a key that exists: ``skip`` or ``overwrite`` it, or ``fail`` before anything is
        written.
    :param create_store: create a store that does not exist, with the attributes of the exported one. A store that
        exists keeps its own, with a warning if they differ.
    :param max_concurrency: requests at a time.
    :param requests_per_second: rate limit of this task, instead of the connection's.
    :param anypoint_conn_id: id of the ``anypoint`` connection.
    :param region: region such as ``us-east-1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (*_TransferOperator.template_fields, "if_exists", "create_store")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_TransferOperator.arguments,
        "partitions": read.optional(read.names_or_empty),
        "if_exists": read.choice(*get_args(IfExists)),
        "create_store": read.flag,
    }

    def __init__(
        self,
        *,
        store_id: str,
        path: str | ObjectStoragePath,
        partitions: str | Sequence[str] | None = None,
        if_exists: IfExists = "skip",
        create_store: bool | str = False,
        max_concurrency: int | str = 32,
        requests_per_second: float | str | None = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(store_id=store_id, **kwargs)
        self.path = path
        self.partitions = partitions
        self.if_exists = if_exists
        self.create_store: Any = create_store
        self.max_concurrency = max_concurrency
        self.requests_per_second = requests_per_second
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    def _build_runner(self, **settings: Any) -> TransferRunner:
        from airflow_provider_objectstore.export.importer import Importer

        self.log.info("Importing %s into store %r (%s)", self.path, self.store_id, self.where)
        return Importer(if_exists=self.if_exists, create_store=self.create_store, **settings)

    def _directions(self, store: T, folder: T) -> dict[str, T]:
        return {"inputs": folder, "outputs": store}

    def _emit_asset_events(self, context: Context, runner: Importer, partitions: Mapping[str, int]) -> None:
        if not self.outlets:
            return
        hook = self.hook
        for name, values in partitions.items():
            if runner.selects(name):
                event = {"operation": "import", "store_id": self.store_id, "partition": name, "values": values}
                emit_asset_events(self.outlets, context, partial(hook.asset, self.store_id, name), event)
