"""Moving, on stores that cannot: copies, then deletes just what was copied."""

from __future__ import annotations

from typing import Any

from fsspec.utils import other_paths

from airflow_provider_objectstore.fs.names import answered, is_pattern


class Moving:
    """What both filesystems do; fsspec's own way deletes what it did not copy, such as files that came meanwhile."""

    def mv(self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any) -> None:
        """
        Move a file or, with ``recursive``, a folder.

        :raises ValueError: for a folder into itself, files onto each other, and folders by pattern.
        """
        left: list[str] = []
        if not isinstance(path1, str) or answered(self, is_pattern(self._strip_protocol(path1))):
            files, targets = self._several_moved(path1, path2, recursive)
        else:
            self._check_moved(path1, recursive)
            source, target = self._strip_protocol(path1), self._strip_protocol(path2)
            if (str(path2).endswith("/") or self.isdir(target)) and not str(path1).endswith("/"):
                target = f"{target}/{source.rpartition('/')[2]}"
            if source == target:
                return
            if not recursive:
                if not self.isfile(source):
                    raise FileNotFoundError(f"{source} is no file; a folder is moved with recursive=True")
                files, targets = [source], [target]
            elif target.startswith(f"{source}/"):
                raise ValueError(f"{source} cannot be moved into itself, to {target}")
            else:
                files = self.find(source, maxdepth=maxdepth)
                left = self._markers(source) if maxdepth is None else []
                targets = [target + it.removeprefix(source) for it in files]
        if not files:
            raise FileNotFoundError(path1)
        if len(files) != len(targets):
            raise ValueError(f"{len(files)} files cannot be moved to {len(targets)} names")
        pairs = {one: two for one, two in zip(files, targets, strict=True) if one != two}
        if len(set(pairs.values())) < len(pairs) or not set(files).isdisjoint(pairs.values()):
            raise ValueError(f"files would be moved onto each other, from {path1} to {path2}: nothing was moved")
        if pairs:
            self.copy(list(pairs), list(pairs.values()), on_error="raise")
            self.delete_files([*pairs, *left])

    def _check_moved(self, path: str, recursive: bool) -> None:
        """Refuse what is not moved."""

    def _markers(self, folder: str) -> list[str]:
        """Return what stands for folders below a folder, and holds nothing."""
        return []

    def _several_moved(self: Any, path1: Any, path2: Any, recursive: bool) -> tuple[list[str], list[str]]:
        if recursive:
            raise ValueError(f"folders are moved one at a time and by name, not {path1!r}")
        for it in [path1] if isinstance(path1, str) else path1:
            self._check_moved(it, recursive)
        if not isinstance(path1, str) and not isinstance(path2, str):
            return [self._strip_protocol(it) for it in path1], [self._strip_protocol(it) for it in path2]
        names = self.glob(path1) if isinstance(path1, str) else map(self._strip_protocol, path1)
        files = [it for it in names if self.isfile(it)]
        if not files:
            return [], []
        target, flat = self._strip_protocol(path2), not isinstance(path1, str)
        return files, other_paths(files, target, exists=len(files) == 1, flatten=flat)
