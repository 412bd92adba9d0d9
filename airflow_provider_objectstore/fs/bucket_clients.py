"""The S3 clients of ``civo://``: one for each bucket, with its owner's keys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from fsspec.asyn import get_loop, sync_wrapper

from airflow_provider_objectstore.compat.triggerer import forbid_blocking_in_triggerer
from airflow_provider_objectstore.exceptions import ConfigurationError, StoreNotFoundError
from airflow_provider_objectstore.fs.s3_responses import call_checked
from airflow_provider_objectstore.hooks.async_s3_client import prepare_client
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

try:
    from s3fs import S3FileSystem
    from s3fs.utils import FileExpired, ParamKwargsHelper
except ImportError as error:
    # No ImportError: fsspec would replace its message.
    raise ConfigurationError("civo:// paths need s3fs: pip install 'airflow-provider-objectstore[s3]'") from error

_inherited: list[Any] = []
"""Clients of a forked child's parent, never closed: both share an epoll, and the parent would miss events."""


class BucketSessions:
    """
    The sessions of a filesystem.

    :param buckets: the filesystem of each bucket.
    :param replaced: those that had keys from before a rotation.
    """

    def __init__(self, buckets: dict[str, S3FileSystem], replaced: list[S3FileSystem]) -> None:
        self._buckets = buckets
        self._replaced = replaced

    async def close(self) -> None:
        """Close the sessions. The filesystem opens new ones when it is used again."""
        filesystems = [*self._buckets.values(), *self._replaced]
        self._buckets.clear()
        self._replaced.clear()
        for fs in filesystems:
            await (await fs.set_session()).close()


class BucketClientsMixin(S3FileSystem):  # type: ignore[misc]
    """
    For the filesystem: looks up whose keys a bucket needs, and looks them up again when they are refused.

    :param conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's.
    :param storage_options: further arguments of ``s3fs.S3FileSystem``, other than keys and endpoint.
    """

    _pid: int

    def __init__(self, conn_id: str, region: str | None, **storage_options: Any) -> None:
        self.conn_id = conn_id
        super().__init__(**{"use_listings_cache": False, **storage_options})
        self.hook = CivoObjectStoreHook(conn_id, region=region)
        self._storage_options = storage_options
        self._buckets: dict[str, S3FileSystem] = {}
        self._replaced: list[S3FileSystem] = []
        self._connecting = asyncio.Lock()

    @property
    def loop(self) -> Any:
        """The event loop; a forked child gets its own, with its own connections."""
        if not self.asynchronous:
            forbid_blocking_in_triggerer(own_threads=True)
        self._reset_after_fork()
        return super().loop

    def _reset_after_fork(self) -> None:
        if self._pid != os.getpid():
            _inherited.append((self._buckets, self._replaced))
            self._buckets, self._replaced, self._connecting = {}, [], asyncio.Lock()
            self._loop = None if self.asynchronous else get_loop()
            self._pid = os.getpid()

    async def set_session(self, refresh: bool = False, kwargs: Mapping[str, Any] | None = None) -> BucketSessions:
        """
        Return what closes the sessions; with ``asynchronous=True`` that is the caller's task, as in s3fs.

        :param refresh: does nothing: each bucket has its own session, with its owner's keys.
        :param kwargs: does nothing.
        """
        return BucketSessions(self._buckets, self._replaced)

    async def get_s3(self, bucket: str | None = None) -> Any:
        """Return the client of a bucket."""
        if bucket is None:
            raise PermissionError("this filesystem knows no S3 beyond its buckets")
        self._reset_after_fork()
        async with self._connecting:
            if bucket not in self._buckets:
                self._buckets[bucket] = await self._connect(bucket)
        return prepare_client(await self._buckets[bucket].set_session())

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        bucket = next((each["Bucket"] for each in (kwargs, *akwarglist) if each.get("Bucket")), None)
        kwargs["Bucket"] = bucket
        used = self._buckets.get(bucket or "")
        try:
            return await call_checked(super()._call_s3, self.hook, method, *akwarglist, **kwargs)
        except StoreNotFoundError as error:
            refused: OSError | StoreNotFoundError = error
        except OSError as error:
            refused, status = error, _status(error)
            if status == 412 and "IfMatch" in kwargs:
                raise FileExpired(f"{bucket}/{kwargs['Key']}", kwargs["IfMatch"]) from error
            if status not in (401, 403):
                raise
        if bucket is None:
            raise refused
        if used is not None and await self._renew_keys(bucket, used):
            return await call_checked(super()._call_s3, self.hook, method, *akwarglist, **kwargs)
        is_read = isinstance(refused, OSError) and method in ("head_object", "get_object")
        if is_read and await self._is_missing(bucket, kwargs, *akwarglist):
            raise FileNotFoundError(f"civo://{bucket}/{kwargs.get('Key', '')} does not exist [{self.hook.where}]")
        raise refused

    call_s3 = sync_wrapper(_call_s3)

    async def _connect(self, bucket: str) -> S3FileSystem:
        """
        Look up a bucket's keys.

        :raises AuthenticationError: if the connection was edited since it was first used, and leads elsewhere.
        :raises StoreNotFoundError: if there is no such object store: nothing can be said about what would be in it.
        """
        await asyncio.to_thread(self.hook.resolve)
        store = await asyncio.to_thread(self.hook.find_object_store, bucket)
        if store is None or store.name != bucket:
            missing = StoreNotFoundError(f"there is no object store {bucket!r}: check its name", status=404)
            raise missing.placed(self.hook.where)
        options = await asyncio.to_thread(lambda: self.hook.s3_options(store).s3fs())
        for name in ("client_kwargs", "config_kwargs"):
            options[name] = {**self._storage_options.get(name, {}), **options.get(name, {})}
        instance = {"asynchronous": self.asynchronous, "loop": self._loop, "skip_instance_cache": True}
        fs = S3FileSystem(**{**self._storage_options, **options, **instance})
        if not hasattr(self, "_kwargs_helper"):
            self._kwargs_helper = ParamKwargsHelper(await fs.set_session())
        return fs

    async def _renew_keys(self, bucket: str, refused: S3FileSystem) -> bool:
        """Look up the keys again; return whether they have changed since."""
        async with self._connecting:
            if self._buckets[bucket] is refused:
                renewed = await self._connect(bucket)
                if renewed.storage_options == refused.storage_options:
                    return False
                self._buckets[bucket] = renewed
                if self.asynchronous:  # s3fs closes the session of a blocking one itself
                    self._replaced.append(refused)
        return True

    async def _is_missing(self, bucket: str, *arguments: Mapping[str, Any]) -> bool:
        # The backend responds with 403 to HEAD and GET of a missing object, unless the bucket's owner sends them.
        key = next((each["Key"] for each in arguments if each.get("Key")), "")
        try:
            listed = await call_checked(
                super()._call_s3, self.hook, "list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1
            )
        except OSError:
            return False
        return all(each["Key"] != key for each in listed.get("Contents", ()))


def _status(error: OSError) -> int | None:
    response = getattr(error.__cause__, "response", None) or {}
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
