"""``osv2://conn_id@store/partition/key``: Anypoint Object Store v2 as a filesystem."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from fsspec import AbstractFileSystem
from fsspec.core import get_compression, has_magic
from fsspec.utils import tokenize

from airflow_provider_objectstore.api.values import Value
from airflow_provider_objectstore.exceptions import InvalidArgumentError, NotFoundError
from airflow_provider_objectstore.fs.contents import TextUpload, Upload, bytes_of, file_info, folder_info, value_of
from airflow_provider_objectstore.fs.keys import decode, encode
from airflow_provider_objectstore.fs.moving import Moving
from airflow_provider_objectstore.fs.paths import without_protocol
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

schemes = ["osv2"]

log = logging.getLogger(__name__)


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> AnypointFileSystem:
    """Return the filesystem of a connection; Airflow calls this."""
    return AnypointFileSystem(conn_id=conn_id, **(storage_options or {}))


class AnypointFileSystem(Moving, AbstractFileSystem):  # type: ignore[misc]
    """
    Stores are the first level of folders, partitions the second; what follows is a key, see :mod:`.keys`.

    A file is read and written whole, with one request. Text (valid UTF-8) is stored as STRING, anything else as
    BINARY; a NUMBER reads as its digits. Folders below a partition are there as long as they hold files. A store's
    time to live applies: what is not renewed is gone after 30 days at the latest. Sizes are told of files that are
    looked at one by one, and are None in listings: the service does not tell them. Keys that other programs wrote and
    that are not in the form of :mod:`.keys` are left out of listings; a warning says so.

    :param conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's.
    """

    protocol: ClassVar[str] = "osv2"
    root_marker: ClassVar[str] = ""

    def __init__(
        self,
        conn_id: str | None = None,
        region: str | None = None,
        **storage_options: Any,
    ) -> None:
        super().__init__(**storage_options)
        self._conn_id = conn_id or AnypointObjectStoreHook.default_conn_name
        self._region = region
        self._hooks: dict[int, AnypointObjectStoreHook] = {}
        self._told: set[str] = set()

    @property
    def hook(self) -> AnypointObjectStoreHook:
        """The hook, one for each process: a forked child must not use its parent's sockets."""
        pid = os.getpid()
        if pid not in self._hooks:
            self._hooks = {pid: AnypointObjectStoreHook(self._conn_id, region=self._region)}
        return self._hooks[pid]

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return without_protocol("osv2", path)

    # Looking

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List a folder."""
        path = self._strip_protocol(path)
        found = {(it["name"], it["type"]): it for it in self._entries(path)}  # a key may be a file and a folder
        if not found and path and (info := self.info(path))["type"] == "file":
            found = {(path, "file"): info}
        return [found[it] for it in sorted(found)] if detail else sorted({name for name, _ in found})

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Look at one path; a file is read for its size."""
        path = self._strip_protocol(path)
        try:
            return file_info(path, len(self._read(path)))
        except FileNotFoundError:
            if self._is_folder(path):
                return folder_info(path)
            raise

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Tell whether there is a file or folder; a file costs a HEAD."""
        path = self._strip_protocol(path)
        return self.isfile(path) or self._is_folder(path)

    def isfile(self, path: str) -> bool:
        """Tell whether there is a file, by HEAD."""
        store, partition, key = self._parts(path)
        return bool(key) and self.hook.key_exists(store, partition, key)

    def isdir(self, path: str) -> bool:
        """Tell whether there is a folder."""
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
                found.update({it: folder_info(it) for it in folders if it not in found})
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
        if isinstance(path, str) and not recursive and not has_magic(path):
            return self.cat_file(path)
        results: dict[str, Any] = {}
        paths = self._files_of([path] if isinstance(path, str) else path, recursive)
        for (store, partition), names in self._grouped(paths).items():
            done = self.hook.get_many(store, partition, names.values())
            for name, key in names.items():
                if key in done.succeeded:
                    results[name] = bytes_of(done.succeeded[key].value)
                elif on_error != "omit":
                    error = done.failed[key]
                    results[name] = FileNotFoundError(name) if isinstance(error, NotFoundError) else error
                    if on_error == "raise":
                        raise results[name]
        return results

    def open(self, path: str, mode: str = "rb", compression: str | None = None, **kwargs: Any) -> Any:
        """Open a file. What is written is sent when it is closed, unless its ``with`` block fails."""
        if "r" in mode:
            return super().open(path, mode, compression=compression, **kwargs)
        if "b" not in mode:
            how = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
            return TextUpload(self.open(path, f"{mode.replace('t', '')}b", compression, **kwargs), **how)
        upload = super().open(path, mode, **kwargs)
        upload.compression = get_compression(path, compression)
        return upload

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **kwargs: Any) -> io.BytesIO:
        if mode == "rb":
            return io.BytesIO(self._read(path))
        if mode not in ("wb", "ab", "xb"):
            raise ValueError(f"mode {mode!r} is not supported; there are r, w, a and x")
        if not autocommit:
            raise NotImplementedError("osv2:// has no transactions: a file is written when it is closed")
        self._key(path)
        if mode == "xb" and self.isfile(path):
            raise FileExistsError(path)
        held = b""
        if mode == "ab":
            try:
                held = self._read(path)
            except FileNotFoundError:
                held = b""
        return Upload(partial(self.pipe_file, path), held)

    # Writing

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write a file."""
        path = self._strip_protocol(path)
        if mode == "create" and self.isfile(path):
            raise FileExistsError(path)
        self._write(path, value_of(value))

    def pipe(self, path: Any, value: bytes | None = None, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write one file or many, many at once; all are checked before the first is sent."""
        if isinstance(path, str):
            if value is None:
                raise ValueError(f"there is no value to write to {path}")
            self.pipe_file(path, value, mode=mode)
            return
        grouped = self._grouped(path)
        if mode == "create":
            for it in path:
                if self.isfile(it):
                    raise FileExistsError(it)
        values = {self._strip_protocol(name): value_of(it) for name, it in path.items()}
        for (store, partition), names in grouped.items():
            self.hook.put_many(store, partition, {key: values[name] for name, key in names.items()}).raise_failed()

    def put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write a local file."""
        local = Path(lpath)
        if not local.is_dir():
            self.pipe_file(rpath, local.read_bytes(), mode=mode)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy a file, with its type and metadata."""
        path1 = self._strip_protocol(path1)
        if not self._parts(path1)[2]:
            return  # a folder comes with its files
        try:
            entry = self.hook.get_key(*self._key(path1))
        except NotFoundError:
            if self._is_folder(path1):
                return
            raise FileNotFoundError(path1) from None
        if entry.value is None:
            raise OSError(f"{path1} cannot be copied: its type {entry.value_type} is not known")
        try:
            self._write(self._strip_protocol(path2), entry.value, entry.metadata)
        except FileNotFoundError as error:  # fsspec would take it for a file that went meanwhile
            raise OSError(str(error)) from error

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Create a store; anything deeper appears with its first file."""
        store, partition, _ = self._parts(path)
        if not partition:
            if self.hook.store_exists(store):
                raise FileExistsError(path)
            self.hook.create_store(store)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a store, if that is what the path names; anything deeper appears with its first file."""
        store, partition, _ = self._parts(path)
        if not partition and not (exist_ok and self.hook.store_exists(store)):
            self.mkdir(path)

    # Deleting

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        path = self._strip_protocol(path)
        try:
            self.hook.delete_key(*self._key(path))
        except NotFoundError:
            raise FileNotFoundError(path) from None

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """
        Delete files, many at once; with ``recursive`` folders too, a partition in one request.

        :raises InvalidArgumentError: for a whole store.
        """
        paths = [self._strip_protocol(it) for it in ([path] if isinstance(path, str) else path)]
        whole = [
            it for it in paths if recursive and maxdepth is None and not self._parts(it)[2] and not self._is_pattern(it)
        ]
        for it in whole:
            if not self._parts(it)[1]:
                raise InvalidArgumentError(
                    f"osv2://{it} is a whole store, which is not deleted through a path: AnypointDeleteStoreOperator "
                    "or the hook's delete_store does so"
                )
        rest = [it for it in paths if not any(f"{it}/".startswith(f"{folder}/") for folder in whole)]
        files = self._files_of(rest, recursive, maxdepth)
        for it in whole:
            store, partition, _ = self._parts(it)
            try:
                self.hook.delete_partition(store, partition)
            except NotFoundError:
                raise FileNotFoundError(it) from None
        self.delete_files(files)

    def delete_files(self, files: list[str]) -> None:
        """Delete files by their very names, many at once."""
        if len(files) == 1:
            self.rm_file(files[0])
            return
        for (store, partition), names in self._grouped(files).items():
            done = self.hook.delete_many(store, partition, names.values())
            missing = [name for name, key in names.items() if isinstance(done.failed.get(key), NotFoundError)]
            if missing:
                raise FileNotFoundError(missing[0])
            done.raise_failed()

    def rmdir(self, path: str) -> None:
        """Delete an empty store; other folders are gone once they are empty."""
        path = self._strip_protocol(path)
        store, partition, _ = self._parts(path)
        if self.ls(path) or (not partition and next(iter(self.hook.list_partitions(store)), None) is not None):
            raise OSError(f"{path} is not empty")
        if not partition:
            self.hook.delete_store(store)

    # How it is kept

    def _files_of(self, paths: Iterable[str], recursive: bool, maxdepth: int | None = None) -> list[str]:
        """Return the files that paths and patterns stand for; with ``recursive``, those below them too."""
        files: set[str] = set()
        for path in map(self._strip_protocol, paths):
            pattern = self._is_pattern(path)
            if not recursive and not pattern:
                files.add(path)
                continue
            found = self.glob(path, maxdepth=maxdepth, detail=True) if pattern else {path: folder_info(path)}
            matched = {name for name, info in found.items() if info["type"] == "file"}
            for folder in found.keys() - matched if recursive else ():
                matched.update(self.find(folder, maxdepth=maxdepth))
            if recursive and path in found and self._parts(path)[2] and self.isfile(path):
                matched.add(path)  # a key may be a file and a folder
            if not matched:
                raise FileNotFoundError(path)
            files |= matched
        return sorted(files)

    def _is_pattern(self, path: str) -> bool:
        return has_magic(path) and not self.exists(path)

    def _parts(self, path: str) -> tuple[str, str, str]:
        """Return store, partition and key."""
        store, _, rest = self._strip_protocol(path).partition("/")
        partition, _, name = rest.partition("/")
        if rest and "" in rest.split("/"):
            raise InvalidArgumentError(f"osv2://{path} has an empty segment: two slashes in a row")
        return store, partition, encode(name)

    def _key(self, path: str) -> tuple[str, str, str]:
        parts = self._parts(path)
        if not all(parts):
            raise InvalidArgumentError(f"osv2://{path} is no file: one is named osv2://store/partition/key")
        return parts

    def _read(self, path: str) -> bytes:
        store, partition, key = self._parts(path)
        if not key:
            raise FileNotFoundError(path)
        try:
            return bytes_of(self.hook.get_key(store, partition, key).value)
        except NotFoundError:
            raise FileNotFoundError(path) from None

    def _write(self, path: str, value: Value, metadata: Any = None) -> None:
        try:
            self.hook.put_key(*self._key(path), value, metadata=metadata)
        except NotFoundError as error:
            raise FileNotFoundError(f"{path} cannot be written, its store is created first: {error}") from error

    def _files(self, store: str, partition: str, prefix: str) -> Iterator[str]:
        try:
            for key in self.hook.list_keys(store, partition, prefix or None):
                if not key.startswith(prefix):
                    continue  # what is listed may be deleted: do not rely on the service alone
                name = decode(key)
                if name is not None:
                    yield f"{store}/{partition}/{name}"
                else:
                    self._leave_out(f"{store}/{partition}", key)
        except NotFoundError:
            return

    def _leave_out(self, folder: str, name: str) -> None:
        if folder not in self._told:
            self._told.add(folder)
            log.warning(
                "%r in osv2://%s, and others like it, are not the keys of paths: listings leave them out, the hook and "
                "partition() have them, and a recursive deletion of the partition deletes them",
                name,
                folder,
            )

    def _entries(self, path: str) -> Iterator[dict[str, Any]]:
        store, partition, key = self._parts(path)
        try:
            if not store:
                yield from (folder_info(it.store_id) for it in self.hook.list_stores())
            elif not partition:
                for it in self.hook.list_partitions(store):
                    if "/" in it:
                        self._leave_out(store, it)
                    else:
                        yield folder_info(f"{store}/{it}")
            else:
                for name in self._files(store, partition, f"{key}%2F" if key else ""):
                    first, slash, _ = name[len(path) + 1 :].partition("/")
                    yield folder_info(f"{path}/{first}") if slash else file_info(name, None)
        except NotFoundError:
            return

    def _is_folder(self, path: str) -> bool:
        store, partition, key = self._parts(path)
        if not store:
            return True
        if not partition:
            return self.hook.store_exists(store)
        if not key:
            return self.hook.partition_exists(store, partition)
        return next(self._files(store, partition, f"{key}%2F"), None) is not None

    def _grouped(self, paths: Iterable[str]) -> dict[tuple[str, str], dict[str, str]]:
        """Return keys by path, by store and partition."""
        groups: dict[tuple[str, str], dict[str, str]] = {}
        for path in map(self._strip_protocol, paths):
            store, partition, key = self._key(path)
            groups.setdefault((store, partition), {})[path] = key
        return groups

    def ukey(self, path: str) -> str:
        """Return a digest of a file's contents."""
        return str(tokenize(self.cat_file(path)))
