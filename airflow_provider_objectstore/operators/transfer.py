"""Moving the contents of Object Store v2 stores to files and back."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.api.call import segment
from airflow_provider_objectstore.assets import tell_outlets
from airflow_provider_objectstore.bases import AnypointBulkOperator
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_objectstore.api.call import Call, Flow
    from airflow_provider_objectstore.api.export_format import Manifest
    from airflow_provider_objectstore.api.values import Entry
    from airflow_provider_objectstore.export_folder import ExportFolder
    from airflow_provider_objectstore.hooks.bulk import Bulk
    from airflow_provider_objectstore.transport import AsyncClient

SAMPLES = 5


class _TransferOperator(AnypointBulkOperator):
    """
    Base of both directions.

    :param path: folder of the export, as any ``ObjectStoragePath``: ``file:///…``, ``s3://conn_id@bucket/…``,
        ``civo://conn_id@bucket/…``.
    :param partitions: only these, at least one; all if left out.
    """

    template_fields: Sequence[str] = (*AnypointBulkOperator.template_fields, "path", "partitions")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointBulkOperator.arguments,
        "path": read.location,
        "partitions": read.optional(read.one_or_several),
    }
    moved: str

    def __init__(
        self,
        *,
        path: str | ObjectStoragePath,
        partitions: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.partitions = partitions
        self._named: list[str] | None = None
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Move the values; log at the end what was done, also where it did not come to its end."""
        from airflow.providers.common.compat.sdk import Stats

        self.read_arguments()
        # Here and not in the constructor: a second try may have the same object.
        self._done = self._skipped = self._missing = 0
        self._total: int | None = None
        self._errors: list[str] = []
        self._started = started = time.monotonic()
        with self.naming_task():
            folder = self._folder()
        bulk = self._begin(lambda: self._tell(time.monotonic() - self._started))
        try:
            moved = self._move(folder, bulk)
        finally:
            self._tell(time.monotonic() - self._started)
            Stats.incr(f"objectstore.{self.moved}.values", self._done)
        self._tell_outlets(context, moved["partitions"])
        seconds = round(time.monotonic() - started, 3)
        return {**moved, "seconds": seconds, "retries": bulk.retries, "throttled": bulk.throttled}

    @abstractmethod
    def _move(self, folder: ExportFolder, bulk: Bulk) -> dict[str, Any]:
        """Move the values; return the manifest."""

    def _tell_outlets(self, context: Context, partitions: Mapping[str, int]) -> None:
        """Say on this task's outlets what was written to the store."""

    def _folder(self) -> ExportFolder:
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_objectstore.export_folder import ExportFolder

        self._named = read.optional(read.listed)("partitions", self.partitions)
        segment("store id", self.store_id)
        for partition in self._named or ():
            segment("partition", partition)
        return ExportFolder(ObjectStoragePath(self.path))

    def _tell(self, seconds: float) -> None:
        handled, left = self._done + self._skipped, ""
        if handled and (rest := (self._total or handled) - handled):
            left = f", {rest:,} to go in about {rest * seconds / handled:,.0f} s"
        self.log.info(
            "%d values %s in %.0f s (%.1f a second), %d skipped, %d were gone, %d failed%s",
            self._done,
            self.moved,
            seconds,
            handled / max(seconds, 0.001),
            self._skipped,
            self._missing,
            len(self._errors),
            left,
        )

    def _failed(self, about: object, error: ObjectStoreError) -> None:
        self._errors.append(str(error))
        if len(self._errors) >= SAMPLES:
            self._bulk.stop()  # type: ignore[union-attr]

    def _check(self, what: str) -> None:
        if self._errors:
            raise ObjectStoreError(f"{what} after {self._done} values: {'; '.join(self._errors)}")
        if self._bulk and self._bulk.stopped:
            raise ObjectStoreError(f"{what} after {self._done} values: told to stop. Run this task again")


class AnypointExportOperator(_TransferOperator):
    """
    Writes the values of a store to a folder: ``data.jsonl`` with a value a line, and ``manifest.json``.

    Exact in type, metadata, index, numbers and binary bytes. What is written to the store meanwhile may or may not be
    in it. It is written beside an earlier export, which it replaces last: one that fails, is killed or comes out empty
    leaves that as it was. The export of another store is not replaced. A folder without a manifest is not a whole
    export.

    XCom: the manifest, with ``missing`` (values that were listed and then not there), ``missing_partitions`` (listed,
    and gone when their keys were), ``seconds``, ``retries`` and ``throttled``.
    """

    moved = "exported"

    def _move(self, folder: ExportFolder, bulk: Bulk) -> dict[str, Any]:
        from airflow_provider_objectstore.api import export_format as export

        self._missing_partitions = 0
        self.hook.get_store(self.store_id)
        folder.earlier(self.store_id)
        counts: Counter[str] = Counter()
        digest, size = sha256(), 0
        with folder.draft() as (name, out):

            def write(place: tuple[str, str], entry: Entry) -> None:
                nonlocal size
                partition, _ = place
                line = export.line_of(partition, entry)
                out.write(line)
                digest.update(line)
                size += len(line)
                counts[partition] += 1
                self._done += 1

            def failed(place: tuple[str, str], error: ObjectStoreError) -> None:
                if isinstance(error, NotFoundError) and not isinstance(error, StoreNotFoundError):
                    self._missing += 1  # since it was listed
                else:
                    self._failed(place, error)

            bulk.run(self._reads, write, failed)
            self._check(f"the export of store {self.store_id} to {folder} stopped")
            earlier = folder.earlier(self.store_id)  # again: that took a while
            if not counts and earlier:
                raise ObjectStoreError(
                    f"the export of store {self.store_id} came out empty, and {folder} has one with {earlier} values, "
                    "which stays. If the store is meant to be empty, export it to another folder or delete that one"
                )
        manifest = export.Manifest(self.store_id, dict(sorted(counts.items())), size, digest.hexdigest(), name)
        manifest = folder.switch(manifest)
        if self._missing or self._missing_partitions:
            self.log.warning(
                "%d values and %d partitions were listed and not there when they were read",
                self._missing,
                self._missing_partitions,
            )
        self.log.info("The export of %d partitions is in %s", len(counts), folder)
        return {**manifest.as_dict(), "missing": self._missing, "missing_partitions": self._missing_partitions}

    async def _reads(self, client: AsyncClient) -> AsyncIterator[tuple[tuple[str, str], Any]]:
        from airflow_provider_objectstore.api import anypoint as api

        async def partitions() -> AsyncIterator[str]:
            if self._named is not None:
                for partition in self._named:
                    yield partition
                return
            async for page in client.pages(api.list_partitions(self.store_id)):
                for partition in page.items:
                    yield partition

        async for partition in partitions():
            try:
                async for page in client.pages(api.list_keys(self.store_id, partition)):
                    for key in page.items:
                        yield (partition, key), api.get_key(self.store_id, partition, key)
            except StoreNotFoundError:
                raise
            except NotFoundError:  # gone since it was listed
                if self._named is not None:
                    raise
                self._missing_partitions += 1


class AnypointImportOperator(_TransferOperator):
    """
    Writes an export into a store that is there, in any region or environment.

    The whole export is checked against its manifest, and every value against the service's limits, before anything is
    written. Run again, it goes on: values are stated, not added.

    XCom: the manifest, with ``written``, ``skipped``, ``seconds``, ``retries`` and ``throttled``.

    :param if_exists: what becomes of a key that is there: ``skip``, ``overwrite``, or ``fail`` before anything is
        written.
    """

    template_fields: Sequence[str] = (*_TransferOperator.template_fields, "if_exists")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **_TransferOperator.arguments,
        "partitions": read.optional(read.listed),  # of none, nothing is written
        "if_exists": read.choice("skip", "overwrite", "fail"),
    }
    moved = "imported"

    def __init__(self, *, if_exists: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists
        self.check_arguments()

    def _move(self, folder: ExportFolder, bulk: Bulk) -> dict[str, Any]:
        manifest = folder.manifest()
        if missing := [it for it in self._named or () if it not in manifest.partitions]:
            raise InvalidArgumentError(f"partition {missing[0]} is not in the export {folder}")
        self._total = sum(n for name, n in manifest.partitions.items() if self._wanted(name))
        self._verify(folder, manifest)
        if not self.hook.store_exists(self.store_id):
            raise StoreNotFoundError(
                f"there is no store {self.store_id} to import into: create it with AnypointCreateStoreOperator",
                status=404,
            )
        if self.if_exists == "fail":
            self._refuse_if_there(folder, manifest, bulk)
        self._started = time.monotonic()  # the check is no measure for how long writing takes
        self._write(folder, manifest, bulk)
        return {**manifest.as_dict(), "written": self._done, "skipped": self._skipped}

    def _wanted(self, partition: str) -> bool:
        return self._named is None or partition in self._named

    def _tell_outlets(self, context: Context, partitions: Mapping[str, int]) -> None:
        if not self.outlets:
            return
        hook = self.hook
        for name, values in partitions.items():
            if self._wanted(name):
                said = {"operation": "import", "store_id": self.store_id, "partition": name, "values": values}
                tell_outlets(self.outlets, context, partial(hook.asset, self.store_id, name), said)

    def _verify(self, folder: ExportFolder, manifest: Manifest) -> None:
        counts: Counter[str] = Counter()
        try:
            for partition, _key, _call in self._values(folder, manifest):
                self._check(f"the import of {folder} stopped while it was checked,")
                counts[partition] += 1
            if dict(counts) != dict(manifest.partitions):
                raise ObjectStoreError(
                    f"{folder.path / manifest.data} is not what its manifest says: it has {sum(counts.values())} "
                    f"values in {len(counts)} partitions, of {manifest.values} in {len(manifest.partitions)}"
                )
        except ObjectStoreError as error:
            raise ObjectStoreError(f"{error}. Nothing was written") from error

    def _values(self, folder: ExportFolder, manifest: Manifest) -> Iterator[tuple[str, str, Any]]:
        from airflow_provider_objectstore.api import export_format as export

        for number, line in enumerate(folder.lines(manifest), 1):
            try:
                yield export.put_of(line, self.store_id)
            except ObjectStoreError as error:
                raise ObjectStoreError(f"{folder.path / manifest.data}, line {number}: {error}") from error

    def _puts(self, folder: ExportFolder, manifest: Manifest) -> Iterator[tuple[str, str, Any]]:
        return (value for value in self._values(folder, manifest) if self._wanted(value[0]))

    def _refuse_if_there(self, folder: ExportFolder, manifest: Manifest, bulk: Bulk) -> None:
        from airflow_provider_objectstore.api import anypoint as api

        there: list[tuple[str, str]] = []

        async def looks(_: AsyncClient) -> AsyncIterator[tuple[tuple[str, str], Any]]:
            for partition, key, _call in self._puts(folder, manifest):
                yield (partition, key), api.key_exists(self.store_id, partition, key)

        def found(place: tuple[str, str], is_there: bool) -> None:
            if is_there:
                there.append(place)
                bulk.stop()

        bulk.run(looks, found, self._failed)
        if there:
            partition, key = there[0]
            raise ConflictError(
                f"key {key!r} of partition {partition!r} is in store {self.store_id} already. Nothing was written; "
                "if_exists='skip' or 'overwrite' goes on"
            )
        self._check(f"the import into store {self.store_id} stopped before it wrote anything,")

    def _write(self, folder: ExportFolder, manifest: Manifest, bulk: Bulk) -> None:
        from airflow_provider_objectstore.api import anypoint as api

        def unless_there(partition: str, key: str, put: Call[str | None]) -> Flow[bool]:
            if (yield api.key_exists(self.store_id, partition, key)):
                return False
            yield put
            return True

        async def writes(_: AsyncClient) -> AsyncIterator[tuple[tuple[str, str], Any]]:
            for partition, key, put in self._puts(folder, manifest):
                yield (partition, key), unless_there(partition, key, put) if self.if_exists == "skip" else put

        def written(place: tuple[str, str], outcome: Any) -> None:
            if outcome is False:
                self._skipped += 1
            else:
                self._done += 1

        bulk.run(writes, written, self._failed)
        self._check(f"the import into store {self.store_id} stopped")
