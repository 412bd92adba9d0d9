"""An export replaces the earlier one at its end: wherever an export fails or is killed, the folder has a good one."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from queue import Queue
from threading import Semaphore, Thread, local
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
from airflow_provider_objectstore.export.attributes import attributes_of
from airflow_provider_objectstore.export.format import (
    MAX_LINE_BYTES,
    MAX_MANIFEST_BYTES,
    Source,
    decode_line,
    encode_line,
)
from airflow_provider_objectstore.export.importer import Importer
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from tests.conftest import ALL
from tests.operators.test_transfer import (
    GET,
    PUT,
    WHOLE,
    answers,
    bucket,
    data_of,
    export,
    folder,
    hook,
    names,
    restore,
)

pytestmark = pytest.mark.slow

__all__ = ["bucket", "folder", "hook"]


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
        file = data_of(good)
        data = file.read_text()
        path.write_text(manifest)
        with pytest.raises(
            ObjectStoreError, match=r"what file://\S+/export has cannot be read.* export to another folder"
        ):
            export(good, store_id=store_id)
        assert (path.read_text(), file.read_text()) == (manifest, data)
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


def kill(step: str) -> None:
    raise Killed(step)


def steps(
    monkeypatch: pytest.MonkeyPatch, filesystem: Any, act: Callable[[str], object] = kill
) -> Callable[[int], list[str]]:
    """Do something, by default kill the process, before a step of an export in its folder; return the steps taken."""
    taken: list[str] = []
    until = [10**9]

    def step(name: str) -> None:
        if len(taken) >= until[0]:
            act(name)
        taken.append(name)

    def watched(name: str, real: Any) -> Any:
        def take(*arguments: Any, **more: Any) -> Any:
            step(name)
            return real(*arguments, **more)

        return take

    monkeypatch.setattr(export_folder, "_open", watched("open", export_folder._open))
    monkeypatch.setattr(ObjectStoragePath, "write_text", watched("write", ObjectStoragePath.write_text), raising=False)
    monkeypatch.setattr(Path, "replace", watched("replace", Path.replace))
    for name in ("info", "cp_file", "rm_file", "ls"):
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
        for number in range(0, 40, 1 if ALL or where == "file" else 3):
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
                with monkeypatch.context() as patch:
                    patch.setattr(export_folder, "LEFTOVER_AGE", -timedelta(days=1))
                    export(path)
                assert kept(path) == {"a": 1, "b": number}
                assert names(path) == WHOLE, "what was left is deleted when it is old"
            else:
                break
        else:
            raise AssertionError(f"it takes more steps than {taken}")
        assert {"open", "write", "rm_file"} <= set(taken)

    def test_another_export_at_the_same_time(
        self, good: str, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other one may have newer values, as a retry has beside a try that was taken for dead."""
        real = export_folder.ExportFolder.switch

        def late(self: Any, *arguments: Any) -> Any:
            monkeypatch.setattr(export_folder.ExportFolder, "switch", real)
            hook.put_key("s", "p", "c", 3)
            export(good)
            return real(self, *arguments)

        monkeypatch.setattr(export_folder.ExportFolder, "switch", late)
        with pytest.raises(ObjectStoreError, match=r"another export has come since .* something else changes"):
            export(good)
        assert (kept(good), names(good)) == ({"a": 1, "b": 2, "c": 3}, WHOLE)

    def test_data_that_something_else_changes(self, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = export_folder.ExportFolder.switch

        def late(self: Any, manifest: Any, earlier: Any) -> Any:
            (self.path / manifest.data).write_text("")
            return real(self, manifest, earlier)

        monkeypatch.setattr(export_folder.ExportFolder, "switch", late)
        with pytest.raises(ObjectStoreError, match=r"has 0 bytes of the \d+ that were written: something else changes"):
            export(good)
        assert (kept(good), names(good)) == ({"a": 1, "b": 2}, WHOLE)


@pytest.fixture(params=["file", "osv2", "civo"])
def anywhere(request: pytest.FixtureRequest, folder: str, bucket: str, hook: AnypointObjectStoreHook) -> str:
    """A folder of each kind."""
    hook.create_store("archive")
    paths = {"file": folder, "osv2": "osv2://anypoint_default@archive/exports", "civo": f"civo://{bucket}/exports"}
    return paths[str(request.param)]


class TestExportsAtTheSameTime:
    """The folder has a readable export of one that ended well, whatever the order of their steps."""

    def test_a_whole_one_between_two_steps_of_another(
        self, anywhere: str, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ended: list[str] = []
        hook.put_key("s", "p", "a", 1)
        export(anywhere)

        def other(_: str) -> None:
            begin(10**9)
            hook.put_key("s", "p", "b", 2 * number + 1)
            ended.append(export(anywhere)["sha256"])

        begin = steps(monkeypatch, ObjectStoragePath(anywhere).fs, other)
        for number in range(40):
            hook.put_key("s", "p", "b", 2 * number)
            ended.clear()
            taken = begin(number)
            with suppress(ObjectStoreError):
                ended.append(export(anywhere)["sha256"])
            begin(10**9)
            assert set(kept(anywhere)) == {"a", "b"}, f"another one before step {number} of {taken}"
            manifest = json.loads((ObjectStoragePath(anywhere) / "manifest.json").read_text())
            assert manifest["sha256"] in ended
            if kept(anywhere)["b"] == 2 * number and len(ended) == 1:
                break
        assert number >= 5

    @pytest.mark.parametrize("seed", range(8))
    def test_three_in_any_order(
        self, seed: int, anywhere: str, hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        turns = Turns(random.Random(seed))
        source = Source.of(hook.labels, None)
        attributes = attributes_of(hook.get_store("s"))

        def write(number: int) -> None:
            here = export_folder.ExportFolder(ObjectStoragePath(anywhere))
            earlier = here.earlier("s", source)
            with here.draft() as draft:
                draft.write("p", encode_line("p", Entry("k", number, "NUMBER")))
            here.switch(draft.manifest("s", attributes, source), earlier)

        write(0)
        with monkeypatch.context() as patch:
            for name in ("earlier", "manifest", "_check_data", "_write_manifest", "_delete_replaced", "_delete"):
                patch.setattr(export_folder.ExportFolder, name, turns.before(getattr(export_folder.ExportFolder, name)))
            errors = turns.run([partial(write, number) for number in (0, 1, 2)])
        assert all(isinstance(error, ObjectStoreError | None) for error in errors), errors
        assert errors[kept(anywhere)["k"]] is None
        assert all("something else changes" in str(error) for error in errors if error)


class Turns:
    """Lets threads take their steps one at a time, in an order that chance decides."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._arrived: Queue[tuple[int, bool]] = Queue()
        self._gates: list[Semaphore] = []
        self._thread = local()

    def before(self, function: Any) -> Any:
        def step(*arguments: Any) -> Any:
            self._wait()
            return function(*arguments)

        return step

    def run(self, jobs: list[Callable[[], None]]) -> list[BaseException | None]:
        """Run jobs; return what each raised."""
        errors: list[BaseException | None] = [None] * len(jobs)
        self._gates = [Semaphore(0) for _ in jobs]

        def work(number: int) -> None:
            self._thread.number = number
            self._wait()
            try:
                jobs[number]()
            except BaseException as error:
                errors[number] = error
            self._arrived.put((number, True))

        threads = [Thread(target=work, args=(number,), daemon=True) for number in range(len(jobs))]
        for thread in threads:
            thread.start()
        running, waiting = set(range(len(jobs))), set()
        while running:
            number, ended = self._arrived.get(timeout=120)
            (running.remove if ended else waiting.add)(number)
            if running and waiting == running:
                chosen = self._chance.choice(sorted(waiting))
                waiting.remove(chosen)
                self._gates[chosen].release()
        return errors

    def _wait(self) -> None:
        self._arrived.put((self._thread.number, False))
        self._gates[self._thread.number].acquire()


def kept_unwatched(path: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Read an export without that counting as steps."""
    with monkeypatch.context() as patch:
        patch.setattr(export_folder, "_open", lambda path, mode: path.open(mode))
        return kept(path)


def test_an_older_export_without_a_data_name(good: str, hook: AnypointObjectStoreHook) -> None:
    path = Path(good.removeprefix("file://")) / "manifest.json"
    manifest = json.loads(path.read_text())
    data_of(good).rename(path.with_name("data.jsonl"))
    path.write_text(json.dumps({name: value for name, value in manifest.items() if name not in ("data", "source")}))
    assert restore(good)["written"] == 2
    export(good, partitions="p")
    assert (names(good), restore(good)["skipped"]) == (WHOLE, 2)


def test_what_is_not_an_exports_stays(good: str) -> None:
    here = Path(good.removeprefix("file://"))
    for name in ("notes.txt", "data-1.jsonl", "data-2026.jsonl"):
        (here / name).write_text("mine")
    left = [here / "data-0123456789abcdef.jsonl", here / "manifest.json-0123456789abcdef"]
    for path in left:
        path.write_text("left by a killed export")
    mine = sorted(["notes.txt", "data-1.jsonl", "data-2026.jsonl"])
    export(good)
    assert names(good) == sorted([*WHOLE, *mine, WHOLE[0], left[1].name]), "they may be of one that still runs"
    for path in here.iterdir():
        os.utime(path, (0, 0))
    export(good)
    assert names(good) == sorted([*WHOLE, *mine])


class TestAnImportReadsNoFurtherThanTheManifestSays:
    def plant(self, path: str, lines: bytes, **manifest: Any) -> Path:
        here = Path(path.removeprefix("file://"))
        data_of(path).unlink()
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


def test_a_partition_that_is_not_there(good: str, hook: AnypointObjectStoreHook) -> None:
    export(f"{good}-2", partitions="p")
    hook.delete_partition("s", "p")
    with pytest.raises(NotFoundError):
        export(f"{good}-2", partitions="p")
    assert issubclass(NotFoundError, ApiError)
    assert kept(f"{good}-2") == {"a": 1, "b": 2}
