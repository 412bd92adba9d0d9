"""What an S3 client on an event loop must not do: that of ``civo://``, and that of listings."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import AuthenticationError, ConfigurationError, ObjectStoreError
from airflow_provider_objectstore.hooks.bucket_listing import BucketListing
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.hooks.buckets import create
from tests.transport.stub import Answer, http, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def set_endpoint(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the default connection lead to an S3 at a URL, where it has a bucket ``photos``."""
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("mine").access_key_id)

    def set_to(url: str) -> None:
        connection = emulator.connections()["civo_default"]
        extra = {**connection["extra"], "s3_endpoint": url}
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))

    return set_to


def filesystem() -> Any:
    limits = {"read_timeout": 1, "retries": {"total_max_attempts": 1}}
    return fsspec.filesystem("civo", skip_instance_cache=True, config_kwargs=limits)


@contextmanager
def redirecting(status: str, elsewhere: list[bytes]) -> Iterator[str]:
    """Start a server that redirects to another one; yield its address. The other one keeps its requests."""

    def other_host(request: bytes) -> Answer:
        elsewhere.append(request)
        return http(b"of another host", 'ETag: "e"', "Last-Modified: Wed, 25 Nov 2026 10:00:00 GMT")

    with serving(other_host) as other, serving(lambda request: http(b"", f"location: {other}/", status=status)) as url:
        yield url


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_a_filesystem_follows_no_redirect(status: str, set_endpoint: Callable[[str], None]) -> None:
    elsewhere: list[bytes] = []
    with redirecting(status, elsewhere) as url:
        set_endpoint(url)
        fs = filesystem()
        for act in (lambda: fs.pipe_file("photos/a", b"contents"), lambda: fs.cat_file("photos/a")):
            with pytest.raises(OSError, match=r"."):
                act()
    assert elsewhere == []


@pytest.mark.parametrize("status", ["301 x", "307 x"])
async def test_a_listing_follows_no_redirect(status: str, set_endpoint: Callable[[str], None]) -> None:
    elsewhere: list[bytes] = []
    with redirecting(status, elsewhere) as url:
        set_endpoint(url)
        listing = BucketListing(CivoObjectStoreHook(), "photos")
        async with listing.opened():
            with pytest.raises(ObjectStoreError, match=rf"list_objects_v2 \(bucket photos\): .* {status[:3]}"):
                await anext(listing.pages())
    assert elsewhere == []


async def test_a_client_that_cannot_be_kept_from_redirects(
    set_endpoint: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_endpoint("http://127.0.0.1:9")
    monkeypatch.delattr("aiobotocore.httpsession.AIOHTTPSession._get_session")  # as before aiobotocore 2.19
    listing = BucketListing(CivoObjectStoreHook(), "photos")
    with pytest.raises(ConfigurationError, match=r"would follow redirects.* pip install .*aiobotocore"):
        async with listing.opened():
            pass


async def test_a_bucket_is_not_missing_where_an_edited_connection_leads_elsewhere(
    emulator: Emulator, set_endpoint: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with serving(lambda _: http(refusal, status="403 Forbidden", kind="application/xml")) as url:
        set_endpoint(url)
        listing = BucketListing(CivoObjectStoreHook(), "photos")
        async with listing.opened():
            edited = emulator.connections()["civo_default"]
            edited["extra"]["region"] = "NYC1"
            monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(edited))
            await asyncio.sleep(1.1)  # for as long a look-up of a connection is shared
            with pytest.raises(AuthenticationError, match="edited meanwhile and leads elsewhere"):
                await anext(listing.pages())


def test_a_write_to_a_service_that_hangs_ends(
    set_endpoint: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    errors: list[Exception] = []

    def write() -> None:
        try:
            fs.pipe_file("photos/a", b"contents")
        except OSError as error:
            errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        set_endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}")
        fs = filesystem()
        thread = threading.Thread(target=write, daemon=True)  # which no failed test waits for
        thread.start()
        thread.join(30)
    assert "photos/a" in str(errors[0])
