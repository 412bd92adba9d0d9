"""Lists a bucket on an event loop, page by page, with its owner's keys. Private: the event trigger uses it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.compat.triggerer import amask_secret
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.hooks.async_s3_client import prepare_client
from airflow_provider_objectstore.hooks.s3 import S3Options, options_for
from airflow_provider_objectstore.hooks.s3_client import no_client, require_module, s3_error
from airflow_provider_objectstore.hooks.s3_responses import response_problem
from airflow_provider_objectstore.transport.failures import forget_handled, shown_cause

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.transport import ResolvedConnection

PAGE_SIZE = 1000
"""Most objects of a page; S3 returns no more."""
REQUEST_SECONDS = 300
"""After this time a request with its retries is given up, whatever the service still sends."""


class ListedObject(NamedTuple):
    """
    An object as a listing describes it.

    :param key: its key.
    :param etag: its ETag; empty where the backend has lost it: Ceph does for all objects when a bucket changes hands.
    :param size: its size in bytes.
    :param last_modified: the time of the last change, ISO 8601 in UTC. Where the ETag is lost, nobody wrote then.
    """

    key: str
    etag: str
    size: int
    last_modified: str


class BucketListing:
    """
    Lists one bucket again and again.

    The keys of the bucket's owner are looked up once, and again when S3 refuses them or the connection has changed. So
    a credential that was rotated ends nothing.

    :param hook: the hook that looks the keys up.
    :param bucket: the bucket, which has the object store's exact name.
    """

    def __init__(self, hook: CivoObjectStoreHook, bucket: str) -> None:
        self.hook = hook
        self._bucket = bucket
        self._connection: ResolvedConnection | None = None
        self._options: S3Options | None = None
        self._clients = AsyncExitStack()
        self._client: Any = None
        self._renewing = asyncio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Read the connection again, and hold a client open while the block runs."""
        self.hook = copy(self.hook)  # a hook works in one place, and the connection may lead elsewhere by now
        connection = await self.hook.aresolve()
        if self._connection != connection or self._connection.labels != connection.labels:
            self._connection, self._options = connection, None
        async with AsyncExitStack() as self._clients:
            await self._open_client(self._options or await self._look_up())
            yield

    async def pages(self, prefix: str = "") -> AsyncIterator[list[ListedObject]]:
        """
        Yield the pages of a listing, each when it is needed.

        :param prefix: how the keys begin.
        :raises StoreNotFoundError: if there is no such bucket, as the service says.
        :raises ObjectStoreError: if a page cannot be read, or does not continue the one before. The pages before it are
            then no whole listing.
        """
        token, last = None, ""
        while True:
            page, following = await self._page(prefix, PAGE_SIZE, token)
            if page and last and page[0].key.encode() <= last.encode():
                raise ServerError(f"bucket {self._bucket}: a page of the listing does not continue the one before")
            if following is not None and following == token:
                raise ServerError(f"bucket {self._bucket}: a page of the listing leads to itself")
            yield page
            if following is None:
                return
            token, last = following, page[-1].key if page else last

    async def find(self, key: str) -> ListedObject | None:
        """
        Return what a listing says of one object, with one request.

        A HEAD would not do: the backend responds to one for a missing object with 403 where listing is not allowed.

        :return: None if there is no such object, as S3 itself says.
        """
        # In the order of a listing, an object comes before all others whose keys begin with its own.
        page, _ = await self._page(key, 1)
        return next((listed for listed in page if listed.key == key), None)

    async def _page(self, prefix: str, size: int, token: str | None = None) -> tuple[list[ListedObject], str | None]:
        """Return a page, and what leads to the next one; None after the last."""
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": size}
        if token is not None:
            arguments["ContinuationToken"] = token
        response = await self._call("list_objects_v2", **arguments)
        try:
            page = [_read(item) for item in response.get("Contents", ())]
            following = response["NextContinuationToken"] if response["IsTruncated"] else None
        except (AttributeError, KeyError) as error:
            raise ServerError(f"bucket {self._bucket}: a page of the listing is not complete: no {error}") from error
        return page, following

    async def read_etag(self, key: str) -> str | None:
        """
        Return the ETag of an object that a listing has.

        :return: None if the object is not there any more.
        """
        try:
            response = await self._call("head_object", Bucket=self._bucket, Key=key)
        except ServerError as error:
            if error.status != 404:
                raise
            return None
        return _unquoted(response["ETag"])

    async def _call(self, method: str, **arguments: Any) -> Any:
        refused = self._options
        try:
            return await self._send(method, arguments)
        except (AuthenticationError, PermissionDeniedError, NotFoundError):
            async with self._renewing:
                if self._options is refused:
                    renewed = await self._look_up()
                    if renewed == refused:
                        raise
                    await self._open_client(renewed)
        return await self._send(method, arguments)

    async def _send(self, method: str, arguments: dict[str, Any]) -> Any:
        assert self._connection is not None
        assert self._options is not None
        handled = sys.exception()
        with self._connection.redacting(self._options.secret_access_key):
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    response = await getattr(self._client, method)(**arguments)
            except Exception as error:
                forget_handled(error, handled)
                raise s3_error(error, f"{method} (bucket {self._bucket})") from shown_cause(error)
            if problem := response_problem(method, response, arguments):
                raise ServerError(f"bucket {self._bucket}: {problem}")
            return response

    async def _look_up(self) -> S3Options:
        async with self.hook.async_client() as client:
            connection = self.hook.last_connection
            store = await client.run(civo.find_object_store(self._bucket))
            if store is None or store.name != self._bucket:
                self._options = None
                raise StoreNotFoundError(
                    f"there is no object store with the exact name {self._bucket!r} in this region: check it and the "
                    "connection's region",
                    status=404,
                )
            owner = await client.run(civo.require_owner(store))
        options = options_for(connection, owner, store)
        await amask_secret(options.secret_access_key)
        self._options = options
        return options

    async def _open_client(self, options: S3Options) -> None:
        # Importing and reading the service's model takes half a second: not on the loop.
        try:
            arguments = await asyncio.to_thread(_client_arguments, options)
            creating = _session().create_client("s3", **arguments)
            self._client = prepare_client(await self._clients.enter_async_context(creating))
        except Exception as error:
            raise no_client(options, error) from error


def _client_arguments(options: S3Options) -> dict[str, Any]:
    session = _session()
    session.get_component("data_loader").load_service_model("s3", "service-2")
    return options.boto3()


@cache
def _session() -> Any:
    session = require_module("aiobotocore.session", "objects are listed over S3").get_session()
    # Times stay as S3 sends them, in UTC: parsing them would take most of a page's time.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return session


def _read(item: Any) -> ListedObject:
    return ListedObject(item["Key"], _unquoted(item["ETag"]), item["Size"], item["LastModified"])


def _unquoted(etag: str) -> str:
    return etag.strip('"')
