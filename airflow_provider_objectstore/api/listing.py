"""Listings that miss nothing which was there the whole time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Generic, TypeVar

from airflow_provider_objectstore.api.call import Call, Page
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, StoreNotFoundError

Item = TypeVar("Item")

MAX_LISTINGS = 10
"""How often something is listed before it counts as restless."""


class CompleteListing(Generic[Item]):
    """
    Lists again until nothing can be missing, and tells what is new each time. It keeps a digest of each name.

    What a page token means is not documented; the vendor's example is ``34``. If it is a position, a deletion on pages
    already read moves what follows into them, where nobody reads it. A listing is complete if it has one page, or if
    the next one has all of its names again, each as often: then nothing vanished while it was read. This does not see a
    name that vanishes during two listings at the same page and is back at the end of both.

    :param call: the call for the first page.
    :param name: returns the name of an item; left out, the item is one.
    """

    def __init__(self, call: Call[Page[Item]], name: Callable[[Item], str] = str) -> None:
        self._call = call
        self._name = name
        self._known: set[int] = set()
        self._listings = 0
        self._pages = 0
        self._sum = 0
        self._sum_of_known = 0

    def rounds(self) -> Iterator[Call[Page[Item]]]:
        """
        Yield the call for the first page of each listing.

        :raises ObjectStoreError: if something vanishes during each of the listings.
        """
        previous_sum: int | None = None
        while self._listings < MAX_LISTINGS:
            self._listings += 1
            self._pages = self._sum = self._sum_of_known = 0
            yield self._call
            if self._pages == 1 or self._sum_of_known == previous_sum:
                return
            previous_sum = self._sum
        raise ObjectStoreError(
            f"{self._call}: it was listed {MAX_LISTINGS} times, and something vanished each time, which may hide what "
            "follows it: an application may be deleting there, or values expire. Stop it, or run this again"
        )

    def new_items(self, page: Page[Item]) -> list[Item]:
        """
        Return the items of a page that were on no page before.

        :param page: the next page of the listing.
        """
        self._pages += 1
        return [item for item in page.items if self._is_new(self._name(item))]

    def _is_new(self, name: str) -> bool:
        digest = int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=15).digest())
        self._sum += digest
        if digest in self._known:
            self._sum_of_known += digest
            return False
        self._known.add(digest)
        return True

    def is_end(self, error: NotFoundError) -> bool:
        """
        Return whether an error ends the listing: what was listed before has vanished as a whole, so nothing is hidden.

        :param error: the error of a listing's first page.
        """
        return self._listings > 1 and not isinstance(error, StoreNotFoundError)
