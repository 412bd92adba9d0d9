"""Named things in order, in pages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")


class Directory(dict[str, T]):
    """A dict that can be read in pages while it changes. Write with :meth:`put` and :meth:`drop` only."""

    def __init__(self) -> None:
        super().__init__()
        self._order: list[str] = []

    def put(self, name: str, value: T) -> None:
        """Add or replace."""
        if name not in self:
            insort(self._order, name)
        self[name] = value

    def drop(self, name: str) -> None:
        """Remove; nothing happens if it is not there."""
        if self.pop(name, None) is not None:
            del self._order[bisect_left(self._order, name)]

    def page(
        self, size: int, after: str | None, begins_with: str, alive: Callable[[T], bool], unsorted: bool = False
    ) -> tuple[list[tuple[int, str, T]], bool]:
        """
        One page in order of names; what is no longer alive is removed on the way.

        :param after: the last name of the page before.
        :param unsorted: take an order that is not that of the names; it is the same for every page.
        :return: ``(position, name, value)`` of each, and whether more follow.
        """
        if unsorted:
            order = sorted((name for name in self._order if name.startswith(begins_with)), key=_scattered)
            start = 0 if after is None else bisect_right(order, _scattered(after), key=_scattered)
        else:
            order = self._order
            start = bisect_left(order, begins_with)
            if after is not None:
                start = max(start, bisect_right(order, after))
        found: list[tuple[int, str, T]] = []
        dead: list[str] = []
        more = False
        for position in range(start, len(order)):
            name = order[position]
            if not name.startswith(begins_with):
                break
            value = self[name]
            if not alive(value):
                dead.append(name)
            elif len(found) == size:
                more = True
                break
            else:
                found.append((position - len(dead), name, value))
        for name in dead:
            self.drop(name)
        return found, more


def _scattered(name: str) -> tuple[int, str]:
    return crc32(name.encode(errors="surrogatepass")), name
