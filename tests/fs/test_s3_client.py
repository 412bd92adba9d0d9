"""What the S3 client of ``civo://`` must not do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import fsspec
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.fs.buckets import create
from tests.transport.stub import Answer, http, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def connect(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Opens a filesystem whose S3 is at a URL."""
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("mine").access_key_id)

    def opened(url: str) -> Any:
        connection = emulator.connections()["civo_default"]
        extra = {**connection["extra"], "s3_endpoint": url}
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
        limits = {"read_timeout": 1, "retries": {"total_max_attempts": 1}}
        return fsspec.filesystem("civo", skip_instance_cache=True, config_kwargs=limits)

    return opened


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_it_follows_no_redirect(status: str, connect: Callable[[str], Any]) -> None:
    elsewhere: list[bytes] = []

    def other_host(request: bytes) -> Answer:
        elsewhere.append(request)
        return http(b"of another host", 'ETag: "e"', "Last-Modified: Wed, 25 Nov 2026 10:00:00 GMT")

    with serving(other_host) as other, serving(lambda request: http(b"", f"location: {other}/", status=status)) as url:
        fs = connect(url)
        for act in (lambda: fs.pipe_file("photos/a", b"contents"), lambda: fs.cat_file("photos/a")):
            with pytest.raises(OSError, match=r"."):
                act()
    assert elsewhere == []


def test_a_write_to_a_service_that_hangs_ends(connect: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    errors: list[Exception] = []

    def write() -> None:
        try:
            fs.pipe_file("photos/a", b"contents")
        except OSError as error:
            errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        fs = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=write, daemon=True)  # which no failed test waits for
        thread.start()
        thread.join(30)
    assert "photos/a" in str(errors[0])
