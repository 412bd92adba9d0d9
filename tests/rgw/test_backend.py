"""Ceph's gateway as an S3 backend, through boto3."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.rgw.backend import RgwS3

pytestmark = [
    pytest.mark.rgw,
    pytest.mark.skipif(os.environ.get("RGW") == "skip", reason="RGW=skip"),
]
Connect = Callable[..., Any]

PUT = {"Bucket": "store", "Key": "file", "Body": b"content"}
FILE = {"Bucket": "store", "Key": "file"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[RgwS3, str]]:
    backend = RgwS3(tls=True)
    url = backend.start(0)
    yield backend, url
    backend.stop()


@pytest.fixture
def backend(gateway: tuple[RgwS3, str]) -> RgwS3:
    """The backend with the users ann and bob, and ann's bucket."""
    backend, _ = gateway
    backend.reset()
    backend.put_user("ann", "ANN", "ann-secret")
    backend.put_user("bob", "BOB", "bob-secret")
    backend.create_bucket("store", "ann")
    return backend


@pytest.fixture(params=["http", "https"])
def connect(request: pytest.FixtureRequest, gateway: tuple[RgwS3, str], backend: RgwS3) -> Connect:
    """Makes a client with a pair of keys, over either protocol."""
    url = gateway[1] if request.param == "http" else backend.tls_url

    def client(access_key: str, secret_key: str, checksums: str = "when_required") -> Any:
        config = Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            retries={"max_attempts": 1},
        )
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="lon1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            verify=backend.ca_file,
            config=config,
        )

    return client


@pytest.fixture
def ann(connect: Connect) -> Any:
    return connect("ANN", "ann-secret")


@pytest.fixture
def bob(connect: Connect) -> Any:
    return connect("BOB", "bob-secret")


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """Return status and code of the error that a call raises."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def body(client: Any) -> bytes:
    content: bytes = client.get_object(**FILE)["Body"].read()
    return content


def test_owner_only(ann: Any, bob: Any) -> None:
    ann.put_object(**PUT)
    assert body(ann) == b"content"
    assert [bucket["Name"] for bucket in ann.list_buckets()["Buckets"]] == ["store"]

    assert bob.list_buckets()["Buckets"] == []
    for call in (bob.put_object, bob.get_object, bob.delete_object):
        assert error_of(call, **(PUT if call == bob.put_object else FILE)) == (403, "AccessDenied")
    assert error_of(bob.list_objects_v2, Bucket="store") == (403, "AccessDenied")


def test_missing_key_is_hidden_from_others(ann: Any, bob: Any) -> None:
    assert error_of(ann.head_object, **FILE)[0] == 404
    assert error_of(bob.head_object, **FILE)[0] == 403


def test_wrong_keys(connect: Connect) -> None:
    assert error_of(connect("ANN", "other").list_buckets) == (403, "SignatureDoesNotMatch")
    assert error_of(connect("EVE", "ann-secret").list_buckets) == (403, "InvalidAccessKeyId")


def test_suspended_user_is_denied_at_once(backend: RgwS3, ann: Any) -> None:
    ann.put_object(**PUT)
    backend.suspend_user("ann", True)
    assert error_of(ann.get_object, **FILE) == (403, "UserSuspended")
    backend.suspend_user("ann", False)
    assert body(ann) == b"content"


def test_secret_replaced_in_place(backend: RgwS3, connect: Connect, ann: Any) -> None:
    ann.put_object(**PUT)
    backend.put_user("ann", "ANN", "new-secret")
    assert error_of(ann.get_object, **FILE) == (403, "SignatureDoesNotMatch")
    assert body(connect("ANN", "new-secret")) == b"content"


def test_key_replaced(backend: RgwS3, connect: Connect, ann: Any) -> None:
    ann.put_object(**PUT)
    backend.put_user("ann", "ANN2", "new-secret")
    assert error_of(ann.get_object, **FILE) == (403, "InvalidAccessKeyId")
    assert body(connect("ANN2", "new-secret")) == b"content"


def test_new_owner_gets_the_existing_objects(backend: RgwS3, ann: Any, bob: Any) -> None:
    ann.put_object(**PUT)
    backend.set_owner("store", "bob")
    assert body(bob) == b"content"
    bob.put_object(**{**PUT, "Key": "more"})
    assert error_of(ann.get_object, **FILE) == (403, "AccessDenied")
    assert error_of(ann.put_object, **PUT) == (403, "AccessDenied")

    backend.set_owner("store", "ann")
    assert body(ann) == b"content"
    assert error_of(bob.get_object, **FILE) == (403, "AccessDenied")


def test_bucket_of_a_suspended_user(backend: RgwS3, ann: Any) -> None:
    backend.suspend_user("ann", True)
    backend.create_bucket("second", "ann")
    backend.suspend_user("ann", False)
    ann.put_object(**{**PUT, "Bucket": "second"})


def test_delete_bucket_with_contents(backend: RgwS3, ann: Any) -> None:
    for number in range(3):
        ann.put_object(**{**PUT, "Key": f"folder/{number}"})
    backend.delete_bucket("store")
    assert error_of(ann.get_object, Bucket="store", Key="folder/0") == (404, "NoSuchBucket")
    assert ann.list_buckets()["Buckets"] == []
    backend.create_bucket("store", "bob")


def test_usage_does_not_lag(backend: RgwS3, ann: Any) -> None:
    assert backend.usage("store") == (0, 0)
    for number in range(1, 6):
        ann.put_object(**{**PUT, "Key": str(number)})
        assert backend.usage("store") == (number * len(PUT["Body"]), number)
    ann.delete_object(Bucket="store", Key="1")
    assert backend.usage("store") == (4 * len(PUT["Body"]), 4)


def test_user_with_buckets_is_not_deleted(backend: RgwS3, connect: Connect, bob: Any) -> None:
    with pytest.raises(RuntimeError, match="user with buckets"):
        backend.delete_user("ann")
    backend.delete_user("bob")
    assert error_of(bob.list_buckets) == (403, "InvalidAccessKeyId")
    backend.put_user("bob", "BOB", "bob-secret")
    assert connect("BOB", "bob-secret").list_buckets()["Buckets"] == []


def test_reset(backend: RgwS3, ann: Any) -> None:
    ann.put_object(**PUT)
    backend.reset()
    assert error_of(ann.list_buckets) == (403, "InvalidAccessKeyId")
    backend.put_user("ann", "ANN", "ann-secret")
    assert ann.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("connect", ["https"], indirect=True)
def test_checksums_by_default_fail_over_tls(connect: Connect) -> None:
    """Clients need ``when_required``, over https only."""
    client = connect("ANN", "ann-secret", checksums="when_supported")
    assert error_of(client.put_object, **PUT) == (411, "MissingContentLength")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow
def test_nothing_is_left_when_the_process_ends(signal_number: int, tmp_path: Path) -> None:
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # ignored below a shell's background
        "from tests.rgw.backend import RgwS3; backend = RgwS3(); backend.start(0);"
        "print(*(daemon.pid for daemon in backend._cluster._daemons), flush=True); import time; time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        daemons = [int(pid) for pid in process.stdout.readline().split()]
        assert len(daemons) == 3
        assert all(is_running(pid) for pid in daemons)
        process.send_signal(signal_number)
    deadline = time.monotonic() + 120
    while any(is_running(pid) for pid in daemons) or [*tmp_path.iterdir()]:
        assert time.monotonic() < deadline, (daemons, [*tmp_path.iterdir()])
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether the process runs. A zombie has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
