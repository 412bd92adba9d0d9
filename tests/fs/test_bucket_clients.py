"""The clients of ``civo://`` on moto and on Ceph: whose keys they use, rotated keys, forks."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import boto3
import fsspec
import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.exceptions import AuthenticationError, ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.conftest import RGW_TLS
from tests.fs.buckets import create


@pytest.fixture
def fs(hook: CivoObjectStoreHook) -> Any:
    return fsspec.filesystem("civo", skip_instance_cache=True)


CHANGES = ["secret", "both keys", "owner"]
ELSEWHERE = r"the connection was edited meanwhile and leads elsewhere: start again \[connection civo_default, region"


def rotate(hook: CivoObjectStoreHook, how: str) -> None:
    """Take away the keys that reach the bucket now."""
    mine, store = hook.find_credential("mine"), hook.find_object_store("photos")
    assert mine
    assert store
    if how == "secret":
        hook.update_credential(mine.id, secret_access_key=f"a-secret-of-{time.time_ns()}")
    elif how == "both keys":
        hook.update_credential(
            mine.id, access_key_id=f"KEY{time.time_ns()}", secret_access_key=f"a-secret-of-{time.time_ns()}"
        )
    else:
        other = hook.create_credential(f"other-{time.time_ns()}")
        hook.update_object_store(store.id, access_key_id=other.access_key_id)


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.slow
def test_a_rotated_credential_is_picked_up(fs: Any, hook: CivoObjectStoreHook, how: str) -> None:
    for number, act in enumerate(
        [
            lambda: fs.pipe("photos/a/1", b"1"),
            lambda: fs.ls("photos/a"),
            lambda: fs.cat("photos/a/1"),
            lambda: fs.info("photos/a/1"),
            lambda: fs.cp("photos/a/1", "photos/a/2"),
            lambda: fs.open("photos/a/3", "wb").close(),
            lambda: fs.open("photos/a/1").read(),
            lambda: fs.pipe({f"photos/many/{number}": b"1" for number in range(20)}),
            lambda: fs.rm("photos/many", recursive=True),
        ]
    ):
        act()
        if number in (0, 2, 4, 6, 7):
            rotate(hook, how)
    assert fs.find("photos") == ["photos/a/1", "photos/a/2", "photos/a/3"]


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.slow
async def test_a_rotated_credential_is_picked_up_on_an_event_loop(hook: CivoObjectStoreHook, how: str) -> None:
    fs = fsspec.filesystem("civo", asynchronous=True, skip_instance_cache=True)
    await fs._pipe_file("photos/a", b"1")
    for _ in range(2):
        await asyncio.to_thread(rotate, hook, how)
        assert await asyncio.gather(*(fs._cat_file("photos/a") for _ in range(8))) == [b"1"] * 8
    await (await fs.set_session()).close()


async def test_sessions_are_closed_as_those_of_s3fs(
    hook: CivoObjectStoreHook, caplog: pytest.LogCaptureFixture
) -> None:
    fs = fsspec.filesystem("civo", asynchronous=True, skip_instance_cache=True)
    session = await fs.set_session()
    for _ in range(2):  # it can be used again
        await fs._pipe_file("photos/a", b"1")
        assert await fs._cat_file("photos/a") == b"1"
        await session.close()
    del fs, session
    gc.collect()
    assert "Unclosed" not in caplog.text


def test_a_connection_that_was_edited_to_lead_elsewhere_is_not_followed(
    fs: Any, hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.pipe("photos/a", b"1")
    rotate(hook, "secret")
    edited = json.loads(os.environ["AIRFLOW_CONN_CIVO_DEFAULT"])
    edited["host"] = edited["host"].replace("127.0.0.1", "localhost")
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(edited))
    for _ in range(2):
        with pytest.raises(AuthenticationError, match=ELSEWHERE):
            fs.cat("photos/a")


@pytest.mark.parametrize("served", ["moto"], indirect=True)
def test_what_an_edited_connection_does_not_lead_to_is_not_missing(
    fs: Any, hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.pipe("photos/a", b"1")
    rotate(hook, "secret")
    with Emulator(Settings(creating_seconds=0)) as other:
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(other.connections()["civo_default"]))
        create(CivoObjectStoreHook(), "only-there")
        acts = [lambda: fs.exists("photos/a"), lambda: fs.isfile("photos/a"), lambda: fs.glob("photos/*")]
        for act in [*acts, lambda: fs.exists("only-there/a"), lambda: fs.exists("nowhere/a")]:
            with pytest.raises(AuthenticationError, match=ELSEWHERE):
                act()


@pytest.mark.parametrize("served", ["moto"], indirect=True)
@pytest.mark.parametrize("use", ["exists", "ls"])
def test_one_place_from_the_first_use_on(
    use: str, fs: Any, hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    global _INHERITED
    assert getattr(fs, use)("photos" if use == "exists" else "")
    with Emulator(Settings(creating_seconds=0), s3=MotoS3()) as other:
        monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(other.connections()["civo_default"]))
        create(CivoObjectStoreHook(), "photos")
        with pytest.raises(AuthenticationError, match=ELSEWHERE):
            fs.pipe("photos/a", b"1")
        _INHERITED = fs
        with get_context("fork").Pool(1) as child, pytest.raises(AuthenticationError, match=ELSEWHERE):
            child.map(_in_a_child, ["photos/a"])
        fsspec.filesystem("civo", skip_instance_cache=True).pipe("photos/a", b"1")


def test_a_suspended_credential_stays_refused(fs: Any, hook: CivoObjectStoreHook) -> None:
    fs.pipe("photos/a", b"1")
    mine = hook.find_credential("mine")
    assert mine
    hook.update_credential(mine.id, suspended=True)
    end = r"owner is suspended.* \[connection civo_default, region LON1\]$"
    for act in (fs.cat, fs.info, lambda path: fs.pipe_file(path, b"2"), lambda path: fs.find("photos")):
        with pytest.raises(OSError, match=rf"civo://photos.*{end}"):
            act("photos/a")
    with pytest.raises(OSError, match=r"UserSuspended.*CivoUpdateCredentialOperator with suspended=False"):
        fs.pipe_file("photos/a", b"2")
    hook.update_credential(mine.id, suspended=False)
    assert fs.cat("photos/a") == b"1"


@pytest.mark.parametrize("bucket", ["none", "the store's id"])
def test_a_bucket_that_is_not_there(fs: Any, hook: CivoObjectStoreHook, bucket: str) -> None:
    store = hook.find_object_store("photos")
    assert store
    bucket = store.id if bucket != "none" else bucket
    message = rf"no object store '{bucket}'.* \[connection civo_default, region LON1\]"
    for act in (fs.cat, fs.info, fs.ls, fs.open, fs.exists, lambda path: fs.pipe(path, b"1")):
        with pytest.raises(StoreNotFoundError, match=message):
            act(f"{bucket}/a")
    assert not fs.exists(bucket)


@pytest.mark.slow
def test_a_bucket_made_later_is_found(fs: Any, hook: CivoObjectStoreHook) -> None:
    with pytest.raises(StoreNotFoundError):
        fs.exists("later/a")
    store = create(hook, "later")
    fs.pipe("later/a", b"1")
    hook.delete_object_store(store)
    with pytest.raises(StoreNotFoundError):
        fs.exists("later/a")
    create(hook, "later")
    assert not fs.exists("later/a")
    fs.pipe("later/b", b"2")
    assert fs.find("later") == ["later/b"]


def test_options_of_the_user_are_kept(hook: CivoObjectStoreHook) -> None:
    options = {"config_kwargs": {"max_pool_connections": 7}, "default_block_size": 6 * 1024 * 1024}
    fs = fsspec.filesystem("civo", skip_instance_cache=True, **options)
    fs.pipe("photos/a", b"1")
    (inner,) = fs._buckets.values()
    assert inner.config_kwargs["max_pool_connections"] == 7
    assert inner.config_kwargs["s3"] == {"addressing_style": "path"}
    assert fs.open("photos/b", "wb").blocksize == 6 * 1024 * 1024


def test_between_buckets_of_two_owners(fs: Any, hook: CivoObjectStoreHook) -> None:
    create(hook, "other")
    fs.pipe("photos/a/x.txt", b"1")
    fs.cp("photos/a/x.txt", "other/y.txt")
    assert fs.cat("other/y.txt") == b"1"
    fs.mv("photos/a", "other/b", recursive=True)
    assert (fs.find("photos"), fs.find("other")) == ([], ["other/b/x.txt", "other/y.txt"])


_INHERITED: Any = None


def _in_a_child(path: str) -> Any:
    return _INHERITED.cat_file(path)


@pytest.mark.slow
def test_a_forked_child_may_use_it(fs: Any) -> None:
    global _INHERITED
    fs.pipe("photos/a", b"1")
    _INHERITED = fs
    with get_context("fork").Pool(2) as children:
        assert children.map(_in_a_child, ["photos/a"] * 6) == [b"1"] * 6
    start = time.monotonic()
    assert fs.cat("photos/a") == b"1"
    assert time.monotonic() - start < 10  # 15 s, where a child has closed what it inherited


def test_no_connection_for_the_bucket_is_clear(fs: Any, hook: CivoObjectStoreHook, served: Any) -> None:
    served[0].faults([{"operation": "civo.*", "kind": "status", "status": 403, "body": {"code": "x", "reason": "no"}}])
    with pytest.raises(ObjectStoreError, match="403"):
        fs.exists("photos/a")
    served[0].faults([])


@pytest.mark.parametrize("served", [RGW_TLS], indirect=True)
def test_403_for_a_missing_object_reads_as_missing(fs: Any, hook: CivoObjectStoreHook, served: Any) -> None:
    """Ceph tells one who does not own the bucket what is missing only if he may list; here that takes a prefix."""
    client: Any = boto3.client("s3", **hook.s3_options("photos"))
    everything = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"]}
    listing = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket"}
    prefixed = {"Condition": {"StringLike": {"s3:prefix": "*"}}}
    policy = [
        everything | {"Resource": "arn:aws:s3:::photos/*"},
        listing | {"Resource": "arn:aws:s3:::photos"} | prefixed,
    ]
    client.put_bucket_policy(Bucket="photos", Policy=json.dumps({"Version": "2012-10-17", "Statement": policy}))
    fs.pipe("photos/ab", b"1")
    served[0]._s3.set_owner("photos", "bucket-maker", objects=False)  # which Civo's API does not know
    with pytest.raises(client.exceptions.ClientError, match="403"):
        client.head_object(Bucket="photos", Key="a")
    for act in (fs.cat, fs.info):
        with pytest.raises(FileNotFoundError):
            act("photos/a")
    assert not fs.exists("photos/a")
    assert fs.cat("photos/ab") == b"1"


@pytest.mark.slow
def test_without_s3fs_other_paths_work(tmp_path: Any) -> None:
    code = f"""
import sys
sys.modules["s3fs"] = None
from airflow.sdk import ObjectStoragePath
path = ObjectStoragePath("file://{tmp_path}/a")
path.write_text("1")
assert path.read_text() == "1"
try:
    ObjectStoragePath("civo://civo_default@photos/a").fs
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ConfigurationError civo:// paths need s3fs: pip install 'airflow-provider-objectstore[s3]'" in done.stdout


class TestForks:
    """A child has clients of its own, also where the parent was at work while it forked."""

    @pytest.mark.slow
    def test_of_a_filesystem_in_use(self, hook: CivoObjectStoreHook) -> None:
        self.fork_while_threads_use("civo")

    @pytest.mark.skipif(  # by version: no feature tells it. It can go when Airflow >= 3.2 is required
        not AIRFLOW_V_3_2_PLUS, reason="on 3.1 a child hangs that was forked while threads were at work"
    )
    @pytest.mark.slow
    def test_of_the_other_filesystem_in_use(self, emulator: Emulator) -> None:
        AnypointObjectStoreHook().create_store("photos")
        self.fork_while_threads_use("osv2")

    def fork_while_threads_use(self, scheme: str) -> None:
        global _INHERITED
        fsspec.get_filesystem_class(scheme).clear_instance_cache()
        fs = fsspec.filesystem(scheme)
        paths = [f"photos/p/{number}" for number in range(20)]
        fs.pipe({path: path.encode() for path in paths})
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                assert fs.cat(paths[0]) == paths[0].encode()
                time.sleep(0.005)

        with ThreadPoolExecutor(4) as threads:
            working = [threads.submit(work) for _ in range(4)]
            try:
                _INHERITED = fs
                for _ in range(3):
                    with get_context("fork").Pool(4) as children:
                        done = children.map_async(_in_a_child, paths * 3)
                        assert done.get(timeout=60) == [path.encode() for path in paths] * 3
                        cached = children.map_async(_of_the_cache, [(scheme, path) for path in paths])
                        assert cached.get(timeout=60) == [path.encode() for path in paths]
            finally:
                ended.set()
            for future in working:
                future.result()
        assert fs.cat(paths) == {path: path.encode() for path in paths}

    @pytest.mark.slow
    async def test_on_an_event_loop(self, hook: CivoObjectStoreHook) -> None:
        global _INHERITED
        fs = fsspec.filesystem("civo", asynchronous=True, skip_instance_cache=True)
        await fs._pipe_file("photos/a", b"1")
        _INHERITED = fs
        children = get_context("fork").Pool(2)
        try:
            found = children.map_async(_on_a_childs_loop, ["photos/a"] * 4)
            assert await asyncio.to_thread(found.get, 60) == [b"1"] * 4
        finally:
            children.terminate()
        assert await fs._cat_file("photos/a") == b"1"
        await (await fs.set_session()).close()


def _of_the_cache(what: tuple[str, str]) -> Any:
    return fsspec.filesystem(what[0]).cat_file(what[1])


_LOOP: Any = None


def _on_a_childs_loop(path: str) -> Any:
    global _LOOP
    _LOOP = _LOOP or asyncio.new_event_loop()
    return _LOOP.run_until_complete(_INHERITED._cat_file(path))
