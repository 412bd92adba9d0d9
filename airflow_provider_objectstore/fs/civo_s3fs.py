"""The filesystem behind ``civo://``: s3fs, with keys that it looks up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from itertools import groupby
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NoReturn

from fsspec.asyn import get_loop, sync, sync_wrapper
from fsspec.core import has_magic

from airflow_provider_objectstore.exceptions import ConfigurationError
from airflow_provider_objectstore.fs.moving import Moving
from airflow_provider_objectstore.fs.paths import without_protocol
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


class CivoFileSystem(Moving, S3FileSystem):  # type: ignore[misc]
    """
    s3fs with the keys of whoever owns the bucket, which it asks Civo for: a rotated credential is picked up by itself.

    Buckets are object stores. They are created and deleted by operators, not through a path.

    :param conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's.
    :param storage_options: what else ``s3fs.S3FileSystem`` takes, other than keys and endpoint.
    """

    protocol: ClassVar[str] = "civo"
    root_marker: ClassVar[str] = ""
    _pid: int

    def __init__(self, conn_id: str | None = None, region: str | None = None, **storage_options: Any) -> None:
        super().__init__(**{"use_listings_cache": False, **storage_options})
        self.hook = CivoObjectStoreHook(conn_id or CivoObjectStoreHook.default_conn_name, region=region)
        self._storage_options = storage_options
        self._buckets: dict[str, Any] = {}
        self._opening = asyncio.Lock()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return without_protocol("civo", path)

    @property
    def loop(self) -> Any:
        """The event loop; a forked child gets one of its own, and connections of its own."""
        if not self.asynchronous:
            refuse_in_triggerer(own_threads=True)
        if self._pid != os.getpid() and not self.asynchronous:
            self.hook = CivoObjectStoreHook(self.hook.civo_conn_id, region=self.hook.region)
            _inherited.append(self._buckets)
            self._buckets, self._opening, self._loop = {}, asyncio.Lock(), get_loop()
            self._pid = os.getpid()
        return super().loop

    async def set_session(self, refresh: bool = False, kwargs: Mapping[str, Any] | None = None) -> Any:
        """Do nothing: each bucket has a session of its own, with its owner's keys."""

    async def get_s3(self, bucket: str | None = None) -> Any:
        """Return the client that a bucket is reached with."""
        if bucket is None:
            raise PermissionError("this filesystem knows no S3 beyond its buckets")
        async with self._opening:
            if bucket not in self._buckets:
                self._buckets[bucket] = await self._connected(bucket)
        return await self._buckets[bucket].set_session()

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        bucket = next((it["Bucket"] for it in (kwargs, *akwarglist) if it.get("Bucket")), None)
        kwargs["Bucket"] = bucket
        known = self._buckets.get(bucket or "")
        try:
            answer = await super()._call_s3(method, *akwarglist, **kwargs)
            if method == "delete_objects" and (left := answer.get("Errors")):
                first = f"{bucket}/{left[0].get('Key')}: {left[0].get('Code')}"
                raise PermissionError(f"{len(left)} objects were not deleted, the first is {first}")
            return answer
        except OSError as error:
            status = _status(error)
            if status == 412 and "IfMatch" in kwargs:
                raise FileExpired(f"{bucket}/{kwargs['Key']}", kwargs["IfMatch"]) from error
            if bucket is None or status not in (401, 403):
                raise
            if known is not None and await self._renewed(bucket, known):
                return await super()._call_s3(method, *akwarglist, **kwargs)
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

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        if (await self._info(path1))["type"] == "directory":
            return  # a folder comes with its files
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
        paths = [self._strip_protocol(it) for it in ([path] if isinstance(path, str) else path)]
        for it in paths:
            if not self.split_path(it)[1]:
                self._refuse_to_delete(it)
        patterns, files = [], []
        for it in paths:
            if not has_magic(it) or not await self._exists(it):
                patterns.append(it)
            else:  # a name that only looks like a pattern
                files += [it, *(await self._find(it, maxdepth=maxdepth) if recursive else ())]
        if patterns:
            files += await self._expand_path(patterns, recursive=recursive, maxdepth=maxdepth)
        await self._delete_files(files)

    rm = sync_wrapper(_rm)

    async def _delete_files(self, files: list[str]) -> None:
        """Delete files by their very names, many at once."""
        for _, names in groupby(sorted(files), lambda it: self.split_path(it)[0]):
            several = list(names)
            for first in range(0, len(several), 1000):
                await self._bulk_delete(several[first : first + 1000])

    delete_files = sync_wrapper(_delete_files)

    async def _is_missing(self, bucket: str, *named: Mapping[str, Any]) -> bool:
        # The backend answers 403 to HEAD and GET of a missing object, unless the bucket's owner asks.
        key = next((it["Key"] for it in named if it.get("Key")), "")
        try:
            found = await super()._call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
        except OSError:
            return False
        return all(it["Key"] != key for it in found.get("Contents", ()))

    def _open(self, path: str, mode: str = "rb", *arguments: Any, **kwargs: Any) -> Any:
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

    async def _lsbuckets(self, refresh: bool = False) -> list[dict[str, Any]]:
        stores = await asyncio.to_thread(lambda: list(self.hook.list_object_stores()))
        common = {"Size": 0, "size": 0, "StorageClass": "BUCKET", "type": "directory"}
        return [{"Key": store.name, "name": store.name, **common} for store in stores]

    async def _mkdir(self, path: str, acl: Any = False, create_parents: bool = True, **kwargs: Any) -> None:
        bucket, key, _ = self.split_path(path)
        if key:
            return  # a folder appears with its first object
        if await asyncio.to_thread(self.hook.find_object_store, bucket):
            raise FileExistsError(path)
        raise PermissionError(
            f"there is no object store {bucket!r}, and a path does not create one, because it costs money: "
            "CivoCreateObjectStoreOperator or the hook does"
        )

    mkdir = sync_wrapper(_mkdir)

    async def _rmdir(self, path: str) -> None:
        if not self.split_path(path)[1]:
            self._refuse_to_delete(path)

    def _refuse_to_delete(self, bucket: str) -> NoReturn:
        raise PermissionError(
            f"object store {bucket!r} is not deleted through a path: CivoDeleteObjectStoreOperator or the hook does"
        )

    rmdir = sync_wrapper(_rmdir)


def _status(error: OSError) -> int | None:
    response = getattr(error.__cause__, "response", None) or {}
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
