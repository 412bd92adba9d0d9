"""``osv2://`` over real HTTP: what it keeps, how many requests that takes, and how it fails."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.emulator import Emulator, Settings
from airflow_provider_objectstore.exceptions import (
    AuthenticationError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
)
from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.conftest import connect
from tests.listings import after_pages, delete

Requests = Callable[[], dict[str, int]]
ON_ONE_EMULATOR = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = {f"store/p/many/{number:03}": str(number).encode() for number in range(200)}


@ON_ONE_EMULATOR
@given(
    st.binary() | st.text().map(str.encode),
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=20),
        min_size=1,
        max_size=4,
    ),
)
def test_contents_and_names_come_back(osv2: Any, contents: bytes, segments: list[str]) -> None:
    path = "/".join(["store/p", *segments])
    osv2.pipe_file(path, contents)
    assert osv2.cat_file(path) == contents
    assert osv2.find("store/p") == [path]
    osv2.rm_file(path)


@pytest.mark.parametrize(
    ("contents", "kind"), [(b"", "STRING"), (b"42", "STRING"), ("ä\r\n".encode(), "STRING"), (b"\xff", "BINARY")]
)
def test_text_is_kept_as_text(osv2: Any, contents: bytes, kind: str) -> None:
    osv2.pipe_file("store/p/k", contents)
    assert AnypointObjectStoreHook().get_key("store", "p", "k").value_type == kind
    assert osv2.info("store/p/k") == {"name": "store/p/k", "size": len(contents), "type": "file"}


def test_what_others_wrote_is_read(osv2: Any) -> None:
    AnypointObjectStoreHook().put_many("store", "p", {"n": 7, "t": "ä", "b": b"\x00\xff"}).raise_failed()
    assert osv2.cat(["store/p/n", "store/p/t", "store/p/b"]) == {
        "store/p/n": b"7",
        "store/p/t": "ä".encode(),
        "store/p/b": b"\x00\xff",
    }


@pytest.mark.parametrize(
    ("path", "size"), [("store/p/k", 7_864_321), ("store/p/" + "x/" * 300, 1), ("store/p/k\udcff", 1), ("store/p", 1)]
)
def test_what_does_not_fit_is_refused_before_any_request(osv2: Any, requests: Requests, path: str, size: int) -> None:
    requests()
    for write in (osv2.pipe_file, lambda path, value: osv2.pipe({path: value})):
        with pytest.raises(InvalidArgumentError, match=r"at most|Unicode|is no file"):
            write(path, b"\xff" * size)
    assert requests() == {}


def test_the_largest_file_fits(osv2: Any) -> None:
    osv2.pipe_file("store/p/k", b"\xff" * 7_864_320)
    assert len(osv2.cat_file("store/p/k")) == 7_864_320


def test_requests_of_each_operation(has_keys: Any, requests: Requests, tmp_path: Path) -> None:
    fs = has_keys
    steps: dict[str, tuple[Callable[[], Any], dict[str, int]]] = {
        "cat": (lambda: fs.cat("store/p/a"), {"get_key": 1}),
        "open": (lambda: fs.open("store/p/a", "r").read(), {"get_key": 1}),
        "pipe": (lambda: fs.pipe("store/p/a", b"1"), {"put_key": 1}),
        "exists": (lambda: fs.exists("store/p/a"), {"key_exists": 1}),
        "isfile": (lambda: fs.isfile("store/p/a"), {"key_exists": 1}),
        "isdir": (lambda: fs.isdir("store/p"), {"partition_exists": 1}),
        "info": (lambda: fs.info("store/p/a"), {"get_key": 1}),
        "makedirs": (lambda: fs.makedirs("store/p/new/folder", exist_ok=True), {}),
        "ls": (lambda: fs.ls("store/p"), {"list_keys": 1}),
        "find": (lambda: fs.find("store/p"), {"list_keys": 1}),
        "glob": (lambda: fs.glob("store/p/b/*"), {"list_keys": 1}),
        "glob **": (lambda: fs.glob("store/p/**"), {"list_keys": 1}),
        "cp": (lambda: fs.cp("store/p/a", "store/p/copy"), {"get_key": 1, "put_key": 1, "list_keys": 2}),
        "rm": (lambda: fs.rm("store/p/copy"), {"delete_key": 1}),
        "rm -r": (
            lambda: fs.rm("store/p/b", recursive=True),
            {"list_keys": 1, "key_exists": 1, "get_store": 1, "delete_key": 3},
        ),
        "rm -r partition": (lambda: fs.rm("store/p", recursive=True), {"delete_partition": 1}),
    }
    taken = {}
    for name, (act, _) in steps.items():
        act()
        taken[name] = requests()
    assert taken == {name: expected for name, (_, expected) in steps.items()}


def test_looking(has_keys: Any) -> None:
    assert has_keys.ls("store/p", detail=False) == ["store/p/a", "store/p/b"]
    assert [info["type"] for info in has_keys.ls("store/p")] == ["file", "directory"]
    assert has_keys.ls("store/p/b/d", detail=False) == ["store/p/b/d/e", "store/p/b/d/f"]
    assert has_keys.ls("store", detail=False) == ["store/p"]
    assert has_keys.ls("", detail=False) == ["store"]
    assert has_keys.ls("store/p/a", detail=False) == ["store/p/a"]
    assert has_keys.find("store/p/b") == ["store/p/b/c", "store/p/b/d/e", "store/p/b/d/f"]
    assert has_keys.find("store/p", maxdepth=2) == ["store/p/a", "store/p/b/c"]
    assert has_keys.find("store/p", withdirs=True, maxdepth=1) == ["store/p", "store/p/a", "store/p/b"]
    assert has_keys.find("store") == has_keys.find("store/p")
    assert has_keys.find("store/p/a") == ["store/p/a"]
    assert has_keys.find("store/q") == []
    assert has_keys.glob("store/p/*/?") == ["store/p/b/c", "store/p/b/d"]
    assert has_keys.glob("store/*/b/**/e") == ["store/p/b/d/e"]
    assert [(folder, sorted(files)) for folder, _, files in has_keys.walk("store")] == [
        ("store", []),
        ("store/p", ["a"]),
        ("store/p/b", ["c"]),
        ("store/p/b/d", ["e", "f"]),
    ]
    assert has_keys.du("store/p") == 14
    assert [has_keys.isdir(path) for path in ("", "store", "store/p", "store/p/b", "store/p/a", "other")] == [
        True
    ] * 4 + [
        False,
        False,
    ]


@pytest.mark.parametrize("act", ["cat", "open", "info", "ls", "rm", "cp", "mv"])
@pytest.mark.parametrize("path", ["store/p/none", "store/none/k"])
def test_what_is_missing(has_keys: Any, act: str, path: str) -> None:
    with pytest.raises(
        FileNotFoundError, match=rf"^osv2://{path} (does not exist|is no file).* \[connection anypoint_"
    ):
        getattr(has_keys, act)(*((path, "store/p/other") if act in ("cp", "mv") else (path,)))
    assert not has_keys.exists(path)


@pytest.mark.parametrize("path", ["store/p", "store", "store/none"])
def test_reading_what_names_no_key_says_how_a_file_is_named(has_keys: Any, path: str) -> None:
    """Such as a path whose partition and key are separated by something else than a slash."""
    named = rf"^osv2://{path} is no file: one is named osv2://store/partition/key \[connection anypoint_default, "
    for act in (has_keys.cat, has_keys.open):
        with pytest.raises(FileNotFoundError, match=named):
            act(path)


@pytest.mark.parametrize("act", ["cat", "rm", "rm_file", "modified"])
@pytest.mark.parametrize("paths", ["store/p/none", ["store/p/a", "store/p/none"]], ids=["one", "of many"])
def test_the_error_says_what_is_missing_and_where(has_keys: Any, act: str, paths: Any) -> None:
    if act in ("rm_file", "modified") and isinstance(paths, list):
        paths = paths[1]
    with pytest.raises(FileNotFoundError, match=r"^osv2://store/p/none does not exist \[connection anypoint_default, "):
        getattr(has_keys, act)(paths)


def test_a_missing_store_is_named(osv2: Any) -> None:
    with pytest.raises(NotFoundError, match=r"none.*'k'"):
        osv2.pipe_file("none/p/k", b"1")


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)])
def test_refusals_stay_what_they_are(has_keys: Any, emulator: Emulator, status: int, kind: type[Exception]) -> None:
    emulator.faults([{"operation": "anypoint.*", "kind": "status", "status": status}])
    for act in (has_keys.cat, has_keys.exists, has_keys.ls, has_keys.info, has_keys.rm):
        with pytest.raises(kind):
            act("store/p/a")
    with pytest.raises(ObjectStoreError):
        has_keys.pipe({"store/p/a": b"1", "store/p/b": b"2"})
    emulator.faults([])
    assert has_keys.cat("store/p/a") == b"a"


@pytest.mark.parametrize("mode", ["xb", "x"])
def test_exclusive(has_keys: Any, mode: str) -> None:
    with pytest.raises(FileExistsError):
        has_keys.open("store/p/a", mode)
    with pytest.raises(FileExistsError):
        has_keys.pipe({"store/p/new": b"1", "store/p/a": b"1"}, mode="create")
    assert not has_keys.exists("store/p/new")
    with has_keys.open("store/p/x", mode) as file:
        file.write("1" if mode == "x" else b"1")
    assert has_keys.cat("store/p/x") == b"1"


@pytest.mark.parametrize("compression", [None, "gzip", "infer"])
@pytest.mark.parametrize("mode", ["w", "wb", "a", "ab"])
def test_a_failed_block_writes_nothing(has_keys: Any, mode: str, compression: str | None) -> None:
    path = "store/p/a.gz"
    with pytest.raises(ZeroDivisionError), has_keys.open(path, mode, compression=compression) as file:
        file.write(b"lost" if "b" in mode else "lost")
        raise ZeroDivisionError
    del file
    assert not has_keys.exists(path)


@pytest.mark.parametrize("compression", [None, "gzip", "infer"])
def test_append_and_compress(has_keys: Any, compression: str | None) -> None:
    path = "store/p/log.gz"
    for line in ("one\n", "ä\n"):
        with has_keys.open(path, "a", compression=compression, encoding="utf-8", newline="") as file:
            file.write(line)
    assert has_keys.cat(path).startswith(b"\x1f\x8b") == bool(compression)
    assert has_keys.open(path, "r", compression=compression, encoding="utf-8").read() == "one\nä\n"


def test_a_compressed_file_that_cannot_be_written_is_an_error(has_keys: Any, emulator: Emulator) -> None:
    emulator.faults([{"operation": "anypoint.put_key", "kind": "status", "status": 403}])
    with pytest.raises(PermissionDeniedError), has_keys.open("store/p/a.gz", "wb", compression="gzip") as file:
        file.write(b"1")
    emulator.faults([])


def test_transactions_are_refused(has_keys: Any) -> None:
    with pytest.raises(NotImplementedError, match="no transactions"), has_keys.transaction:
        has_keys.open("store/p/t", "wb")


def test_copies_keep_type_and_metadata(osv2: Any) -> None:
    hook = AnypointObjectStoreHook()
    hook.put_key("store", "p", "n", 7, metadata={"by": "test"})
    hook.put_key("store", "p", "b", b"text")
    osv2.cp_file("store/p/n", "store/q/n")
    osv2.mv("store/p/b", "store/q/b")
    number, text = (hook.get_key("store", "q", key) for key in "nb")
    assert (number.value, number.value_type, number.metadata) == (7, "NUMBER", {"by": "test"})
    assert (text.value, text.value_type) == (b"text", "BINARY")
    assert osv2.find("store") == ["store/p/n", "store/q/b", "store/q/n"]


def test_move_of_a_folder(has_keys: Any) -> None:
    has_keys.mv("store/p/b", "store/q/moved", recursive=True)
    assert has_keys.find("store") == ["store/p/a", "store/q/moved/c", "store/q/moved/d/e", "store/q/moved/d/f"]


def test_deleting(has_keys: Any) -> None:
    has_keys.rm("store/p/b/d/*")
    assert has_keys.find("store") == ["store/p/a", "store/p/b/c"]
    has_keys.pipe("store/p/b", b"a file and a folder")
    has_keys.rm("store/p/b", recursive=True)
    assert has_keys.find("store") == ["store/p/a"]
    with pytest.raises(FileNotFoundError):
        has_keys.rm(["store/p/a", "store/p/none"])
    assert has_keys.find("store") == []


@pytest.mark.parametrize("path", ["store", ""])
def test_a_whole_store_is_not_deleted(has_keys: Any, requests: Requests, path: str) -> None:
    with pytest.raises(InvalidArgumentError, match="AnypointDeleteStoreOperator"):
        has_keys.rm(path, recursive=True)
    with pytest.raises(OSError, match="not empty"):
        has_keys.rmdir("store")
    assert len(has_keys.find("store")) == 4


def test_moving_deletes_only_what_it_copied(has_keys: Any, emulator: Emulator) -> None:
    hook = AnypointObjectStoreHook()
    hook.put_key("store", "p", "x/y", "not a path's key")
    has_keys.mv("store/p", "store/q", recursive=True)
    assert has_keys.find("store/q") == ["store/q/a", "store/q/b/c", "store/q/b/d/e", "store/q/b/d/f"]
    assert list(hook.list_keys("store", "p")) == ["x/y"]


def test_a_file_and_folder_of_one_name(has_keys: Any) -> None:
    has_keys.pipe("store/p/b", b"file")
    assert [(info["name"], info["type"]) for info in has_keys.ls("store/p")][1:] == [
        ("store/p/b", "directory"),
        ("store/p/b", "file"),
    ]
    assert has_keys.find("store") == has_keys.find("store/p")
    has_keys.mv("store/p/b", "store/p/moved")
    assert has_keys.cat("store/p/moved") == b"file"
    assert has_keys.find("store/p/b") == ["store/p/b/c", "store/p/b/d/e", "store/p/b/d/f"]


def test_moving_into_itself_or_onto_itself(has_keys: Any) -> None:
    before = has_keys.find("store")
    with pytest.raises(ValueError, match="cannot be moved into itself"):
        has_keys.mv("store/p/b", "store/p/b/sub", recursive=True)
    for same in ("store/p/a", "/store/p/a", "osv2://anypoint_default@store/p/a"):
        has_keys.mv("store/p/a", same)
        has_keys.mv(same, "store/p/")
    assert has_keys.find("store") == before


def test_moving_many(has_keys: Any) -> None:
    has_keys.mv("store/p/b/d/*", "store/q")
    has_keys.mv(["store/p/a"], ["store/q/first"])
    assert has_keys.find("store") == ["store/p/b/c", "store/q/e", "store/q/f", "store/q/first"]
    with pytest.raises(ValueError, match="one at a time"):
        has_keys.mv("store/*", "store/q", recursive=True)
    with pytest.raises(FileNotFoundError):
        has_keys.mv("store/p/none*", "store/q")


@pytest.mark.parametrize(
    ("sources", "target"),
    [
        (["store/p/d1/x", "store/p/d2/x"], "store/p/all/"),
        (["store/p/a", "store/p/b/c"], ["store/p/b/c", "store/p/new"]),
        (["store/p/a", "store/p/b/c"], ["store/p/new"]),
        ("store/p/a/b/", "store/p/a"),
    ],
    ids=["one name", "a chain", "too few names", "folder into its parent"],
)
def test_files_are_not_moved_onto_each_other(has_keys: Any, sources: Any, target: Any) -> None:
    has_keys.pipe({f"store/p/{name}": name.encode() for name in ("d1/x", "d2/x", "a/b/x", "a/b/b/x")})
    before = {path: has_keys.cat(path) for path in has_keys.find("store")}
    with pytest.raises(ValueError, match=r"onto each other|cannot be moved to"):
        has_keys.mv(sources, target, recursive=isinstance(sources, str))
    assert {path: has_keys.cat(path) for path in has_keys.find("store")} == before


def test_patterns_keep_their_folders(has_keys: Any) -> None:
    has_keys.mv("store/p/*/c", "store/q/")
    has_keys.pipe({"store/p/d1/x": b"1", "store/p/d2/x": b"2"})
    has_keys.mv("store/p/*/x", "store/q/all")
    assert has_keys.find("store/q") == ["store/q/all/d1/x", "store/q/all/d2/x", "store/q/c"]
    has_keys.mv("store/q/all/d1/*", "store/q/all/d1/")
    assert has_keys.cat("store/q/all/d1/x") == b"1"


def test_folders_that_look_like_patterns(osv2: Any) -> None:
    osv2.pipe({f"store/{name}/x": b"1" for name in ("p/d1", "p/d[1]", "q1", "q[1]")})
    osv2.rm("store/p/d[1]", recursive=True)
    osv2.rm("store/q[1]", recursive=True)
    assert osv2.find("store") == ["store/p/d1/x", "store/q1/x"]
    osv2.pipe("store/p/d[1]/x", b"1")
    osv2.mv("store/p/d[1]", "store/p/moved", recursive=True)
    assert osv2.find("store") == ["store/p/d1/x", "store/p/moved/x", "store/q1/x"]


def test_a_partition_and_what_is_in_it(has_keys: Any) -> None:
    has_keys.rm(["store/p", "store/p/a"], recursive=True)
    assert has_keys.find("store") == []


def test_deletion_takes_no_more_than_was_asked(has_keys: Any, requests: Requests) -> None:
    has_keys.rm("store/p", recursive=True, maxdepth=1)
    assert has_keys.find("store") == ["store/p/b/c", "store/p/b/d/e", "store/p/b/d/f"]
    with pytest.raises(InvalidArgumentError, match="whole store"):
        has_keys.rm(["store/p", "store"], recursive=True)
    assert len(has_keys.find("store")) == 3
    with pytest.raises(InvalidArgumentError, match="pattern over stores or partitions"):
        has_keys.rm("store/p*", recursive=True)
    assert len(has_keys.find("store")) == 3


def test_names_that_look_like_patterns(osv2: Any) -> None:
    osv2.pipe({f"store/p/{name}": b"1" for name in ("a*", "ab", "a[1]", "a1")})
    osv2.rm("store/p/a*")
    assert osv2.find("store") == ["store/p/a1", "store/p/a[1]", "store/p/ab"]
    osv2.rm("store/p/a[1]")
    assert osv2.find("store") == ["store/p/a1", "store/p/ab"]
    osv2.rm("store/p/a*")
    assert osv2.find("store") == []


def test_a_listing_that_ignores_the_prefix_deletes_nothing_else(has_keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = AnypointObjectStoreHook.list_keys
    monkeypatch.setattr(
        AnypointObjectStoreHook, "list_keys", lambda self, store, partition, _: listed(self, store, partition)
    )
    has_keys.rm("store/p/b", recursive=True)
    assert has_keys.find("store/p") == ["store/p/a"]


def test_a_store_with_others_partitions_is_not_empty(osv2: Any) -> None:
    AnypointObjectStoreHook().put_key("store", "q/r", "k", 1)
    with pytest.raises(OSError, match="not empty"):
        osv2.rmdir("store")


@pytest.mark.parametrize("path", ["store//k", "store/p//k", "store/p/a//b"])
def test_empty_segments_are_refused(osv2: Any, path: str) -> None:
    for act in (osv2.cat, osv2.find, osv2.isdir, osv2.rm, lambda path: osv2.pipe(path, b"1"), osv2.open):
        with pytest.raises(InvalidArgumentError, match="empty segment"):
            act(path)


def test_keys_with_empty_segments_are_left_out(osv2: Any) -> None:
    hook = AnypointObjectStoreHook()
    hook.put_many("store", "p", {"d%2Fx": "1", "d%2Fx%2F": "2", "%2Fd": "3"}).raise_failed()
    assert osv2.find("store/p") == ["store/p/d/x"]
    osv2.rm("store/p/d", recursive=True)
    assert sorted(hook.list_keys("store", "p")) == ["%2Fd", "d%2Fx%2F"]


def test_copying_a_folder_to_a_missing_store_fails(has_keys: Any) -> None:
    with pytest.raises(NotFoundError, match="none"):
        has_keys.cp("store/p", "none/p", recursive=True)


def test_stores_are_folders(osv2: Any) -> None:
    osv2.mkdir("another")
    with pytest.raises(FileExistsError):
        osv2.mkdir("another")
    osv2.makedirs("another", exist_ok=True)
    assert osv2.ls("", detail=False) == ["another", "store"]
    osv2.rmdir("another")
    assert osv2.ls("", detail=False) == ["store"]


def test_other_programs_keys_are_left_out_and_said_once(osv2: Any, caplog: pytest.LogCaptureFixture) -> None:
    hook = AnypointObjectStoreHook()
    hook.put_many("store", "p", dict.fromkeys(("a/b", "100%", "plain"), "1")).raise_failed()
    hook.put_key("store", "q/r", "k", "1")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert osv2.find("store/p") == ["store/p/plain"]
            assert osv2.ls("store", detail=False) == ["store/p"]
    told = [record.getMessage() for record in caplog.records if "listings leave them out" in record.getMessage()]
    assert [text.split(",")[0] for text in told] == ["'100%' in 'osv2://store/p'", "'q/r' in 'osv2://store'"]
    osv2.pipe_file("store/p/a/b", b"2")
    assert hook.get_key("store", "p", "a/b").value == "1"


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("put_key", lambda fs: fs.pipe(MANY)),
        ("get_key", lambda fs: fs.cat(list(MANY))),
        ("get_key", lambda fs: fs.cat("store/p/many", recursive=True)),
        ("delete_key", lambda fs: fs.rm(list(MANY))),
        ("delete_key", lambda fs: fs.rm("store/p/many", recursive=True)),
    ],
    ids=["pipe", "cat", "cat -r", "rm", "rm -r"],
)
def test_many_files_go_at_once(
    osv2: Any, emulator: Emulator, requests: Requests, operation: str, act: Callable[[Any], Any]
) -> None:
    osv2.pipe(MANY)
    requests()
    emulator.faults([{"operation": f"anypoint.{operation}", "kind": "delay", "seconds": 0.1}])
    start = time.monotonic()
    done = act(osv2)
    taken = time.monotonic() - start
    emulator.faults([])
    assert requests()[operation] == 200
    assert done in (None, MANY)
    assert taken < 5  # one after the other: 20 s


def test_cat_tells_what_failed(has_keys: Any) -> None:
    paths = ["store/p/a", "store/p/none"]
    with pytest.raises(FileNotFoundError):
        has_keys.cat(paths)
    assert has_keys.cat(paths, on_error="omit") == {"store/p/a": b"a"}
    assert isinstance(has_keys.cat(paths, on_error="return")["store/p/none"], FileNotFoundError)


def test_many_threads_on_one_instance(osv2: Any) -> None:
    def work(number: int) -> bool:
        path = f"store/p/{number}"
        osv2.pipe_file(path, path.encode())
        with osv2.open(path, "a") as file:
            file.write("!")
        return bool(osv2.cat_file(path) == f"{path}!".encode())

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(work, range(100)))
    assert len(osv2.find("store/p")) == 100


_INHERITED: Any = None
_INHERITED_STATE: Any = None


def _in_a_child(path: str) -> tuple[bytes, bool]:
    contents = _INHERITED.cat_file(path)
    state = _INHERITED.hook._client._state
    return contents, state is _INHERITED_STATE


def test_a_forked_child_has_sockets_of_its_own(has_keys: Any) -> None:
    global _INHERITED, _INHERITED_STATE
    has_keys.cat_file("store/p/a")
    _INHERITED, _INHERITED_STATE = has_keys, has_keys.hook._client._state
    with get_context("fork").Pool(2) as children:
        answers = children.map(_in_a_child, ["store/p/a", "store/p/b/c"] * 10)
    assert answers == [(b"a", False), (b"b/c", False)] * 10
    assert has_keys.cat_file("store/p/a") == b"a"


def test_nothing_is_moved_from_one_place_to_another(
    has_keys: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    global _INHERITED, _INHERITED_STATE
    with Emulator(Settings()) as other:
        connect(monkeypatch, other)
        there = AnypointFileSystem(skip_instance_cache=True)
        there.mkdir("store")
        there.pipe({"store/p/a": b"theirs", "store/p/b/c": b"theirs"})
        connect(monkeypatch, emulator)
        assert has_keys.isfile("store/p/a")
        connect(monkeypatch, other)
        with pytest.raises(AuthenticationError, match="edited meanwhile and leads elsewhere"):
            has_keys.mv("store/p", "store/done", recursive=True)
        assert there.find("store") == ["store/p/a", "store/p/b/c"]
        _INHERITED, _INHERITED_STATE = has_keys, None
        with get_context("fork").Pool(1) as child:
            assert child.map(_in_a_child, ["store/p/a"]) == [(b"a", False)], "in a child as well"


def test_pickled_it_holds_no_secret(has_keys: Any) -> None:
    has_keys.cat_file("store/p/a")
    packed = pickle.dumps(has_keys)
    assert b"emulator-secret" not in packed
    assert "emulator-secret" not in has_keys.to_json() + repr(has_keys) + str(vars(has_keys))
    assert pickle.loads(packed).cat_file("store/p/a") == b"a"


def test_local_files(has_keys: Any, tmp_path: Path) -> None:
    has_keys.get("store/p/b", str(tmp_path / "got"), recursive=True)
    assert (tmp_path / "got" / "d" / "e").read_bytes() == b"b/d/e"
    has_keys.put(str(tmp_path / "got"), "store/q/put", recursive=True)
    assert has_keys.find("store/q") == ["store/q/put/c", "store/q/put/d/e", "store/q/put/d/f"]


WHOLE_STORES: dict[str, Callable[[Any], Any]] = {
    "-r": lambda fs: fs.rm("store", recursive=True),
    "-r, with a slash": lambda fs: fs.rm("/store/", recursive=True),
    "-r of a URL": lambda fs: fs.rm("osv2://anypoint_default@store", recursive=True),
    "-r of everything": lambda fs: fs.rm("", recursive=True),
    "maxdepth": lambda fs: fs.rm("store", recursive=True, maxdepth=9),
    "a pattern over stores": lambda fs: fs.rm("st*", recursive=True),
    "a pattern over stores, maxdepth": lambda fs: fs.rm("st?re", recursive=True, maxdepth=3),
    "every store": lambda fs: fs.rm("*", recursive=True),
    "every partition": lambda fs: fs.rm("store/*", recursive=True),
    "some partitions": lambda fs: fs.rm("store/[p-q]", recursive=True),
    "every file": lambda fs: fs.rm("**"),
    "every file of a store": lambda fs: fs.rm("store/**"),
    "every file of a store, otherwise": lambda fs: fs.rm("store/*/**"),
    "one file of every store": lambda fs: fs.rm("*/p/a"),
    "among others": lambda fs: fs.rm(["store/p/a", "store/*"], recursive=True),
    "mv": lambda fs: fs.mv("store", "other", recursive=True),
    "mv, maxdepth": lambda fs: fs.mv("store", "other", recursive=True, maxdepth=4),
    "mv by pattern": lambda fs: fs.mv("store/**", "other/p"),
    "ObjectStoragePath.rmdir": lambda fs: ObjectStoragePath("osv2://anypoint_default@store").rmdir(recursive=True),
}


@pytest.mark.parametrize("act", WHOLE_STORES.values(), ids=WHOLE_STORES)
def test_whole_stores_are_refused_in_every_form(has_keys: Any, requests: Requests, act: Callable[[Any], Any]) -> None:
    AnypointObjectStoreHook().create_store("other")
    requests()
    with pytest.raises(InvalidArgumentError, match=r"is a (whole store|pattern over stores or partitions)"):
        act(has_keys)
    assert not any("delete" in operation for operation in requests())
    assert len(has_keys.find("store")) == 4


def test_times(has_keys: Any) -> None:
    before = datetime.now(UTC)
    assert before <= has_keys.modified("store/p/a") <= datetime.now(UTC)
    for missing in ("store/p/none", "store/p/b", "store/p"):
        with pytest.raises(FileNotFoundError):
            has_keys.modified(missing)
    with pytest.raises(NotImplementedError, match="does not return when osv2://store/p/a was created"):
        has_keys.created("store/p/a")


def test_a_checksum_is_of_the_contents(has_keys: Any) -> None:
    before = has_keys.checksum("store/p/a"), has_keys.ukey("store/p/a")
    assert before == (has_keys.checksum("store/p/a"), has_keys.ukey("store/p/a"))
    has_keys.pipe("store/p/a", b"b")
    assert before[0] != has_keys.checksum("store/p/a")
    assert before[1] != has_keys.ukey("store/p/a")


class TestDeletionsDuringAListing:
    """They hide nothing from it, even if page tokens are positions."""

    NAMES = tuple(f"{number:03}" for number in range(60))

    @pytest.mark.parametrize("how", ["find", "ls"])
    def test_of_keys(self, how: str, osv2: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        osv2.pipe({f"store/p/{name}": b"1" for name in self.NAMES})
        after_pages(monkeypatch, emulator, "keys", {1: delete("store", "p", "000", "001")})
        found = osv2.find("store/p") if how == "find" else osv2.ls("store/p", detail=False)
        assert {f"store/p/{name}" for name in self.NAMES[2:]} <= set(found)

    def test_of_partitions(self, osv2: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        osv2.pipe({f"store/{name}/k": b"1" for name in self.NAMES})
        after_pages(monkeypatch, emulator, "partitions", {1: delete("store", "000", "k")})
        assert {f"store/{name}/k" for name in self.NAMES[1:]} <= set(osv2.find("store"))

    def test_of_stores(self, osv2: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in self.NAMES:
            osv2.mkdir(name)
        after_pages(monkeypatch, emulator, "stores", {1: lambda data: data.stores.drop("000")})
        assert {*self.NAMES[1:], "store"} <= set(osv2.ls("", detail=False))

    def test_of_a_partition_as_a_whole(self, osv2: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        osv2.pipe({f"store/p/{name}": b"1" for name in self.NAMES})
        after_pages(monkeypatch, emulator, "keys", {3: delete("store", "p", *self.NAMES)})
        assert len(osv2.find("store/p")) == 60, "as they were listed"
        assert osv2.find("store/p") == []

    def test_without_them(self, osv2: Any, requests: Requests) -> None:
        osv2.pipe({f"store/p/{name}": b"1" for name in self.NAMES})
        osv2.pipe({f"store/q/{name}": b"1" for name in self.NAMES[:25]})
        requests()
        assert len(osv2.find("store/p")) == 60
        assert len(osv2.find("store/q")) == 25
        assert requests() == {"list_keys": 6 + 1}, "a page alone is complete"
