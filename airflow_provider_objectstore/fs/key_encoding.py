"""
How a path becomes a key of Object Store v2, which has no folders.

The part after the partition is one key. Slashes in it, and characters that the service refuses or changes, are
percent-encoded, so that every path comes back as it was: ``a/b c`` is the key ``a%2Fb%20c``. No segment is empty.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_ESCAPED = re.compile(r"[/%|\s\x00-\x1f\x7f-\x9f]")
_DOTS = re.compile(r"\.{1,2}")


def encode(path: str) -> str:
    """Return the key of a path."""
    if _DOTS.fullmatch(path):
        return path.replace(".", "%2E")
    return _ESCAPED.sub(lambda match: "".join(f"%{byte:02X}" for byte in match.group().encode()), path)


def decode(key: str) -> str | None:
    """Return the path of a key; None for a key that is not in this form."""
    path = unquote(key, errors="surrogateescape")
    return path if "" not in path.split("/") and _is_unicode(path) and encode(path) == key else None


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
