"""What ``civo://`` does where the bucket is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import StoreNotFoundError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.fs.buckets import create

UNKNOWN = r"there is no object store 'none': check its name \[connection civo_default, region LON1\]$"
GONE = r"^civo://gone/.*: S3 has no bucket 'gone', although Civo has an object store of this name: .*s3_endpoint"

INSIDE: dict[str, Callable[[Any, str], Any]] = {
    "exists": lambda fs, path: fs.exists(path),
    "isfile": lambda fs, path: fs.isfile(path),
    "isdir": lambda fs, path: fs.isdir(path),
    "info": lambda fs, path: fs.info(path),
    "size": lambda fs, path: fs.size(path),
    "modified": lambda fs, path: fs.modified(path),
    "checksum": lambda fs, path: fs.checksum(path),
    "ls": lambda fs, path: fs.ls(path),
    "find": lambda fs, path: fs.find(path),
    "find maxdepth": lambda fs, path: fs.find(path, maxdepth=1, withdirs=True),
    "glob": lambda fs, path: fs.glob(path),
    "glob *": lambda fs, path: fs.glob(f"{path}/*"),
    "glob **": lambda fs, path: fs.glob(f"{path}/**"),
    "glob [": lambda fs, path: fs.glob(f"{path}[1]"),
    "walk": lambda fs, path: list(fs.walk(path)),
    "walk omit": lambda fs, path: list(fs.walk(path, on_error="omit")),
    "du": lambda fs, path: fs.du(path),
    "expand_path": lambda fs, path: fs.expand_path(path, recursive=True),
    "cat": lambda fs, path: fs.cat(path),
    "cat many": lambda fs, path: fs.cat([path, f"{path}2"]),
    "cat -r": lambda fs, path: fs.cat(path, recursive=True),
    "open": lambda fs, path: fs.open(path),
    "write": lambda fs, path: fs.pipe_file(path, b"1"),
    "exclusive": lambda fs, path: fs.open(path, "xb"),
    "touch": lambda fs, path: fs.touch(path),
    "mkdir": lambda fs, path: fs.mkdir(path),
    "makedirs": lambda fs, path: fs.makedirs(path, exist_ok=True),
    "rmdir": lambda fs, path: fs.rmdir(path),
    "rm": lambda fs, path: fs.rm(path),
    "rm -r": lambda fs, path: fs.rm(path, recursive=True),
    "rm many": lambda fs, path: fs.rm([f"{path}/a", f"{path}/b"]),
    "rm_file": lambda fs, path: fs.rm_file(path),
    "cp": lambda fs, path: fs.cp(path, "photos/b"),
    "cp here": lambda fs, path: fs.cp("photos/a", path),
    "cp -r": lambda fs, path: fs.cp(path, "photos/b", recursive=True),
    "mv": lambda fs, path: fs.mv(path, "photos/b"),
    "mv here": lambda fs, path: fs.mv("photos/a", path),
    "mapper": lambda fs, path: fs.get_mapper(path)["k"],
    "in mapper": lambda fs, path: "k" in fs.get_mapper(path),
}


@pytest.fixture
def fs(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The filesystem, with a file in the bucket ``photos``."""
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    create(CivoObjectStoreHook(), "photos")
    fs = fsspec.filesystem("civo", skip_instance_cache=True)
    fs.pipe_file("photos/a", b"1")
    return fs


@pytest.fixture
def gone(fs: Any) -> Any:
    """The filesystem, where S3 alone has lost the bucket ``gone``."""
    hook = CivoObjectStoreHook()
    create(hook, "gone")
    client: Any = boto3.client("s3", **hook.s3_options("gone"))
    client.delete_bucket(Bucket="gone")
    return fs


class TestAMissingBucket:
    """It says nothing about what would be in it, so that is neither missing nor empty."""

    @pytest.mark.parametrize("act", INSIDE)
    def test_is_an_error_for_what_is_in_it(self, fs: Any, act: str) -> None:
        with pytest.raises(StoreNotFoundError, match=UNKNOWN):
            INSIDE[act](fs, "none/x")
        assert fs.find("photos") == ["photos/a"]

    @pytest.mark.parametrize("act", sorted(INSIDE.keys() - {"mkdir", "makedirs"}))
    def test_is_an_error_by_the_word_of_s3(self, gone: Any, act: str) -> None:
        with pytest.raises(StoreNotFoundError, match=GONE):
            INSIDE[act](gone, "gone/x")
        assert gone.find("photos") == ["photos/a"]

    @pytest.mark.parametrize("act", ["exists", "isfile", "isdir", "info", "ls", "glob *", "cat", "write", "rm"])
    def test_is_noticed_when_it_was_deleted_since(self, fs: Any, act: str) -> None:
        """The filesystem has a client for it, and S3's word is about a bucket that Civo does not have any more."""
        hook = CivoObjectStoreHook()
        store = create(hook, "none")
        fs.pipe_file("none/x", b"1")
        hook.delete_object_store(store)
        with pytest.raises(StoreNotFoundError, match=UNKNOWN):
            INSIDE[act](fs, "none/x")

    @pytest.mark.parametrize(
        "act",
        [
            lambda path: path.exists(),
            lambda path: path.is_file(),
            lambda path: path.is_dir(),
            lambda path: path.stat(),
            lambda path: path.read_text(),
            lambda path: list(path.iterdir()),
            lambda path: list(path.glob("*")),
            lambda path: list(path.rglob("*")),
            lambda path: path.unlink(),
            lambda path: path.unlink(missing_ok=True),
            lambda path: path.mkdir(parents=True, exist_ok=True),
            lambda path: path.rmdir(),
            lambda path: path.touch(),
            lambda path: path.write_text("1"),
        ],
    )
    def test_is_an_error_for_paths(self, fs: Any, act: Callable[[ObjectStoragePath], Any]) -> None:
        with pytest.raises(StoreNotFoundError, match=UNKNOWN):
            act(ObjectStoragePath("civo://civo_default@none/x"))

    def test_is_an_answer_about_itself(self, fs: Any) -> None:
        assert (fs.exists("none"), fs.isdir("none"), fs.isfile("none")) == (False, False, False)
        root = ObjectStoragePath("civo://civo_default@none")
        assert (root.exists(), root.is_dir(), root.is_file()) == (False, False, False)
        with pytest.raises(FileNotFoundError, match=UNKNOWN):
            fs.info("none")
        for look in (fs.ls, fs.find, fs.du, lambda path: fs.glob(f"{path}/*"), lambda path: list(fs.walk(path))):
            with pytest.raises(StoreNotFoundError, match=UNKNOWN):
                look("none")
        for change in (fs.mkdir, fs.makedirs):
            with pytest.raises(PermissionError, match="there is no object store 'none'"):
                change("none")
        with pytest.raises(PermissionError, match="'none' is not deleted through a path"):
            fs.rm("none", recursive=True)

    def test_is_no_missing_file_of_one_that_exists(self, fs: Any) -> None:
        assert not fs.exists("photos/none")
        assert fs.glob("photos/none/*") == []
        assert fs.find("photos/none") == []
        ObjectStoragePath("civo://civo_default@photos/none").unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError):
            fs.info("photos/none")

    def test_local_copies(self, fs: Any, tmp_path: Path) -> None:
        local = tmp_path / "a"
        local.write_text("1")
        for act in (lambda: fs.put(str(local), "none/x"), lambda: fs.get("none/x", f"{tmp_path}/b")):
            with pytest.raises(StoreNotFoundError, match=UNKNOWN):
                act()
        assert not (tmp_path / "b").exists()
