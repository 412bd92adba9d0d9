from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Call, Page
from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.api.paging import MAX_EMPTY_PAGES, MAX_ROUNDS, list_all
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ServerError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo_credentials import CivoDeleteCredentialOperator
from airflow_provider_objectstore.transport.client import Client

SIZE = 3


def credential(id: str) -> Credential:
    return Credential(id=id, name=id, access_key_id="", secret_access_key="", max_size_gb=None, suspended=False)


class Listing:
    """A listing with numbered pages; ``change`` is called after each page."""

    def __init__(self, ids: list[str], change: Callable[[Listing], None] = lambda listing: None) -> None:
        self.ids, self._change, self.requested = ids, change, 0

    def page(self, call: Call[Page[Credential]]) -> Page[Credential]:
        number, last = int(dict(call.query).get("page", 1)), max(1, math.ceil(len(self.ids) / SIZE))
        ids = tuple(self.ids[(number - 1) * SIZE : number * SIZE])
        self.requested += 1
        self._change(self)
        return Page(tuple(map(credential, ids)), str(number + 1) if number < last else None, str(number), last, ids)

    def read(self) -> list[str]:
        """List all, as the drivers do."""
        flow = list_all(civo.list_credentials())
        call = next(flow)
        while True:
            try:
                call = flow.send(self.page(call))
            except StopIteration as end:
                return [item.id for item in end.value]


def names(number: int) -> list[str]:
    return [f"c{index:02}" for index in range(number)]


@pytest.mark.parametrize(("items", "requests"), [(0, 1), (3, 1), (4, 3), (6, 3), (7, 5)])
def test_what_a_listing_costs(items: int, requests: int) -> None:
    listing = Listing(names(items))
    assert listing.read() == names(items)
    assert listing.requested == requests


HIDDEN = [(".", 0), ("-", 0), ("+", 0), ("x", 0)]
"""An item that moves to an earlier page on the way there, and is pushed out of that for a moment on the way back."""
HIDDEN_TWICE = [("+", 0), ("x", 0), ("+", 0), ("x", 0)]
"""An item that others push from a page for a moment, on both ways."""


@given(
    items=st.integers(4, 20),
    changes=st.lists(st.tuples(st.sampled_from("-+x."), st.floats(0, 1, exclude_max=True)), max_size=25),
)
@example(9, HIDDEN)
@example(9, HIDDEN_TWICE)
def test_what_stays_is_found_once(items: int, changes: list[tuple[str, float]]) -> None:
    """Whatever is deleted or created, or created and deleted, between any two pages, at any place."""
    planned, created = iter(changes), iter(range(1000))

    def change(listing: Listing) -> None:
        what, where = next(planned, (".", 0.0))
        place = int(where * (len(listing.ids) + 1))
        if what == "+":
            listing.ids.insert(place, f"new{next(created)}")
        elif old := [name for name in listing.ids if what in "-x" and (name in before) == (what == "-")]:
            listing.ids.remove(old[int(where * len(old))])

    before = names(items)
    listing = Listing(names(items), change)
    try:
        found = listing.read()
    except ServerError:
        return
    assert set(before) & set(listing.ids) <= set(found)
    assert len(found) == len(set(found))


def test_a_listing_that_never_rests() -> None:
    """Its first item is replaced again and again."""
    created = iter(range(1000))

    def change(listing: Listing) -> None:
        if listing.requested % 2:
            listing.ids[:1] = [f"new{next(created)}"]

    listing = Listing(names(7), change)
    with pytest.raises(ServerError, match="changes faster than its pages can be read"):
        listing.read()
    assert listing.requested == 1 + 4 * MAX_ROUNDS


def test_a_listing_that_becomes_shorter() -> None:
    def change(listing: Listing) -> None:
        del listing.ids[3:]

    assert Listing(names(9), change).read() == names(3)


@pytest.fixture
def shifting(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """25 credentials in the order of the listing; the first one is deleted when its page has been read."""
    monkeypatch.setattr(emulator.settings, "max_per_page", 20)
    hook = CivoObjectStoreHook()
    for number in range(25):
        hook.create_credential(f"c{number}")
    listed = list(hook.list_credentials())
    pending, send = [listed[0].id], Client._send

    def delete_after(client: Client, call: Call[Any]) -> Any:
        result = send(client, call)
        if call.operation == "civo.list_credentials" and pending:
            hook.delete_credential(pending.pop())
        return result

    monkeypatch.setattr(Client, "_send", delete_after)
    yield [credential.name for credential in listed]
    assert not pending


def test_a_delete_finds_its_object_while_others_are_deleted(shifting: list[str]) -> None:
    CivoDeleteCredentialOperator(task_id="delete", credential=shifting[20]).execute({})
    left = [credential.name for credential in CivoObjectStoreHook().list_credentials()]
    assert sorted(left) == sorted({*shifting[1:]} - {shifting[20]})


def test_an_iterator_leaves_nothing_out(shifting: list[str]) -> None:
    found = [credential.name for credential in CivoObjectStoreHook().list_credentials()]
    assert sorted(found) == sorted(shifting)


def test_one_page_where_the_service_allows_it(emulator: Emulator) -> None:
    hook = CivoObjectStoreHook()
    for number in range(25):
        hook.create_credential(f"c{number}")
    assert len(list(hook.list_credentials())) == 25
    assert emulator.requests()["by_operation"]["civo.list_credentials"] == {"200": 1}


def test_pages_without_items() -> None:
    flow = list_all(anypoint.list_keys("s", "p"))
    next(flow)
    with pytest.raises(ServerError, match="pages in a row are empty"):
        for number in range(MAX_EMPTY_PAGES + 1):
            flow.send(Page((), f"t{number}"))
