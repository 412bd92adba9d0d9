"""Exporting a store: read its values, write them to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.api import anypoint as api
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.export.attributes import attributes_of, require_store
from airflow_provider_objectstore.export.format import Source, encode_line
from airflow_provider_objectstore.export.runner import FolderTransferRunner, stream_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_objectstore.api.anypoint.values import Entry
    from airflow_provider_objectstore.api.call import Call
    from airflow_provider_objectstore.transport import AsyncClient


class Exporter(FolderTransferRunner):
    """Exports a store: all its values, or those of some partitions."""

    done = "exported"
    done_so_far = "read"
    _is_whole = False

    def _transfer(self) -> dict[str, Any]:
        attributes = attributes_of(require_store(self.hook, self.store_id))
        source = Source.of(self.hook.labels, self.partitions)
        earlier = self.folder.earlier(self.store_id, source)
        with self.folder.draft() as self._draft:
            self._bulk.run(self._reads, self._write, self._record_failure)
            self._raise_if_stopped(f"the export of store {self.store_id} to {self.folder} stopped")
        manifest = self._draft.manifest(self.store_id, attributes, source)
        self.folder.switch(manifest, earlier)
        self._is_whole = True
        missing, missing_partitions = self.stats.missing, self.stats.missing_partitions
        if missing or missing_partitions:
            self.log.warning(
                "%d values and %d partitions were listed and no longer existed when they were read",
                missing,
                missing_partitions,
            )
        return {**manifest.as_dict(), "missing": missing, "missing_partitions": missing_partitions}

    @property
    def values_done(self) -> int:
        """How many values are in the export: an export is whole or not there."""
        return self.stats.values if self._is_whole else 0

    @property
    def _title(self) -> str:
        return f"Exported store {self.store_id!r} to {self.folder}"

    async def _reads(self, client: AsyncClient) -> AsyncIterator[tuple[str, Call[Entry]]]:
        """Stream the calls that read the values, each with its partition."""
        async for partition, key in stream_keys(client, self.store_id, self.partitions, self.stats):
            yield partition, api.get_key(self.store_id, partition, key)

    def _write(self, partition: str, entry: Entry) -> None:
        self._draft.write(partition, encode_line(partition, entry))
        self.stats.values += 1

    def _record_failure(self, item: object, error: ObjectStoreError) -> None:
        if isinstance(error, NotFoundError) and not isinstance(error, StoreNotFoundError):
            self.stats.missing += 1
        else:
            super()._record_failure(item, error)
