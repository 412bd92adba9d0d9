"""Copy a folder to any other filesystem: what is missing or differs, verified, and with ``delete`` nothing else."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fsspec.asyn import AsyncFileSystem

from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem
from airflow_provider_objectstore.fs.many_files import (
    delete_many,
    digest,
    is_local,
    local_part,
    read_many,
    write_many,
)
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

MAX_FILES = 64
"""Small files at a time."""
MAX_BYTES = 32 * 1024 * 1024
"""Bytes of small files at a time."""
LARGE_BYTES = 8 * 1024 * 1024
"""Files from this size on are copied one at a time, through the disk."""
_UNKNOWN_BYTES = 1024 * 1024
"""What a file of unknown size counts for. Only ``osv2://`` has such files, of at most 10 MB."""

_DEFAULT_FIND = AsyncFileSystem._find
Listing = Mapping[str, Mapping[str, Any]]


@dataclass
class SyncStats:
    """
    What was done.

    :param copied: files written, the overwritten ones included.
    :param overwritten: files whose contents differed.
    :param unchanged: files that were the same already.
    :param deleted: files that were only at the target.
    :param bytes: bytes written.
    """

    copied: int = 0
    overwritten: int = 0
    unchanged: int = 0
    deleted: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Folder:
    """
    A folder of a filesystem.

    :param fs: the filesystem.
    :param path: its path there, without protocol.
    :param name: what it is called in messages.
    """

    fs: Any
    path: str
    name: str

    def __truediv__(self, name: str) -> str:
        return f"{self.path}/{name}"

    @property
    def where(self) -> str:
        """Its name, and the connection where the filesystem is one of this package's."""
        hook = getattr(self.fs, "hook", None)
        return f"{self.name} ({hook.where})" if isinstance(hook, ObjectStoreHook) else self.name

    def paths(self, names: Iterable[str]) -> dict[str, str]:
        """Return paths by name."""
        return {name: self / name for name in names}


class FolderSync:
    """
    Makes the files of one folder those of another.

    :param source: the folder to copy.
    :param target: the folder to write into.
    :param delete: delete files of the target that are not at the source.
    :param by_size: take files of one size for the same, where both sizes are known.
    :param log: the task's logger.
    """

    def __init__(self, source: Folder, target: Folder, *, delete: bool, by_size: bool, log: Logger) -> None:
        self.source = source
        self.target = target
        self.delete = delete
        self.by_size = by_size
        self.log = log
        self.stats = SyncStats()
        self.stopped = False

    def run(self) -> SyncStats:
        """
        Do it; log the counts at the end, and after an error if anything was done.

        :raises ObjectStoreError: if there is nothing to copy, a name cannot be at the target, or a file that was
            written is not the same when it is read back.
        :raises OSError: as a filesystem raises it.
        """
        try:
            files = self._source_files()
            existing = _list(self.target)
            self._check_apart(files, existing)
            for names in _chunks(files):
                self._raise_if_stopped()
                self._sync_small(names, files, existing)
            for name, info in files.items():
                if _is_large(info):
                    self._raise_if_stopped()
                    self._sync_large(name, info, existing.get(name))
            if self.delete:
                self._delete(existing.keys() - files.keys())
        except BaseException:
            if any(asdict(self.stats).values()):
                self.log.info("Until the error, %s", self._summary())
            raise
        self.log.info("Copied %s to %s: %s", self.source.where, self.target.where, self._summary())
        return self.stats

    def _summary(self) -> str:
        counts = (f"{count} {name}" for name, count in asdict(self.stats).items() if count and name != "bytes")
        return f"{', '.join(counts)} ({self.stats.bytes:,} bytes written)"

    def _source_files(self) -> Listing:
        files = _list(self.source)
        if not files:
            raise ObjectStoreError(
                f"{self.source.name} has no files: it is empty, or does not exist. Nothing was written or deleted at "
                f"{self.target.name}"
            )
        for name in files:
            if {"", ".", ".."} & set(name.split("/")):
                raise InvalidArgumentError(f"{name!r} in {self.source.name} has a segment that names something else")
        if is_local(self.target.fs):
            for name in files:
                both = next((above for above in _folders_above(name) if above in files), None)
                if both is not None:
                    raise InvalidArgumentError(
                        f"{both!r} in {self.source.name} is a file, and a folder with {name!r}: a local file system "
                        "cannot have both. Nothing was written"
                    )
        return files

    def _check_apart(self, files: Listing, existing: Listing) -> None:
        """
        Refuse a folder within the other that two addresses of one place hide: both listings have its very files.

        :raises InvalidArgumentError: if it is so. Nothing was written.
        """
        for (outer, above), (inner, below) in permutations([(self.source, files), (self.target, existing)]):
            if not inner.path.startswith(f"{outer.path}/"):
                continue
            folder = inner.path.removeprefix(f"{outer.path}/") + "/"
            part = {name.removeprefix(folder): above[name] for name in above if name.startswith(folder)}
            if part and _versions(part) == _versions(below):
                raise InvalidArgumentError(
                    f"source and target are the same, or one is within the other: {inner.name} has the very files of "
                    f"{outer.name}"
                )

    # Small files

    def _sync_small(self, names: list[str], files: Listing, existing: Listing) -> None:
        there = {name: existing[name] for name in names if name in existing}
        same = {name for name, info in there.items() if self._is_known_same(files[name], info)}
        contents = self._read(self.source, (name for name in names if name not in same))
        for name, value in contents.items():
            self._check_read(name, files[name], len(value))
        candidates = [name for name in there if name in contents and _may_be_same(files[name], there[name])]
        found = self._read(self.target, candidates)
        same |= {name for name in found if found[name] == contents[name]}
        differing = {name: value for name, value in contents.items() if name not in same}
        if differing:
            write_many(self.target.fs, {self.target / name: value for name, value in differing.items()})
            written = self._read(self.target, differing)
            for name, value in differing.items():
                self._check_written(name, written[name] == value)
        self.stats.unchanged += len(same)
        self.stats.copied += len(differing)
        self.stats.overwritten += len(differing.keys() & there.keys())
        self.stats.bytes += sum(map(len, differing.values()))

    def _read(self, folder: Folder, names: Iterable[str]) -> dict[str, bytes]:
        paths = folder.paths(names)
        contents = read_many(folder.fs, paths.values())
        return {name: contents[path] for name, path in paths.items()}

    # Large files

    def _sync_large(self, name: str, info: Mapping[str, Any], existing: Mapping[str, Any] | None) -> None:
        source, target = self.source / name, self.target / name
        if existing and (self._is_known_same(info, existing) or self._has_same_digest(name, info, existing)):
            self.stats.unchanged += 1
            return
        with self._local_file(source, target) as local:
            wanted, size = digest(_local(), str(local)), local.stat().st_size
            self._check_read(name, info, size)
            if not is_local(self.target.fs):
                self.target.fs.put_file(str(local), target)
        self._check_written(name, digest(self.target.fs, target) == wanted)
        self.stats.copied += 1
        self.stats.overwritten += existing is not None
        self.stats.bytes += size

    @contextmanager
    def _local_file(self, source: str, target: str) -> Iterator[Path]:
        """Return a local file with the source's contents; for a local target the one that gets its name."""
        if is_local(self.target.fs):
            with local_part(target) as part:
                self.source.fs.get_file(source, str(part))
                yield part
        elif is_local(self.source.fs):
            yield Path(source)
        else:
            with TemporaryDirectory() as folder:
                self.source.fs.get_file(source, f"{folder}/file")
                yield Path(folder) / "file"

    def _has_same_digest(self, name: str, info: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        if not _may_be_same(info, existing):
            return False
        return digest(self.source.fs, self.source / name) == digest(self.target.fs, self.target / name)

    # Both

    def _is_known_same(self, info: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """Return whether two files are the same as far as is asked, by their descriptions alone."""
        if None in (info.get("size"), existing.get("size")) or not _may_be_same(info, existing):
            return False
        return self.by_size or _etag(info) == _etag(existing) != ""

    def _check_read(self, name: str, info: Mapping[str, Any], size: int) -> None:
        if info["size"] not in (None, size):
            raise ObjectStoreError(
                f"{name!r} in {self.source.name} has {info['size']} bytes by its listing, and {size} were read: it "
                "changed meanwhile, or it was not read to its end. It was not written. Run this again"
            )

    def _check_written(self, name: str, same: bool) -> None:
        if not same:
            raise ObjectStoreError(
                f"{name!r} was written to {self.target.name}, and read back it is not what {self.source.name} had. "
                "Something else writes there, or the service did not keep it"
            )

    def _delete(self, extra: Iterable[str]) -> None:
        """Delete what the target had and the source still does not have."""
        self._raise_if_stopped()
        if not extra:
            return
        files = self._source_files()
        names = sorted(name for name in extra if name not in files)
        for start in range(0, len(names), MAX_FILES):
            self._raise_if_stopped()
            some = names[start : start + MAX_FILES]
            delete_many(self.target.fs, self.target.paths(some).values())
            self.stats.deleted += len(some)

    def _raise_if_stopped(self) -> None:
        if self.stopped:
            raise ObjectStoreError(f"the task was stopped after {self.stats}. Run it again: it goes on from there")


def _list(folder: Folder) -> dict[str, Mapping[str, Any]]:
    """
    Return the descriptions of a folder's files by their names below it; empty for a folder that does not exist.

    :raises ObjectStoreError: if it is a file, or has something that could not be copied.
    """
    fs = folder.fs
    fs.invalidate_cache()
    if isinstance(fs, AnypointFileSystem):
        fs._warned.clear()
    lists_itself = isinstance(fs, AnypointFileSystem) or getattr(type(fs), "_find", _DEFAULT_FIND) is not _DEFAULT_FIND
    try:
        found = fs.find(folder.path, detail=True) if lists_itself else dict(_walk(fs, folder.path))
    except FileNotFoundError:
        if fs.exists(folder.path):
            raise
        return {}
    if folder.path in found:
        raise InvalidArgumentError(f"{folder.name} is a file, not a folder")
    if isinstance(fs, AnypointFileSystem) and fs._warned:
        raise ObjectStoreError(
            f"{folder.name} has keys that no path names, see the log: they could not be copied. Copy stores with "
            "AnypointCopyStoreOperator"
        )
    files = {path.removeprefix(f"{folder.path}/"): info for path, info in sorted(found.items())}
    files = {name: info for name, info in files.items() if not (name.endswith("/") and not info.get("size"))}
    for name, info in files.items():
        if info["type"] != "file":
            raise ObjectStoreError(f"{name!r} in {folder.name} is no file, but {info['type']}")
    return files


def _walk(fs: Any, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find all files below a folder. fsspec's own ``find`` leaves out the folders that it cannot list."""
    for info in fs.ls(folder, detail=True):
        if info["type"] == "directory":
            yield from _walk(fs, info["name"])
        else:
            yield info["name"], info


def _chunks(files: Listing) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, info in files.items():
        if _is_large(info):
            continue
        more = _UNKNOWN_BYTES if info["size"] is None else int(info["size"])
        if names and (len(names) == MAX_FILES or size + more > MAX_BYTES):
            yield names
            names, size = [], 0
        names.append(name)
        size += more
    if names:
        yield names


def _versions(files: Listing) -> dict[str, tuple[Any, ...]]:
    """Return what tells a file from a copy of it: size and time, as far as the filesystem has them."""
    return {name: tuple(map(info.get, ("size", "LastModified", "mtime", "created"))) for name, info in files.items()}


def _etag(info: Mapping[str, Any]) -> str:
    """Return the ETag of a listing; empty if unknown: Ceph loses all of a bucket that changes hands."""
    return str(info.get("ETag") or "").strip('"')


def _is_large(info: Mapping[str, Any]) -> bool:
    return info["size"] is not None and info["size"] >= LARGE_BYTES


def _may_be_same(info: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
    sizes = info.get("size"), existing.get("size")
    return None in sizes or sizes[0] == sizes[1]


def _folders_above(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name


def _local() -> Any:
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem()
