"""
A name that exists is itself: ``sales[1].csv`` is no pattern where there is a file or folder of that name.

fsspec takes every name with ``[ ] * ?`` for a pattern, and for ``sales[1].csv`` copies, moves or reads ``sales1.csv``.
Each decision is written once, as a generator that yields lookups. :func:`run_sync` and :func:`run_async` carry out the
lookups on a filesystem.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem, make_path_posix

T = TypeVar("T")
Lookups: TypeAlias = Generator[tuple[Any, ...], Any, T]
"""Yields a filesystem's method, a path and keyword arguments; receives what the method returns."""

IS_FOLDER = "is a folder, which is copied by itself, with recursive=True: in a list, name its files"


def exists_literally(path: str) -> Lookups[bool]:
    """Return whether there is a file or folder of exactly this name."""
    top, slash, _ = path.partition("/")
    if slash and has_magic(top) and not (yield "isdir", top):
        return False  # a lookup below a missing store would be an error
    return bool((yield "exists", path))


def is_pattern(path: str) -> Lookups[bool]:
    """Return whether a path stands for others."""
    return has_magic(path) and not (yield from exists_literally(path))


def split_literal(paths: Iterable[str], recursive: bool, maxdepth: int | None) -> Lookups[tuple[set[str], list[str]]]:
    """Split off the paths that only look like patterns: return what they stand for, and the other paths."""
    found: set[str] = set()
    rest = []
    for path in paths:
        if not has_magic(path) or (yield from is_pattern(path)):
            rest.append(path)
            continue
        found.add(path)
        if recursive:
            found.update((yield "find", path, {"maxdepth": maxdepth, "withdirs": True}))
    return found, rest


def escape_literal(pattern: str) -> Lookups[str]:
    """
    Return a pattern whose segments are escaped where they are existing names.

    A last segment with only stars is a pattern without a lookup.
    """
    segments = pattern.split("/")
    for number, segment in enumerate(segments):
        is_last = number == len(segments) - 1
        if not has_magic(segment):
            continue
        here = "/".join([*pattern.split("/")[:number], segment])
        if (is_last and not set("[?") & set(segment)) or not (yield "exists" if is_last else "isdir", here):
            break
        segments[number] = glob.escape(segment)
    return "/".join(segments)


def copy_paths(fs: Any, source: Any, target: Any, recursive: bool, maxdepth: int | None) -> Lookups[tuple[Any, Any]]:
    """Return the sources and targets of a copy within a filesystem; unchanged where fsspec can decide."""
    if _is_many(source):
        return (yield from _pairs_of_many(fs, source, target, recursive, maxdepth))
    files, base = yield from _files_of_literal(fs, source, recursive, maxdepth)
    if files is None or isinstance(target, list):
        return files or source, target
    target = str(target)
    inside = not str(source).endswith("/") and (target.endswith("/") or (yield "isdir", target))
    return files, _targets(files, base, target, inside)


def get_paths(fs: Any, source: Any, target: Any, recursive: bool, maxdepth: int | None) -> Lookups[tuple[Any, Any]]:
    """Return the sources and targets of a copy to local files; unchanged where fsspec can decide."""
    if _is_many(source):
        target = target if _is_many(target) else make_path_posix(target)
        pairs = yield from _pairs_of_many(fs, source, target, recursive, maxdepth)
        if not _is_many(target) and any(file.endswith("/..") for file in pairs[0]):
            raise ValueError(f"a file is called '..', and would be written outside of {target}")
        return pairs
    files, base = yield from _files_of_literal(fs, source, recursive, maxdepth)
    if files is None or isinstance(target, list):
        return files or source, target
    target = make_path_posix(target)
    if any(".." in file.removeprefix(base).split("/") for file in files):
        raise ValueError(f"a name below {base} holds '..', and would be written outside of {target}")
    inside = not str(source).endswith("/") and (target.endswith("/") or Path(target).is_dir())
    return files, _targets(files, base, target, inside)


def put_paths(source: Any, target: Any, recursive: bool, maxdepth: int | None) -> Lookups[tuple[Any, Any]]:
    """Return the sources and targets of a copy from local files; unchanged where fsspec can decide."""
    local = _LocalFileSystem()
    if _is_many(source):
        files, targets = run_sync(local, _pairs_of_many(local, source, target, recursive, maxdepth))
        folder = next((file for file in files if Path(file).is_dir()), None)
        if folder is not None and not skips_folders(source, target, recursive):
            raise IsADirectoryError(f"{folder} {IS_FOLDER}")
        return files, targets
    path = make_path_posix(source)
    found, rest = run_sync(local, split_literal([path], recursive, maxdepth))
    if not found:
        return run_sync(local, escape_literal(rest[0])), target
    files = sorted(found)
    if not recursive or maxdepth is not None:
        files = [file for file in files if not Path(file).is_dir()]
    if isinstance(target, list):
        return files, target
    target = str(target)
    inside = not str(source).endswith("/") and (target.endswith("/") or (yield "isdir", target))
    return files, _targets(files, path.rstrip("/"), target, inside)


def skips_folders(source: Any, target: Any, recursive: bool) -> bool:
    """Return whether folders are left out because their files are copied: of a list, what is named is copied."""
    return not _is_many(source) or (recursive and not _is_many(target))


def _is_many(path: Any) -> bool:
    return not isinstance(path, (str, os.PathLike))


def _pairs_of_many(
    fs: Any, source: Iterable[str], target: Any, recursive: bool, maxdepth: int | None
) -> Lookups[tuple[list[str], list[str]]]:
    """
    Return the sources and targets of a list. fsspec would leave out what is missing, and what has no target.

    :raises FileNotFoundError: if one stands for nothing; a plain name may still be missing.
    :raises ValueError: if not each file gets a target of its own.
    """
    files, targets = path_list(fs, source), []
    if _is_many(target):
        targets = list(target)
        if len(files) != len(targets):
            raise ValueError(f"{len(files)} files cannot be copied to {len(targets)} names")
    else:
        files = yield from _files_of_many(files, recursive, maxdepth)
        targets = [f"{str(target).rstrip('/')}/{file.rpartition('/')[2]}" for file in files]
        files, targets = yield from _without_equal_folders(files, targets)
    if len(set(targets)) < len(set(zip(files, targets, strict=True))):
        raise ValueError(f"files of one name would be copied onto each other, to {target}: nothing was copied")
    return files, targets


def _files_of_many(paths: list[str], recursive: bool, maxdepth: int | None) -> Lookups[list[str]]:
    """Return what a list stands for: names, the files of patterns and, with ``recursive``, all below."""
    files: set[str] = set()
    for path in paths:
        if recursive:
            files.update((yield "expand_path", [path], {"recursive": True, "maxdepth": maxdepth}))
        elif (yield from is_pattern(path)):
            found = yield "glob", path, {"maxdepth": maxdepth, "detail": True}
            matched = []
            for name, info in found.items():
                # A local link is of another type, whatever it leads to.
                if info["type"] == "file" or (info["type"] != "directory" and not (yield "isdir", name)):
                    matched.append(name)
            if not matched:
                raise FileNotFoundError(path)
            files.update(matched)
        else:
            files.add(path)
    return sorted(files)


def _without_equal_folders(files: list[str], targets: list[str]) -> Lookups[tuple[list[str], list[str]]]:
    """Leave out the folders among what has one target: files are copied onto each other, and what is missing fails."""
    counts = Counter(targets)
    pairs = []
    for file, target in zip(files, targets, strict=True):
        if counts[target] == 1 or (yield "isfile", file) or not (yield "isdir", file):
            pairs.append((file, target))
    return [file for file, _ in pairs], [target for _, target in pairs]


def _files_of_literal(
    fs: Any, source: Any, recursive: bool, maxdepth: int | None
) -> Lookups[tuple[list[str] | None, str]]:
    """Return the files of a path that only looks like a pattern, and that path; None for anything else."""
    base = fs._strip_protocol(source)
    found, rest = yield from split_literal([base], recursive, maxdepth)
    if rest:
        return None, base
    files = []
    for path in sorted(found):
        if (recursive and maxdepth is None) or not (yield "isdir", path):
            files.append(path)
    return files, base


def _targets(files: list[str], base: str, target: str, inside: bool) -> list[str]:
    prefix = len(base.rpartition("/")[0] if inside else base)
    return [target.rstrip("/") + file[prefix:] for file in files]


def run_sync(fs: Any, lookups: Lookups[T]) -> T:
    """Carry out lookups on a filesystem, blocking."""
    response = None
    while True:
        try:
            method, path, *keywords = lookups.send(response)
        except StopIteration as end:
            result: T = end.value
            return result
        response = getattr(fs, method)(path, **(keywords[0] if keywords else {}))


async def run_async(fs: Any, lookups: Lookups[T]) -> T:
    """Carry out lookups on a filesystem, on an event loop."""
    response = None
    while True:
        try:
            method, path, *keywords = lookups.send(response)
        except StopIteration as end:
            result: T = end.value
            return result
        response = await getattr(fs, f"_{method}")(path, **(keywords[0] if keywords else {}))


def path_list(fs: Any, path: Any) -> list[str]:
    """Return one path or many as a list of paths without protocol."""
    is_many = isinstance(path, Iterable) and not isinstance(path, (str, bytes))
    return [fs._strip_protocol(each) for each in (path if is_many else [path])]


def _escaped_pattern(fs: Any, path: str) -> Lookups[str]:
    # A slash at the end matches folders only.
    return escape_literal(fs._strip_protocol(path) + ("/" if str(path).endswith("/") else ""))


def _expanded_apart(found: set[str], rest: list[str], options: Mapping[str, Any]) -> list[list[str]]:
    """Return what to expand at a time: each path by itself, since fsspec raises only where all stand for nothing."""
    if not (found or rest):
        return [rest]
    if options.get("assume_literal"):  # what a pattern has just matched
        return [rest] if rest else []
    return [[each] for each in rest]


class LiteralNamesMixin:
    """How a blocking filesystem treats names that look like patterns."""

    def expand_path(
        self: Any, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> list[str]:
        """Return what paths and patterns stand for."""
        found, rest = run_sync(self, split_literal(path_list(self, path), recursive, maxdepth))
        for each in _expanded_apart(found, rest, kwargs):
            found.update(super().expand_path(each, recursive, maxdepth, **kwargs))  # type: ignore[misc]
        return sorted(found)

    def glob(self: Any, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """Find what matches a pattern; its segments that are existing names stand for themselves."""
        return super().glob(run_sync(self, _escaped_pattern(self, path)), maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    def copy(
        self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> Any:
        """Copy within this filesystem."""
        pairs = run_sync(self, copy_paths(self, path1, path2, recursive, maxdepth))
        if not skips_folders(path1, path2, recursive):
            kwargs = {"on_error": "raise", **kwargs, "skip_folders": False}
        return super().copy(*pairs, recursive=recursive, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    def get(
        self: Any,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Copy to local files."""
        pairs = run_sync(self, get_paths(self, rpath, lpath, recursive, maxdepth))
        if not skips_folders(rpath, lpath, recursive):
            kwargs["skip_folders"] = False
        return super().get(*pairs, recursive, callback, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    def put(
        self: Any,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Copy from local files."""
        pairs = run_sync(self, put_paths(lpath, rpath, recursive, maxdepth))
        return super().put(*pairs, recursive, callback, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]


class AsyncLiteralNamesMixin:
    """How an async filesystem treats names that look like patterns; fsspec derives the blocking methods."""

    async def _expand_path(
        self: Any, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> list[str]:
        found, rest = await run_async(self, split_literal(path_list(self, path), recursive, maxdepth))
        for each in _expanded_apart(found, rest, kwargs):
            found.update(await super()._expand_path(each, recursive, maxdepth, **kwargs))  # type: ignore[misc]
        return sorted(found)

    async def _glob(self: Any, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        pattern = await run_async(self, _escaped_pattern(self, path))
        return await super()._glob(pattern, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    async def _copy(
        self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> Any:
        pairs = await run_async(self, copy_paths(self, path1, path2, recursive, maxdepth))
        if not skips_folders(path1, path2, recursive):
            kwargs = {"on_error": "raise", **kwargs, "skip_folders": False}
        return await super()._copy(*pairs, recursive=recursive, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    async def _get(
        self: Any,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        pairs = await run_async(self, get_paths(self, rpath, lpath, recursive, maxdepth))
        if not skips_folders(rpath, lpath, recursive):
            kwargs["skip_folders"] = False
        return await super()._get(*pairs, recursive, callback, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    async def _put(
        self: Any,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        pairs = await run_async(self, put_paths(lpath, rpath, recursive, maxdepth))
        return await super()._put(*pairs, recursive, callback, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]


class _LocalFileSystem(LiteralNamesMixin, LocalFileSystem):  # type: ignore[misc]
    """Local files, by the same rules."""
