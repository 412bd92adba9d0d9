"""The folder of an export: how a new export replaces an earlier one, and how one is read."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any, cast

from airflow_provider_objectstore.exceptions import ConflictError, NotFoundError, ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.export.format import (
    MANIFEST,
    MAX_LINE_BYTES,
    MAX_MANIFEST_BYTES,
    Manifest,
    Source,
    is_draft,
)
from airflow_provider_objectstore.fs.storage_paths import path_text

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

LEFTOVER_AGE = timedelta(days=7)
"""Files that no manifest names are deleted once they are older: until then, their export may still be running."""


class Draft:
    """
    The data file of an export that is being written; it counts what its manifest will hold.

    :param name: name of the file.
    :param file: the file, open for writing.
    """

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        self._file = file
        self._values: Counter[str] = Counter()
        self._bytes = 0
        self._digest = sha256()

    def write(self, partition: str, line: bytes) -> None:
        """Write the line of one value of a partition."""
        self._file.write(line)
        self._digest.update(line)
        self._bytes += len(line)
        self._values[partition] += 1

    def manifest(self, store_id: str, attributes: Mapping[str, Any], source: Source) -> Manifest:
        """
        Return the manifest of what was written.

        :param store_id: the store.
        :param attributes: its attributes.
        :param source: what else the export was made from.
        """
        values = dict(sorted(self._values.items()))
        return Manifest(store_id, values, self._bytes, self._digest.hexdigest(), self.name, attributes, source)


class ExportFolder:
    """
    A folder with an export, on any file system of ``ObjectStoragePath``.

    The manifest names the data file, so writing the manifest replaces one export by the next: an export that is killed
    before leaves the earlier one. No two exports write the same data file, and an export deletes that of the export
    which it replaced alone, so the data that a manifest names is there, however many exports run at the same time.
    The file system only needs to write and delete single files.

    :param path: the folder.
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path

    def __str__(self) -> str:
        return path_text("path", self.path)

    # Writing

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Open a new data file. It is deleted if the block fails."""
        self.path.mkdir(parents=True, exist_ok=True)
        name = f"data-{token_hex(8)}.jsonl"
        try:
            with _open(self.path / name, "wb") as file:
                yield Draft(name, file)
        except BaseException:
            self._delete([name])
            raise

    def switch(self, manifest: Manifest, earlier: Manifest | None) -> None:
        """
        Make a draft the folder's export, and delete the data of the one that it replaces.

        Files that cannot be deleted stay, with a warning.

        :param manifest: the draft's manifest.
        :param earlier: what :meth:`earlier` returned before the draft was begun.
        :raises ConflictError: if the folder has the export of something else by now.
        :raises ObjectStoreError: if another export changed the folder meanwhile, if the draft's file is not as it was
            written, or if it is empty and the earlier export is not.
        """
        try:
            self._check_earlier(manifest, earlier)
            self._check_data(manifest)
            text = _text(manifest)
        except BaseException:
            self._delete([manifest.data])
            raise
        self._write_manifest(text)
        if self.manifest() != manifest:
            raise ObjectStoreError(
                f"another export has replaced this one: something else changes {self}. "
                "Run this again, and give each export a folder of its own"
            )
        self._check_data(manifest)
        self._delete_replaced(manifest, earlier)

    def _check_data(self, manifest: Manifest) -> None:
        path = self._fresh(manifest.data)
        try:
            size = path.fs.info(path.path).get("size")
        except FileNotFoundError:
            size = 0
        if size not in (None, manifest.bytes):
            raise ObjectStoreError(
                f"{path} has {size} bytes of the {manifest.bytes} that were written: something else changes {self}. "
                "Run this again, and give each export a folder of its own"
            )

    def _check_earlier(self, manifest: Manifest, earlier: Manifest | None) -> None:
        now = self.earlier(manifest.store_id, manifest.source)
        if now != earlier:
            raise ObjectStoreError(
                f"another export has come since this one began, and stays: something else changes {self}. "
                "Run this again, and give each export a folder of its own"
            )
        if now and now.values and not manifest.values:
            raise ObjectStoreError(
                f"the export of store {manifest.store_id} is empty, and {self} has one with {now.values} values, which "
                "stays. If the store is meant to be empty, export it to another folder or delete that one"
            )

    def _write_manifest(self, text: str) -> None:
        from fsspec.implementations.local import LocalFileSystem

        path = self.path / MANIFEST
        if isinstance(path.fs, LocalFileSystem):  # where a file is empty until it is written
            new = self.path / f"{MANIFEST}-{token_hex(8)}"
            new.write_text(text)
            Path(new.path).replace(path.path)
        else:
            path.write_text(text)

    def _delete_replaced(self, manifest: Manifest, earlier: Manifest | None) -> None:
        """Delete the data of the export that was replaced, and what killed exports left long ago."""
        try:
            listed = self.path.fs.ls(self.path.path, detail=False)
            names = {str(path).rstrip("/").rpartition("/")[2] for path in listed}
            left = [name for name in names if is_draft(name) and name != manifest.data and self._is_old(name)]
        except Exception as error:
            log.warning("What killed exports left in %s could not be told, so it stays: %s", self, error)
            left = []
        self._delete([*{*left, *([earlier.data] if earlier else [])}])

    def _is_old(self, name: str) -> bool:
        path = self.path / name
        return bool(datetime.now(UTC) - path.fs.modified(path.path) > LEFTOVER_AGE)

    def _delete(self, names: list[str]) -> None:
        try:
            for name in names:
                with suppress(FileNotFoundError):
                    self.path.fs.rm_file((self.path / name).path)
        except Exception as error:
            log.warning("Files of an export in %s could not be deleted: %s", self, error)

    # Reading

    def manifest(self) -> Manifest:
        """
        Read the manifest.

        :raises ObjectStoreError: if there is no manifest, or it is not valid.
        """
        path = self._fresh(MANIFEST)
        try:
            with _open(path, "rb") as file:
                text = file.read(MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no {path}: either this is not an export, or the export did not end"
            ) from None
        return Manifest.read(text, str(path))

    def earlier(self, store_id: str, source: Source | None) -> Manifest | None:
        """
        Return the manifest of the export that a new one would replace; None if there is none.

        :param store_id: the store of the new export.
        :param source: what else the new export is made from.
        :raises ConflictError: if it was made from something else, as far as it says.
        :raises StoreNotFoundError: if the store or bucket of the folder does not exist.
        :raises ObjectStoreError: if it cannot be read what the folder has.
        """
        try:
            manifest = self.manifest()
        except StoreNotFoundError:
            raise
        except NotFoundError:
            return None
        except (ObjectStoreError, OSError) as error:
            text = (
                f"what {self} has cannot be read, so nothing replaces it: {error}. Run this again, export to another "
                f"folder, or delete {MANIFEST} there if it is damaged"
            )
            if isinstance(error, ObjectStoreError):
                raise error.reworded(text) from error.__cause__
            raise ObjectStoreError(text) from error
        if manifest.store_id != store_id or manifest.source not in (None, source):
            raise ConflictError(
                f"{self} has the export of store {manifest.store_id} ({manifest.source or 'it does not say where'}), "
                f"which the export of store {store_id} ({source}) would replace: it stays. Give each store, place and "
                "selection of partitions a folder of its own, or delete that export first"
            )
        return manifest

    def _fresh(self, name: str) -> ObjectStoragePath:
        """Return the path of a file, without what its file system remembers of it."""
        path = self.path / name
        path.fs.invalidate_cache(path.path)
        return path

    def lines(self, manifest: Manifest) -> Iterator[bytes]:
        """
        Read the lines of the data file, no further than the manifest's size.

        :param manifest: the folder's manifest.
        :raises ObjectStoreError: at the first line that is too long; at the end, if size or checksum differ from the
            manifest's.
        """
        path, left, digest, number = self.path / manifest.data, manifest.bytes, sha256(), 0
        with _open_data(path) as file:
            while line := file.readline(min(left, MAX_LINE_BYTES) + 1):
                number += 1
                if len(line) > left:
                    raise ObjectStoreError(f"{path} is longer than the {manifest.bytes} bytes of its manifest")
                if len(line) > MAX_LINE_BYTES:
                    raise ObjectStoreError(f"{path}, line {number}: it is longer than the line of any value")
                left -= len(line)
                digest.update(line)
                yield line
        if left or digest.hexdigest() != manifest.sha256:
            raise ObjectStoreError(
                f"{path} does not match its manifest: it has {manifest.bytes - left} bytes of {manifest.bytes}, or "
                "their checksum differs"
            )


def _text(manifest: Manifest) -> str:
    text = json.dumps(manifest.as_dict(), indent=2)
    if len(text) > MAX_MANIFEST_BYTES:
        raise ObjectStoreError(
            f"the export has {len(manifest.partitions):,} partitions, too many for one manifest. Export them in "
            "several exports, with partitions"
        )
    return text


def _open_data(path: ObjectStoragePath) -> io.BufferedReader:
    try:
        # fsspec's own files copy a whole block, tens of megabytes, for every line.
        return io.BufferedReader(cast("io.RawIOBase", _open(path, "rb")), 1024 * 1024)
    except FileNotFoundError:
        raise NotFoundError(f"there is no {path}, which its manifest names: the export is not complete") from None


def _open(path: ObjectStoragePath, mode: str) -> IO[bytes]:
    return path.open(mode)  # type: ignore[no-any-return, no-untyped-call]
