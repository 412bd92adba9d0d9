"""Changes of objects on moto and on Ceph, on Ceph over TLS too."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks import bucket_listing
from airflow_provider_objectstore.hooks.bucket_listing import BucketListing
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.conftest import ALL
from tests.hooks.buckets import create
from tests.triggers.buckets import BUCKET, Bucket, Polls, watching_bucket
from tests.triggers.watching import State, until

pytestmark = pytest.mark.slow

MOTO_TICK = 1.1
"""Seconds after which an object that is written again has another time: moto's times are whole seconds."""


@pytest.fixture
def bucket(served: tuple[Emulator, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket with an owner of its own."""
    emulator, connection = served
    emulator.reset()
    connection["extra"]["requests_per_second"] = 100_000
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
    hook = CivoObjectStoreHook()
    create(hook, BUCKET, hook.create_credential("mine").access_key_id)
    return Bucket(hook)


async def test_appears_changes_and_goes(bucket: Bucket, polls: Polls) -> None:
    async with watching_bucket(polls) as watch:
        await bucket.put("a/ä b+%&<>'\".txt", body=b"1")
        await watch.snapshots(3)
        assert watch.keys() == ["a/ä b+%&<>'\".txt"]
        for body in (b"22", b"33"):
            await bucket.put("a/ä b+%&<>'\".txt", body=body)
            await watch.snapshots(3)
            assert watch.keys() == ["a/ä b+%&<>'\".txt"], "another size, another ETag"
        await bucket.delete("a/ä b+%&<>'\".txt")
        await watch.snapshots(3)
        assert watch.keys() == []
        await bucket.put("a/ä b+%&<>'\".txt", body=b"33")
        await watch.snapshots(3)
        assert watch.keys() == ["a/ä b+%&<>'\".txt"], "it has come back"


async def test_the_same_contents_again_are_a_change(bucket: Bucket, polls: Polls) -> None:
    await bucket.put("a", "b")
    async with watching_bucket(polls) as watch:
        await asyncio.sleep(MOTO_TICK)
        await bucket.put("a")
        await watch.snapshots(3)
        assert watch.keys() == ["a"]


async def test_an_upload_in_parts_fires_once_it_is_complete(bucket: Bucket, polls: Polls) -> None:
    async with watching_bucket(polls) as watch:

        async def nothing_yet() -> None:
            await watch.snapshots(3)
            assert watch.fired == []

        await bucket.upload_in_parts("large", 2, nothing_yet)
        await until(lambda: watch.fired)
        await watch.snapshots(3)
        (event,) = watch.fired
        etag = (await bucket.call("head_object", Key="large"))["ETag"].strip('"')
        assert etag.endswith("-2")
        assert event["keys"]["large"]["etag"] == etag
        assert event["keys"]["large"]["size"] == 2 * 5_242_880


async def test_exact_keys(bucket: Bucket, polls: Polls) -> None:
    await bucket.put("a-", "a.", "a/b", "a", "aa")
    async with watching_bucket(polls, keys=["a", "a/", "a/b/c"]) as watch:
        await bucket.put("a/", "a", body=b"new")
        await bucket.put("a/b/c/d")
        await watch.snapshots(3)
        assert sorted(watch.keys()) == ["a", "a/"]


async def test_more_than_a_page(bucket: Bucket, polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    page = 1000 if ALL else 200
    monkeypatch.setattr(bucket_listing, "PAGE_SIZE", page)
    number = 2 * page + 50
    middle = number * 3 // 4
    names = [f"in/{each:04}" for each in range(number)]
    state = State()
    async with watching_bucket(polls, state, snapshots=0) as watch:
        await until(lambda: state)
        await asyncio.gather(*(bucket.put(*names[first::8]) for first in range(8)))
        await until(lambda: sum(len(event["keys"]) for event in watch.fired) >= number, 60)
        assert sorted(watch.keys()) == names
        await bucket.put(names[0], names[middle], names[-1], body=b"changed")
        await until(lambda: sum(len(event["keys"]) for event in watch.fired) >= 3)
        assert sorted(watch.keys()) == [names[0], names[middle], names[-1]]
        await watch.snapshots(2)
        assert watch.fired == []


async def test_a_listing_while_objects_change(bucket: Bucket, polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects that stay are in every listing, whatever comes and goes between its pages."""
    monkeypatch.setattr(bucket_listing, "PAGE_SIZE", 7)
    await bucket.put(*(f"stays/{number:02}" for number in range(40)))
    async with watching_bucket(polls) as watch:
        for number in range(30):
            await bucket.put(f"moves/{number:02}", f"stays/{number:02}-beside", f"zz/{number:02}")
            await bucket.delete(f"moves/{number:02}")
        await watch.snapshots(2)
        found = watch.keys()
    beside = {key for key in found if not key.startswith("moves/")}
    assert beside == {f"{where}" for number in range(30) for where in (f"stays/{number:02}-beside", f"zz/{number:02}")}
    assert len(found) == len(set(found)), "each once"


@pytest.mark.parametrize("how", ["secret", "both keys", "owner"])
async def test_a_rotation_ends_nothing_and_fires_nothing(bucket: Bucket, polls: Polls, how: str) -> None:
    await bucket.put("old", "other")
    async with watching_bucket(polls) as watch:
        for number in range(2):
            await asyncio.to_thread(bucket.rotate, how)
            await watch.snapshots(3)
            assert watch.fired == [], "the objects are as they were"
            await bucket.put(f"new-{number}")
            await watch.snapshots(3)
            assert watch.keys() == [f"new-{number}"]


async def test_what_a_change_of_owner_leaves_in_listings(bucket: Bucket, polls: Polls) -> None:
    """Ceph then lists all objects without ETags and with a new time."""
    state = State()
    await bucket.put("same", "other", "again")
    async with watching_bucket(polls, state):
        pass
    await bucket.put("other", body=b"2")
    await bucket.put("new", body=b"2")
    await asyncio.to_thread(bucket.rotate, "owner")
    async with watching_bucket(polls, state) as watch:
        assert sorted(watch.keys()) == ["new", "other"], "what was written before the change of owner"
        await asyncio.sleep(MOTO_TICK)
        await bucket.put("again")
        await watch.snapshots(3)
        assert watch.keys() == ["again"], "the same contents"
    async with watching_bucket(polls, state) as watch:
        assert watch.keys() == []


async def test_a_rotation_between_two_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_listing, "PAGE_SIZE", 2)
    names = [f"in/{number}" for number in range(7)]
    await bucket.put(*names)
    listing, found = BucketListing(CivoObjectStoreHook(), BUCKET), []
    async with listing.opened():
        async for page in listing.pages("in/"):
            found += [listed.key for listed in page]
            await asyncio.to_thread(bucket.rotate, "both keys")
    assert found == names


async def test_a_suspended_credential_is_logged_until_it_works_again(
    bucket: Bucket, polls: Polls, caplog: pytest.LogCaptureFixture
) -> None:
    await bucket.put("a")
    (mine,) = (each for each in bucket.hook.list_credentials() if each.name == "mine")
    async with watching_bucket(polls) as watch:
        await asyncio.to_thread(bucket.hook.update_credential, mine.id, suspended=True)
        await until(lambda: "UserSuspended" in caplog.text)
        await asyncio.to_thread(bucket.hook.update_credential, mine.id, suspended=False)
        await bucket.put("b")
        await watch.snapshots(3)
        assert watch.keys() == ["b"]


async def test_a_bucket_that_vanishes(bucket: Bucket, polls: Polls, caplog: pytest.LogCaptureFixture) -> None:
    await bucket.put("a")
    store = bucket.hook.require_object_store(BUCKET)
    async with watching_bucket(polls) as watch:
        await asyncio.to_thread(bucket.hook.delete_object_store, store.id)
        await until(lambda: "is polled until it exists" in caplog.text)
        await watch.snapshots(3)
        assert watch.fired == []


async def test_versions_are_of_no_account(bucket: Bucket, polls: Polls) -> None:
    await bucket.call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    await bucket.put("a")
    async with watching_bucket(polls) as watch:
        await bucket.put("a", body=b"second")
        await watch.snapshots(3)
        assert watch.keys() == ["a"]
        await bucket.delete("a")
        await watch.snapshots(3)
        assert watch.keys() == [], "a deletion marker is no object"
        assert "a" in str(await bucket.call("list_object_versions"))
