"""Airflow's ``ObjectStoragePath`` over both filesystems, on each supported Airflow."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import store as stores

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

pytestmark = pytest.mark.slow

try:
    from airflow.sdk.serde import deserialize, serialize
except ImportError:  # before Airflow 3.2
    from airflow.serialization.serde import deserialize, serialize

Requests = Callable[[], dict[str, int]]
BASES = {"osv2": "osv2://anypoint_default@store/p", "civo": "civo://civo_default@photos/p"}


@pytest.fixture(autouse=True)
def services_with_stores(emulator: Emulator) -> None:
    AnypointObjectStoreHook().create_store("store")
    hook = CivoObjectStoreHook()
    created = hook.create_object_store("photos")
    while not hook.get_object_store(created.id).ready:
        time.sleep(0.05)
    for scheme in BASES:
        stores.attach(scheme, f"{scheme}_fresh")  # an import, out of the way
        ObjectStoragePath(BASES[scheme]).fs.clear_instance_cache()
    stores._STORE_CACHE.clear()


@pytest.fixture(params=BASES.values(), ids=BASES)
def base(request: pytest.FixtureRequest) -> ObjectStoragePath:
    return ObjectStoragePath(request.param)


def test_parts(base: ObjectStoragePath) -> None:
    path = base / "folder" / "a b%2F.txt"
    assert str(path) == f"{base}/folder/a b%2F.txt"
    assert (path.name, path.stem, path.suffix) == ("a b%2F.txt", "a b%2F", ".txt")
    assert path.parent == base / "folder"
    assert path.parent.name == "folder"
    assert path.key.endswith("p/folder/a b%2F.txt")  # before 3.2 it begins with the store
    assert path.is_relative_to(base)
    assert ObjectStoragePath(str(path)) == path


@pytest.mark.parametrize("scheme", BASES)
@pytest.mark.parametrize("form", ["in the URL", "argument", "default"])
def test_connection(scheme: str, form: str) -> None:
    url = BASES[scheme]
    bare = url.replace(f"{url.partition('://')[2].partition('@')[0]}@", "")
    conn_id = None if form == "default" else url.partition("://")[2].partition("@")[0]
    path = ObjectStoragePath(url) if form == "in the URL" else ObjectStoragePath(bare, conn_id=conn_id)
    (path / "a").write_text("1")
    assert (ObjectStoragePath(url) / "a").read_text() == "1"


def test_leading_slash(base: ObjectStoragePath) -> None:
    (base / "a").write_text("1")
    fs, place = base.fs, BASES[base.protocol].partition("@")[2]
    for path in (f"/{place}/a", f"{place}/a", f"{base.protocol}://{place}/a", str(base / "a")):
        assert fs.cat_file(path) == b"1"


def test_read_and_write(base: ObjectStoragePath) -> None:
    path = base / "folder" / "a.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert not path.exists()
    path.write_text("ä")
    assert (path.exists(), path.is_file(), path.is_dir()) == (True, True, False)
    assert (base.exists(), base.is_file(), base.is_dir()) == (True, False, True)
    assert (path.read_text(), path.read_bytes()) == ("ä", "ä".encode())
    path.write_bytes(b"\xff")
    assert path.read_bytes() == b"\xff"
    with path.open("w") as file:
        file.write("one\ntwo")
    with path.open() as file:
        assert list(file) == ["one\n", "two"]
    assert path.stat().st_size == path.size() == 7
    path.unlink()
    path.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        path.unlink()
    with pytest.raises(FileNotFoundError):
        path.read_text()


def test_looking_around(base: ObjectStoragePath) -> None:
    for name in ("a", "b/c", "b/d"):
        (base / name).write_text(name)
    assert sorted(map(str, base.iterdir())) == [f"{base}/a", f"{base}/b"]
    assert sorted(path.name for path in (base / "b").glob("*")) == ["c", "d"]
    assert [path.read_text() for path in sorted((base / "b").iterdir(), key=str)] == ["b/c", "b/d"]
    assert sorted(str(path) for path in base.glob("**/c")) == [f"{base}/b/c"]
    assert [path.read_text() for path in base.glob("b/c")] == ["b/c"]


@pytest.mark.parametrize("act", ["rename", "replace"])
def test_rename(base: ObjectStoragePath, act: str) -> None:
    (base / "a").write_text("1")
    (base / "b").write_text("2")
    assert getattr(base / "a", act)(base / "b") == base / "b"
    assert [path.name for path in base.iterdir()] == ["b"]
    assert (base / "b").read_text() == "1"


@pytest.mark.parametrize("source", [*BASES, "file"])
@pytest.mark.parametrize("target", [*BASES, "file"])
def test_copy_and_move(source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    bases = {**BASES, "file": f"file://{tmp_path}"}
    one, two = ObjectStoragePath(bases[source]) / "from" / "a.txt", ObjectStoragePath(bases[target]) / "to" / "b.txt"
    if source == "file":
        (tmp_path / "from").mkdir()
    one.write_bytes(b"\x00\xff")
    one.copy(two)
    assert (one.read_bytes(), two.read_bytes()) == (b"\x00\xff", b"\x00\xff")
    two.unlink()
    one.move(two)
    assert (one.exists(), two.read_bytes()) == (False, b"\x00\xff")


class TestFoldersBetweenConnections:
    """All files of a folder arrive, each under its own name, or there is an error."""

    NAMES = ("x", "y", "sub/z")

    @pytest.fixture
    def there(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, ObjectStoragePath]:
        for conn_id, connection in emulator.connections().items():
            monkeypatch.setenv(f"AIRFLOW_CONN_OTHER_{conn_id.upper()}", json.dumps(connection))
        return {
            scheme: ObjectStoragePath(url.replace("://", "://other_").replace("/p", "/q/zz"))
            for scheme, url in BASES.items()
        }

    @pytest.mark.parametrize("target", BASES)
    @pytest.mark.parametrize("act", ["copy", "move"])
    def test_all_files_arrive(
        self, base: ObjectStoragePath, there: dict[str, ObjectStoragePath], target: str, act: str
    ) -> None:
        for name in self.NAMES:
            (base / "dir" / name).write_text(name)
        if act == "copy":
            (base / "dir").copy(there[target], recursive=True)
        else:  # Airflow copies, and then unlinks the folder itself, not what is in it
            with pytest.raises((IsADirectoryError, FileNotFoundError), match="p/dir"):
                (base / "dir").move(there[target], recursive=True)
        found = there[target].fs.find(there[target].path)
        assert sorted(path.rpartition("dir/")[2] for path in found) == sorted(self.NAMES)
        assert {there[target].fs.cat_file(path).decode() for path in found} == set(self.NAMES)
        assert all((base / "dir" / name).exists() for name in self.NAMES)

    def test_a_folder_that_was_made(self, base: ObjectStoragePath) -> None:
        folder = base / "new" / "folder"
        (base / "other").write_text("1")
        folder.mkdir(parents=True)
        assert (folder.is_dir(), folder.exists(), folder.is_file()) == (True, True, False)
        assert folder.fs.find(folder.path) == []
        with pytest.raises(FileNotFoundError):
            folder.fs.ls(folder.path)
        assert folder.fs.info(folder.path)["type"] == "directory"
        assert (base / "new").is_dir()
        folder.rmdir()
        assert not folder.is_dir()
        with pytest.raises(FileNotFoundError):
            folder.fs.rm(folder.path, recursive=True)
        folder.mkdir()
        folder.write_text("a file after all")
        assert (folder.is_dir(), folder.is_file()) == (False, True)


@pytest.mark.parametrize("way", ["pickle", "serde"])
def test_it_travels(base: ObjectStoragePath, way: str) -> None:
    path = base / "a"
    path.write_text("1")
    if way == "pickle":
        packed = pickle.dumps(path)
        again = pickle.loads(packed)
    else:
        packed = json.dumps(serialize(path)).encode()
        again = deserialize(json.loads(packed))
    assert b"secret" not in packed
    assert again.read_text() == "1"
    assert way == "pickle" or again == path  # pickled, Airflow 3.2 and later forget the connection's id


async def test_on_an_event_loop(base: ObjectStoragePath) -> None:
    """As in a trigger: blocking calls go to threads, and do not hold up the loop."""
    paths = [base / str(number) for number in range(10)]
    await asyncio.gather(*(asyncio.to_thread(path.write_text, path.name) for path in paths))
    assert await asyncio.gather(*(asyncio.to_thread(path.read_text) for path in paths)) == [path.name for path in paths]


def test_requests(requests: Requests) -> None:
    base = ObjectStoragePath(BASES["osv2"])
    path = base / "dag" / "run" / "key"
    path.write_text("1")
    requests()
    steps: dict[str, tuple[Callable[[], Any], dict[str, int]]] = {
        "construct": (lambda: base / "dag" / "run" / "key", {}),
        "mkdir": (lambda: path.parent.mkdir(parents=True, exist_ok=True), {}),
        "write_text": (lambda: path.write_text("1"), {"put_key": 1}),
        "write_bytes": (lambda: path.write_bytes(b"\xff"), {"put_key": 1}),
        "open wb": (lambda: write(path, "wb", b"1"), {"put_key": 1}),
        "open w": (lambda: write(path, "w", "1"), {"put_key": 1}),
        "read_text": (path.read_text, {"get_key": 1}),
        "read_bytes": (path.read_bytes, {"get_key": 1}),
        "open rb": (lambda: path.open("rb").read(), {"get_key": 1}),
        "exists": (path.exists, {"key_exists": 1}),
        "is_file": (path.is_file, {"key_exists": 1}),
        "stat": (path.stat, {"get_key": 1}),
        "glob": (lambda: list(path.parent.glob("*")), {"list_keys": 1}),
        "unlink": (lambda: path.unlink(missing_ok=True), {"key_exists": 1, "delete_key": 1}),
        "unlink of what is missing": (
            lambda: path.unlink(missing_ok=True),
            {"key_exists": 1, "get_store": 1, "list_keys": 1},
        ),
    }
    taken = {}
    for name, (act, _) in steps.items():
        act()
        taken[name] = requests()
    assert taken == {name: expected for name, (_, expected) in steps.items()}


def write(path: ObjectStoragePath, mode: str, contents: Any) -> None:
    with path.open(mode) as file:
        file.write(contents)


@pytest.mark.parametrize("scheme", BASES)
def test_lineage_does_not_spam(scheme: str) -> None:
    """A collector is active: every file that is opened becomes an asset, and at most one warning comes of all."""
    code = f"""
from unittest import mock
try:
    from airflow.sdk.lineage import HookLineageCollector
    place = "airflow.sdk.lineage.get_hook_lineage_collector"
except ImportError:
    from airflow.lineage.hook import HookLineageCollector
    place = "airflow.lineage.hook.get_hook_lineage_collector"
from airflow.sdk import ObjectStoragePath
collector = HookLineageCollector()
with mock.patch(place, lambda: collector):
    for number in range(20):
        path = ObjectStoragePath("{BASES[scheme]}") / str(number)
        with path.open("wb") as file:
            file.write(b"1")
        with path.open("rb") as file:
            file.read()
lineage = collector.collected_assets
print("ASSETS", len(lineage.inputs), len(lineage.outputs))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # The hook adds the asset of what it read or wrote, which carries no connection.
    assert f"ASSETS {40 if scheme == 'osv2' else 20} {40 if scheme == 'osv2' else 20}" in done.stdout
    said = done.stdout + done.stderr
    assert said.count("which means nothing without its") <= 2, said
    assert "emulator-secret" not in said


def test_plain_use_warns_of_nothing(base: ObjectStoragePath) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (base / "a").write_text("1")
        (base / "a").read_text()
        list(base.iterdir())
    ours = [
        warning
        for warning in caught
        if "://" in str(warning.message) or "airflow_provider_objectstore" in warning.filename
    ]
    assert ours == []
