"""The filesystem behind ``civo://``: s3fs, with keys that it looks up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NoReturn

from fsspec.asyn import _run_coros_in_chunks, get_loop, sync, sync_wrapper
from fsspec.core import has_magic

from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError
from airflow_provider_objectstore.fs.contents import folder_info, text_form
from airflow_provider_objectstore.fs.folders import MadeFolders
from airflow_provider_objectstore.fs.moving import Moving
from airflow_provider_objectstore.fs.names import AsyncNames, answered_async, is_name, paths_of
from airflow_provider_objectstore.fs.paths import Connected
from airflow_provider_objectstore.fs.s3_answers import proven_answer
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.triggerer import refuse_in_triggerer

try:
    from s3fs import S3FileSystem
    from s3fs.utils import FileExpired, ParamKwargsHelper
except ImportError as error:
    # No ImportError: fsspec would put its own words in place of these.
    raise ConfigurationError("civo:// paths need s3fs: pip install 'airflow-provider-objectstore[s3]'") from error

_SMALL = 256 * 1024
# What a forked child got from its parent, and never closes: both share an epoll, and the parent would hear no more.
_inherited: list[Any] = []


class CivoFileSystem(Connected, AsyncNames, Moving, S3FileSystem):  # type: ignore[misc]
    """
    s3fs with the keys of whoever owns the bucket, which it asks Civo for: a rotated credential is picked up by itself.

    Buckets are object stores. They are created and deleted by operators, not through a path.

    :param conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's.
    :param storage_options: what else ``s3fs.S3FileSystem`` takes, other than keys and endpoint.
    """

    protocol: ClassVar[str] = "civo"
    root_marker: ClassVar[str] = ""
    _default_conn_id = CivoObjectStoreHook.default_conn_name
    _pid: int

    def __init__(self, conn_id: str | None = None, region: str | None = None, **storage_options: Any) -> None:
        self.conn_id = conn_id or self._default_conn_id
        super().__init__(**{"use_listings_cache": False, **storage_options})
        self.hook = CivoObjectStoreHook(self.conn_id, region=region)
        self._storage_options = storage_options
        self._buckets: dict[str, Any] = {}
        self._opening = asyncio.Lock()
        self._made = MadeFolders()

    @property
    def loop(self) -> Any:
        """The event loop; a forked child gets one of its own, and connections of its own."""
        if not self.asynchronous:
            refuse_in_triggerer(own_threads=True)
        self._begin_anew_after_a_fork()
        return super().loop

    def _begin_anew_after_a_fork(self) -> None:
        if self._pid != os.getpid():
            self.hook = CivoObjectStoreHook(self.conn_id, region=self.hook.region)
            _inherited.append(self._buckets)
            self._buckets, self._opening = {}, asyncio.Lock()
            self._loop = None if self.asynchronous else get_loop()
            self._pid = os.getpid()

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """
        Return bucket and key, and the version where the filesystem is ``version_aware``.

        Elsewhere ``?versionId=`` is a part of the name: s3fs leaves it out, and works on another object.
        """
        if self.version_aware:
            split: tuple[str, str, str | None] = super().split_path(path)
            return split
        bucket, slash, key = self._strip_protocol(path).partition("/")
        slashes = len(path) - len(path.rstrip("/")) if slash else 0
        return bucket, key + "/" * slashes, None

    async def set_session(self, refresh: bool = False, kwargs: Mapping[str, Any] | None = None) -> Any:
        """Do nothing: each bucket has a session of its own, with its owner's keys."""

    async def get_s3(self, bucket: str | None = None) -> Any:
        """Return the client that a bucket is reached with."""
        if bucket is None:
            raise PermissionError("this filesystem knows no S3 beyond its buckets")
        self._begin_anew_after_a_fork()
        async with self._opening:
            if bucket not in self._buckets:
                self._buckets[bucket] = await self._connected(bucket)
        return await self._buckets[bucket].set_session()

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        bucket = next((it["Bucket"] for it in (kwargs, *akwarglist) if it.get("Bucket")), None)
        kwargs["Bucket"] = bucket
        known = self._buckets.get(bucket or "")
        try:
            return await proven_answer(super()._call_s3, method, *akwarglist, **kwargs)
        except OSError as error:
            status = _status(error)
            if status == 412 and "IfMatch" in kwargs:
                raise FileExpired(f"{bucket}/{kwargs['Key']}", kwargs["IfMatch"]) from error
            if bucket is None or status not in (401, 403):
                raise
            if known is not None and await self._renewed(bucket, known):
                return await proven_answer(super()._call_s3, method, *akwarglist, **kwargs)
            if method in ("head_object", "get_object") and await self._is_missing(bucket, kwargs, *akwarglist):
                raise FileNotFoundError(f"{bucket}/{kwargs.get('Key', '')}") from error
            raise

    call_s3 = sync_wrapper(_call_s3)

    async def _connected(self, bucket: str) -> Any:
        store = await asyncio.to_thread(self.hook.find_object_store, bucket)
        if store is None or store.name != bucket:
            raise FileNotFoundError(f"connection {self.hook.civo_conn_id!r} has no object store {bucket!r}")
        options = await asyncio.to_thread(self.hook.s3_options, store)
        here = {"asynchronous": self.asynchronous, "loop": self._loop, "skip_instance_cache": True}
        ours = options.s3fs()
        for name in ("client_kwargs", "config_kwargs"):
            ours[name] = {**self._storage_options.get(name, {}), **ours.get(name, {})}
        fs = S3FileSystem(**{**self._storage_options, **ours, **here})
        if not hasattr(self, "_kwargs_helper"):
            self._kwargs_helper = ParamKwargsHelper(await fs.set_session())
        return fs

    async def _renewed(self, bucket: str, refused: Any) -> bool:
        """Look up the keys anew; tell whether they have changed since."""
        async with self._opening:
            if self._buckets[bucket] is refused:
                fresh: Any = await self._connected(bucket)
                if fresh.storage_options == refused.storage_options:
                    return False
                self._buckets[bucket] = fresh
        return True

    def _check_written(self, path: str) -> None:
        """Refuse a version; what is written becomes a file, also where it was made as a folder."""
        self._refuse_version(path)
        self._made.discard(self._strip_protocol(path))

    def _refuse_version(self, path: str) -> None:
        if self.split_path(path)[2]:
            raise InvalidArgumentError(
                f"civo://{path} is a version of an object, which is only read: name the object, without ?versionId="
            )

    async def _pipe_file(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        self._check_written(path)
        return await super()._pipe_file(path, *arguments, **kwargs)

    async def _put_file(self, lpath: str, rpath: str, *arguments: Any, **kwargs: Any) -> Any:
        self._refuse_version(rpath)
        if not Path(lpath).is_dir():
            self._check_written(rpath)
        return await super()._put_file(lpath, rpath, *arguments, **kwargs)

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        await self._check_deleted(path)
        await super()._rm_file(path, **kwargs)
        self._made.deleted(self._strip_protocol(path))

    async def _check_deleted(self, path: str) -> None:
        """Refuse what is no file, by HEAD: S3 answers a deletion of what is not there as one of what is."""
        self._refuse_version(path)
        if (await self._info(path, refresh=True))["type"] != "file":
            raise IsADirectoryError(f"civo://{path} is a folder, which is deleted with recursive=True")

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        self._refuse_version(path2)
        if (await self._info(path1))["type"] == "directory":
            return  # a folder comes with its files
        self._check_written(path2)
        buckets = [self.split_path(it)[0] for it in (path1, path2)]
        for it in buckets:
            try:
                await self.get_s3(it)
            except FileNotFoundError as error:  # fsspec would take it for a file that went meanwhile
                raise OSError(str(error)) from error
        if len({self._buckets[it].key for it in buckets}) == 1:
            await super()._cp_file(path1, path2, **kwargs)
            return
        # The owner of one bucket may have no access to the other.
        with TemporaryDirectory() as folder:
            local = f"{folder}/copy"
            await self._get_file(path1, local)
            await self._put_file(local, path2, **kwargs)

    async def _rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> Any:
        paths = paths_of(self, path)
        for it in paths:
            if not self.split_path(it)[1]:
                self._refuse_to_delete(it)
        files: list[str] = []
        named: list[str] = []
        for it in paths:
            if has_magic(it) and not await answered_async(self, is_name(it)):
                files += await self._matched(it, recursive, maxdepth)
            elif not recursive:
                named.append(it)
            else:  # what stands for an empty folder goes as well
                found = await (super()._find(it) if maxdepth is None else self._find(it, maxdepth=maxdepth))
                if not self._made.discard(it) and not found:
                    raise FileNotFoundError(it)
                files += [it, *found]
        await _run_coros_in_chunks(list(map(self._check_deleted, named)), batch_size=self.batch_size)
        await self._delete_files(sorted({*files, *named}))

    rm = sync_wrapper(_rm)

    async def _matched(self, pattern: str, recursive: bool, maxdepth: int | None) -> list[str]:
        """Return what a pattern stands for: files, and folders too with ``recursive``."""
        if recursive:
            return list(await self._expand_path(pattern, recursive=True, maxdepth=maxdepth))
        found = await self._glob(pattern, maxdepth=maxdepth, detail=True)
        files = [name for name, info in found.items() if info["type"] == "file"]
        if not files:
            raise FileNotFoundError(pattern)
        return files

    async def _delete_files(self, files: list[str]) -> None:
        """Delete files by their very names, many at once."""
        for it in files:
            self._refuse_version(it)
        for _, names in groupby(sorted(files), lambda it: self.split_path(it)[0]):
            several = list(names)
            for first in range(0, len(several), 1000):
                await self._bulk_delete(several[first : first + 1000])
            for name in several:
                self._made.deleted(name)

    delete_files = sync_wrapper(_delete_files)

    def _markers(self, folder: str) -> list[str]:
        return sorted(set(sync(self.loop, super()._find, folder)) - set(self.find(folder)))

    async def _is_missing(self, bucket: str, *named: Mapping[str, Any]) -> bool:
        # The backend answers 403 to HEAD and GET of a missing object, unless the bucket's owner asks.
        key = next((it["Key"] for it in named if it.get("Key")), "")
        try:
            found = await proven_answer(super()._call_s3, "list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
        except OSError:
            return False
        return all(it["Key"] != key for it in found.get("Contents", ()))

    def open(self, path: str, mode: str = "rb", *arguments: Any, **kwargs: Any) -> Any:
        """Open a file."""
        how, mark = text_form(self, path, mode, kwargs)
        file = super().open(path, mode, *arguments, **how)
        if mark:
            file.write(mark)
        return file

    def _open(self, path: str, mode: str = "rb", *arguments: Any, **kwargs: Any) -> Any:
        if mode != "rb":
            self._check_written(path)
        if mode == "xb" and self.exists(path):
            raise FileExistsError(path)  # not every version of the backend heeds the condition that s3fs sends
        usual = not arguments and not self.version_aware and not any(map(kwargs.get, ("size", "cache_type")))
        if mode != "rb" or not usual or (begun := sync(self.loop, self._begin, path)) is None:
            return super()._open(path, mode, *arguments, **kwargs)
        details, contents = begun
        if len(contents) == details["size"]:
            kwargs |= {"cache_type": "all", "cache_options": {"data": contents}}
        file = super()._open(path, mode, **{**kwargs, "size": details["size"]})
        file.details = details
        file.read_kw = {**file.read_kw, "IfMatch": details["ETag"]}
        return file

    async def _begin(self, path: str) -> tuple[dict[str, Any], bytes] | None:
        """Read a file's beginning, the whole of a small one, with the request that s3fs would take for its size."""
        bucket, key, _ = self.split_path(path)
        try:
            answer = await self._call_s3("get_object", Bucket=bucket, Key=key, Range=f"bytes=0-{_SMALL - 1}")
            async with answer["Body"] as body:
                size = int(answer["ContentRange"].rpartition("/")[2])
                details = {name: answer.get(name) for name in ("ETag", "LastModified", "StorageClass", "ContentType")}
                contents = await body.read() if size <= _SMALL else b""
            return {**details, "name": f"{bucket}/{key}", "size": size, "type": "file"}, bytes(contents)
        except FileNotFoundError:
            raise
        except Exception:
            return None  # s3fs asks again, and says what is wrong

    # Reading

    async def _cat(self, path: Any, recursive: bool = False, *arguments: Any, **kwargs: Any) -> Any:
        if recursive:
            found: set[str] = set()
            for it in paths_of(self, path):
                pattern = has_magic(it) and not await answered_async(self, is_name(it))
                for name in await self._glob(it) if pattern else [it]:
                    found.update(await self._find(name))
            if not found:
                raise FileNotFoundError(path)
            path = sorted(found)
        return await super()._cat(path, False, *arguments, **kwargs)

    async def _get_file(self, rpath: str, lpath: str, *arguments: Any, **kwargs: Any) -> None:
        try:
            await super()._get_file(rpath, lpath, *arguments, **kwargs)
        except FileNotFoundError:
            if not await self._isdir(rpath):
                raise
            Path(lpath).mkdir(parents=True, exist_ok=True)  # a folder, in which there are no files

    # Looking: what s3fs takes for absent where it was refused, or the service failed, is an error

    async def _ls(self, path: str, detail: bool = False, refresh: bool = False, versions: bool = False) -> list[Any]:
        path = self._strip_protocol(path)
        if not path:
            found = await self._lsbuckets(refresh)
        else:
            found = await self._lsdir(path, refresh, versions=versions)
            if not found and path in self._made:
                raise FileNotFoundError(path)  # as every empty folder that nobody made here
            if not found and self.split_path(path)[1]:
                found = [await self._info(path)]
        files = [it for it in found if not _is_marker(it)]
        return files if detail else sorted(it["name"] for it in files)

    async def _find(self, path: str, maxdepth: int | None = None, *arguments: Any, **kwargs: Any) -> Any:
        detail = kwargs.pop("detail", False)
        found = await super()._find(path, maxdepth, *arguments, detail=True, **kwargs)
        files = {name: info for name, info in found.items() if not _is_marker(info)}
        if self._strip_protocol(path) in self._made and not kwargs.get("withdirs"):
            files.pop(self._strip_protocol(path), None)  # s3fs takes what is alone for a file
        return files if detail else list(files)

    find = sync_wrapper(_find)

    def walk(self, path: str, *arguments: Any, **kwargs: Any) -> Any:
        """Go through folders; what cannot be listed is an error, unless ``on_error`` says otherwise."""
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
        except FileNotFoundError:
            if (folder := self._strip_protocol(path)) not in self._made:
                raise
            return folder_info(folder)

    info = sync_wrapper(_info)

    async def _isdir(self, path: str) -> bool:
        return bool(await super()._isdir(path)) or self._strip_protocol(path) in self._made

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
            self._made.add(self._strip_protocol(path), below=1)  # a folder appears with its first object
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
        self._made.discard(path)
        await self._delete_files([f"{path}/"])  # what consoles keep for an empty folder

    def _refuse_to_delete(self, bucket: str) -> NoReturn:
        raise PermissionError(
            f"object store {bucket!r} is not deleted through a path: CivoDeleteObjectStoreOperator or the hook does"
        )

    rmdir = sync_wrapper(_rmdir)


def _is_marker(info: Mapping[str, Any]) -> bool:
    """
    Tell whether this is no file, but stands for a folder: consoles keep an empty ``folder/`` for one.

    A folder that was only made is told of where it is asked for by its name, and is in no listing.
    """
    if info == folder_info(info["name"]):
        return True
    return info["type"] == "file" and not info["size"] and info["name"].endswith("/")


def _raise_all_but_missing(error: Exception) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _status(error: OSError) -> int | None:
    response = getattr(error.__cause__, "response", None) or {}
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
