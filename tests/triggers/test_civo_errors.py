"""What goes wrong on the way to a bucket ends no watcher, and says nothing about any object."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks import bucket_listing
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.conftest import connect
from tests.hooks.buckets import create
from tests.transport.stub import LOGIN_PAGE, Answer, dripping, http
from tests.triggers.buckets import BUCKET, Bucket, Front, Polls, watching_bucket
from tests.triggers.watching import until

pytestmark = pytest.mark.slow


def xml(body: str, status: str = "200 OK") -> bytes:
    return http(body.encode(), status=status, kind="application/xml")


def refusal(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"


def listing(
    *keys: str,
    more: str = "<IsTruncated>false</IsTruncated>",
    name: str = BUCKET,
    etag: str = "<ETag>e</ETag>",
    size: str = "1",
) -> bytes:
    """A page of S3's."""
    fields = f"{etag}<Size>{size}</Size><LastModified>2026-11-26T00:00:00.000Z</LastModified>"
    contents = "".join(f"<Contents><Key>{key}</Key>{fields}</Contents>" for key in keys)
    return xml(f"<ListBucketResult><Name>{name}</Name>{more}{contents}</ListBucketResult>")


def leads_to(token: str) -> str:
    return f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"


class TestALostListing:
    """It is logged; the next one finds what has changed in the meantime, and nothing else."""

    FAULTS: dict[str, tuple[Answer, str, int]] = {  # noqa: RUF012
        "no response": (b"", "Connection was closed", logging.WARNING),
        "half a response": (listing("a")[:-30], "photos", logging.WARNING),
        "503": (xml(refusal("SlowDown"), "503 Slow"), "the service answered 503 (SlowDown): no", logging.WARNING),
        "500 of a proxy": (http(b"oh", status="500 Error"), "the service answered 500", logging.WARNING),
        "429": (xml(refusal("TooManyRequests"), "429 Slow"), "answered 429", logging.WARNING),
        "403": (xml(refusal("AccessDenied"), "403 Forbidden"), "answered 403 (AccessDenied): no", logging.ERROR),
        "401 of a proxy": (http(b"who?", status="401 Who"), "the service answered 401", logging.ERROR),
        "404 of a proxy": (http(b"no such page", status="404 No"), "This 404 is not from S3", logging.WARNING),
        "404 while Civo has it": (xml(refusal("NoSuchBucket"), "404 No"), "answered 404 (NoSuchBucket)", logging.ERROR),
        "login page": (http(LOGIN_PAGE, kind="text/html"), "lacks Name. Something other than S3", logging.WARNING),
        "garbage": (http(b"{}"), "answered 500 (500)", logging.WARNING),  # so botocore calls it
        "a wrong size": (listing("a", size="x"), "cannot be read as S3's", logging.WARNING),
        "another bucket": (listing("a", name="other"), "lacks Name 'photos'", logging.WARNING),
        "no sign of its end": (listing("a", more=""), "not complete: no 'IsTruncated'", logging.WARNING),
        "more without a way": (
            listing("a", more="<IsTruncated>true</IsTruncated>"),
            "not complete: no 'NextContinuationToken'",
            logging.WARNING,
        ),
        "a loop": (listing(more=leads_to("t")), "a page of the listing leads to itself", logging.WARNING),
        "back again": (listing("b", "c", more=leads_to("t")), "does not continue the one before", logging.WARNING),
        "an object without an ETag": (listing("a", etag=""), "not complete: no 'ETag'", logging.WARNING),
    }

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """botocore repeats what may help, here without waiting."""
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    @pytest.mark.parametrize("name", FAULTS)
    async def test_ends_nothing(
        self, bucket: Bucket, front: Front, polls: Polls, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        answer, message, level = self.FAULTS[name]
        await bucket.put("a", "gone")
        async with watching_bucket(polls) as watch:
            front.instead = lambda query: answer
            await until(lambda: caplog.text.count("Could not poll bucket photos through connection civo_default") >= 2)
            await bucket.put("a", body=b"changed")
            await bucket.delete("gone")
            assert watch.fired == []
            front.instead = lambda query: None
            await watch.snapshots()
            assert watch.keys() == ["a"], "gone is missing for good, a has changed"
        failures = [record for record in caplog.records if "Could not poll" in record.getMessage()]
        assert message in failures[0].getMessage()
        assert {record.levelno for record in failures} == {level}
        assert "Traceback" not in caplog.text

    async def test_that_ends_early_says_nothing(
        self, bucket: Bucket, front: Front, polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        monkeypatch.setattr(bucket_listing, "PAGE_SIZE", 2)
        names = [f"in/{number}" for number in range(6)]
        await bucket.put(*names)
        async with watching_bucket(polls) as watch:
            front.instead = lambda query: b"" if "continuation-token" in query else None
            await until(lambda: caplog.text.count("Could not poll") >= 3)
            front.instead = lambda query: None
            await watch.snapshots(4)
            assert watch.fired == [], "the objects behind the lost page were never missing"

    async def test_of_a_server_that_never_ends(
        self, bucket: Bucket, front: Front, polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        monkeypatch.setattr(bucket_listing, "REQUEST_SECONDS", 1)
        async with watching_bucket(polls) as watch:
            front.instead = lambda query: dripping(b"HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\n\r\n<Li")
            await until(lambda: "TimeoutError" in caplog.text)
            front.instead = lambda query: None
            await bucket.put("a")
            await watch.snapshots(3)
            assert watch.keys() == ["a"]


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_the_control_plane_refuses(
    bucket: Bucket, emulator: Emulator, polls: Polls, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    emulator.faults([{"operation": "civo.*", "kind": "status", "status": status}])
    async with watching_bucket(polls, snapshots=0) as watch:
        await until(lambda: caplog.text.count("Could not poll bucket photos") >= 2)
        emulator.faults([])
        await watch.snapshots()
        await bucket.put("a")
        await watch.snapshots()
        assert watch.keys() == ["a"]
    assert "emulator-key" not in caplog.text


async def test_waits_for_a_connection(
    bucket: Bucket, emulator: Emulator, polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", '{"conn_type": "civo"}')
    async with watching_bucket(polls, snapshots=0) as watch:
        await until(lambda: "region" in caplog.text)
        connect(monkeypatch, emulator)
        await asyncio.sleep(1.1)  # for as long a look-up of a connection is shared
        await watch.snapshots()
        await bucket.put("a")
        await watch.snapshots()
        assert watch.keys() == ["a"]


async def test_follows_an_edited_connection(
    bucket: Bucket, front: Front, emulator: Emulator, polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bucket.put("there")
    front.instead = lambda query: listing("here")
    async with watching_bucket(polls) as watch:
        connect(monkeypatch, emulator)  # straight to S3
        await asyncio.sleep(1.1)
        await watch.snapshots()
        listed = len(front.prefixes)
        assert watch.keys() == [], "what was known of the other place says nothing about this one"
        await bucket.put("a")
        await watch.snapshots(3)
        assert watch.keys() == ["a"]
        assert len(front.prefixes) == listed


class TestABucketThatIsMissing:
    async def test_it_comes_with_its_first_object(
        self, front: Front, emulator: Emulator, polls: Polls, caplog: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
        async with watching_bucket(polls) as watch:
            hook = CivoObjectStoreHook()
            await asyncio.to_thread(create, hook, BUCKET)
            await (await asyncio.to_thread(Bucket, hook, front.behind)).put("a")
            await watch.snapshots()
            assert watch.keys() == ["a"]
        assert "no object store with the exact name 'photos'" in caplog.text

    async def test_it_vanishes_and_comes_again(
        self, bucket: Bucket, front: Front, polls: Polls, caplog: pytest.LogCaptureFixture
    ) -> None:
        await bucket.put("a", "b")
        store = bucket.hook.require_object_store(BUCKET)
        async with watching_bucket(polls) as watch:
            await asyncio.to_thread(bucket.hook.delete_object_store, store.id)
            await watch.snapshots(5)
            assert watch.keys() == []
            await asyncio.sleep(1.1)  # moto's times are whole seconds
            await asyncio.to_thread(create, bucket.hook, BUCKET)
            await watch.snapshots()
            await asyncio.to_thread(bucket.access)
            await bucket.put("a")
            await watch.snapshots(3)
            assert watch.keys() == ["a"], "it was written anew"
        messages = [record.getMessage() for record in caplog.records]
        (missing,) = [message for message in messages if "is polled until it exists" in message]
        assert missing == (
            "there is no object store with the exact name 'photos' in this region: check it and the connection's "
            "region. The object store itself is missing: bucket photos through connection civo_default is polled until "
            "it exists"
        )

    async def test_the_id_of_another_store_is_no_bucket(self, bucket: Bucket, polls: Polls, caplog: Any) -> None:
        store = bucket.hook.require_object_store(BUCKET)
        async with watching_bucket(polls, bucket=store.id):
            assert f"no object store with the exact name {store.id!r}" in caplog.text


async def test_no_secret_shows(
    bucket: Bucket, front: Front, polls: Polls, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = bucket.hook.s3_options(BUCKET).secret_access_key
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    caplog.set_level(logging.DEBUG, logger="airflow_provider_objectstore")
    front.instead = lambda query: xml(
        f"<Error><Code>AccessDenied</Code><Message>not with {secret}</Message></Error>", "403 Forbidden"
    )
    async with watching_bucket(polls):
        await until(lambda: "not with ***" in caplog.text)
    assert secret not in caplog.text
    assert "emulator-key" not in caplog.text
