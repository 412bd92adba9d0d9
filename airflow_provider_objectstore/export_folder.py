"""The folder of an export: written beside what is there and replaced last, read no further than its manifest says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, cast

from airflow_provider_objectstore.api.export_format import (
    DATA,
    MANIFEST,
    MAX_LINE_BYTES,
    MAX_MANIFEST_BYTES,
    Manifest,
    is_draft,
)
from airflow_provider_objectstore.exceptions import ConflictError, ObjectStoreError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


class ExportFolder:
    """
    A folder with an export, as any ``ObjectStoragePath``.

    The manifest names the file with the data, so putting it is the switch from one export to the next: what is killed
    before leaves the one that was there. It needs no more of a file system than to put, copy and delete one file.

    :param path: the folder.
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    # Writing

    @contextmanager
    def draft(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Give a new data file and its name; if the block fails, it is taken away again."""
        self.path.mkdir(parents=True, exist_ok=True)
        name = f"data-{token_hex(8)}.jsonl"
        try:
            with _open(self.path / name, "wb") as out:
                yield name, out
        except BaseException:
            self._delete([name])
            raise

    def switch(self, manifest: Manifest) -> Manifest:
        """
        Let a draft be the folder's export; return the manifest that is there in the end.

        Once that is done the data moves to its usual name, and what earlier exports have left goes. If this fails, the
        log says so and the export is good all the same.

        :raises ObjectStoreError: if the draft is not there as it was written.
        """
        draft = self.path / manifest.data
        size = draft.fs.info(draft.path).get("size") if draft.fs.exists(draft.path) else 0
        if size not in (None, manifest.bytes):
            raise ObjectStoreError(
                f"{draft} has {size} bytes of the {manifest.bytes} that were written: something else changes {self}. "
                "The export that was there stays. Give each export a folder of its own"
            )
        self._put(manifest)
        moved = replace(manifest, data=DATA)
        try:
            draft.fs.cp_file(draft.path, (self.path / DATA).path)
            self._put(moved)
        except Exception as error:
            log.warning("The export is whole. Its data stays in %s: it could not move to %s (%s)", draft, DATA, error)
            return manifest
        self._delete([])
        return moved

    def _put(self, manifest: Manifest) -> None:
        from fsspec.implementations.local import LocalFileSystem

        text = json.dumps(manifest.as_dict(), indent=2)
        if len(text) > MAX_MANIFEST_BYTES:
            raise ObjectStoreError(
                f"the export has {len(manifest.partitions):,} partitions, more than a manifest can name. Export them "
                "in parts, with partitions"
            )
        path = self.path / MANIFEST
        if isinstance(path.fs, LocalFileSystem):  # where a file that is written is empty at first
            beside = self.path / f"{MANIFEST}-{token_hex(8)}"
            beside.write_text(text)
            Path(beside.path).replace(path.path)
        else:
            path.write_text(text)

    def _delete(self, names: list[str]) -> None:
        """Delete files; without names those that earlier exports have left."""
        fs, folder = self.path.fs, self.path.path
        try:
            if not names:
                found = (str(it).rstrip("/").rpartition("/")[2] for it in fs.ls(folder, detail=False))
                names = [name for name in found if is_draft(name)]
            for name in names:
                fs.rm_file((self.path / name).path)
        except Exception as error:
            log.warning("What an export has left in %s could not be deleted: %s", self, error)

    # Reading

    def manifest(self) -> Manifest:
        """
        Read the manifest.

        :raises ObjectStoreError: if there is none, or it is none.
        """
        path = self.path / MANIFEST
        try:
            with _open(path, "rb") as file:
                text = file.read(MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError:
            raise ObjectStoreError(f"there is no {path}: either this is no export, or the export did not end") from None
        return Manifest.read(text, str(path))

    def earlier(self, store_id: str) -> int:
        """
        Return how many values the export in this folder has, which one of this store is to replace; 0 if there is none.

        :raises ObjectStoreError: if it is the export of another store.
        """
        try:
            found = self.manifest()
        except ObjectStoreError:
            return 0
        if found.store_id != store_id:
            raise ConflictError(
                f"{self} has the export of store {found.store_id}, which that of store {store_id} would replace: it "
                "stays. Give each store a folder of its own, or delete that export first"
            )
        return found.values

    def lines(self, manifest: Manifest) -> Iterator[bytes]:
        """
        Give the lines of the data.

        :raises ObjectStoreError: at the first that is too long, or at the end, if they are not what the manifest says.
        """
        path, left, digest, number = self.path / manifest.data, manifest.bytes, sha256(), 0
        with _lines(path) as file:
            while line := file.readline(min(left, MAX_LINE_BYTES) + 1):
                number += 1
                if len(line) > left:
                    raise ObjectStoreError(f"{path} is longer than the {manifest.bytes} bytes that its manifest says")
                if len(line) > MAX_LINE_BYTES:
                    raise ObjectStoreError(f"{path}, line {number}: it is longer than that of any value can be")
                left -= len(line)
                digest.update(line)
                yield line
        if left or digest.hexdigest() != manifest.sha256:
            raise ObjectStoreError(
                f"{path} is not what its manifest says: it has {manifest.bytes - left} bytes of {manifest.bytes}, or "
                "their checksum differs"
            )


def _lines(path: ObjectStoragePath) -> io.BufferedReader:
    try:
        # fsspec's own files copy a whole block, tens of megabytes, for every line.
        return io.BufferedReader(cast("io.RawIOBase", _open(path, "rb")), 1024 * 1024)
    except FileNotFoundError:
        raise ObjectStoreError(f"there is no {path}, which the manifest beside it names: this is no export") from None


def _open(path: ObjectStoragePath, mode: str) -> IO[bytes]:
    return path.open(mode)  # type: ignore[no-any-return, no-untyped-call]
