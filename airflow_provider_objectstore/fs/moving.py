"""Moving, on stores that cannot: copies, then deletes just what was copied."""

from __future__ import annotations

from typing import Any

from fsspec.core import has_magic
from fsspec.utils import other_paths


class Moving:
    """What both filesystems do; fsspec's own way deletes what it did not copy, such as files that came meanwhile."""

    def mv(self: Any, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any) -> None:
        """
        Move a file or, with ``recursive``, a folder.

        :raises ValueError: for a folder into itself, and for folders by pattern.
        """
        if not isinstance(path1, str) or (has_magic(path1) and not self.isfile(path1)):
            files, targets = self._several_moved(path1, path2, recursive)
        else:
            source, target = self._strip_protocol(path1), self._strip_protocol(path2)
            if (str(path2).endswith("/") or self.isdir(target)) and not str(path1).endswith("/"):
                target = f"{target}/{source.rpartition('/')[2]}"
            if source == target:
                return
            if not recursive:
                files, targets = [source], [target]
            elif target.startswith(f"{source}/"):
                raise ValueError(f"{source} cannot be moved into itself, to {target}")
            else:
                files = self.find(source, maxdepth=maxdepth)
                targets = [target + it.removeprefix(source) for it in files]
        if not files:
            raise FileNotFoundError(path1)
        self.copy(files, targets, on_error="raise")
        self.delete_files(files)

    def _several_moved(self: Any, path1: Any, path2: Any, recursive: bool) -> tuple[list[str], list[str]]:
        if recursive:
            raise ValueError(f"folders are moved one at a time and by name, not {path1!r}")
        if not isinstance(path1, str) and not isinstance(path2, str):
            return [self._strip_protocol(it) for it in path1], [self._strip_protocol(it) for it in path2]
        names = self.glob(path1) if isinstance(path1, str) else map(self._strip_protocol, path1)
        files = [it for it in names if self.isfile(it)]
        return files, other_paths(files, self._strip_protocol(path2), exists=len(files) == 1, flatten=True)
