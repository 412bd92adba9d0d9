"""Moving on stores that cannot move: copy, then delete only what was copied."""

from __future__ import annotations

from typing import Any

from fsspec.utils import other_paths

from airflow_provider_objectstore.fs.literal_names import is_pattern, run_sync


class MoveMixin:
    """``mv`` of both filesystems; fsspec's own deletes what it did not copy, such as files added meanwhile."""

    def mv(self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any) -> None:
        """
        Move a file or, with ``recursive``, a folder.

        :param path1: a path, a pattern of files, or a list of files.
        :param path2: the target, or a list of targets.
        :param recursive: move a folder.
        :param maxdepth: how deep to go in a folder.
        :raises FileNotFoundError: if there is nothing to move, or one of a list is missing or a folder: then nothing is
            moved.
        :raises ValueError: for a folder into itself, files onto each other, and folders by pattern.
        """
        markers: list[str] = []
        path1 = path1 if isinstance(path1, str) else list(path1)
        if not isinstance(path1, str) or run_sync(self, is_pattern(self._strip_protocol(path1))):
            files, targets = self._moves_of_many(path1, path2, recursive)
        else:
            files, targets, markers = self._moves_of_one(path1, path2, recursive, maxdepth)
        if not files:
            raise self._missing(self._strip_protocol(path1) if isinstance(path1, str) else path1)
        if len(files) != len(targets):
            raise ValueError(f"{len(files)} files cannot be moved to {len(targets)} names")
        pairs = {file: target for file, target in zip(files, targets, strict=True) if file != target}
        twice = len(set(files)) < len(set(zip(files, targets, strict=True)))
        if twice or len(set(pairs.values())) < len(pairs) or not set(files).isdisjoint(pairs.values()):
            raise ValueError(f"files would be moved onto each other, from {path1} to {path2}: nothing was moved")
        if pairs:
            self.copy(list(pairs), list(pairs.values()), on_error="raise")
            self.delete_files([*pairs, *markers])

    def _check_moved(self, path: str, recursive: bool) -> None:
        """Refuse what must not be moved."""

    def _markers(self, folder: str) -> list[str]:
        """Return the objects that only stand for folders below a folder."""
        return []

    def _moves_of_one(
        self: Any, path1: str, path2: Any, recursive: bool, maxdepth: int | None
    ) -> tuple[list[str], list[str], list[str]]:
        """Return the files of a file or folder, their targets, and the markers to delete as well."""
        self._check_moved(path1, recursive)
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if (str(path2).endswith("/") or self.isdir(target)) and not str(path1).endswith("/"):
            target = f"{target}/{source.rpartition('/')[2]}"
        if not recursive:
            self._require_file(source)
            return [source], [target], []
        if target.startswith(f"{source}/"):
            raise ValueError(f"{source} cannot be moved into itself, to {target}")
        files = self.find(source, maxdepth=maxdepth)
        markers = self._markers(source) if maxdepth is None else []
        return files, [target + file.removeprefix(source) for file in files], markers

    def _moves_of_many(self: Any, path1: Any, path2: Any, recursive: bool) -> tuple[list[str], list[str]]:
        """Return the files of a pattern or a list, and their targets."""
        if recursive:
            raise ValueError(f"folders are moved one at a time and by name, not {path1!r}")
        for path in [path1] if isinstance(path1, str) else path1:
            self._check_moved(path, recursive)
        if isinstance(path1, str):
            files = [name for name in self.glob(path1) if self.isfile(name)]
        else:
            files = [self._strip_protocol(path) for path in path1]
            for file in files:
                self._require_file(file)
        if not isinstance(path2, str):
            return files, [self._strip_protocol(path) for path in path2]
        if not files:
            return [], []
        target, flatten = self._strip_protocol(path2), not isinstance(path1, str)
        return files, other_paths(files, target, exists=len(files) == 1, flatten=flatten)

    def _require_file(self: Any, path: str) -> None:
        if not self.isfile(path):
            raise FileNotFoundError(
                f"{self.protocol}://{path} is no file; a folder is moved by itself, with recursive=True "
                f"[{self.hook.where}]"
            )
