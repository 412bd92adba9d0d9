"""``civo://`` over real S3: on moto and on Ceph, on Ceph over TLS too."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any, ClassVar

import boto3
import fsspec
import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.conftest import RGW, RGW_TLS
from tests.transport.stub import LOGIN_PAGE, http, serving


@pytest.fixture
def hook(served: tuple[Emulator, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> CivoObjectStoreHook:
    """The account has a credential and its bucket, ``photos``."""
    emulator, connection = served
    emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps(connection))
    hook = CivoObjectStoreHook()
    create(hook, "photos", hook.create_credential("mine").access_key_id)
    return hook


@pytest.fixture
def fs(hook: CivoObjectStoreHook) -> Any:
    return fsspec.filesystem("civo", skip_instance_cache=True)


def create(hook: CivoObjectStoreHook, name: str, access_key_id: str | None = None) -> str:
    created = hook.create_object_store(name, access_key_id=access_key_id)
    while not hook.get_object_store(created.id).ready:
        time.sleep(0.05)
    return created.id


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests to S3 that were made, by the names of their operations."""
    from aiobotocore.client import AioBaseClient

    names: list[str] = []
    carry = AioBaseClient._make_api_call

    async def noted(self: Any, name: str, parameters: Any) -> Any:
        names.append(name)
        return await carry(self, name, parameters)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", noted)
    return names


@pytest.mark.parametrize(
    ("size", "requests"),
    [
        (1, ["GetObject"]),
        (262_144, ["GetObject"]),
        (262_145, ["GetObject", "GetObject"]),
        (0, ["GetObject", "HeadObject"]),
    ],
)
def test_a_small_file_takes_one_request(fs: Any, asked: list[str], size: int, requests: list[str]) -> None:
    contents = random.Random(size).randbytes(size)
    fs.pipe("photos/a", contents)
    asked.clear()
    with fs.open("photos/a", "rb") as file:
        assert file.read() == contents
    assert asked == requests
    with fs.open("photos/a", "rb") as file:
        assert (file.size, file.seek(-1, 2) if size else 0) == (size, max(size - 1, 0))
        assert file.read() == contents[-1:]
        assert file.info()["size"] == size
    asked.clear()
    fs.pipe("photos/a", contents)
    assert asked == ["PutObject"]


def test_a_large_file_that_changes_meanwhile_is_an_error(fs: Any) -> None:
    fs.pipe("photos/a", b"1" * 300_000)
    with fs.open("photos/a", "rb", block_size=1000) as file:
        assert file.read(1) == b"1"
        fs.pipe("photos/a", b"2" * 300_000)
        with pytest.raises(OSError, match=r"photos/a and Etag .* no longer exists"):
            file.seek(200_000) and file.read(1)


def test_opening_what_is_missing_takes_one_request(fs: Any, asked: list[str]) -> None:
    fs.pipe("photos/folder/a", b"1")
    asked.clear()
    for path in ("photos/none", "photos/folder"):
        with pytest.raises(FileNotFoundError):
            fs.open(path, "rb")
    assert asked == ["GetObject", "GetObject"]


CHANGES = ["secret", "both keys", "owner"]


@pytest.mark.parametrize("how", CHANGES)
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
            lambda: fs.pipe({f"photos/many/{it}": b"1" for it in range(20)}),
            lambda: fs.rm("photos/many", recursive=True),
        ]
    ):
        act()
        if number in (0, 2, 4, 6, 7):
            rotate(hook, how)
    assert fs.find("photos") == ["photos/a/1", "photos/a/2", "photos/a/3"]


@pytest.mark.parametrize("how", CHANGES)
async def test_a_rotated_credential_is_picked_up_on_an_event_loop(hook: CivoObjectStoreHook, how: str) -> None:
    fs = fsspec.filesystem("civo", asynchronous=True, skip_instance_cache=True)
    await fs._pipe_file("photos/a", b"1")
    for _ in range(2):
        await asyncio.to_thread(rotate, hook, how)
        assert await asyncio.gather(*(fs._cat_file("photos/a") for _ in range(8))) == [b"1"] * 8
    for inner in fs._buckets.values():
        await (await inner.set_session()).close()


def test_a_suspended_credential_stays_refused(fs: Any, hook: CivoObjectStoreHook) -> None:
    fs.pipe("photos/a", b"1")
    mine = hook.find_credential("mine")
    assert mine
    hook.update_credential(mine.id, suspended=True)
    with pytest.raises(OSError, match=r"UserSuspended|suspended|Forbidden|403|Access Denied"):
        fs.cat("photos/a")
    hook.update_credential(mine.id, suspended=False)
    assert fs.cat("photos/a") == b"1"


@pytest.mark.parametrize("bucket", ["none", "the store's id"])
def test_a_bucket_that_is_not_there(fs: Any, hook: CivoObjectStoreHook, bucket: str) -> None:
    store = hook.find_object_store("photos")
    assert store
    bucket = store.id if bucket != "none" else bucket
    for act in (fs.cat, fs.info, fs.ls, fs.open):
        with pytest.raises(FileNotFoundError):
            act(f"{bucket}/a")
    with pytest.raises(FileNotFoundError, match=f"'civo_default' has no object store '{bucket}'"):
        fs.pipe(f"{bucket}/a", b"1")
    assert not fs.exists(f"{bucket}/a")
    assert not fs.exists(bucket)


def test_a_bucket_made_later_is_found(fs: Any, hook: CivoObjectStoreHook) -> None:
    assert not fs.exists("later/a")
    store = create(hook, "later")
    fs.pipe("later/a", b"1")
    hook.delete_object_store(store)
    assert not fs.exists("later/a")
    create(hook, "later")
    assert not fs.exists("later/a")
    fs.pipe("later/b", b"2")
    assert fs.find("later") == ["later/b"]


def test_buckets_are_not_made_or_deleted_through_paths(fs: Any, hook: CivoObjectStoreHook) -> None:
    fs.pipe("photos/a", b"1")
    with pytest.raises(PermissionError, match="CivoCreateObjectStoreOperator"):
        fs.mkdir("other")
    with pytest.raises(PermissionError, match="CivoCreateObjectStoreOperator"):
        fs.makedirs("other", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.mkdir("photos")
    fs.makedirs("photos", exist_ok=True)
    fs.makedirs("photos/folder", exist_ok=True)
    with pytest.raises(PermissionError, match="CivoDeleteObjectStoreOperator"):
        fs.rmdir("photos")
    with pytest.raises(PermissionError, match="CivoDeleteObjectStoreOperator"):
        fs.rm("photos", recursive=True)
    with pytest.raises(PermissionError, match="CivoDeleteObjectStoreOperator"):
        fs.rm(["photos/a", "photos"], recursive=True)
    assert [store.name for store in hook.list_object_stores()] == ["photos"]
    assert fs.ls("", detail=False) == ["photos"]
    assert fs.find("photos") == ["photos/a"]


def test_moving_deletes_only_what_it_copied(fs: Any) -> None:
    fs.pipe({f"photos/{name}": name.encode() for name in ("b", "b/c", "b/d")})
    fs.mv("photos/b", "photos/moved")
    assert fs.find("photos") == ["photos/b/c", "photos/b/d", "photos/moved"]
    with pytest.raises(ValueError, match="cannot be moved into itself"):
        fs.mv("photos/b", "photos/b/sub", recursive=True)
    fs.mv("photos/b", "photos/z", recursive=True)
    assert fs.find("photos") == ["photos/moved", "photos/z/c", "photos/z/d"]
    assert fs.cat("photos/moved") == b"b"
    fs.mv("photos/moved", "/photos/moved")
    assert fs.exists("photos/moved")
    with pytest.raises(FileNotFoundError, match="recursive=True"):
        fs.mv("photos/z", "photos/y")
    with pytest.raises(ValueError, match="onto each other"):
        fs.mv(["photos/z/c", "photos/moved"], ["photos/new", "photos/new"])
    assert fs.find("photos") == ["photos/moved", "photos/z/c", "photos/z/d"]


class TestWhatIsNotThereIsNotDeleted:
    """S3 answers a deletion of what is missing as one of what was there."""

    @pytest.mark.parametrize("method", ["rm", "rm_file"])
    def test_missing(self, fs: Any, method: str) -> None:
        fs.pipe({"photos/a": b"1", "photos/dir/x": b"1"})
        with pytest.raises(FileNotFoundError):
            getattr(fs, method)("photos/none")
        with pytest.raises(IsADirectoryError, match="recursive=True"):
            getattr(fs, method)("photos/dir")
        assert fs.find("photos") == ["photos/a", "photos/dir/x"]

    @pytest.mark.parametrize("others", [["photos/none"], ["photos/none", "photos/nothing"], ["photos/dir"]])
    def test_one_of_many_is_missing(self, fs: Any, others: list[str]) -> None:
        fs.pipe({"photos/a": b"1", "photos/dir/x": b"1"})
        with pytest.raises((FileNotFoundError, IsADirectoryError)):
            fs.rm(["photos/a", *others])
        assert fs.find("photos") == ["photos/a", "photos/dir/x"]

    def test_a_pattern_of_folders_only(self, fs: Any) -> None:
        fs.pipe("photos/dir/x", b"1")
        with pytest.raises(FileNotFoundError):
            fs.rm("photos/d*")
        assert fs.find("photos") == ["photos/dir/x"]

    def test_rmdir(self, fs: Any) -> None:
        fs.pipe({"photos/dir/x": b"1", "photos/empty/": b""})
        with pytest.raises(OSError, match="photos/dir is not empty"):
            fs.rmdir("photos/dir")
        with pytest.raises(FileNotFoundError):
            fs.rmdir("photos/none")
        with pytest.raises(NotADirectoryError):
            fs.rmdir("photos/dir/x")
        fs.rmdir("photos/empty")
        assert not fs.exists("photos/empty")

    def test_moving_asks_no_more(self, fs: Any, asked: list[str]) -> None:
        fs.pipe({f"photos/dir/{number}": b"1" for number in range(5)})
        asked.clear()
        fs.mv("photos/dir", "photos/moved", recursive=True)
        assert asked.count("DeleteObjects") == 1
        assert asked[asked.index("DeleteObjects") :] == ["DeleteObjects"]


def test_folders_that_look_like_patterns(fs: Any) -> None:
    fs.pipe({f"photos/{name}/x": b"1" for name in ("d1", "d[1]")})
    fs.rm("photos/d[1]", recursive=True)
    assert fs.find("photos") == ["photos/d1/x"]


def test_objects_that_were_not_deleted_are_an_error(fs: Any, hook: CivoObjectStoreHook) -> None:
    fs.pipe({"photos/a/1": b"1", "photos/a/2": b"2"})
    client: Any = boto3.client("s3", **hook.s3_options("photos"))
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::photos/*"}
    client.put_bucket_policy(Bucket="photos", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    with pytest.raises(PermissionError, match=r"3 objects were not deleted, the first is photos/a: AccessDenied"):
        fs.rm("photos/a", recursive=True)
    assert fs.find("photos") == ["photos/a/1", "photos/a/2"]


def test_deletion_takes_no_more_than_was_asked(fs: Any) -> None:
    fs.pipe({f"photos/p/{name}": b"1" for name in ("a*", "ab", "b/c")})
    fs.rm("photos/p/a*")
    assert fs.find("photos") == ["photos/p/ab", "photos/p/b/c"]
    fs.rm("photos/p", recursive=True, maxdepth=1)
    assert fs.find("photos") == ["photos/p/b/c"]


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


def test_many_threads_on_one_instance(fs: Any) -> None:
    def work(number: int) -> bool:
        fs.pipe(f"photos/{number}", str(number).encode())
        return bool(fs.cat(f"photos/{number}") == str(number).encode())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(40)))


_INHERITED: Any = None


def _in_a_child(path: str) -> Any:
    return _INHERITED.cat_file(path)


def test_a_forked_child_may_use_it(fs: Any) -> None:
    global _INHERITED
    fs.pipe("photos/a", b"1")
    _INHERITED = fs
    with get_context("fork").Pool(2) as children:
        assert children.map(_in_a_child, ["photos/a"] * 6) == [b"1"] * 6
    start = time.monotonic()
    assert fs.cat("photos/a") == b"1"
    assert time.monotonic() - start < 10  # 15 s, where a child has closed what it inherited


def test_pickled_it_holds_no_secret(fs: Any, hook: CivoObjectStoreHook) -> None:
    fs.pipe("photos/a", b"1")
    secret = hook.s3_options("photos").secret_access_key
    assert secret not in pickle.dumps(fs).decode("latin-1") + fs.to_json() + repr(fs)
    fs.clear_instance_cache()
    assert pickle.loads(pickle.dumps(fs)).cat("photos/a") == b"1"


def test_no_connection_for_the_bucket_is_clear(fs: Any, hook: CivoObjectStoreHook, served: Any) -> None:
    served[0].faults([{"operation": "civo.*", "kind": "status", "status": 403, "body": {"code": "x", "reason": "no"}}])
    with pytest.raises(ObjectStoreError, match="403"):
        fs.exists("photos/a")
    served[0].faults([])


@pytest.mark.parametrize("served", [RGW, RGW_TLS], indirect=True)
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


class TestAbsenceIsProven:
    """What was refused, or failed, is not absent."""

    @pytest.fixture
    def refused(self, fs: Any, hook: CivoObjectStoreHook) -> Any:
        fs.pipe({"photos/a/1": b"1", "photos/b": b"2"})
        mine = hook.find_credential("mine")
        assert mine
        hook.update_credential(mine.id, suspended=True)
        return fs

    @pytest.mark.parametrize(
        "act",
        [
            lambda fs: fs.exists("photos/a/1"),
            lambda fs: fs.isfile("photos/a/1"),
            lambda fs: fs.isdir("photos/a"),
            lambda fs: fs.ls("photos/a"),
            lambda fs: fs.find("photos"),
            lambda fs: fs.find("photos", maxdepth=2),
            lambda fs: fs.glob("photos/*"),
            lambda fs: list(fs.walk("photos")),
            lambda fs: fs.du("photos"),
            lambda fs: fs.expand_path("photos/a", recursive=True),
            lambda fs: fs.rm("photos/a", recursive=True),
            lambda fs: fs.mv("photos/b", "photos/c"),
        ],
    )
    def test_of_objects(self, refused: Any, act: Callable[[Any], Any]) -> None:
        with pytest.raises(OSError, match=r"Suspended|Forbidden|403|Access Denied") as caught:
            act(refused)
        assert not isinstance(caught.value, FileNotFoundError)

    def test_of_buckets(self, fs: Any, served: Any) -> None:
        assert (fs.exists("photos"), fs.exists("none")) == (True, False)
        body = {"code": "x", "reason": "no"}
        served[0].faults([{"operation": "civo.*", "kind": "status", "status": 403, "body": body}])
        with pytest.raises(ObjectStoreError, match="403"):
            fs.exists("photos")
        served[0].faults([])


class TestForks:
    """A child has clients of its own, also where the parent was at work while it forked."""

    @pytest.mark.parametrize(
        "scheme",
        [
            "civo",
            pytest.param(
                "osv2",
                marks=pytest.mark.skipif(
                    not AIRFLOW_V_3_2_PLUS, reason="on 3.1 a child hangs that was forked while threads were at work"
                ),
            ),
        ],
    )
    def test_of_a_filesystem_in_use(
        self, hook: CivoObjectStoreHook, served: Any, scheme: str, monkeypatch: Any
    ) -> None:
        global _INHERITED
        connection = served[0].connections()["anypoint_default"]
        connection["extra"]["requests_per_second"] = 100_000
        monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(connection))
        AnypointObjectStoreHook().create_store("photos")
        fsspec.get_filesystem_class(scheme).clear_instance_cache()
        fs = fsspec.filesystem(scheme)
        paths = [f"photos/p/{number}" for number in range(20)]
        fs.pipe({path: path.encode() for path in paths})
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                assert fs.cat(paths[0]) == paths[0].encode()

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
            for it in working:
                it.result()
        assert fs.cat(paths) == {path: path.encode() for path in paths}

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
        for inner in fs._buckets.values():
            await (await inner.set_session()).close()


def _of_the_cache(what: tuple[str, str]) -> Any:
    return fsspec.filesystem(what[0]).cat_file(what[1])


_LOOP: Any = None


def _on_a_childs_loop(path: str) -> Any:
    global _LOOP
    _LOOP = _LOOP or asyncio.new_event_loop()
    return _LOOP.run_until_complete(_INHERITED._cat_file(path))


class TestAnswersThatAreNotOfS3:
    """A login page is well-formed XML, in which an S3 client finds nothing: no error, and no result either."""

    PAGE: ClassVar[bytes] = http(LOGIN_PAGE, kind="text/html")

    @pytest.fixture
    def said(self) -> dict[str, Any]:
        """What the server says, by the request's method."""
        return {}

    @pytest.fixture
    def fs(self, said: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        hook = CivoObjectStoreHook()
        create(hook, "photos", hook.create_credential("mine").access_key_id)

        def answer(request: bytes) -> bytes:
            method = request.split(b" ")[0].decode()
            self.asked.append(method)
            return said.get(method, self.PAGE)

        self.asked: list[str] = []
        with serving(answer) as url:
            connection = emulator.connections()["civo_default"]
            extra = {**connection["extra"], "s3_endpoint": url}
            monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", json.dumps({**connection, "extra": extra}))
            yield fsspec.filesystem("civo", skip_instance_cache=True)

    HEAD: ClassVar[bytes] = http(b"", 'ETag: "e"', "Last-Modified: Wed, 25 Nov 2026 10:00:00 GMT")
    EMPTY: ClassVar[bytes] = http(b"<ListBucketResult><Name>photos</Name></ListBucketResult>")

    def test_a_move_keeps_the_file(self, fs: Any, said: dict[str, Any]) -> None:
        said |= {"HEAD": self.HEAD, "GET": self.EMPTY}
        with pytest.raises(OSError, match=r"photos/b: the answer to copy_object lacks CopyObjectResult\.ETag"):
            fs.mv("photos/a", "photos/b")
        assert {"POST", "DELETE"}.isdisjoint(self.asked)

    @pytest.mark.parametrize("delete", ["rm", "rm_file"])
    def test_a_deletion_is_named(self, fs: Any, said: dict[str, Any], delete: str) -> None:
        said |= {"HEAD": self.HEAD, "GET": self.EMPTY}
        with pytest.raises(OSError, match=r"the answer to delete_objects? lacks"):
            getattr(fs, delete)("photos/a")

    def test_a_deletion_of_some_is_no_deletion_of_all(self, fs: Any, said: dict[str, Any]) -> None:
        said["POST"] = http(b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>")
        with pytest.raises(OSError, match="lacks a result for 1 of the objects, the first is 'b'"):
            fs.delete_files(["photos/a", "photos/b"])
        fs.delete_files(["photos/a"])

    @pytest.mark.parametrize(
        "act",
        [
            lambda fs: fs.ls("photos"),
            lambda fs: fs.find("photos/x"),
            lambda fs: fs.exists("photos/x"),
            lambda fs: fs.cat("photos/a"),
            lambda fs: fs.pipe_file("photos/a", b"1"),
            lambda fs: fs.rm("photos/x", recursive=True),
            lambda fs: fs.cp_file("photos/a", "photos/b"),
        ],
        ids=["ls", "find", "exists", "cat", "pipe_file", "rm -r", "cp_file"],
    )
    @pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
    def test_a_page_for_everything(self, fs: Any, said: dict[str, Any], act: Callable[[Any], Any], status: str) -> None:
        page = self.PAGE if status == "200 OK" else http(b"<html><p>not here</html>", status=status, kind="text/html")
        said |= dict.fromkeys(("GET", "PUT", "POST", "DELETE"), page)
        said["HEAD"] = http(status=status)
        with pytest.raises(OSError, match=r"photos.*(lacks|not by S3)") as caught:
            act(fs)
        assert not isinstance(caught.value, FileNotFoundError)

    def test_another_bucket(self, fs: Any, said: dict[str, Any]) -> None:
        said["GET"] = http(b"<ListBucketResult><Name>other</Name></ListBucketResult>")
        with pytest.raises(OSError, match="lacks Name 'photos': it has 'other'"):
            fs.ls("photos")
