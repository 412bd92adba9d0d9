"""Lists the objects of a bucket, for the event trigger. Private: use the trigger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, KeyState, Snapshot, digest, prefixes_to_list

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.bucket_listing import BucketListing, ListedObject
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

MAX_OBJECTS = 100_000
"""The most objects of one snapshot: more would take the triggerer's memory and time from other triggers."""

REQUESTS_AT_ONCE = 10
"""How many lost ETags are read at the same time; a client of botocore has so many connections."""


class BucketObjects:
    """
    The objects of a bucket, as a source of snapshots.

    :param hook: the hook that looks up the bucket's keys.
    :param bucket: name of the bucket.
    """

    container = "object store"

    def __init__(self, hook: CivoObjectStoreHook, bucket: str) -> None:
        self._hook = hook
        self._bucket = bucket
        self._listing: BucketListing | None = None
        self._lost_etags: dict[ListedObject, str] = {}

    def __str__(self) -> str:
        return f"bucket {self._bucket} through connection {self._hook.civo_conn_id}"

    @property
    def place(self) -> str:
        """A digest of where the last snapshot was taken."""
        return (self._listing.hook if self._listing else self._hook).last_connection.place("api")

    async def take_snapshot(self, key_filters: frozenset[KeyFilter]) -> Snapshot:
        """List every object that one of the filters matches."""
        if self._listing is None:
            from airflow_provider_objectstore.hooks.bucket_listing import BucketListing

            self._listing = BucketListing(self._hook, self._bucket)
        async with self._listing.opened():
            return await self._read_objects(self._listing, key_filters)

    async def _read_objects(self, listing: BucketListing, key_filters: frozenset[KeyFilter]) -> Snapshot:
        found: dict[str, ListedObject] = {}
        prefixes = prefixes_to_list(key_filters)
        for prefix in prefixes:
            async for page in listing.pages(prefix):
                for listed in page:
                    if any(key_filter.matches(listed.key) for key_filter in key_filters):
                        found[listed.key] = listed
                if len(found) > MAX_OBJECTS:
                    raise ObjectStoreError(
                        f"more than {MAX_OBJECTS:,} objects are watched in bucket {self._bucket}: narrow what is "
                        "watched with prefix, suffix or keys"
                    )
        named = {key for key_filter in key_filters for key in key_filter.keys or ()}
        for key in named:
            if not key.startswith(tuple(prefixes)) and (one := await listing.find(key)):
                found[key] = one
        await self._find_lost_etags(listing, [listed for listed in found.values() if not listed.etag])
        # In a thread: of 100,000 objects it takes longer than a triggerer's event loop may wait.
        keys = await asyncio.to_thread(self._states, found)
        return Snapshot(key_filters, keys, frozenset(found.keys() - keys.keys()))

    async def _find_lost_etags(self, listing: BucketListing, objects: list[ListedObject]) -> None:
        self._lost_etags = {listed: self._lost_etags[listed] for listed in objects if listed in self._lost_etags}
        objects = [listed for listed in objects if listed not in self._lost_etags]
        for first in range(0, len(objects), REQUESTS_AT_ONCE):
            some = objects[first : first + REQUESTS_AT_ONCE]
            etags = await asyncio.gather(*(listing.read_etag(listed.key) for listed in some))
            self._lost_etags.update((listed, etag) for listed, etag in zip(some, etags, strict=True) if etag)

    def _states(self, found: Mapping[str, ListedObject]) -> dict[str, KeyState]:
        objects = (found[key] for key in sorted(found))
        etags = ((listed, listed.etag or self._lost_etags.get(listed)) for listed in objects)
        return {listed.key: _state(listed, etag) for listed, etag in etags if etag}


def _state(listed: ListedObject, etag: str) -> KeyState:
    contents = digest(etag.encode(), str(listed.size).encode())[:8]
    # The time too: S3 gives an object that is written again with the same contents the same ETag.
    mark = contents + digest(listed.last_modified.encode())[:8]
    return KeyState((etag, listed.size, listed.last_modified), mark, None if listed.etag else contents)
