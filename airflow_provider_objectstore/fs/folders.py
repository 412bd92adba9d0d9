"""Empty folders: neither service keeps any, so a filesystem remembers those that were made through it."""

from __future__ import annotations

_MOST = 10_000


class MadeFolders:
    """
    The folders that ``mkdir`` and ``makedirs`` made; they are forgotten once they, or files in them, are deleted.

    Airflow's ``ObjectStoragePath`` makes the target folder of a copy, and then asks whether it is one: each file of a
    folder would be written to the folder's own name, over the one before, if the answer were no.
    """

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str, below: int) -> None:
        """
        Remember a folder and those above it; the oldest are forgotten where there are very many.

        :param path: path without protocol.
        :param below: how many segments of it are no folder of this kind, such as a bucket.
        """
        segments = path.split("/")
        for end in range(below + 1, len(segments) + 1):
            self._paths["/".join(segments[:end])] = None
        while len(self._paths) > _MOST:
            self._paths.pop(next(iter(self._paths)), None)

    def deleted(self, path: str) -> None:
        """Forget the folders above a file that is deleted: they are there as long as they hold others."""
        for folder in [made for made in list(self._paths) if path.startswith(f"{made}/")]:
            self._paths.pop(folder, None)

    def discard(self, path: str) -> bool:
        """Forget a folder and those below it; tell whether it was there."""
        known = path in self._paths
        for folder in [made for made in list(self._paths) if f"{made}/".startswith(f"{path}/")]:
            self._paths.pop(folder, None)
        return known
