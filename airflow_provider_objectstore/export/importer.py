"""Importing an export: check all of it, then write its values into a store."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.export.attributes import compare, find_store, set_attributes
from airflow_provider_objectstore.export.format import decode_line
from airflow_provider_objectstore.export.runner import FolderTransferRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from airflow_provider_objectstore.api.call import Call, Flow
    from airflow_provider_objectstore.export.format import ExportedValue, Manifest
    from airflow_provider_objectstore.transport import AsyncClient


class Importer(FolderTransferRunner):
    """
    Imports an export, or some of its partitions.

    :param if_exists: what to do with a key that exists: ``skip`` or ``overwrite`` it, or ``fail`` before anything is
        written.
    :param create_store: create a store that does not exist, with the export's attributes.
    """

    done = done_so_far = "imported"

    def __init__(self, *, if_exists: str, create_store: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.if_exists = if_exists
        self.create_store = create_store
        self._existing: ExportedValue | None = None

    def selects(self, partition: str) -> bool:
        """Whether a partition of the export is imported."""
        return self.partitions is None or partition in self.partitions

    def _transfer(self) -> dict[str, Any]:
        self._manifest = manifest = self.folder.manifest()
        self._check_partitions(manifest)
        self.stats.total = sum(count for name, count in manifest.partitions.items() if self.selects(name))
        self._check_values(manifest)
        created = self._check_store(manifest)
        if self.if_exists == "fail":
            self._check_no_key_exists()
        self._started = time.monotonic()  # the time left is computed from writing alone
        self._bulk.run(self._writes, self._record_result, self._record_failure)
        self._raise_if_stopped(f"the import into store {self.store_id} stopped")
        counts = {"written": self.stats.values, "skipped": self.stats.skipped}
        return {**manifest.as_dict(), "created": created, **counts}

    @property
    def _title(self) -> str:
        return f"Imported {self.folder} into store {self.store_id!r}"

    # Checks before anything is written

    def _check_partitions(self, manifest: Manifest) -> None:
        for partition in self.partitions or ():
            if partition not in manifest.partitions:
                raise InvalidArgumentError(f"partition {partition} is not in the export {self.folder}")

    def _check_values(self, manifest: Manifest) -> None:
        """Check every line of the export, and their counts."""
        counts: Counter[str] = Counter()
        try:
            for value in self._values():
                self._raise_if_stopped(f"the import of {self.folder} stopped while the export was being checked,")
                counts[value.partition] += 1
            if dict(counts) != dict(manifest.partitions):
                raise ObjectStoreError(
                    f"{self.folder.path / manifest.data} does not match its manifest: it has {sum(counts.values())} "
                    f"values in {len(counts)} partitions, of {manifest.values} in {len(manifest.partitions)}"
                )
        except ObjectStoreError as error:
            raise error.reworded(f"{error}. Nothing was written") from error.__cause__

    def _check_store(self, manifest: Manifest) -> bool:
        """Check that the store exists, or create it; return whether it was created."""
        store, wanted = find_store(self.hook, self.store_id), manifest.attributes
        if store:
            if wanted is not None and (differences := compare(wanted, store).differences):
                self.log.warning("Store %r has other attributes than the export: %s", self.store_id, differences)
            return False
        if not self.create_store:
            raise StoreNotFoundError(
                f"there is no store {self.store_id} to import into: create it with AnypointCreateStoreOperator, or "
                "give create_store=True",
                status=404,
            )
        if wanted is None:
            raise ObjectStoreError(
                f"there is no store {self.store_id}, and {self.folder} does not say what attributes it had: create it "
                "with AnypointCreateStoreOperator"
            )
        set_attributes(self.hook, self.store_id, wanted, create=True)
        self.log.info("Created store %r with the attributes of the export", self.store_id)
        return True

    def _check_no_key_exists(self) -> None:
        self._bulk.run(self._existence_checks, self._record_existing, self._record_failure)
        if self._existing:
            raise ConflictError(
                f"key {self._existing.key!r} of partition {self._existing.partition!r} already exists in store "
                f"{self.store_id}. Nothing was written; if_exists='skip' or 'overwrite' accepts existing keys"
            )
        self._raise_if_stopped(f"the import into store {self.store_id} stopped before it wrote anything,")

    async def _existence_checks(self, _: AsyncClient) -> AsyncIterator[tuple[ExportedValue, Call[bool]]]:
        for value in self._selected_values():
            yield value, api.key_exists(self.store_id, value.partition, value.key)

    def _record_existing(self, value: ExportedValue, exists: bool) -> None:
        if exists:
            self._existing = self._existing or value
            self._bulk.stop()

    # Writing

    async def _writes(self, _: AsyncClient) -> AsyncIterator[tuple[ExportedValue, Call[Any] | Flow[Any]]]:
        for value in self._selected_values():
            yield value, self._write_if_missing(value) if self.if_exists == "skip" else value.put

    def _write_if_missing(self, value: ExportedValue) -> Flow[bool]:
        if (yield api.key_exists(self.store_id, value.partition, value.key)):
            return False
        yield value.put
        return True

    def _record_result(self, value: ExportedValue, written: Any) -> None:
        if written is False:
            self.stats.skipped += 1
        else:
            self.stats.values += 1

    # Reading the export

    def _selected_values(self) -> Iterator[ExportedValue]:
        return (value for value in self._values() if self.selects(value.partition))

    def _values(self) -> Iterator[ExportedValue]:
        for number, line in enumerate(self.folder.lines(self._manifest), 1):
            try:
                yield decode_line(line, self.store_id)
            except ObjectStoreError as error:
                path = self.folder.path / self._manifest.data
                raise ObjectStoreError(f"{path}, line {number}: {error}") from error.__cause__
