"""An export replaces the earlier one at its end: wherever an export fails or is killed, the folder has a good one."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_objectstore.api.anypoint.values import MAX_OBJECT_BYTES, Entry
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.export import folder as export_folder
from airflow_provider_objectstore.export.format import MAX_LINE_BYTES, MAX_MANIFEST_BYTES, decode_line, encode_line
from airflow_provider_objectstore.export.importer import Importer
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.operators.test_transfer import GET, PUT, answers, bucket, export, folder, hook, names, restore

pytestmark = pytest.mark.slow

__all__ = ["bucket", "folder", "hook"]

WHOLE = ["data.jsonl", "manifest.json"]


class Killed(BaseException):
    """The process is gone: nothing that it would have done afterwards is done."""


@pytest.fixture
def good(hook: AnypointObjectStoreHook, folder: str) -> str:
    """A folder with an export of two values."""
    hook.put_many("s", "p", {"a": 1, "b": 2}).raise_failed()
    assert export(folder)["values"] == 2
    assert names(folder) == WHOLE
    return folder


def kept(path: str) -> dict[str, int]:
    """Return the values of a folder's export, checked as an import does."""
    here = export_folder.ExportFolder(ObjectStoragePath(path))
    lines = [json.loads(line) for line in here.lines(here.manifest())]
    return {line["keyId"]: line["numberValue"] for line in lines}


class TestTheEarlierExportStays:
    @pytest.mark.parametrize("status", [403, 500])
    def test_that_fails(
        self, status: int, good: str, emulator: Emulator, impatient: None, hook: AnypointObjectStoreHook
    ) -> None:
        emulator.faults([{"operation": GET, "kind": "status", "status": status}])
        with pytest.raises(ObjectStoreError, match="stopped after 0 values"):
            export(good)
        assert (kept(good), names(good)) == ({"a": 1, "b": 2}, WHOLE)

    def test_that_comes_out_empty(self, good: str, hook: AnypointObjectStoreHook, folder: str) -> None:
        hook.delete_partition("s", "p")
        with pytest.raises(ObjectStoreError, match=r"is empty, and file://.* has one with 2 values, which stays"):
            export(good)
        assert (kept(good), names(good)) == ({"a": 1, "b": 2}, WHOLE)
        assert export(f"{folder}-2")["values"] == 0, "an empty store has an empty export"
        assert export(f"{folder}-2")["values"] == 0, "again"

    def test_whose_values_all_went(self, good: str, emulator: Emulator) -> None:
        emulator.faults([{"operation": GET, "kind": "status", "status": 404}])
        with pytest.raises(ObjectStoreError, match="the export of store s is empty"):
            export(good)
        assert kept(good) == {"a": 1, "b": 2}

    @pytest.mark.parametrize("nothing", [[], "", " ", None, ["p", ""], 7], ids=repr)
    def test_whose_partitions_came_out_as_nothing(self, nothing: Any, good: str, emulator: Emulator) -> None:
        from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator

        asked = emulator.requests()["total"]
        for kind in (AnypointExportOperator, AnypointImportOperator):
            task = kind(task_id="t", store_id="s", path=good, partitions="{{ listing }}")
            task.partitions = nothing
            if (kind, nothing) == (AnypointImportOperator, []):
                continue
            with pytest.raises(InvalidArgumentError, match=r"^partitions.*\(task 't'\)$"):
                task.execute({})  # type: ignore[typeddict-item]
        assert emulator.requests()["total"] == asked
        assert kept(good) == {"a": 1, "b": 2}

    def test_an_import_of_no_partitions_imports_none(self, good: str, hook: AnypointObjectStoreHook) -> None:
        assert restore(good, partitions=[])["written"] == 0
        assert list(hook.list_partitions("t")) == []

    def test_whose_store_went(self, good: str, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow_provider_objectstore.api import anypoint as api

        def lost(*_: Any) -> Any:
            yield from ()
            raise StoreNotFoundError("there is no store s", status=404)

        monkeypatch.setattr(api, "get_key", lost)
        with pytest.raises(ObjectStoreError, match="stopped after 0 values: there is no store s"):
            export(good)
        assert kept(good) == {"a": 1, "b": 2}


class TestAnEarlierExportThatCannotBeRead:
    """Nobody can tell whose it is and what it holds, so nothing replaces it."""

    @pytest.mark.parametrize(
        "manifest",
        ["", "{", "[]", '{"version": 2}', '{"version": 1, "store_id": "s"}', "x" * (MAX_MANIFEST_BYTES + 1)],
        ids=lambda text: text[:12],
    )
    @pytest.mark.parametrize("store_id", ["s", "t"])
    def test_a_manifest_that_is_damaged_or_newer(self, manifest: str, store_id: str, good: str) -> None:
        path = ObjectStoragePath(good) / "manifest.json"
        path.write_text(manifest)
        data = (ObjectStoragePath(good) / "data.jsonl").read_text()
        with pytest.raises(
            ObjectStoreError, match=r"what file://\S+/export has cannot be read.* export to another folder"
        ):
            export(good, store_id=store_id)
        assert (path.read_text(), (ObjectStoragePath(good) / "data.jsonl").read_text()) == (manifest, data)
        assert names(good) == WHOLE

    @pytest.mark.parametrize("status", [403, 500])
    @pytest.mark.parametrize("reads", [0, 1], ids=["before it begins", "at its end"])
    def test_one_that_the_service_does_not_return(
        self, reads: int, status: int, emulator: Emulator, impatient: None, hook: AnypointObjectStoreHook
    ) -> None:
        hook.create_store("archive")
        path = "osv2://anypoint_default@archive/exports"
        hook.put_key("s", "p", "a", 1)
        export(path)
        manifest = hook.get_key("archive", "exports", "manifest.json").value
        hook.delete_partition("s", "p")
        emulator.faults([{"operation": GET, "kind": "status", "status": status, "skip": reads}])
        with pytest.raises(ApiError, match=r"what osv2://\S+ has cannot be read") as caught:
            export(path)
        assert caught.value.status == status
        emulator.faults([])
        assert hook.get_key("archive", "exports", "manifest.json").value == manifest

    def test_a_file_that_may_not_be_read(self, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_: Any) -> Any:
            raise PermissionError("not for you")

        monkeypatch.setattr(export_folder, "_open", denied)
        with pytest.raises(ObjectStoreError, match="cannot be read, so nothing replaces it: not for you"):
            export(good, store_id="t")


def steps(monkeypatch: pytest.MonkeyPatch, filesystem: Any) -> Callable[[int], list[str]]:
    """Kill the process before a step that an export takes with its folder; return the steps taken."""
    taken: list[str] = []
    until = [10**9]

    def step(name: str) -> None:
        if len(taken) >= until[0]:
            raise Killed(name)
        taken.append(name)

    def watched(name: str, real: Any) -> Any:
        def act(*arguments: Any, **more: Any) -> Any:
            step(name)
            return real(*arguments, **more)

        return act

    monkeypatch.setattr(export_folder, "_open", watched("open", export_folder._open))
    monkeypatch.setattr(ObjectStoragePath, "write_text", watched("write", ObjectStoragePath.write_text), raising=False)
    monkeypatch.setattr(Path, "replace", watched("replace", Path.replace))
    for name in ("cp_file", "rm_file", "ls"):
        monkeypatch.setattr(filesystem, name, watched(name, getattr(filesystem, name)))

    def begin(number: int) -> list[str]:
        taken.clear()
        until[0] = number
        return taken

    return begin


class TestAKilledExport:
    @pytest.mark.parametrize("where", ["file", "civo"])
    @pytest.mark.slow
    def test_leaves_the_good_one_or_is_it(
        self,
        where: str,
        folder: str,
        bucket: str,
        hook: AnypointObjectStoreHook,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = folder if where == "file" else f"civo://{bucket}/exports"
        hook.put_many("s", "p", {"a": 1, "b": 2}).raise_failed()
        export(path)
        begin = steps(monkeypatch, ObjectStoragePath(path).fs)
        for number in range(40):
            hook.put_key("s", "p", "b", number)
            taken = begin(number)
            before = None
            try:
                before = kept_unwatched(path, monkeypatch)
                export(path)
            except Killed:
                begin(10**9)
                after = kept(path)
                assert after in (before, {"a": 1, "b": number}), f"killed at step {number} of {taken}"
                export(path)
                assert (kept(path), names(path)) == ({"a": 1, "b": number}, WHOLE)
            else:
                break
        assert number >= 5, f"it takes more steps than {taken}"

    def test_another_export_at_the_same_time(
        self, good: str, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other one takes this one's data for a leftover."""
        real = export_folder.ExportFolder.switch

        def late(self: Any, manifest: Any) -> Any:
            monkeypatch.setattr(export_folder.ExportFolder, "switch", real)
            hook.put_key("s", "p", "c", 3)
            export(good)
            return real(self, manifest)

        monkeypatch.setattr(export_folder.ExportFolder, "switch", late)
        with pytest.raises(ObjectStoreError, match=r"has 0 bytes of the \d+ that were written: something else changes"):
            export(good)
        assert (kept(good), names(good)) == ({"a": 1, "b": 2, "c": 3}, WHOLE)

    def test_a_file_system_that_cannot_copy(
        self,
        good: str,
        hook: AnypointObjectStoreHook,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def no(*_: Any, **__: Any) -> None:
            raise NotImplementedError("no copies here")

        hook.put_key("s", "p", "c", 3)
        with monkeypatch.context() as patch:
            patch.setattr(ObjectStoragePath(good).fs, "cp_file", no)
            done = export(good)
        assert done["data"] != "data.jsonl"
        assert kept(good) == {"a": 1, "b": 2, "c": 3}
        assert restore(good)["written"] == 3
        assert "The export is complete. Its data stays in" in caplog.text
        export(good)
        assert names(good) == WHOLE


def kept_unwatched(path: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Read an export without that counting as steps."""
    with monkeypatch.context() as patch:
        patch.setattr(export_folder, "_open", lambda path, mode: path.open(mode))
        return kept(path)


def test_an_older_export_without_a_data_name(good: str, hook: AnypointObjectStoreHook) -> None:
    manifest = json.loads((Path(good.removeprefix("file://")) / "manifest.json").read_text())
    assert "data" not in manifest
    assert restore(good)["written"] == 2


def test_what_is_not_an_exports_stays(good: str) -> None:
    here = Path(good.removeprefix("file://"))
    for name in ("notes.txt", "data-1.jsonl", "data-2026.jsonl"):
        (here / name).write_text("mine")
    (here / "data-0123456789abcdef.jsonl").write_text("left by a killed export")
    (here / "manifest.json-0123456789abcdef").write_text("{")
    export(good)
    assert names(good) == sorted([*WHOLE, "notes.txt", "data-1.jsonl", "data-2026.jsonl"])


class TestAnImportReadsNoFurtherThanTheManifestSays:
    def plant(self, path: str, lines: bytes, **manifest: Any) -> Path:
        here = Path(path.removeprefix("file://"))
        (here / "data.jsonl").write_bytes(lines)
        defaults = {"version": 1, "store_id": "s", "partitions": {"p": 1}, "bytes": len(lines)}
        (here / "manifest.json").write_text(json.dumps({**defaults, "sha256": sha256(lines).hexdigest(), **manifest}))
        return here

    LINE = b'{"partition":"p","keyId":"k","valueType":"STRING","stringValue":"x"}\n'

    @pytest.mark.parametrize("data", [LINE * 2, LINE + b" ", LINE + b"\n", LINE[:-1] + b" " * 1000])
    def test_a_file_that_is_longer(self, data: bytes, good: str, emulator: Emulator) -> None:
        puts = answers(emulator, PUT)
        self.plant(good, data, bytes=len(self.LINE), sha256=sha256(self.LINE).hexdigest())
        with pytest.raises(ObjectStoreError, match=r"longer than the \d+ bytes of its manifest\. Nothing was written"):
            restore(good)
        assert answers(emulator, PUT) == puts

    def test_it_is_not_read_to_its_end(self, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
        here = self.plant(good, b"", bytes=1)
        with (here / "data.jsonl").open("wb") as sparse:
            sparse.truncate(2**40)
        with pytest.raises(ObjectStoreError, match="is longer than the 1 bytes of its manifest"):
            restore(good)

    def test_a_line_that_no_value_can_have(self, good: str) -> None:
        here = self.plant(good, b"", bytes=2**40)
        with (here / "data.jsonl").open("wb") as sparse:
            sparse.truncate(2**40)
        with pytest.raises(ObjectStoreError, match=r"line 1: it is longer than the line of any value"):
            restore(good)

    def test_the_longest_value_still_fits(self) -> None:
        longest = Entry("k" * 1024, "\x00" * MAX_OBJECT_BYTES, "STRING", metadata="\x00" * 680)
        line = encode_line("p", longest)
        assert len(line) < MAX_LINE_BYTES
        assert decode_line(line, "s")[:2] == ("p", longest.key)

    def test_counts_that_differ(self, good: str, hook: AnypointObjectStoreHook) -> None:
        self.plant(good, self.LINE, partitions={"p": 2})
        with pytest.raises(ObjectStoreError, match=r"1 values in 1 partitions, of 2 in 1\. Nothing was written"):
            restore(good)

    def test_a_manifest_that_names_other_files(self, good: str, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(self.LINE)
        self.plant(good, self.LINE, data="../secret")
        with pytest.raises(ObjectStoreError, match="is not the manifest of an export"):
            restore(good)

    def test_data_that_is_gone(self, good: str) -> None:
        self.plant(good, self.LINE, data="data-0123456789abcdef.jsonl")
        with pytest.raises(ObjectStoreError, match="which its manifest names"):
            restore(good)

    def test_data_that_changes_after_the_check(self, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
        here = self.plant(good, self.LINE)
        real = Importer._check_values

        def then(self: Any, *arguments: Any) -> None:
            real(self, *arguments)
            data = here / "data.jsonl"
            data.write_bytes(data.read_bytes().replace(b'"x"', b'"y"'))

        monkeypatch.setattr(Importer, "_check_values", then)
        with pytest.raises(ObjectStoreError, match="does not match its manifest"):
            restore(good)


def test_a_partition_that_is_not_there(good: str) -> None:
    with pytest.raises(NotFoundError):
        export(good, partitions=["nope"])
    assert issubclass(NotFoundError, ApiError)
    assert kept(good) == {"a": 1, "b": 2}
