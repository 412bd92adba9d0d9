"""
How a path is kept as a key of Object Store v2, which knows no folders.

What stands after the partition is one key. Slashes in it, and what the service does not take or changes, are
percent-encoded, so that every path comes back as it was: ``a/b c`` is the key ``a%2Fb%20c``. No segment is empty.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_ESCAPED = re.compile(r"[/%|\s\x00-\x1f\x7f-\x9f]")
_DOTS = re.compile(r"\.{1,2}")


def encode(path: str) -> str:
    """Return the key in which a path is kept."""
    if _DOTS.fullmatch(path):
        return path.replace(".", "%2E")
    return _ESCAPED.sub(lambda it: "".join(f"%{byte:02X}" for byte in it.group().encode()), path)


def decode(key: str) -> str | None:
    """Return the path that a key keeps; None for a key that is not one of a path's."""
    path = unquote(key, errors="surrogateescape")
    return path if "" not in path.split("/") and _valid(path) and encode(path) == key else None


def _valid(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
