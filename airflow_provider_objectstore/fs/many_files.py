"""Many small files of any fsspec filesystem at once, by their exact names: no name is a pattern."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem, _run_coros_in_chunks, sync
from fsspec.implementations.local import LocalFileSystem

PART = ".sync-part"
"""How the name ends of a local file that is being written."""
_BLOCK_BYTES = 1024 * 1024


def is_local(fs: Any) -> bool:
    """Return whether a filesystem is the one of this machine."""
    return isinstance(fs, LocalFileSystem)


def read_many(fs: Any, paths: Iterable[str]) -> dict[str, bytes]:
    """
    Read files, many at once where the filesystem can.

    :param fs: the filesystem.
    :param paths: their paths there.
    :raises OSError: if one cannot be read.
    """
    from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem

    paths = list(paths)
    if not paths:
        return {}
    if isinstance(fs, AnypointFileSystem):
        found: dict[str, bytes] = fs._read_files(paths)
        return found
    if isinstance(fs, AsyncFileSystem):
        return dict(zip(paths, _run(fs, [fs._cat_file(path) for path in paths]), strict=True))
    return {path: fs.cat_file(path) for path in paths}


def write_many(fs: Any, contents: Mapping[str, bytes]) -> None:
    """
    Write files, many at once where the filesystem can. A local file appears when it is whole.

    :param fs: the filesystem.
    :param contents: contents by path.
    :raises OSError: if one cannot be written.
    """
    from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem

    if isinstance(fs, AnypointFileSystem):
        fs.pipe(contents)
    elif isinstance(fs, AsyncFileSystem):
        _run(fs, [fs._pipe_file(path, value) for path, value in contents.items()])
    elif is_local(fs):
        for path, value in contents.items():
            with local_part(path) as part:
                part.write_bytes(value)
    else:
        for path, value in contents.items():
            fs.makedirs(fs._parent(path), exist_ok=True)
            fs.pipe_file(path, value)


def delete_many(fs: Any, paths: Iterable[str]) -> None:
    """
    Delete files, many at once where the filesystem can.

    :param fs: the filesystem.
    :param paths: their paths there.
    :raises OSError: if one cannot be deleted.
    """
    paths = list(paths)
    if hasattr(fs, "delete_files"):
        fs.delete_files(paths)
    elif isinstance(fs, AsyncFileSystem):
        _run(fs, [fs._rm_file(path) for path in paths])
    else:
        for path in paths:
            fs.rm_file(path)


class local_part:
    """
    A context manager with the path to write a local file to: the file gets its name when the block ends.

    :param path: the file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        # No file of the folder is called so. The file's own name may have no room for more.
        self._part = self._path.with_name(f".{secrets.token_hex(8)}{PART}")

    def __enter__(self) -> Path:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._part

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def digest(fs: Any, path: str) -> str:
    """Return a checksum of a file's contents, which are read block by block."""
    checksum = hashlib.sha256()
    with fs.open(path, "rb", block_size=8 * _BLOCK_BYTES) as file:
        while block := file.read(_BLOCK_BYTES):
            checksum.update(block)
    return checksum.hexdigest()


def _run(fs: Any, coroutines: list[Any]) -> list[Any]:
    """Run coroutines on the filesystem's event loop; raise the first error when all have ended."""
    results = sync(fs.loop, _run_coros_in_chunks, coroutines, batch_size=fs.batch_size, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
