"""``osv2://conn_id@store/partition/key``: Anypoint Object Store v2 as a filesystem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.core import get_compression
from fsspec.utils import isfilelike, tokenize

from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.fs.anypoint_keys import AnypointKeysMixin, is_absent, replace_absence
from airflow_provider_objectstore.fs.created_folders import CreatedFolders
from airflow_provider_objectstore.fs.files import (
    Download,
    TextUpload,
    Upload,
    bytes_of,
    file_info,
    folder_info,
    require_value,
    text_arguments,
    value_of,
)
from airflow_provider_objectstore.fs.literal_names import IS_FOLDER, LiteralNamesMixin, path_list
from airflow_provider_objectstore.fs.move import MoveMixin
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

schemes = ["osv2"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> AnypointFileSystem:
    """
    Return the filesystem of a connection; Airflow calls this.

    :param conn_id: id of an ``anypoint`` connection; None means ``anypoint_default``.
    :param storage_options: further arguments of :class:`AnypointFileSystem`.
    """
    return AnypointFileSystem(conn_id=conn_id, **(storage_options or {}))


class AnypointFileSystem(AnypointKeysMixin, LiteralNamesMixin, MoveMixin, AbstractFileSystem):  # type: ignore[misc]
    """
    Stores are the first level of folders, partitions the second; the rest is a key, see :mod:`.key_encoding`.

    A file is read and written whole, with one request. Text (valid UTF-8) is stored as STRING, anything else as
    BINARY; a NUMBER reads as its digits. Folders below a partition exist as long as they hold files. A store's
    time to live applies: values that are not renewed are gone after 30 days at the latest. ``info`` reads a file for
    its size; listings have None, because the service does not return sizes. Keys that other programs wrote and
    that are not in the form of :mod:`.key_encoding` are left out of listings; a warning says so.

    :param conn_id: id of an ``anypoint`` connection; None means ``anypoint_default``.
    :param region: region instead of the connection's.
    :param storage_options: further arguments of fsspec's ``AbstractFileSystem``.
    :raises InvalidArgumentError: for an option that looks like another name of ``conn_id`` or ``region``.
    """

    protocol: ClassVar[str] = "osv2"
    root_marker: ClassVar[str] = ""

    def __init__(
        self,
        conn_id: str | None = None,
        region: str | None = None,
        **storage_options: Any,
    ) -> None:
        self.conn_id = conn_id or self._default_conn_id
        self._check_options(storage_options)
        super().__init__(**storage_options)
        self.hook = AnypointObjectStoreHook(self.conn_id, region=region)
        self._warned = set()
        self._created_folders = CreatedFolders()

    # Listing

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List a folder."""
        path = self._strip_protocol(path)
        found = {(info["name"], info["type"]): info for info in self._entries(path)}  # a key may be a file and a folder
        if not found and path in self._created_folders:
            raise self._missing(path)  # as for every other empty folder
        if not found and path and (info := self.info(path))["type"] == "file":
            found = {(path, "file"): info}
        return [found[each] for each in sorted(found)] if detail else sorted({name for name, _ in found})

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Describe one path; a file is read for its size."""
        path = self._strip_protocol(path)
        try:
            return file_info(path, len(self._read(path)))
        except FileNotFoundError:
            if self._is_folder(path):
                return folder_info(path)
            raise self._missing(path) from None

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Return whether there is a file or folder; a file costs a HEAD."""
        path = self._strip_protocol(path)
        return self.isfile(path) or self._is_folder(path)

    def isfile(self, path: str) -> bool:
        """Return whether there is a file, by HEAD."""
        store, partition, key = self._parts(path)
        return bool(key) and self.hook.key_exists(store, partition, key)

    def isdir(self, path: str) -> bool:
        """Return whether there is a folder."""
        return self._is_folder(self._strip_protocol(path))

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """List all files below a path; below a partition in one listing."""
        path = self._strip_protocol(path)
        store, partition, key = self._parts(path)
        if not partition:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
        found: dict[str, dict[str, Any]] = {}
        for name in self._files(store, partition, f"{key}%2F" if key else ""):
            steps = name[len(path) + 1 :].split("/")
            if withdirs:
                depths = range(min(len(steps), (maxdepth or len(steps)) + 1))
                folders = ["/".join([path, *steps[:depth]]) for depth in depths]
                found.update({folder: folder_info(folder) for folder in folders if folder not in found})
            if maxdepth is None or len(steps) <= maxdepth:
                found[name] = file_info(name, None)
        if key and not found and self.isfile(path):
            found[path] = file_info(path, None)
        return dict(sorted(found.items())) if detail else sorted(found)

    # Reading

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """Read a file, or a part of it; it is transferred whole."""
        return self._read(self._strip_protocol(path))[start:end]

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """Read one file or many, many at once."""
        if isinstance(path, str) and not recursive and not self._is_pattern(path):
            return self.cat_file(path)
        results: dict[str, Any] = {}
        paths = self._files_of([path] if isinstance(path, str) else path, recursive)
        for (store, partition), names in self._grouped(paths).items():
            result = self.hook.get_many(store, partition, names.values())
            for name, key in names.items():
                try:
                    if key in result.failed:
                        raise result.failed[key]
                    results[name] = bytes_of(result.succeeded[key], name)
                except ObjectStoreError as error:
                    if on_error != "omit":
                        results[name] = self._missing(name) if is_absent(error) else error
                    if on_error == "raise":
                        raise results[name] from error
        return results

    def open(self, path: str, mode: str = "rb", compression: str | None = None, **kwargs: Any) -> Any:
        """Open a file. A file for writing is sent when it is closed, unless something fails before."""
        if "r" in mode:
            return super().open(path, mode, compression=compression, **kwargs)
        if "b" not in mode:
            kwargs, mark = text_arguments(self, path, mode, {**kwargs, "compression": compression})
            form: dict[str, Any] = {
                name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs
            }
            text = TextUpload(self.open(path, f"{mode.replace('t', '')}b", **kwargs), **form)
            text.write(mark)
            return text
        upload = super().open(path, mode, **kwargs)
        upload.compression = get_compression(path, compression)
        return upload

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True, **kwargs: Any
    ) -> Download | Upload:
        if mode == "rb":
            return Download(self, path, self._read(path), block_size)
        if mode not in ("wb", "ab", "xb"):
            raise ValueError(f"mode {mode!r} is not supported; there are r, w, a and x")
        if not autocommit:
            raise NotImplementedError("osv2:// has no transactions: a file is written when it is closed")
        self._key(path)
        if mode == "xb":
            self._refuse_existing(path)
        existing = b""
        if mode == "ab":
            try:
                existing = self._read(path)
            except FileNotFoundError:
                existing = b""
        return Upload(path, partial(self.pipe_file, path), existing)

    # Writing

    def _refuse_existing(self, path: str) -> None:
        if self.isfile(path):
            raise FileExistsError(f"osv2://{self._strip_protocol(path)} exists already [{self.hook.where}]")

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write a file."""
        path = self._strip_protocol(path)
        if mode == "create":
            self._refuse_existing(path)
        self.hook.put_key(*self._key(path), value_of(value))
        self._created_folders.discard(path)

    def pipe(self, path: Any, value: bytes | None = None, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write one file or many, many at once; all are checked before the first is sent."""
        if isinstance(path, str):
            if value is None:
                raise ValueError(f"there is no value to write to {path}")
            self.pipe_file(path, value, mode=mode)
            return
        grouped = self._grouped(path)
        if mode == "create":
            for name in path:
                self._refuse_existing(name)
        values = {self._strip_protocol(name): value_of(raw) for name, raw in path.items()}
        for (store, partition), names in grouped.items():
            self.hook.put_many(store, partition, {key: values[name] for name, key in names.items()}).raise_failed()
        for name in values:
            self._created_folders.discard(name)

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        skip_folders: bool = True,
        **kwargs: Any,
    ) -> None:
        """Copy a file to a local one. Of a folder only the folder is created: it comes with its files."""
        if outfile is not None or isfilelike(lpath):
            super().get_file(rpath, lpath, callback, outfile, **kwargs)
            return
        rpath, local = self._strip_protocol(rpath), Path(lpath)
        try:
            contents = self._read(rpath)
        except FileNotFoundError:
            if not self._is_folder(rpath):
                raise
            if not skip_folders:
                raise FileNotFoundError(f"osv2://{rpath} {IS_FOLDER}") from None
            local.mkdir(parents=True, exist_ok=True)
            return
        local.parent.mkdir(parents=True, exist_ok=True)
        callback.set_size(len(contents))
        local.write_bytes(contents)
        callback.relative_update(len(contents))

    def put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write a local file."""
        local = Path(lpath)
        if not local.is_dir():
            self.pipe_file(rpath, local.read_bytes(), mode=mode)

    def cp_file(self, path1: str, path2: str, skip_folders: bool = True, **kwargs: Any) -> None:
        """Copy a file, with its type and metadata. A folder comes with its files: by itself it is left out."""
        path1 = self._strip_protocol(path1)
        try:
            entry = self._entry(path1)
        except FileNotFoundError:
            if not self._is_folder(path1):
                raise
            if not skip_folders:
                raise FileNotFoundError(f"osv2://{path1} {IS_FOLDER}") from None
            return
        self.hook.put_key(*self._key(path2), require_value(entry, path1), metadata=entry.metadata)
        self._created_folders.discard(self._strip_protocol(path2))

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Create a store. A deeper folder appears with its first file; until then only this filesystem knows it."""
        store, partition, _ = self._parts(path)
        if partition:
            self._created_folders.add(self._strip_protocol(path), below=1)
        elif self.hook.store_exists(store):
            raise FileExistsError(path)
        else:
            self.hook.create_store(store)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a store, if the path names one. A deeper folder appears with its first file."""
        store, partition, _ = self._parts(path)
        if partition or not (exist_ok and self.hook.store_exists(store)):
            self.mkdir(path)

    # Deleting

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        path = self._strip_protocol(path)
        with replace_absence(partial(self._missing, path)):
            self.hook.delete_key(*self._key(path))
        self._created_folders.forget_above(path)

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """
        Delete files, many at once; with ``recursive`` folders too, a partition in one request.

        :raises InvalidArgumentError: for a whole store, and for a pattern that does not name its store and partition.
        """
        paths = path_list(self, path)
        for each in paths:
            self._refuse_whole_store(each, recursive, "deleted")
        partitions = [each for each in paths if recursive and maxdepth is None and not self._parts(each)[2]]
        rest = [each for each in paths if not any(f"{each}/".startswith(f"{folder}/") for folder in partitions)]
        files = self._files_of(rest, recursive, maxdepth)
        for folder in partitions:
            store, partition, _ = self._parts(folder)
            with replace_absence(None if self._created_folders.discard(folder) else partial(self._missing, folder)):
                self.hook.delete_partition(store, partition)
        self.delete_files(files)

    def _refuse_whole_store(self, path: str, recursive: bool, action: str) -> None:
        """Refuse a store with all its contents, and a pattern that may match one."""
        pattern = self._is_pattern("/".join(path.split("/")[:2]))
        if pattern or (recursive and not self._parts(path)[1]):
            what = "is a pattern over stores or partitions" if pattern else "is a whole store"
            raise InvalidArgumentError(
                f"osv2://{path} {what}, which is not {action} through a path: name store and partition, "
                "osv2://store/partition. AnypointDeleteStoreOperator and the hook's delete_store delete a store"
            )

    def _check_moved(self, path: str, recursive: bool) -> None:
        self._refuse_whole_store(self._strip_protocol(path), recursive, "moved")

    def delete_files(self, files: list[str]) -> None:
        """Delete files by their exact names, many at once."""
        if len(files) == 1:
            self.rm_file(files[0])
            return
        for (store, partition), names in self._grouped(files).items():
            result = self.hook.delete_many(store, partition, names.values())
            for name in names:
                self._created_folders.forget_above(name)
            missing = [name for name, key in names.items() if is_absent(result.failed.get(key))]
            if missing:
                raise self._missing(missing[0])
            result.raise_failed()

    def rmdir(self, path: str) -> None:
        """Delete an empty store. Other folders vanish when they are empty."""
        path = self._strip_protocol(path)
        store, partition, _ = self._parts(path)
        if self.ls(path) or (not partition and next(iter(self.hook.list_partitions(store)), None) is not None):
            raise OSError(f"{path} is not empty")
        self._created_folders.discard(path)
        if not partition:
            self.hook.delete_store(store)

    # Versions

    def ukey(self, path: str) -> str:
        """Return a digest of a file's contents."""
        return str(tokenize(self.cat_file(path)))

    def checksum(self, path: str) -> int:
        """Return a digest of a file's contents, as a number."""
        return int(self.ukey(path), 16)

    def modified(self, path: str) -> datetime:
        """
        Return the time until which a file may have been modified: now, since the service returns no time.

        So no cache takes its copy for current. ``ukey`` and ``checksum`` show whether the file has changed.

        :raises FileNotFoundError: if there is no file.
        """
        now = datetime.now(UTC)
        if not self.isfile(path):
            raise self._missing(self._strip_protocol(path))
        return now

    def created(self, path: str) -> NoReturn:
        """
        Raise: the service does not return when a file was created.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError(
            f"Object Store v2 does not return when osv2://{self._strip_protocol(path)} was created: write the time "
            "into the file or its metadata"
        )
