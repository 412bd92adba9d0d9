"""``civo://`` over real S3: on moto and on Ceph, on Ceph over TLS too."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import fsspec
import pytest

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

pytestmark = pytest.mark.slow


@pytest.fixture
def fs(hook: CivoObjectStoreHook) -> Any:
    return fsspec.filesystem("civo", skip_instance_cache=True)


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


@pytest.mark.parametrize(
    ("size", "requests"),
    [(1, ["GetObject"]), (262_144, ["GetObject"]), (0, ["GetObject", "HeadObject", "GetObject"])],
)
def test_all_of_a_small_file_takes_one_request(fs: Any, asked: list[str], size: int, requests: list[str]) -> None:
    contents = random.Random(size).randbytes(size)
    fs.pipe("photos/a", contents)
    asked.clear()
    assert fs.cat_file("photos/a") == contents
    assert asked == requests
    assert fs.cat(["photos/a"]) == {"photos/a": contents}


def test_all_of_a_large_file(fs: Any) -> None:
    contents = random.Random(7).randbytes(300_000)
    fs.pipe("photos/a", contents)
    assert fs.cat_file("photos/a") == contents
    assert fs.cat_file("photos/a", start=299_999) == contents[-1:]
    assert fs.cat_file("photos/a", start=0, end=1) == contents[:1]


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
        with pytest.raises(FileNotFoundError, match=rf"^civo://{path}: .* \[connection civo_default, region LON1\]$"):
            fs.open(path, "rb")
    assert asked == ["GetObject", "GetObject"]


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
    with pytest.raises(
        PermissionError, match=r"3 objects were not deleted, the first is civo://photos/a: AccessDenied"
    ):
        fs.rm("photos/a", recursive=True)
    assert fs.find("photos") == ["photos/a/1", "photos/a/2"]


def test_deletion_takes_no_more_than_was_asked(fs: Any) -> None:
    fs.pipe({f"photos/p/{name}": b"1" for name in ("a*", "ab", "b/c")})
    fs.rm("photos/p/a*")
    assert fs.find("photos") == ["photos/p/ab", "photos/p/b/c"]
    fs.rm("photos/p", recursive=True, maxdepth=1)
    assert fs.find("photos") == ["photos/p/b/c"]


def test_many_threads_on_one_instance(fs: Any) -> None:
    def work(number: int) -> bool:
        fs.pipe(f"photos/{number}", str(number).encode())
        return bool(fs.cat(f"photos/{number}") == str(number).encode())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(40)))


def test_pickled_it_holds_no_secret(fs: Any, hook: CivoObjectStoreHook) -> None:
    fs.pipe("photos/a", b"1")
    secret = hook.s3_options("photos").secret_access_key
    assert secret not in pickle.dumps(fs).decode("latin-1") + fs.to_json() + repr(fs)
    fs.clear_instance_cache()
    assert pickle.loads(pickle.dumps(fs)).cat("photos/a") == b"1"


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
