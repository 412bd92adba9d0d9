"""What both filesystems do with paths."""

from __future__ import annotations

from typing import Any


def without_protocol(protocol: str, path: Any) -> Any:
    """Return a path, or each of a list, from its first folder on: without protocol, connection and outer slashes."""
    if isinstance(path, list):
        return [without_protocol(protocol, it) for it in path]
    path = str(path)
    if path.startswith(f"{protocol}://"):
        place, slash, rest = path.removeprefix(f"{protocol}://").partition("/")
        path = place.rpartition("@")[2] + slash + rest
    return path.strip("/")
