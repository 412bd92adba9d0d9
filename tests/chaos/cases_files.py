"""Every operation of both filesystems under faults, on the same tree of files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec

from tests.chaos.case import SYNC, case
from tests.chaos.run import Outcome, Run
from tests.chaos.world import BUCKET, Anypoint, Civo

TREE = {"file-a": b"contents of a", "folder/file-c": b"contents of c", "folder/file-d": b"contents of d"}
FS = {"osv2": "AnypointFileSystem", "civo": "CivoFileSystem"}


class Files:
    """A filesystem, ``TREE`` below its folder ``base``, and what the service itself holds there."""

    def __init__(self, run: Run, scheme: str) -> None:
        self.run = run
        self.scheme = scheme
        self.fs: Any = fsspec.filesystem(scheme, skip_instance_cache=True)
        if scheme == "osv2":
            self.base = "orders/tree"
            self._anypoint = Anypoint(run)
            for name, contents in TREE.items():
                self._anypoint.put("tree", name.replace("/", "%2F"), contents.decode())
            return
        self.base = f"{BUCKET}/tree"
        self._civo = Civo(run)
        for name, contents in TREE.items():
            self._civo.s3().put_object(Bucket=BUCKET, Key=f"tree/{name}", Body=contents)

    def at(self, name: str) -> str:
        """The path of a name below the folder."""
        return f"{self.base}/{name}"

    def tree(self) -> dict[str, bytes]:
        """What is there."""
        if self.scheme == "osv2":
            return {unquote(key): str(value).encode() for key, value in self._anypoint.contents("tree").items()}
        return {key.removeprefix("tree/"): body for key, body in self._civo.objects().items()}

    def call(self, act: Callable[[], Any], *names: str) -> Outcome:
        """Call; the filesystems' errors are also those of files. One about the whole bucket names no file."""
        named = names if self.scheme == "osv2" else [f"{name}|object store '{BUCKET}'" for name in names]
        return self.run.call(act, *named, allowed=(OSError,), seconds=4)

    def read(self, act: Callable[[], Any], right: Any, *names: str, absent: bool = False) -> None:
        """Check what reads: right or an error, and not that something is missing which is there."""
        outcome = self.call(act, *names)
        if outcome.ok:
            self.run.check("read right", outcome.result == right, f"{outcome} instead of {right}")
        else:
            missing = isinstance(outcome.error, FileNotFoundError)
            self.run.check("read right", absent or not missing, outcome)

    def write(self, act: Callable[[], Any], after: Mapping[str, bytes | None], *names: str, lose: bool = False) -> None:
        """
        Check what writes: done as asked when it succeeds, and files that it is not about stay as they are.

        :param after: contents by name, None for what is to be gone.
        :param lose: whether it is meant to delete contents.
        """
        before = self.tree()
        outcome = self.call(act, *names)
        found = self.tree()
        wanted = {name: body for name, body in {**before, **after}.items() if body is not None}
        self.run.check("done as asked", not outcome.ok or found == wanted, f"{outcome}: {sorted(found)}")
        for name, body in found.items():
            self.run.check("done as asked", body in (before.get(name), after.get(name)), f"{name} holds {body!r}")
        if not lose:
            lost = {body for name, body in before.items() if after.get(name) is None} - set(found.values())
            self.run.check("done as asked", not lost, f"{lost} is lost")
        kept = {name for name in before if name not in after}
        self.run.check("done as asked", kept <= found.keys(), f"{kept - found.keys()} is gone")


def _case(name: str, *covers: str, weight: float = 1) -> Callable[[Callable[[Files], None]], None]:
    """Register a case of both filesystems."""

    def register(act: Callable[[Files], None]) -> None:
        for scheme, kind in FS.items():
            covered = [f"{kind}.{each}" for each in covers]
            title = f"{scheme}_{name}"
            intensity = 1 if scheme == "osv2" else 0.6
            case(*covered, forms=SYNC, weight=weight, intensity=intensity, name=title)(
                lambda run, scheme=scheme: act(Files(run, scheme))
            )

    return register


@_case("looks", "exists", "isfile", "isdir", "info", "ukey", "checksum", "modified", "created", weight=3)
def looks(files: Files) -> None:
    """What is there is there, and what is not is not."""
    fs, at = files.fs, files.at
    for name, there in (("file-a", True), ("folder", True), ("x-9", False)):
        files.read(lambda name=name: fs.exists(at(name)), there, name)
    files.read(lambda: fs.isfile(at("file-a")), True, "file-a")
    files.read(lambda: fs.isdir(at("folder")), True, "folder")
    files.read(lambda: fs.isdir(at("x-9")), False, "x-9")
    files.read(lambda: fs.info(at("file-a"))["size"], len(TREE["file-a"]), "file-a")
    files.read(lambda: fs.info(at("folder"))["type"], "directory", "folder")
    files.read(lambda: fs.info(at("x-9")), None, "x-9", absent=True)
    files.read(lambda: bool(fs.ukey(at("file-a"))), True, "file-a")
    files.read(lambda: bool(fs.checksum(at("file-a"))), True, "file-a")
    files.read(lambda: bool(fs.modified(at("file-a"))), True, "file-a")


@_case("listings", "ls", "find", "glob", "walk", "expand_path", weight=3)
def listings(files: Files) -> None:
    """A listing is whole or an error."""
    fs, at = files.fs, files.at
    paths = sorted(at(name) for name in TREE)
    files.read(lambda: sorted(fs.ls(files.base, detail=False)), [at("file-a"), at("folder")], "tree")
    files.read(lambda: sorted(fs.find(files.base)), paths, "tree")
    files.read(lambda: sorted(fs.glob(f"{files.base}/**/file-*")), paths, "tree")
    files.read(lambda: sorted(fs.expand_path(at("folder"), recursive=True))[1:], paths[1:], "tree")
    files.read(
        lambda: sorted(f"{folder}/{name}" for folder, _, names in fs.walk(files.base) for name in names), paths, "tree"
    )
    files.read(lambda: fs.ls(at("x-9")), None, "x-9", absent=True)


@_case("reads", "cat_file", "cat", "open", "get", "get_file", weight=3)
def reads(files: Files) -> None:
    """Contents are whole or an error."""
    fs, at = files.fs, files.at

    def opened(mode: str) -> Any:
        with fs.open(at("file-a"), mode) as file:
            return file.read()

    def got(name: str) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            fs.get(at(name), f"{folder}/got", recursive=True)
            root = Path(folder)
            return {path.name: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    contents = {at(name): body for name, body in TREE.items()}
    files.read(lambda: fs.cat_file(at("file-a")), TREE["file-a"], "file-a")
    files.read(lambda: fs.cat_file(at("x-9")), None, "x-9", absent=True)
    files.read(lambda: fs.cat(list(contents)), contents)
    files.read(lambda: fs.cat(files.base, recursive=True), contents)
    files.read(lambda: opened("rb"), TREE["file-a"], "file-a")
    files.read(lambda: opened("r"), TREE["file-a"].decode(), "file-a")
    files.read(lambda: got("file-a"), {"got": TREE["file-a"]}, "file-a")
    files.read(lambda: got("folder"), {"file-c": TREE["folder/file-c"], "file-d": TREE["folder/file-d"]})


@_case("writes", "pipe_file", "pipe", "put_file", "put", "open", weight=3)
def writes(files: Files) -> None:
    """A file holds what it held or what was written."""
    fs, at = files.fs, files.at

    def opened() -> None:
        with fs.open(at("file-new"), "wb") as file:
            file.write(b"opened")

    def put(*names: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                (Path(folder) / name).write_bytes(b"local")
            if len(names) == 1:
                fs.put_file(f"{folder}/{names[0]}", at(names[0]))
            else:
                fs.put([f"{folder}/{name}" for name in names], [at(name) for name in names])

    files.write(lambda: fs.pipe_file(at("file-a"), b"piped"), {"file-a": b"piped"}, "file-a", lose=True)
    many = {f"many/{number}": b"many" for number in range(5)}
    files.write(lambda: fs.pipe({at(name): body for name, body in many.items()}), many)
    files.write(opened, {"file-new": b"opened"}, "file-new")
    files.write(lambda: put("put-1"), {"put-1": b"local"}, "put-1")
    files.write(lambda: put("put-2", "put-3"), {"put-2": b"local", "put-3": b"local"})


@_case("copies", "cp_file", "copy", "mv", weight=3)
def copies(files: Files) -> None:
    """A copy leaves its source; a move never loses a file."""
    fs, at = files.fs, files.at
    a, c, d = TREE.values()
    files.write(lambda: fs.cp_file(at("file-a"), at("copied")), {"copied": a}, "file-a|copied")
    files.write(lambda: fs.copy(at("folder"), at("twin"), recursive=True), {"twin/file-c": c, "twin/file-d": d})
    before = files.tree()
    files.write(lambda: fs.mv(at("file-a"), at("moved")), {"file-a": None, "moved": a}, "file-a|moved")
    gone = {"folder/file-c": None, "folder/file-d": None}
    files.write(lambda: fs.mv(at("folder"), at("away"), recursive=True), {**gone, "away/file-c": c, "away/file-d": d})
    files.run.check("done as asked", set(before.values()) <= set(files.tree().values()), "a moved file is lost")


@_case("deletions", "rm_file", "rm", "delete_files", "rmdir", weight=3)
def deletions(files: Files) -> None:
    """What was to be deleted is gone, and nothing else."""
    fs, at = files.fs, files.at
    files.write(lambda: fs.rm_file(at("file-a")), {"file-a": None}, "file-a", lose=True)
    gone = {"folder/file-c": None, "folder/file-d": None}
    files.write(lambda: fs.rm(at("folder"), recursive=True), gone, lose=True)
    files.write(lambda: fs.rm(files.base, recursive=True), dict.fromkeys(TREE), lose=True)
    outcome = files.call(lambda: fs.rmdir(files.base.partition("/")[0]))
    files.run.check("done as asked", not outcome.ok, "a store or bucket with contents is deleted")


@_case("folders", "mkdir", "makedirs")
def folders(files: Files) -> None:
    """Stores are created once; a bucket never through a path."""
    fs = files.fs
    if files.scheme == "osv2":
        outcome = files.call(lambda: fs.mkdir("new"), "new")
        files.run.check("created once", not outcome.ok or files._anypoint.store("new") is not None, outcome)
        outcome = files.call(lambda: fs.makedirs("new", exist_ok=True), "new")
        files.run.check("created once", not outcome.ok or files._anypoint.store("new") is not None, outcome)
    else:
        before = len(files._civo.state.stores)
        outcome = files.call(lambda: fs.mkdir("new"), "new")
        files.run.check("created once", not outcome.ok and len(files._civo.state.stores) == before, outcome)
    files.write(lambda: fs.mkdir(files.at("fresh/folder")), {})
