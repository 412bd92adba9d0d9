"""A dict whose names can be listed in pages while it changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")


class OrderedKeys(dict[str, T]):
    """A dict that also knows the order of its names. Write with :meth:`put` and :meth:`drop` only."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []

    def put(self, name: str, value: T) -> None:
        """Add or replace a value."""
        if name not in self:
            insort(self._names, name)
        self[name] = value

    def drop(self, name: str) -> None:
        """Remove a value, if there is one."""
        if self.pop(name, None) is not None:
            del self._names[bisect_left(self._names, name)]

    def page(
        self, size: int, after: str | None, begins_with: str, is_alive: Callable[[T], bool], unsorted: bool = False
    ) -> tuple[list[tuple[int, str, T]], bool]:
        """
        Return one page in the order of names, and remove the values on the way that are no longer alive.

        :param size: the most items in the page.
        :param after: the last name of the page before; ``None`` for the first page.
        :param begins_with: prefix of the names.
        :param is_alive: whether a value still exists.
        :param unsorted: list in an order that is not that of the names, but the same for every page.
        :return: ``(position, name, value)`` of each item, and whether there are more.
        """
        if unsorted:
            names = sorted((name for name in self._names if name.startswith(begins_with)), key=_scattered)
            start = 0 if after is None else bisect_right(names, _scattered(after), key=_scattered)
        else:
            names = self._names
            start = bisect_left(names, begins_with)
            if after is not None:
                start = max(start, bisect_right(names, after))
        items: list[tuple[int, str, T]] = []
        dead: list[str] = []
        has_more = False
        for position in range(start, len(names)):
            name = names[position]
            if not name.startswith(begins_with):
                break
            value = self[name]
            if not is_alive(value):
                dead.append(name)
            elif len(items) == size:
                has_more = True
                break
            else:
                items.append((position - len(dead), name, value))
        for name in dead:
            self.drop(name)
        return items, has_more


def _scattered(name: str) -> tuple[int, str]:
    """Return a sort key whose order has nothing to do with that of the names."""
    return crc32(name.encode(errors="surrogatepass")), name
