"""Stepping through a listing page by page, so that what is there all the time is in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Page
from airflow_provider_objectstore.exceptions import ServerError

Item = TypeVar("Item")

MAX_EMPTY_PAGES = 100
"""A listing fails after more empty pages in a row than this."""
MAX_ROUNDS = 10
"""A listing with numbered pages fails if it has to be read more often than this."""


class Paging(Generic[Item]):
    """
    Steps through the pages of a listing, and fails if it would never end.

    Numbered pages shift while they are read: whatever is deleted moves what follows, some of it to a page that was
    read before, and whatever is created moves it the other way. So they are read from the first to the last and back.
    What both ways show was there when the last page was read. If that is as much as the pages had room for, and the way
    back shows nothing new, then nothing else was there; if not, they are read once more. For pages with tokens see
    :class:`~airflow_provider_objectstore.api.listing.CompleteListing`.

    :param call: the call for the first page.
    """

    def __init__(self, call: Call[Page[Item]]) -> None:
        self.call: Call[Page[Item]] | None = call
        """The call for the next page; None at the end."""
        self._first = call
        self._seen: set[str] = set()
        self._empty = 0
        self._unconfirmed_end = False
        self._ids: set[str] = set()
        self._rounds = 0
        self._size = 0
        """How many items the pages had on the way to the last one."""
        self._before: set[str] | None = None
        """The ids shown until the last page was read, while the pages are read back, else None."""
        self._confirmed: set[str] = set()
        """Those of them that were shown again."""

    def take(self, page: Page[Item]) -> Page[Item] | None:
        """
        Take the page that :attr:`call` returned.

        :param page: the page.
        :return: the page with those of its items that no page before had; None if it does not count.
        :raises ServerError: if the listing would never end.
        """
        if page.ids:
            new = tuple(item for item, id in zip(page.items, page.ids, strict=True) if id not in self._ids)
            self._ids.update(page.ids)
        else:
            new = page.items
        if self._before is not None:
            self._confirmed.update(self._before.intersection(page.ids))
            self._go_on_back(page)
        elif not self.accepts(page):
            return None
        else:
            self._size += len(page.ids)
            if self.call is None and page.number is not None:
                self._before, self._confirmed = set(self._ids), set(page.ids)
                self._read_before(page)
        return replace(page, items=new)

    def accepts(self, page: Page[Item]) -> bool:
        """
        Take the page that :attr:`call` returned, and tell whether its items count.

        A later page without items and successor may be the end or a broken response: it is requested once more, and
        counts if it is the same.

        :param page: the page.
        :raises ServerError: if the listing would never end.
        """
        call = self.call
        assert call is not None
        if call.is_next_page and not page.items and not page.next and not self._unconfirmed_end:
            self._unconfirmed_end = True
            return False
        self._unconfirmed_end = False
        self._empty = 0 if page.items else self._empty + 1
        if page.next and page.next in self._seen:
            raise ServerError(f"{call}: the service repeats a page token, so the listing would never end")
        if self._empty > MAX_EMPTY_PAGES:
            raise ServerError(f"{call}: {self._empty} pages in a row are empty, so the listing would never end")
        if page.next:
            self._seen.add(page.next)
        self.call = call.for_page(page.next) if page.next else None
        return True

    def _read_before(self, page: Page[Item]) -> None:
        number = int(page.number or 1)
        self.call = self._first.for_page(str(number - 1)) if number > 1 else None

    def _go_on_back(self, page: Page[Item]) -> None:
        self._read_before(page)
        if self.call is not None or page.next is None or self._is_complete():
            return
        self._rounds += 1
        if self._rounds == MAX_ROUNDS:
            raise ServerError(
                f"{self._first}: it changes faster than its pages can be read, so some of it may be missing. Run this "
                "again when less is created and deleted"
            )
        self._seen, self._before, self._size = set(), None, len(page.ids)
        self.call = self._first.for_page(page.next)

    def _is_complete(self) -> bool:
        return len(self._confirmed) >= self._size and self._before == self._ids


def list_all(call: Call[Page[Item]]) -> Flow[list[Item]]:
    """
    Return the items of all pages.

    :param call: the call for the first page.
    """
    items: list[Item] = []
    paging = Paging(call)
    while paging.call is not None:
        taken = paging.take((yield paging.call))
        if taken is not None:
            items.extend(taken.items)
    return items
