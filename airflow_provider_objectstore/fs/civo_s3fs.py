"""The filesystem of ``civo://``: s3fs, with keys that it looks up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NoReturn

from fsspec.asyn import _run_coros_in_chunks, sync, sync_wrapper

from airflow_provider_objectstore.exceptions import InvalidArgumentError, StoreNotFoundError
from airflow_provider_objectstore.fs.bucket_clients import BucketClientsMixin
from airflow_provider_objectstore.fs.created_folders import CreatedFolders
from airflow_provider_objectstore.fs.files import folder_info, text_arguments
from airflow_provider_objectstore.fs.literal_names import (
    IS_FOLDER,
    AsyncLiteralNamesMixin,
    is_pattern,
    path_list,
    run_async,
)
from airflow_provider_objectstore.fs.move import MoveMixin
from airflow_provider_objectstore.fs.paths import ConnectionInPathMixin
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

_FIRST_READ_BYTES = 256 * 1024


class CivoFileSystem(ConnectionInPathMixin, AsyncLiteralNamesMixin, MoveMixin, BucketClientsMixin):
    """
    s3fs with the keys of each bucket's owner, which it requests from Civo: a rotated credential is picked up by itself.

    Buckets are object stores. Operators create and delete them, a path does not.

    :param conn_id: id of a ``civo`` connection; None means ``civo_default``.
    :param region: region code instead of the connection's.
    :param storage_options: further arguments of ``s3fs.S3FileSystem``, other than keys and endpoint.
    :raises InvalidArgumentError: for keys, an endpoint, or what looks like another name of ``conn_id`` or ``region``.
    """

    protocol: ClassVar[str] = "civo"
    root_marker: ClassVar[str] = ""
    _default_conn_id = CivoObjectStoreHook.default_conn_name
    _of_connection = frozenset({"endpoint_url", "key", "secret", "token", "username", "password"})

    def __init__(self, conn_id: str | None = None, region: str | None = None, **storage_options: Any) -> None:
        self.conn_id = conn_id or self._default_conn_id
        self._check_options([*storage_options, *(storage_options.get("client_kwargs") or ())])
        super().__init__(self.conn_id, region, **storage_options)
        self._created_folders = CreatedFolders()

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """
        Return bucket and key, and the version where the filesystem is ``version_aware``.

        Otherwise ``?versionId=`` is a part of the name: s3fs would cut it off, and use another object.
        """
        if self.version_aware:
            split: tuple[str, str, str | None] = super().split_path(path)
            return split
        bucket, slash, key = self._strip_protocol(path).partition("/")
        slashes = len(path) - len(path.rstrip("/")) if slash else 0
        return bucket, key + "/" * slashes, None

    def hook_and_names(self, path: str) -> tuple[CivoObjectStoreHook, tuple[str, ...]]:
        """Return the hook, and bucket and key of a path, as far as it names them; for lineage."""
        bucket, key, _ = self.split_path(path)
        return self.hook, (bucket, *(key.rstrip("/").split("/") if key else ()))

    def _check_written(self, path: str) -> None:
        """Refuse a version; forget a created folder of this name, which becomes a file."""
        self._refuse_version(path)
        self._created_folders.discard(self._strip_protocol(path))

    def _refuse_version(self, path: str) -> None:
        if self.split_path(path)[2]:
            raise InvalidArgumentError(
                f"civo://{path} is a version of an object, which can only be read: name the object, without ?versionId="
            )

    async def _refuse_existing(self, path: str) -> None:
        """Refuse a file that is there, by HEAD: not every version of the backend honours the condition of s3fs."""
        try:
            found = await self._info(path, refresh=True)
        except FileNotFoundError:
            return
        if found["type"] == "file":
            raise FileExistsError(f"civo://{self._strip_protocol(path)} exists already [{self.hook.where}]")

    async def _pipe_file(self, path: str, *arguments: Any, mode: str = "overwrite", **kwargs: Any) -> Any:
        self._check_written(path)
        if mode == "create":
            await self._refuse_existing(path)
        return await super()._pipe_file(path, *arguments, mode=mode, **kwargs)

    async def _put_file(self, lpath: str, rpath: str, *arguments: Any, mode: str = "overwrite", **kwargs: Any) -> Any:
        self._refuse_version(rpath)
        if not Path(lpath).is_dir():
            self._check_written(rpath)
            if mode == "create":
                await self._refuse_existing(rpath)
        return await super()._put_file(lpath, rpath, *arguments, mode=mode, **kwargs)

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        await self._check_deleted(path)
        await super()._rm_file(path, **kwargs)
        self._created_folders.forget_above(self._strip_protocol(path))

    async def _check_deleted(self, path: str) -> None:
        """Refuse what is no file, by HEAD: S3 reports success also for the deletion of a missing object."""
        self._refuse_version(path)
        if (await self._info(path, refresh=True))["type"] != "file":
            raise IsADirectoryError(f"civo://{path} is a folder, which is deleted with recursive=True")

    async def _cp_file(self, path1: str, path2: str, skip_folders: bool = True, **kwargs: Any) -> None:
        self._refuse_version(path2)
        if (await self._info(path1))["type"] == "directory":
            if not skip_folders:
                raise FileNotFoundError(f"civo://{path1} {IS_FOLDER}")
            return  # a folder appears with its files
        self._check_written(path2)
        buckets = [self.split_path(path)[0] for path in (path1, path2)]
        for bucket in buckets:
            await self.get_s3(bucket)
        if len({self._buckets[bucket].key for bucket in buckets}) == 1:
            await super()._cp_file(path1, path2, **kwargs)
            return
        # The owner of one bucket may have no access to the other: copy through a local file.
        with TemporaryDirectory() as folder:
            local = f"{folder}/copy"
            await self._get_file(path1, local)
            await self._put_file(local, path2, **kwargs)

    async def _rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> Any:
        paths = path_list(self, path)
        for each in paths:
            if not self.split_path(each)[1]:
                self._refuse_to_delete(each)
        files: list[str] = []
        named: list[str] = []
        for each in paths:
            if await run_async(self, is_pattern(each)):
                files += await self._matched(each, recursive, maxdepth)
            elif not recursive:
                named.append(each)
            else:  # with the markers of empty folders, which super() finds
                found = await (super()._find(each) if maxdepth is None else self._find(each, maxdepth=maxdepth))
                if not self._created_folders.discard(each) and not found:
                    raise self._missing(each)
                files += [each, *found]
        await _run_coros_in_chunks(list(map(self._check_deleted, named)), batch_size=self.batch_size)
        await self._delete_files(sorted({*files, *named}))

    rm = sync_wrapper(_rm)

    async def _matched(self, pattern: str, recursive: bool, maxdepth: int | None) -> list[str]:
        """Return what a pattern matches: files, and with ``recursive`` folders too."""
        if recursive:
            return list(await self._expand_path(pattern, recursive=True, maxdepth=maxdepth))
        found = await self._glob(pattern, maxdepth=maxdepth, detail=True)
        files = [name for name, info in found.items() if info["type"] == "file"]
        if not files:
            raise self._missing(pattern)
        return files

    async def _delete_files(self, files: list[str]) -> None:
        """Delete files by their exact names, many at once."""
        for file in files:
            self._refuse_version(file)
        for _, group in groupby(sorted(files), lambda file: self.split_path(file)[0]):
            names = list(group)
            for first in range(0, len(names), 1000):
                await self._bulk_delete(names[first : first + 1000])
            for name in names:
                self._created_folders.forget_above(name)

    delete_files = sync_wrapper(_delete_files)

    def _markers(self, folder: str) -> list[str]:
        return sorted(set(sync(self.loop, super()._find, folder)) - set(self.find(folder)))

    def open(self, path: str, mode: str = "rb", *arguments: Any, **kwargs: Any) -> Any:
        """Open a file."""
        kwargs, mark = text_arguments(self, path, mode, kwargs)
        file = super().open(path, mode, *arguments, **kwargs)
        if mark:
            file.write(mark)
        return file

    def _open(self, path: str, mode: str = "rb", *arguments: Any, **kwargs: Any) -> Any:
        if mode != "rb":
            self._check_written(path)
        if mode == "xb":
            sync(self.loop, self._refuse_existing, path)
        default = not arguments and not self.version_aware and not any(map(kwargs.get, ("size", "cache_type")))
        if mode != "rb" or not default or (first_read := sync(self.loop, self._read_first, path)) is None:
            return super()._open(path, mode, *arguments, **kwargs)
        details, contents = first_read
        if len(contents) == details["size"]:
            kwargs |= {"cache_type": "all", "cache_options": {"data": contents}}
        file = super()._open(path, mode, **{**kwargs, "size": details["size"]})
        file.details = details
        file.read_kw = {**file.read_kw, "IfMatch": details["ETag"]}
        return file

    async def _read_first(self, path: str) -> tuple[dict[str, Any], bytes] | None:
        """
        Return a file's description and, of a small file, its contents, with one request.

        s3fs would need one request for the size, and another for the contents.

        :return: None if the request fails: s3fs repeats it, and raises the error.
        """
        bucket, key, _ = self.split_path(path)
        try:
            first = f"bytes=0-{_FIRST_READ_BYTES - 1}"
            response = await self._call_s3("get_object", Bucket=bucket, Key=key, Range=first)
            async with response["Body"] as body:
                size = int(response["ContentRange"].rpartition("/")[2])
                details = {name: response.get(name) for name in ("ETag", "LastModified", "StorageClass", "ContentType")}
                contents = await body.read() if size <= _FIRST_READ_BYTES else b""
            return {**details, "name": f"{bucket}/{key}", "size": size, "type": "file"}, bytes(contents)
        except (FileNotFoundError, InvalidArgumentError, StoreNotFoundError):
            raise
        except Exception:
            return None

    # Reading

    async def _cat(self, path: Any, recursive: bool = False, *arguments: Any, **kwargs: Any) -> Any:
        if recursive:
            found: set[str] = set()
            for each in path_list(self, path):
                names = await self._glob(each) if await run_async(self, is_pattern(each)) else [each]
                files = {file for name in names for file in await self._find(name)}
                if not files:
                    raise self._missing(each)
                found |= files
            path = sorted(found)
        return await super()._cat(path, False, *arguments, **kwargs)

    async def _cat_file(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        whole = not arguments and not self.version_aware and not any(value is not None for value in kwargs.values())
        if whole and (first_read := await self._read_first(path)) is not None:
            details, contents = first_read
            if len(contents) == details["size"]:
                return contents
        return await super()._cat_file(path, *arguments, **kwargs)

    async def _get_file(
        self, rpath: str, lpath: str, *arguments: Any, skip_folders: bool = True, **kwargs: Any
    ) -> None:
        try:
            if not Path(lpath).is_dir():  # s3fs would return, as if the file were there
                await super()._get_file(rpath, lpath, *arguments, **kwargs)
                return
            if (await self._info(rpath))["type"] == "file":
                raise IsADirectoryError(f"civo://{rpath} is a file, and {lpath} is a folder")
        except FileNotFoundError:
            if not await self._isdir(rpath):
                raise
        if not skip_folders:
            raise FileNotFoundError(f"civo://{rpath} {IS_FOLDER}")
        Path(lpath).mkdir(parents=True, exist_ok=True)  # a folder without files

    # Listing: where s3fs was refused, or the service failed, it takes a path for absent. Here that is an error

    async def _ls(self, path: str, detail: bool = False, refresh: bool = False, versions: bool = False) -> list[Any]:
        path = self._strip_protocol(path)
        if not path:
            found = await self._lsbuckets(refresh)
        else:
            found = await self._lsdir(path, refresh, versions=versions)
            if not found and path in self._created_folders:
                raise self._missing(path)  # as for every other empty folder
            if not found and self.split_path(path)[1]:
                found = [await self._info(path)]
        files = [info for info in found if not _is_marker(info)]
        return files if detail else sorted(info["name"] for info in files)

    async def _find(self, path: str, maxdepth: int | None = None, *arguments: Any, **kwargs: Any) -> Any:
        detail = kwargs.pop("detail", False)
        found = await super()._find(path, maxdepth, *arguments, detail=True, **kwargs)
        files = {name: info for name, info in found.items() if not _is_marker(info)}
        if self._strip_protocol(path) in self._created_folders and not kwargs.get("withdirs"):
            files.pop(self._strip_protocol(path), None)  # s3fs takes a path without children for a file
        return files if detail else list(files)

    find = sync_wrapper(_find)

    def walk(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        """Walk through folders; by default a folder that cannot be listed is an error."""
        return super().walk(path, *arguments, **{"on_error": _raise_all_but_missing, **kwargs})

    async def _walk(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        async for step in super()._walk(path, *arguments, **{"on_error": _raise_all_but_missing, **kwargs}):
            yield step

    async def _exists(self, path: str) -> bool:
        bucket, key, _ = self.split_path(path)
        if not bucket or key:
            return bool(await super()._exists(path))
        store = await asyncio.to_thread(self.hook.find_object_store, bucket)
        return store is not None and store.name == bucket

    exists = sync_wrapper(_exists)

    async def _info(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        try:
            return await super()._info(path, *arguments, **kwargs)
        except StoreNotFoundError as error:
            if self.split_path(path)[1]:
                raise
            raise FileNotFoundError(str(error)) from None  # of the object store itself
        except FileNotFoundError:
            if (folder := self._strip_protocol(path)) not in self._created_folders:
                raise self._missing(folder) from None
            return folder_info(folder)

    info = sync_wrapper(_info)

    async def _isdir(self, path: str) -> bool:
        if not self.split_path(path)[1]:
            return bool(await self._exists(path))
        return bool(await super()._isdir(path)) or self._strip_protocol(path) in self._created_folders

    isdir = sync_wrapper(_isdir)

    async def _isfile(self, path: str) -> bool:
        try:
            return bool((await self._info(path))["type"] == "file")
        except FileNotFoundError:
            return False

    async def _lsbuckets(self, refresh: bool = False) -> list[dict[str, Any]]:
        stores = await asyncio.to_thread(lambda: list(self.hook.list_object_stores()))
        common = {"Size": 0, "size": 0, "StorageClass": "BUCKET", "type": "directory"}
        return [{"Key": store.name, "name": store.name, **common} for store in stores]

    async def _mkdir(self, path: str, acl: Any = False, create_parents: bool = True, **kwargs: Any) -> None:
        bucket, key, _ = self.split_path(path)
        if key:
            await self.get_s3(bucket)
            self._created_folders.add(self._strip_protocol(path), below=1)  # a folder appears with its first object
            return
        if await asyncio.to_thread(self.hook.find_object_store, bucket):
            raise FileExistsError(path)
        raise PermissionError(
            f"there is no object store {bucket!r}, and a path does not create one, because it costs money: "
            "CivoCreateObjectStoreOperator or the hook does"
        )

    mkdir = sync_wrapper(_mkdir)

    async def _rmdir(self, path: str) -> None:
        path = self._strip_protocol(path)
        if not self.split_path(path)[1]:
            self._refuse_to_delete(path)
        if await self._isfile(path):
            raise NotADirectoryError(path)
        if await self._ls(path):
            raise OSError(f"civo://{path} is not empty")
        self._created_folders.discard(path)
        await self._delete_files([f"{path}/"])  # the marker that consoles create for an empty folder

    def _refuse_to_delete(self, bucket: str) -> NoReturn:
        raise PermissionError(
            f"object store {bucket!r} is not deleted through a path: CivoDeleteObjectStoreOperator or the hook does"
        )

    rmdir = sync_wrapper(_rmdir)


def _is_marker(info: Mapping[str, Any]) -> bool:
    """
    Return whether this is no file, but stands for a folder: consoles create an empty ``folder/`` for one.

    A folder that was only created here is described by its name, and is in no listing.
    """
    if info == folder_info(info["name"]):
        return True
    return info["type"] == "file" and not info["size"] and info["name"].endswith("/")


def _raise_all_but_missing(error: Exception) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
