"""Empty folders: neither service stores any, so a filesystem remembers those that were created through it."""

from __future__ import annotations

_MAX_FOLDERS = 10_000


class CreatedFolders:
    """
    The folders that ``mkdir`` and ``makedirs`` created. They are forgotten when they, or files in them, are deleted.

    Airflow's ``ObjectStoragePath`` creates the target folder of a copy and then checks that it is one. Without this
    memory it would write each file to the folder's own name, over the one before.
    """

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str, below: int) -> None:
        """
        Remember a folder and those above it; the oldest are forgotten beyond 10,000.

        :param path: path without protocol.
        :param below: how many of its first segments are no such folders, as a bucket is none.
        """
        segments = path.split("/")
        for end in range(below + 1, len(segments) + 1):
            self._paths["/".join(segments[:end])] = None
        while len(self._paths) > _MAX_FOLDERS:
            self._paths.pop(next(iter(self._paths)), None)

    def forget_above(self, path: str) -> None:
        """Forget the folders above a deleted file: from now on they exist as long as they hold others."""
        for folder in [folder for folder in list(self._paths) if path.startswith(f"{folder}/")]:
            self._paths.pop(folder, None)

    def discard(self, path: str) -> bool:
        """Forget a folder and those below it; return whether it was remembered."""
        known = path in self._paths
        for folder in [folder for folder in list(self._paths) if f"{folder}/".startswith(f"{path}/")]:
            self._paths.pop(folder, None)
        return known
