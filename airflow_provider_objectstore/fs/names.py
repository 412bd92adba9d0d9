"""
A name that exists is itself: ``sales[1].csv`` is no pattern where there is a file or folder of that name.

fsspec takes every name with ``[ ] * ?`` for a pattern, and for ``sales[1].csv`` copies, moves or reads ``sales1.csv``.
What is decided here is written once, as generators that ask their filesystem; it answers, blocking or not.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem, make_path_posix

T = TypeVar("T")
Asking: TypeAlias = Generator[tuple[Any, ...], Any, T]
"""Yields a method's name, a path and keywords; is sent what the filesystem answers."""


def is_name(path: str) -> Asking[bool]:
    """Tell whether there is a file or folder of this very name."""
    top, slash, _ = path.partition("/")
    if slash and has_magic(top) and not (yield "isdir", top):
        return False  # below a store that is not there nothing can be asked for
    return bool((yield "exists", path))


def is_pattern(path: str) -> Asking[bool]:
    """Tell whether a path stands for others."""
    return has_magic(path) and not (yield from is_name(path))


def named(paths: Iterable[str], recursive: bool, maxdepth: int | None) -> Asking[tuple[set[str], list[str]]]:
    """Return what those paths stand for that only look like patterns, and the other paths."""
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


def escaped(pattern: str) -> Asking[str]:
    """
    Return a pattern with those of its segments escaped that are names of what is there.

    Stars alone make the last segment a pattern without a question.
    """
    segments = pattern.split("/")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if not has_magic(segment):
            continue
        here = "/".join([*pattern.split("/")[:number], segment])
        if (last and not set("[?") & set(segment)) or not (yield "exists" if last else "isdir", here):
            break
        segments[number] = glob.escape(segment)
    return "/".join(segments)


def copied(fs: Any, source: Any, target: Any, recursive: bool, maxdepth: int | None) -> Asking[tuple[Any, Any]]:
    """Return what to copy within a filesystem, and where to, name by name; as they came where fsspec may decide."""
    files, base = yield from _of_one_name(fs, source, recursive, maxdepth)
    if files is None or isinstance(target, list):
        return files or source, target
    target = str(target)
    inside = not str(source).endswith("/") and (target.endswith("/") or (yield "isdir", target))
    return files, _placed(files, base, target, inside)


def fetched(fs: Any, source: Any, target: Any, recursive: bool, maxdepth: int | None) -> Asking[tuple[Any, Any]]:
    """Return what to copy to local files, and where to, likewise."""
    files, base = yield from _of_one_name(fs, source, recursive, maxdepth)
    if files is None or isinstance(target, list):
        return files or source, target
    target = make_path_posix(target)
    if any(".." in it.removeprefix(base).split("/") for it in files):
        raise ValueError(f"a name below {base} holds '..', and would be written outside of {target}")
    inside = not str(source).endswith("/") and (target.endswith("/") or Path(target).is_dir())
    return files, _placed(files, base, target, inside)


def sent(source: Any, target: Any, recursive: bool, maxdepth: int | None) -> Asking[tuple[Any, Any]]:
    """Return which local files to copy, and where to, likewise."""
    one = isinstance(source, (str, os.PathLike))
    if not one and isinstance(target, list):
        return source, target
    local = LocalFileSystem()
    paths = [make_path_posix(it) for it in ([source] if one else source)]
    found, rest = answered(local, named(paths, recursive, maxdepth))
    rest = [answered(local, escaped(it)) for it in rest]
    if not found:
        return (rest[0] if one else rest), target
    if rest:
        found.update(local.expand_path(rest, recursive=recursive, maxdepth=maxdepth))
    files = sorted(found)
    if one and (not recursive or maxdepth is not None):
        files = [it for it in files if not Path(it).is_dir()]
    if isinstance(target, list):
        return files, target
    target = str(target)
    if not one:
        return files, [f"{target.rstrip('/')}/{it.rpartition('/')[2]}" for it in files]
    inside = not str(source).endswith("/") and (target.endswith("/") or (yield "isdir", target))
    return files, _placed(files, paths[0].rstrip("/"), target, inside)


def _of_one_name(fs: Any, source: Any, recursive: bool, maxdepth: int | None) -> Asking[tuple[list[str] | None, str]]:
    """Return the files of a name that only looks like a pattern, and its path; None for anything else."""
    if not isinstance(source, (str, os.PathLike)):
        return None, ""
    base = fs._strip_protocol(source)
    found, rest = yield from named([base], recursive, maxdepth)
    if rest:
        return None, base
    files = []
    for path in sorted(found):
        if (recursive and maxdepth is None) or not (yield "isdir", path):
            files.append(path)
    return files, base


def _placed(files: list[str], base: str, target: str, inside: bool) -> list[str]:
    kept = len(base.rpartition("/")[0] if inside else base)
    return [target.rstrip("/") + it[kept:] for it in files]


def answered(fs: Any, asking: Asking[T]) -> T:
    """Let a filesystem answer, blocking."""
    answer = None
    while True:
        try:
            method, path, *how = asking.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = getattr(fs, method)(path, **(how[0] if how else {}))


async def answered_async(fs: Any, asking: Asking[T]) -> T:
    """Let a filesystem answer, on an event loop."""
    answer = None
    while True:
        try:
            method, path, *how = asking.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = await getattr(fs, f"_{method}")(path, **(how[0] if how else {}))


def paths_of(fs: Any, path: Any) -> list[str]:
    """Return one path or many as a list of paths."""
    many = isinstance(path, Iterable) and not isinstance(path, (str, bytes))
    return [fs._strip_protocol(it) for it in (path if many else [path])]


def _pattern(fs: Any, path: str) -> Asking[str]:
    """Return a pattern without protocol, see :func:`escaped`; a slash at its end asks for folders."""
    return escaped(fs._strip_protocol(path) + ("/" if str(path).endswith("/") else ""))


class Names:
    """What a blocking filesystem does with names that look like patterns."""

    def expand_path(
        self: Any, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> list[str]:
        """Return what paths and patterns stand for."""
        found, rest = answered(self, named(paths_of(self, path), recursive, maxdepth))
        if rest or not found:
            found.update(super().expand_path(rest, recursive, maxdepth, **kwargs))  # type: ignore[misc]
        return sorted(found)

    def glob(self: Any, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """Find what fits a pattern; its segments that are names of what is there stand for themselves."""
        return super().glob(answered(self, _pattern(self, path)), maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    def copy(
        self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> Any:
        """Copy within this filesystem."""
        pairs = answered(self, copied(self, path1, path2, recursive, maxdepth))
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
        pairs = answered(self, fetched(self, rpath, lpath, recursive, maxdepth))
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
        pairs = answered(self, sent(lpath, rpath, recursive, maxdepth))
        return super().put(*pairs, recursive, callback, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]


class AsyncNames:
    """The same of a filesystem on an event loop; fsspec makes the blocking methods of these."""

    async def _expand_path(
        self: Any, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> list[str]:
        found, rest = await answered_async(self, named(paths_of(self, path), recursive, maxdepth))
        if rest or not found:
            found.update(await super()._expand_path(rest, recursive, maxdepth, **kwargs))  # type: ignore[misc]
        return sorted(found)

    async def _glob(self: Any, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        pattern = await answered_async(self, _pattern(self, path))
        return await super()._glob(pattern, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    async def _copy(
        self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> Any:
        pairs = await answered_async(self, copied(self, path1, path2, recursive, maxdepth))
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
        pairs = await answered_async(self, fetched(self, rpath, lpath, recursive, maxdepth))
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
        pairs = await answered_async(self, sent(lpath, rpath, recursive, maxdepth))
        return await super()._put(*pairs, recursive, callback, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]
