"""Runs event triggers of buckets, and changes objects while they run."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.triggers.bucket_objects import BucketObjects
from airflow_provider_objectstore.triggers.civo import CivoObjectEventTrigger
from airflow_provider_objectstore.triggers.snapshots import KeyFilter, Snapshot
from tests.hooks.buckets import create
from tests.transport.stub import Answer, serving
from tests.triggers.watching import INTERVAL, State, Watch, running

BUCKET = "photos"


class Bucket:
    """Writes and deletes objects, off the loop."""

    def __init__(self, hook: CivoObjectStoreHook, endpoint: str | None = None) -> None:
        self.hook = hook
        self._endpoint = endpoint
        self.access()

    def access(self) -> None:
        """Use the owner's keys as they are now."""
        options = self.hook.s3_options(BUCKET).boto3()
        if self._endpoint:
            options["endpoint_url"] = self._endpoint
        self.client: Any = boto3.client("s3", **options)

    async def call(self, method: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, method), Bucket=BUCKET, **arguments)

    async def put(self, *keys: str, body: bytes = b"1") -> None:
        for key in keys:
            await self.call("put_object", Key=key, Body=body)

    async def delete(self, key: str) -> None:
        await self.call("delete_object", Key=key)

    async def upload_in_parts(self, key: str, number: int, between: Callable[[], Any]) -> None:
        """Upload an object in parts; ``between`` is awaited before it is complete."""
        upload = (await self.call("create_multipart_upload", Key=key))["UploadId"]
        parts = []
        for part in range(1, number + 1):
            made = await self.call("upload_part", Key=key, UploadId=upload, PartNumber=part, Body=b"x" * 5_242_880)
            parts.append({"PartNumber": part, "ETag": made["ETag"]})
        await between()
        await self.call("complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    def rotate(self, how: str) -> None:
        """Take away the keys that reach the bucket now."""
        store = self.hook.require_object_store(BUCKET)
        assert store.owner_access_key_id
        mine, secret = self.hook.require_credential(store.owner_access_key_id), f"a-secret-of-{time.time_ns()}"
        if how == "secret":
            self.hook.update_credential(mine.id, secret_access_key=secret)
        elif how == "both keys":
            self.hook.update_credential(mine.id, access_key_id=f"KEY{time.time_ns()}", secret_access_key=secret)
        else:
            other = self.hook.wait_for_keys(self.hook.create_credential(f"other-{time.time_ns()}"))
            self.hook.update_object_store(store.id, access_key_id=other.access_key_id)
        self.access()


class Polls:
    """How many polls have begun."""

    number = 0

    def __call__(self) -> int:
        return self.number


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    """Counts polls of buckets."""
    counter, original = Polls(), BucketObjects.take_snapshot

    async def counted(source: BucketObjects, key_filters: frozenset[KeyFilter]) -> Snapshot:
        counter.number += 1
        return await original(source, key_filters)

    monkeypatch.setattr(BucketObjects, "take_snapshot", counted)
    return counter


@pytest.fixture
def bucket(emulator: Emulator, front: Front, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket with an owner of its own. The trigger reaches S3 through ``front``."""
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    hook = CivoObjectStoreHook()
    create(hook, BUCKET, hook.create_credential("mine").access_key_id)
    return Bucket(hook, front.behind)


class Front:
    """Stands before S3: counts requests, and sends other responses instead where a test wants it."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.url = ""
        self.prefixes: list[str] = []
        self.instead: Callable[[dict[str, str]], Answer | None] = lambda query: None

    def answer(self, request: bytes) -> Answer:
        target = request.split(b" ", 2)[1].decode()
        query = {name: value for name, (value,) in parse_qs(urlsplit(target).query).items()}
        self.prefixes.append(query.get("prefix", ""))
        other = self.instead(query)
        return self.forward(request) if other is None else other

    def forward(self, request: bytes) -> bytes:
        to = urlsplit(self.behind)
        with socket.create_connection((to.hostname, to.port)) as connection:  # type: ignore[arg-type]
            head, _, body = request.partition(b"\r\n\r\n")
            connection.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            response = b""
            while part := connection.recv(65536):
                response += part
        return response


@pytest.fixture
def front(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """Leads the default connection to S3 through a server that can answer instead."""
    behind = emulator.connections()["civo_default"]
    front = Front(behind["extra"].get("s3_endpoint") or str(emulator.s3_url))
    with serving(front.answer) as url:
        front.url = url
        extra = {**behind["extra"], "s3_endpoint": url, "requests_per_second": 100_000}
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**behind, "extra": extra}))
        yield front


def bucket_trigger(**settings: Any) -> CivoObjectEventTrigger:
    return CivoObjectEventTrigger(**{"bucket": BUCKET, "poke_interval": INTERVAL, **settings})


@asynccontextmanager
async def watching_bucket(
    polls: Polls, state: State | None = None, snapshots: int = 2, **settings: Any
) -> AsyncIterator[Watch]:
    """Run a trigger in the block, as a triggerer starts it; ``snapshots`` are taken first."""
    async with running(bucket_trigger(**settings), Watch(polls), state, snapshots) as watch:
        yield watch
