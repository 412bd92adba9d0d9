"""Moving the contents of Object Store v2 stores to files and back."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_objectstore.api.call import segment
from airflow_provider_objectstore.api.export_format import DATA, MANIFEST, Manifest, line_of, put_of
from airflow_provider_objectstore.bases import AnypointOperator, one_of
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError, NotFoundError, ObjectStoreError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_objectstore.api.call import Call, Flow
    from airflow_provider_objectstore.api.values import Entry
    from airflow_provider_objectstore.hooks.bulk import Bulk
    from airflow_provider_objectstore.transport import AsyncClient

SAMPLES = 5


class _TransferOperator(AnypointOperator):
    """
    Base of both directions.

    :param store_id: the store.
    :param path: folder of the export, as any ``ObjectStoragePath``: ``file:///…``, ``s3://conn_id@bucket/…``,
        ``civo://conn_id@bucket/…``.
    :param partitions: only these; all if left out.
    :param max_concurrency: requests at a time.
    :param requests_per_second: pace instead of the connection's.
    """

    template_fields: Sequence[str] = (*AnypointOperator.template_fields, "store_id", "path", "partitions")

    def __init__(
        self,
        *,
        store_id: str,
        path: str | ObjectStoragePath,
        partitions: str | Sequence[str] | None = None,
        max_concurrency: int = 32,
        requests_per_second: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.path = path
        self.partitions = partitions
        self.max_concurrency = max_concurrency
        self.requests_per_second = requests_per_second
        self._bulk: Bulk | None = None
        self._done = 0
        self._errors: list[str] = []

    def on_kill(self) -> None:
        """Start no further request; what is under way finishes."""
        if self._bulk:
            self._bulk.stop()

    @property
    def _named(self) -> list[str] | None:
        if self.partitions is None:
            return None
        return [self.partitions] if isinstance(self.partitions, str) else list(self.partitions)

    def _folder(self) -> ObjectStoragePath:
        from airflow.sdk import ObjectStoragePath

        segment("store id", self.store_id)
        for partition in self._named or ():
            segment("partition", partition)
        if not str(self.path).strip():
            raise InvalidArgumentError("path must not be empty: it is the folder of the export")
        return ObjectStoragePath(self.path)

    def _new_bulk(self) -> Bulk:
        started = time.monotonic()

        def tell() -> None:
            seconds = time.monotonic() - started
            self.log.info("%d values in %.0f s (%.1f a second)", self._done, seconds, self._done / seconds)

        self._bulk = self.hook.bulk(
            concurrency=self.max_concurrency, requests_per_second=self.requests_per_second, report=tell
        )
        return self._bulk

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
    in it. The manifest is written last: a folder without one is not a whole export.

    XCom: the manifest.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Export the store."""
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        counts: Counter[str] = Counter()
        digest, size = sha256(), 0
        with _open(folder / DATA, "wb") as out:

            def write(place: tuple[str, str], entry: Entry) -> None:
                nonlocal size
                partition, _ = place
                line = line_of(partition, entry)
                out.write(line)
                digest.update(line)
                size += len(line)
                counts[partition] += 1
                self._done += 1

            def failed(place: tuple[str, str], error: ObjectStoreError) -> None:
                if not isinstance(error, NotFoundError):  # gone since it was listed
                    self._failed(place, error)

            self._new_bulk().run(self._reads, write, failed)
            self._check(f"the export of store {self.store_id} to {folder} stopped")
        manifest = Manifest(self.store_id, dict(sorted(counts.items())), size, digest.hexdigest())
        shown = manifest.as_dict()
        (folder / MANIFEST).write_text(json.dumps(shown, indent=2))
        self.log.info("Exported %d values of %d partitions to %s", manifest.values, len(counts), folder)
        return shown

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
            async for page in client.pages(api.list_keys(self.store_id, partition)):
                for key in page.items:
                    yield (partition, key), api.get_key(self.store_id, partition, key)


class AnypointImportOperator(_TransferOperator):
    """
    Writes an export into a store that is there, in any region or environment.

    The whole export is checked against its manifest, and every value against the service's limits, before anything is
    written. Run again, it goes on: values are stated, not added.

    XCom: the manifest, with ``written`` and ``skipped``.

    :param if_exists: what becomes of a key that is there: ``skip``, ``overwrite``, or ``fail`` before anything is
        written.
    """

    template_fields: Sequence[str] = (*_TransferOperator.template_fields, "if_exists")

    def __init__(self, *, if_exists: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists

    def execute(self, context: Context) -> dict[str, Any]:
        """Import the export."""
        one_of("if_exists", self.if_exists, "skip", "overwrite", "fail")
        folder = self._folder()
        try:
            text = (folder / MANIFEST).read_text()
        except FileNotFoundError:
            raise ObjectStoreError(
                f"there is no {folder / MANIFEST}: either this is no export, or its export did not come to an end"
            ) from None
        manifest = Manifest.read(text, str(folder / MANIFEST))
        if missing := [it for it in self._named or () if it not in manifest.partitions]:
            raise InvalidArgumentError(f"partition {missing[0]} is not in the export {folder}")
        self._verify(folder / DATA, manifest)
        if not self.hook.store_exists(self.store_id):
            raise ObjectStoreError(
                f"there is no store {self.store_id} to import into: create it with AnypointCreateStoreOperator"
            )
        if self.if_exists == "fail":
            self._refuse_if_there(folder / DATA)
        skipped = self._write(folder / DATA)
        self.log.info("Imported %d values into store %s, skipped %d", self._done, self.store_id, skipped)
        return {**manifest.as_dict(), "written": self._done, "skipped": skipped}

    def _verify(self, data: ObjectStoragePath, manifest: Manifest) -> None:
        counts: Counter[str] = Counter()
        digest, size = sha256(), 0
        with _open(data, "rb") as lines:
            for number, line in enumerate(lines, 1):
                digest.update(line)
                size += len(line)
                try:
                    counts[put_of(line, self.store_id)[0]] += 1
                except ObjectStoreError as error:
                    raise ObjectStoreError(f"{data}, line {number}: {error}. Nothing was written") from error
        if (dict(counts), size, digest.hexdigest()) != (dict(manifest.partitions), manifest.bytes, manifest.sha256):
            raise ObjectStoreError(
                f"{data} is not what its manifest says: it has {sum(counts.values())} values in {size} bytes, of "
                f"{manifest.values} in {manifest.bytes}, or their checksum differs. Nothing was written"
            )

    def _puts(self, data: ObjectStoragePath) -> Iterator[tuple[str, str, Any]]:
        with _open(data, "rb") as lines:
            for line in lines:
                partition, key, call = put_of(line, self.store_id)
                if self._named is None or partition in self._named:
                    yield partition, key, call

    def _refuse_if_there(self, data: ObjectStoragePath) -> None:
        from airflow_provider_objectstore.api import anypoint as api

        there: list[tuple[str, str]] = []

        async def looks(_: AsyncClient) -> AsyncIterator[tuple[tuple[str, str], Any]]:
            for partition, key, _call in self._puts(data):
                yield (partition, key), api.key_exists(self.store_id, partition, key)

        def found(place: tuple[str, str], is_there: bool) -> None:
            if is_there:
                there.append(place)
                bulk.stop()

        bulk = self._new_bulk()
        bulk.run(looks, found, self._failed)
        if there:
            partition, key = there[0]
            raise ConflictError(
                f"key {key!r} of partition {partition!r} is in store {self.store_id} already. Nothing was written; "
                "if_exists='skip' or 'overwrite' goes on"
            )
        self._check(f"the import into store {self.store_id} stopped before it wrote anything,")

    def _write(self, data: ObjectStoragePath) -> int:
        """Write all values; return how many were skipped."""
        from airflow_provider_objectstore.api import anypoint as api

        skipped = 0

        def unless_there(partition: str, key: str, put: Call[str | None]) -> Flow[bool]:
            if (yield api.key_exists(self.store_id, partition, key)):
                return False
            yield put
            return True

        async def writes(_: AsyncClient) -> AsyncIterator[tuple[tuple[str, str], Any]]:
            for partition, key, put in self._puts(data):
                yield (partition, key), unless_there(partition, key, put) if self.if_exists == "skip" else put

        def written(place: tuple[str, str], outcome: Any) -> None:
            nonlocal skipped
            if outcome is False:
                skipped += 1
            else:
                self._done += 1

        self._new_bulk().run(writes, written, self._failed)
        self._check(f"the import into store {self.store_id} stopped")
        return skipped


def _open(path: ObjectStoragePath, mode: str) -> IO[bytes]:
    return path.open(mode)  # type: ignore[no-any-return, no-untyped-call]
