"""The folder of an export: how a new export replaces an earlier one, and how one is read."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any, cast

from airflow_provider_objectstore.exceptions import ConflictError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.export.format import (
    DATA,
    MANIFEST,
    MAX_LINE_BYTES,
    MAX_MANIFEST_BYTES,
    Manifest,
    is_draft,
)

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


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

    def manifest(self, store_id: str, attributes: Mapping[str, Any]) -> Manifest:
        """
        Return the manifest of what was written.

        :param store_id: the store.
        :param attributes: its attributes.
        """
        values = dict(sorted(self._values.items()))
        return Manifest(store_id, values, self._bytes, self._digest.hexdigest(), self.name, attributes)


class ExportFolder:
    """
    A folder with an export, on any file system of ``ObjectStoragePath``.

    The manifest names the data file, so writing the manifest replaces one export by the next: an export that is killed
    before leaves the earlier one. The file system only needs to write, copy and delete single files.

    :param path: the folder.
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

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

    def switch(self, manifest: Manifest) -> Manifest:
        """
        Make a draft the folder's export.

        Afterwards its data file gets its usual name, and files of earlier exports are deleted. If that fails, a warning
        is logged and the export is valid.

        :param manifest: the draft's manifest.
        :return: the manifest that the folder has in the end.
        :raises ObjectStoreError: if the draft's file is not as it was written.
        """
        draft = self.path / manifest.data
        size = draft.fs.info(draft.path).get("size") if draft.fs.exists(draft.path) else 0
        if size not in (None, manifest.bytes):
            raise ObjectStoreError(
                f"{draft} has {size} bytes of the {manifest.bytes} that were written: something else changes {self}. "
                "The earlier export stays. Give each export a folder of its own"
            )
        self._write_manifest(manifest)
        renamed = replace(manifest, data=DATA)
        try:
            draft.fs.cp_file(draft.path, (self.path / DATA).path)
            self._write_manifest(renamed)
        except Exception as error:
            log.warning(
                "The export is complete. Its data stays in %s, because it could not be copied to %s: %s",
                draft,
                DATA,
                error,
            )
            return manifest
        self._delete_drafts()
        return renamed

    def _write_manifest(self, manifest: Manifest) -> None:
        from fsspec.implementations.local import LocalFileSystem

        text = json.dumps(manifest.as_dict(), indent=2)
        if len(text) > MAX_MANIFEST_BYTES:
            raise ObjectStoreError(
                f"the export has {len(manifest.partitions):,} partitions, too many for one manifest. Export them in "
                "several exports, with partitions"
            )
        path = self.path / MANIFEST
        if isinstance(path.fs, LocalFileSystem):  # where a file is empty until it is written
            new = self.path / f"{MANIFEST}-{token_hex(8)}"
            new.write_text(text)
            Path(new.path).replace(path.path)
        else:
            path.write_text(text)

    def _delete_drafts(self) -> None:
        """Delete the files that unfinished and earlier exports left."""
        try:
            paths = self.path.fs.ls(self.path.path, detail=False)
        except Exception as error:
            log.warning("The files of earlier exports in %s could not be listed, so they stay: %s", self, error)
            return
        names = (str(path).rstrip("/").rpartition("/")[2] for path in paths)
        self._delete([name for name in names if is_draft(name)])

    def _delete(self, names: list[str]) -> None:
        try:
            for name in names:
                self.path.fs.rm_file((self.path / name).path)
        except Exception as error:
            log.warning("Files of an export in %s could not be deleted: %s", self, error)

    # Reading

    def manifest(self) -> Manifest:
        """
        Read the manifest.

        :raises ObjectStoreError: if there is no manifest, or it is not valid.
        """
        path = self.path / MANIFEST
        try:
            with _open(path, "rb") as file:
                text = file.read(MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no {path}: either this is not an export, or the export did not end"
            ) from None
        return Manifest.read(text, str(path))

    def earlier(self, store_id: str) -> int:
        """
        Return the number of values in the export that a new one would replace; 0 if there is none.

        :param store_id: the store of the new export.
        :raises ConflictError: if it is the export of another store.
        :raises ObjectStoreError: if it cannot be read what the folder has.
        """
        try:
            manifest = self.manifest()
        except NotFoundError:
            return 0
        except (ObjectStoreError, OSError) as error:
            text = (
                f"what {self} has cannot be read, so nothing replaces it: {error}. Run this again, export to another "
                f"folder, or delete {MANIFEST} there if it is damaged"
            )
            if isinstance(error, ObjectStoreError):
                raise error.reworded(text) from error.__cause__
            raise ObjectStoreError(text) from error
        if manifest.store_id != store_id:
            raise ConflictError(
                f"{self} has the export of store {manifest.store_id}, which the export of store {store_id} would "
                "replace: it stays. Give each store a folder of its own, or delete that export first"
            )
        return manifest.values

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


def _open_data(path: ObjectStoragePath) -> io.BufferedReader:
    try:
        # fsspec's own files copy a whole block, tens of megabytes, for every line.
        return io.BufferedReader(cast("io.RawIOBase", _open(path, "rb")), 1024 * 1024)
    except FileNotFoundError:
        raise NotFoundError(f"there is no {path}, which its manifest names: the export is not complete") from None


def _open(path: ObjectStoragePath, mode: str) -> IO[bytes]:
    return path.open(mode)  # type: ignore[no-any-return, no-untyped-call]
