"""Patterns of operations that match none: a fault would never hit, and a log would be empty for the wrong reason."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from fnmatch import fnmatchcase


def check_operation(pattern: str, operations: Collection[str]) -> None:
    """
    Refuse a pattern that matches no operation.

    :param pattern: glob over operation names.
    :param operations: the names of all operations.
    :raises ValueError: naming those that are close.
    """
    if not any(fnmatchcase(name, pattern) for name in operations):
        names = sorted(operations)
        close = get_close_matches(pattern, names, n=5)
        hint = f"close to it are {', '.join(close)}" if close else f"there are {', '.join(names)}"
        raise ValueError(f"no operation is named {pattern!r}; {hint}")
