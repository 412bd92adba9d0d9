"""Lists the objects of a bucket, for the event trigger. Private: use the trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, KeyState, Snapshot, digest, prefixes_to_list

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.bucket_listing import BucketListing, ListedObject
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

MAX_OBJECTS = 100_000
"""The most objects of one snapshot: more would take the triggerer's memory and time from other triggers."""


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

    def __str__(self) -> str:
        return f"bucket {self._bucket} through connection {self._hook.civo_conn_id}"

    async def take_snapshot(self, key_filters: frozenset[KeyFilter]) -> Snapshot:
        """List every object that one of the filters matches."""
        if self._listing is None:
            from airflow_provider_objectstore.hooks.bucket_listing import BucketListing

            self._listing = BucketListing(self._hook, self._bucket)
        async with self._listing.opened():
            return await self._read_objects(self._listing, key_filters)

    async def _read_objects(self, listing: BucketListing, key_filters: frozenset[KeyFilter]) -> Snapshot:
        found: dict[str, KeyState] = {}
        prefixes = prefixes_to_list(key_filters)
        for prefix in prefixes:
            async for page in listing.pages(prefix):
                for listed in page:
                    if any(key_filter.matches(listed.key) for key_filter in key_filters):
                        found[listed.key] = _state(listed)
                if len(found) > MAX_OBJECTS:
                    raise ObjectStoreError(
                        f"more than {MAX_OBJECTS:,} objects are watched in bucket {self._bucket}: narrow what is "
                        "watched with prefix, suffix or keys"
                    )
        named = {key for key_filter in key_filters for key in key_filter.keys or ()}
        for key in named:
            if not key.startswith(tuple(prefixes)) and (one := await listing.find(key)):
                found[key] = _state(one)
        return Snapshot(key_filters, dict(sorted(found.items())))


def _state(listed: ListedObject) -> KeyState:
    # The time too: S3 gives an object that is written again with the same contents the same ETag.
    mark = digest(listed.etag.encode(), str(listed.size).encode(), listed.last_modified.encode())
    return KeyState((listed.etag, listed.size, listed.last_modified), mark)
