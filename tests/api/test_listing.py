"""A listing misses nothing that was there the whole time, whatever its page tokens mean."""

from __future__ import annotations

import tracemalloc
from bisect import insort
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.call import Page
from airflow_provider_objectstore.api.listing import MAX_LISTINGS, CompleteListing
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, StoreNotFoundError

SIZE = 3


class Service:
    """
    Lists names by position.

    :param names: the names.
    :param change: called after each page with the number of pages so far, changes the names.
    """

    def __init__(self, names: list[str], change: Callable[[int], None] = lambda pages: None) -> None:
        self.names = names
        self.change = change
        self.pages = 0

    def listing(self) -> Iterator[Page[str]]:
        start = 0
        while True:
            after = start + SIZE
            page = Page(tuple(self.names[start:after]), str(after) if len(self.names) > after else None)
            self.pages += 1
            self.change(self.pages)
            yield page
            if page.next is None:
                return
            start = after


def list_all(service: Service) -> list[str]:
    complete = CompleteListing(anypoint.list_keys("s", "p"))
    return [name for _ in complete.rounds() for page in service.listing() for name in complete.new_items(page)]


def names(number: int) -> list[str]:
    return [f"k{each:03}" for each in range(number)]


@pytest.mark.parametrize(("number", "pages"), [(0, 1), (SIZE, 1), (SIZE + 1, 4), (3 * SIZE, 6)])
def test_what_rests_is_listed_twice_unless_it_is_one_page(number: int, pages: int) -> None:
    service = Service(names(number))
    assert list_all(service) == names(number)
    assert service.pages == pages


def test_a_deletion_hides_nothing() -> None:
    service = Service(names(10), lambda pages: service.names.remove("k000") if pages == 1 else None)
    assert list_all(service) == [*names(3), *names(10)[4:], "k003"]
    assert service.pages == 3 * 3, "the second listing shows that the first one is not whole"


def test_deletions_in_step_with_the_listings() -> None:
    """Each listing misses the very names that the one before has missed, and finds none that is new."""
    service = Service(names(40), lambda pages: service.names.__delitem__(slice(0, SIZE)) if pages in (2, 14) else None)
    found = list_all(service)
    assert set(service.names) <= set(found)
    assert len(found) == len(set(found))


def test_names_that_are_only_added_need_no_third_listing() -> None:
    service = Service(names(10), lambda pages: service.names.append(f"z{pages:03}"))
    assert set(names(10)) <= set(list_all(service))
    assert service.pages < 4 * 10


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, 30),
    st.dictionaries(st.integers(1, 40), st.tuples(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))),
)
def test_any_changes(number: int, changes: dict[int, tuple[set[int], set[int]]]) -> None:
    def change(pages: int) -> None:
        gone, added = changes.get(pages, (set(), set()))
        service.names[:] = [name for name in service.names if name not in {f"k{each:03}" for each in gone}]
        for each in added:
            insort(service.names, f"k{each:03}+{pages}")

    service = Service(names(number), change)
    found = list_all(service)
    assert len(found) == len(set(found))
    assert {name for name in service.names if "+" not in name} <= set(found)


def test_what_never_rests_is_an_error() -> None:
    service = Service(names(400), lambda pages: service.names.__delitem__(0))
    with pytest.raises(
        ObjectStoreError, match=rf"store s, partition p\): .* {MAX_LISTINGS} times, and something vanish"
    ):
        list_all(service)


def test_what_vanishes_as_a_whole_ends_the_listing() -> None:
    complete = CompleteListing(anypoint.list_keys("s", "p"))
    rounds = complete.rounds()
    next(rounds)
    assert not complete.is_end(NotFoundError("no partition")), "it may never have been there"
    for page in (Page(("a",), "1"), Page(("b",), None)):
        complete.new_items(page)
    next(rounds)
    assert complete.is_end(NotFoundError("no partition"))
    assert not complete.is_end(StoreNotFoundError("no store"))


def test_a_million_names_take_less_than_100_mb() -> None:
    number = 50_000
    complete = CompleteListing(anypoint.list_keys("s", "p"))
    tracemalloc.start()
    for start in range(0, number, 25):
        complete.new_items(Page(tuple(f"key-{each:060}" for each in range(start, start + 25)), "next"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / number < 150
