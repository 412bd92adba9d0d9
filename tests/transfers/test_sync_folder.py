"""Copying a folder between any two filesystems: all of it, once, and never more than was asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import ObjectStoragePath

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError, StoreNotFoundError
from airflow_provider_objectstore.fs import folder_sync
from airflow_provider_objectstore.fs.folder_sync import LARGE_BYTES
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator

pytestmark = pytest.mark.slow

FILES = {
    "a.txt": b"a",
    "empty": b"",
    "deep/er/b.bin": bytes(range(256)),
    "deep/a*b?[1].txt": b"literal",
    "deep/axb.txt": b"matches the pattern",
    "a b+c%20|&#\xc3\xa9".encode("latin-1").decode(): "é".encode(),
}
BOTH = {"both": b"file", "both/below": b"and folder"}


@pytest.fixture
def places(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mapping[str, str]:
    """A folder on each filesystem, by its protocol."""
    civo = CivoObjectStoreHook()
    store = civo.create_object_store("files")
    while not civo.get_object_store(store.id).ready:
        time.sleep(0.05)
    options = civo.s3_options("files")
    aws = {
        "conn_type": "aws",
        "login": options.access_key_id,
        "password": options.secret_access_key,
        "extra": {"endpoint_url": emulator.s3_url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MY_AWS", json.dumps(aws))
    AnypointObjectStoreHook().create_store("files")
    return {
        "file": f"file://{tmp_path}",
        "civo": "civo://civo_default@files/civo",
        "s3": "s3://my_aws@files/s3",
        "osv2": "osv2://anypoint_default@files/partition",
    }


def write(place: str, files: Mapping[str, bytes]) -> None:
    path = ObjectStoragePath(place)
    for name, value in files.items():
        whole = f"{path.fs._strip_protocol(path.path)}/{name}"
        if path.protocol == "file":
            Path(whole).parent.mkdir(parents=True, exist_ok=True)
        path.fs.pipe_file(whole, value)


def files_of(place: str) -> dict[str, bytes]:
    path = ObjectStoragePath(place)
    base = path.fs._strip_protocol(path.path)
    path.fs.invalidate_cache()
    return {name.removeprefix(f"{base}/"): path.fs.cat_file(name) for name in path.fs.find(base)}


def sync(source: Any, target: Any, **settings: Any) -> dict[str, Any]:
    task = SyncFolderOperator(task_id="sync", source=source, target=target, **settings)
    done: dict[str, Any] = task.execute({})  # type: ignore[typeddict-item]
    assert json.loads(json.dumps(done)) == done
    return done


def counts(done: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Copied, of these overwritten, unchanged, deleted."""
    return done["copied"], done["overwritten"], done["unchanged"], done["deleted"]


KINDS = ["file", "civo", "s3", "osv2"]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_from_each_to_each(places: Mapping[str, str], source: str, target: str) -> None:
    start, end = f"{places[source]}/from[1]", f"{places[target]}/to*"
    files = {**FILES, **(BOTH if source != "file" and target != "file" else {})}
    write(start, files)
    write(end, {"a.txt": b"b", "deep/er/b.bin": bytes(range(256)), "extra/x": b"x", "extra*": b"y"})
    done = sync(start, end)
    assert files_of(end) == {**files, "extra/x": b"x", "extra*": b"y"}
    assert counts(done) == (len(files) - 1, 1, 1, 0)
    assert done["bytes"] == sum(map(len, files.values())) - 256
    assert counts(sync(start, end, delete=True)) == (0, 0, len(files), 2)
    assert files_of(end) == files == files_of(start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delete", [False, True])
def test_an_empty_or_missing_source_is_an_error(places: Mapping[str, str], kind: str, delete: bool) -> None:
    write(f"{places['osv2']}/target", {"stays": b"1"})
    with pytest.raises(ObjectStoreError, match="has no files: it is empty, or does not exist"):
        sync(f"{places[kind]}/nowhere", f"{places['osv2']}/target", delete=delete)
    assert files_of(f"{places['osv2']}/target") == {"stays": b"1"}


def test_a_missing_store_or_bucket_is_an_error(places: Mapping[str, str], tmp_path: Path) -> None:
    write(places["file"], {"stays": b"1"})
    with pytest.raises((ObjectStoreError, FileNotFoundError)):
        sync("s3://my_aws@nowhere/p", places["file"], delete=True)
    for missing in ("osv2://nowhere/p", "civo://nowhere/p"):
        with pytest.raises(StoreNotFoundError, match=r"nowhere'?.*check its name.* \[connection .*\]$"):
            sync(missing, places["file"], delete=True)
        with pytest.raises(StoreNotFoundError, match=r"nowhere'?.*check its name.* \[connection .*\]$"):
            sync(places["file"], missing)
    assert files_of(places["file"]) == {"stays": b"1"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_no_folder(places: Mapping[str, str], kind: str) -> None:
    write(places[kind], {"one": b"1"})
    with pytest.raises(InvalidArgumentError, match="is a file, not a folder"):
        sync(f"{places[kind]}/one", f"{places['osv2']}/target")


def test_the_same_place_before_any_request(
    places: Mapping[str, str], emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for conn_id, connection in emulator.connections().items():
        monkeypatch.setenv(f"AIRFLOW_CONN_SECOND_{conn_id.upper()}", json.dumps(connection))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    pairs = [
        (f"file://{tmp_path}/real", f"file://{tmp_path}/link/below"),
        ("osv2://files/p", "osv2://second_anypoint_default@files/p"),
        ("osv2://files/p/below", "osv2://second_anypoint_default@files/p"),
        ("osv2://files/p", "osv2://second_anypoint_default@files"),
        ("civo://files/p", "civo://second_civo_default@files/p"),
        ("civo://files/p", "s3://my_aws@files/p"),
        ("s3://my_aws@files", "civo://files/p"),
    ]
    before = emulator.requests()["total"]
    for source, target in pairs:
        with pytest.raises(InvalidArgumentError, match=r"source and target are the same.*task 'sync'"):
            sync(source, target, delete=True)
    assert emulator.requests()["total"] == before


def test_names_that_cannot_be_at_the_target(places: Mapping[str, str]) -> None:
    write(f"{places['civo']}/both", BOTH)
    with pytest.raises(InvalidArgumentError, match=r"'both' .* is a file, and a folder with 'both/below'"):
        sync(f"{places['civo']}/both", places["file"])
    write(f"{places['s3']}/up", {"../../outside": b"1"})
    with pytest.raises(InvalidArgumentError, match="names something else"):
        sync(f"{places['s3']}/up", places["file"])
    assert files_of(places["file"]) == {}


def test_keys_that_no_path_names(places: Mapping[str, str]) -> None:
    hook = AnypointObjectStoreHook()
    hook.put_many("files", "odd", {"a/b": 1, "fine": 2}).raise_failed()
    for _ in "12":
        with pytest.raises(ObjectStoreError, match="keys that no path names"):
            sync("osv2://files/odd", places["file"])


def test_contents_of_one_size(places: Mapping[str, str]) -> None:
    write(f"{places['file']}/s", {"a": b"11", "large": b"1" * LARGE_BYTES})
    write(f"{places['civo']}/t", {"a": b"22", "large": b"2" * LARGE_BYTES})
    assert counts(sync(f"{places['file']}/s", f"{places['civo']}/t", compare="size")) == (0, 0, 2, 0)
    assert counts(sync(f"{places['file']}/s", f"{places['civo']}/t")) == (2, 2, 0, 0)
    assert counts(sync(f"{places['file']}/s", f"{places['civo']}/t")) == (0, 0, 2, 0)
    assert files_of(f"{places['civo']}/t")["large"] == b"1" * LARGE_BYTES


@pytest.mark.parametrize("kind", ["civo", "s3"])
def test_a_lost_etag_says_nothing(places: Mapping[str, str], emulator: Emulator, kind: str) -> None:
    """Ceph empties the ETags of all objects of a bucket whose owner changes."""
    write(f"{places[kind]}/s", {"a": b"11", "same": b"1", "large": b"1" * LARGE_BYTES})
    write(f"{places[kind]}/t", {"a": b"22", "same": b"1", "large": b"2" * LARGE_BYTES})
    state = emulator.dump()
    for bucket in state["s3"]["buckets"]:
        for stored in bucket["objects"]:
            stored["etag"] = ""
    emulator.load(state)
    listed = ObjectStoragePath(places[kind]).fs.find(f"files/{kind}", detail=True).values()
    assert {info["ETag"] for info in listed} == {'""'}
    assert counts(sync(f"{places[kind]}/s", f"{places[kind]}/t")) == (2, 2, 1, 0)
    assert files_of(f"{places[kind]}/t") == files_of(f"{places[kind]}/s")


@pytest.mark.parametrize("source", ["file", "civo"])
@pytest.mark.parametrize("target", ["file", "s3"])
def test_large_files(places: Mapping[str, str], source: str, target: str) -> None:
    write(f"{places[source]}/s", {"d/large": b"12345678" * (LARGE_BYTES // 8) + b"9", "small": b"1"})
    done = sync(f"{places[source]}/s", f"{places[target]}/t")
    assert (counts(done), done["bytes"]) == ((2, 0, 0, 0), LARGE_BYTES + 2)
    assert files_of(f"{places[target]}/t") == files_of(f"{places[source]}/s")


def test_what_is_read_back_is_compared(places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(places["file"], {"a": b"1", "large": b"1" * LARGE_BYTES})
    target = f"{places['civo']}/t"
    kept = folder_sync.write_many
    monkeypatch.setattr(folder_sync, "write_many", lambda fs, values: kept(fs, dict.fromkeys(values, b"?")))
    with pytest.raises(ObjectStoreError, match=r"'a' was written to .*, and read back it is not what"):
        sync(places["file"], target)
    monkeypatch.undo()


def test_nothing_is_deleted_that_came_to_the_source(places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = f"{places['file']}/s", f"{places['osv2']}/t"
    write(source, {"a": b"1"})
    write(target, {"late": b"2", "gone": b"3"})
    kept = folder_sync.write_many

    def meanwhile(fs: Any, values: Any) -> None:
        kept(fs, values)
        write(source, {"late": b"2"})

    monkeypatch.setattr(folder_sync, "write_many", meanwhile)
    assert counts(sync(source, target, delete=True)) == (1, 0, 0, 1)
    assert files_of(target) == {"a": b"1", "late": b"2"}


def test_an_unreadable_folder_is_an_error(
    places: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    write(places["file"], {"a": b"1", "closed/b": b"2"})
    kept = LocalFileSystem.ls

    def ls(self: Any, path: str, *arguments: Any, **kwargs: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(path)
        return kept(self, path, *arguments, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    write(places["osv2"], {"closed/b": b"2"})
    with pytest.raises(PermissionError):
        sync(places["file"], places["osv2"], delete=True)
    assert files_of(places["osv2"]) == {"closed/b": b"2"}


KILLED = """
import sys
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator
SyncFolderOperator(task_id="sync", source=sys.argv[1], target=sys.argv[2], delete=True).execute({})
"""


def test_a_second_try_after_a_kill(places: Mapping[str, str], emulator: Emulator) -> None:
    files = {f"f{number:03}": f"{number}".encode() * 50 for number in range(200)}
    write(f"{places['file']}/s", files)
    write(places["osv2"], {"extra": b"1"})
    put = "anypoint.put_key"
    emulator.faults([{"operation": put, "kind": "delay", "seconds": 0.05}])
    before = requests(emulator, put)
    command = [sys.executable, "-c", KILLED, f"{places['file']}/s", places["osv2"]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as task:
        while requests(emulator, put) - before < 80 and task.poll() is None:
            time.sleep(0.02)
        task.send_signal(signal.SIGKILL)
    assert task.returncode == -signal.SIGKILL
    emulator.faults([])
    time.sleep(0.2)  # for those under way
    there, written = files_of(places["osv2"]), requests(emulator, put)
    assert there.pop("extra") == b"1", "deleted before all was copied"
    assert 0 < len(there) < len(files)
    assert there.items() <= files.items()
    assert counts(sync(f"{places['file']}/s", places["osv2"], delete=True)) == (
        len(files) - len(there),
        0,
        len(there),
        1,
    )
    assert requests(emulator, put) - written == len(files) - len(there)
    assert files_of(places["osv2"]) == files


def requests(emulator: Emulator, operation: str) -> int:
    return sum(emulator.requests()["by_operation"].get(operation, {}).values())


def test_a_local_file_appears_when_it_is_whole(places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(f"{places['civo']}/s", {"large": b"1" * LARGE_BYTES})
    path = ObjectStoragePath(f"{places['civo']}/s")

    def break_off(rpath: str, lpath: str, **_: Any) -> None:
        Path(lpath).write_bytes(b"1")
        raise ConnectionError("broke off")

    monkeypatch.setattr(path.fs, "get_file", break_off)
    with pytest.raises(ConnectionError):
        sync(f"{places['civo']}/s", f"{places['file']}/t")
    assert files_of(f"{places['file']}/t") == {}


def test_connections_and_arguments(places: Mapping[str, str]) -> None:
    write(f"{places['civo']}/s", {"a": b"1"})
    assert counts(sync("civo://files/civo/s", "s3://files/s3/t", target_conn_id="my_aws")) == (1, 0, 0, 0)
    with pytest.raises(InvalidArgumentError, match="source_conn_id is 'other', and the path has 'civo_default'"):
        sync("civo://civo_default@files/civo/s", "s3://my_aws@files/s3/t", source_conn_id="other")
    empty = [{"target": "civo://files/"}, {"target": "civo://files//a"}, {"source": "civo://files/civo/s/"}]
    for wrong in (
        *empty,
        {"source": ""},
        {"source": "relative"},
        {"target": "file:///"},
        {"delete": ""},
        {"compare": "time"},
    ):
        with pytest.raises(InvalidArgumentError):
            sync(**{"source": "civo://files/civo/s", "target": "osv2://files/p", **wrong})


@pytest.mark.parametrize("settings", [{"source": "s3://my_asw@files/s3/s"}, {"source_conn_id": "my_asw"}])
def test_a_connection_that_is_missing_is_not_the_workers_own_keys(
    places: Mapping[str, str], settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amazon's provider only warns, and boto3 then finds the keys of the machine."""
    write(f"{places['s3']}/s", {"a": b"of another account"})
    aws = json.loads(os.environ["AIRFLOW_CONN_MY_AWS"])
    own = {
        "ACCESS_KEY_ID": aws["login"],
        "SECRET_ACCESS_KEY": aws["password"],
        "ENDPOINT_URL": aws["extra"]["endpoint_url"],
    }
    for name, value in own.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(
        AirflowNotFoundException, match=r"Airflow finds no connection 'my_asw'\. Create it, or give the id"
    ):
        sync(**{"source": "s3://files/s3/s", "target": f"{places['file']}/t", **settings})
    assert files_of(f"{places['file']}/t") == {}


@pytest.mark.parametrize("scheme", ["s4", "gcs"])
def test_a_protocol_that_nothing_has(places: Mapping[str, str], scheme: str) -> None:
    with pytest.raises(
        InvalidArgumentError,
        match=rf"target is {scheme}://b/x, which Airflow has no filesystem for: .*{scheme}.*installed .*task 'sync'",
    ):
        sync("civo://files/civo/s", f"{scheme}://b/x")


TEAM = [
    ("{{ team }}", ""),
    ("{{ team }}/in", ""),
    ("in/{{ team }}", ""),
    ("{{ team }}", "C#"),
    ("{{ team }}?", "C"),
]


@pytest.mark.parametrize(("template", "team"), TEAM)
@pytest.mark.parametrize("form", ["text", "URL", "path object", "osv2"])
def test_the_folder_above_and_another_one_are_left_alone(
    places: Mapping[str, str], tmp_path: Path, template: str, team: str, form: str
) -> None:
    files = {"report": b"1", "in/theirs": b"2", "C/theirs": b"3"}
    place = places["osv2" if form == "osv2" else "file"] + "/reports"
    for folder in (place, f"{places['civo']}/s"):
        write(folder, files)
    target: Any = {"text": f"{tmp_path}/reports/{template}", "path object": ObjectStoragePath(place) / template}.get(
        form, f"{place}/{template}"
    )
    for source, end in ((f"{places['civo']}/s", target), (target, f"{places['s3']}/t")):
        task = SyncFolderOperator(task_id="sync", source=source, target=end, delete=True)
        task.render_template_fields({"team": team})  # type: ignore[typeddict-item]
        with pytest.raises(InvalidArgumentError, match=r"(source|target) (has an empty segment|is .* Airflow makes)"):
            task.execute({})  # type: ignore[typeddict-item]
    assert files_of(place) == files
    assert files_of(f"{places['s3']}/t") == {}


@pytest.mark.parametrize("wrap", [str, ObjectStoragePath])
@pytest.mark.parametrize(
    ("template", "message"),
    [("osv2://{{ team }}@files/live", "empty connection"), ("osv2://anypoint_default@{{ team }}/files/live", "empty")],
)
def test_an_empty_connection_or_store_is_not_another_one(
    places: Mapping[str, str], template: str, message: str, wrap: Any
) -> None:
    write(f"{places['civo']}/s", {"a": b"1"})
    hook = AnypointObjectStoreHook()
    for store_id, partition in (("files", "live"), ("live", "p")):
        hook.create_store(store_id)
        hook.put_key(store_id, partition, "a", "precious")
    task = SyncFolderOperator(task_id="sync", source=f"{places['civo']}/s", target=wrap(template), delete=True)
    task.render_template_fields({"team": ""})  # type: ignore[typeddict-item]
    with pytest.raises(InvalidArgumentError, match=message):
        task.execute({})  # type: ignore[typeddict-item]
    assert hook.get_key("files", "live", "a").value == "precious"


@pytest.mark.parametrize("source", ["s3://my_aws@whole", ObjectStoragePath("s3://my_aws@whole"), "s3://whole"])
def test_a_whole_bucket(places: Mapping[str, str], source: Any) -> None:
    civo = CivoObjectStoreHook()
    civo.create_object_store("whole", access_key_id=civo.s3_options("files").access_key_id)
    until_ready = [time.sleep(0.05) for _ in range(100) if not civo.require_object_store("whole").ready]
    assert len(until_ready) < 100
    write("s3://my_aws@whole", {"x/a": b"1"})
    conn_id = None if "@" in str(source) else "my_aws"
    task = SyncFolderOperator(task_id="sync", source=source, target=f"{places['file']}/t", source_conn_id=conn_id)
    task.render_template_fields({})  # type: ignore[typeddict-item]
    assert counts(task.execute({})) == (1, 0, 0, 0)  # type: ignore[typeddict-item]
    assert files_of(f"{places['file']}/t") == {"x/a": b"1"}


@pytest.mark.parametrize("wrap", [str, ObjectStoragePath])
def test_a_rendered_path(places: Mapping[str, str], wrap: Any) -> None:
    write(f"{places['civo']}/s#1", {"a": b"1"})
    task = SyncFolderOperator(
        task_id="sync", source=wrap(f"{places['civo']}/{{{{ name }}}}"), target=wrap(f"{places['osv2']}/{{{{ name }}}}")
    )
    task.render_template_fields({"name": "s#1"})  # type: ignore[typeddict-item]
    assert counts(task.execute({})) == (1, 0, 0, 0)  # type: ignore[typeddict-item]
    assert files_of(f"{places['osv2']}/s#1") == {"a": b"1"}


def test_lineage_names_both_places(places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_objectstore.transfers import sync_folder

    reported: list[tuple[str, str]] = []
    monkeypatch.setattr(sync_folder, "report_lineage", lambda _, side, asset: reported.append((side, asset().uri)))
    write(f"{places['civo']}/s", {"a": b"1"})
    sync(f"{places['civo']}/s", f"{places['osv2']}/t")
    assert reported == [
        ("input", "civo://LON1/files/civo/s"),
        ("output", "osv2://emulator-org.emulator-env.us-east-1/files/partition"),
    ]


def test_a_file_of_the_name_of_a_part_is_kept(tmp_path: Path) -> None:
    files = {"a": b"1", "a.sync-part": b"mine"}
    write(f"file://{tmp_path}/s", files)
    sync(f"file://{tmp_path}/s", f"file://{tmp_path}/t")
    write(f"file://{tmp_path}/s", {"a": b"2"})
    assert counts(sync(f"file://{tmp_path}/s", f"file://{tmp_path}/t")) == (1, 1, 1, 0)
    assert {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()} == {**files, "a": b"2"}


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
def test_the_longest_name_of_a_local_file(tmp_path: Path, size: int) -> None:
    name = "é" * 125 + ".json"
    write(f"file://{tmp_path}/s", {name: b"1" * size})
    assert counts(sync(f"file://{tmp_path}/s", f"file://{tmp_path}/t")) == (1, 0, 0, 0)
    assert files_of(f"file://{tmp_path}/t") == {name: b"1" * size}


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
def test_a_file_that_is_not_read_to_its_end(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write(f"file://{tmp_path}/s", {"a": b"1" * size})
    listing = folder_sync._list
    monkeypatch.setattr(
        folder_sync,
        "_list",
        lambda folder: {name: {**info, "size": info["size"] + 1} for name, info in listing(folder).items()},
    )
    with pytest.raises(ObjectStoreError, match=f"has {size + 1} bytes by its listing, and {size} were read"):
        sync(f"file://{tmp_path}/s", f"file://{tmp_path}/t")
    assert not list((tmp_path / "t").glob("*"))


@pytest.mark.parametrize(("source", "target"), [("a/b", "a"), ("a", "a/b")])
def test_one_place_by_two_addresses(
    source: str, target: str, places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = json.loads(os.environ["AIRFLOW_CONN_MY_AWS"])
    aws["extra"]["endpoint_url"] = aws["extra"]["endpoint_url"].replace("127.0.0.1", "localhost")
    monkeypatch.setenv("AIRFLOW_CONN_ALIAS", json.dumps(aws))
    files = {"b/s": b"1", "old": b"2"}
    write("s3://my_aws@files/a", files)
    with pytest.raises(InvalidArgumentError, match="one is within the other"):
        sync(f"s3://my_aws@files/{source}", f"s3://alias@files/{target}", delete=True)
    assert files_of("s3://my_aws@files/a") == files


def test_a_folder_of_the_same_files_elsewhere(tmp_path: Path, places: Mapping[str, str]) -> None:
    write("s3://my_aws@files/a", {"b/s": b"1", "old": b"2"})
    write("osv2://anypoint_default@files/a/b", {"s": b"1"})
    assert counts(sync("osv2://anypoint_default@files/a/b", "s3://my_aws@files/a", delete=True)) == (1, 0, 0, 2)
