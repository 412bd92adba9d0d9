"""An exact name, id or access key means one object, or it is an error that names all that it could mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.call import Flow, Page
from airflow_provider_objectstore.api.civo import match_credential, match_object_store
from airflow_provider_objectstore.api.civo.models import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import NotFoundError, ObjectStoreError, ServerError

words = st.sampled_from(["a", "b", "c", "A", "ab", "a ", ""])
names = words.filter(bool)
credentials = st.lists(
    st.builds(Credential, names, names, words, st.just("secret")),
    max_size=5,
    unique_by=lambda credential: credential.id,
)
stores = st.lists(
    st.builds(ObjectStore, names, names, st.just(500), st.just("ready")), max_size=5, unique_by=lambda store: store.id
)


@given(credentials, names)
def test_credentials(there: list[Credential], wanted: str) -> None:
    meant = [one for one in there if wanted in (one.id, one.name, one.access_key_id)]
    if len(meant) > 1:
        with pytest.raises(ObjectStoreError, match=f"means {len(meant)} credentials") as caught:
            match_credential(wanted, there)
        assert all(f"{one.name} (id {one.id})" in str(caught.value) for one in meant)
        assert "secret" not in str(caught.value)
    else:
        assert match_credential(wanted, there) is (meant[0] if meant else None)


@given(stores, names)
def test_object_stores(there: list[ObjectStore], wanted: str) -> None:
    meant = [one for one in there if wanted in (one.id, one.name)]
    if len(meant) > 1:
        with pytest.raises(ObjectStoreError, match=f"means {len(meant)} object stores") as caught:
            match_object_store(wanted, there)
        assert all(f"{one.name} (id {one.id})" in str(caught.value) for one in meant)
    else:
        assert match_object_store(wanted, there) is (meant[0] if meant else None)


def run_with(flow: Flow[Any], *items: object) -> Any:
    """Run a flow that lists once; the listing has these items."""
    next(flow)
    try:
        flow.send(Page(items))
    except StopIteration as end:
        return end.value
    raise AssertionError("the flow asked for more")


def test_what_must_exist_is_returned_or_reported() -> None:
    store = ObjectStore("id-1", "photos", 500, "ready")
    credential = Credential("id-2", "mine", "KEY", "secret")
    assert run_with(civo.find_object_store("photo"), store) is None
    assert run_with(civo.find_credential("other"), credential) is None
    assert run_with(civo.require_object_store("photos"), store) is store
    assert run_with(civo.require_credential("KEY"), credential) is credential
    with pytest.raises(NotFoundError, match="no object store with the exact name or id 'photo' in this region") as lost:
        run_with(civo.require_object_store("photo"), store)
    assert lost.value.status == 404
    with pytest.raises(NotFoundError, match="no credential with the exact id, access key or name 'other'") as lost:
        run_with(civo.require_credential("other"), credential)
    assert lost.value.status == 404


@pytest.mark.parametrize(
    ("flow", "named"),
    [
        (civo.find_object_store("photos"), "looking for object store 'photos': "),
        (civo.require_object_store("photos"), "looking for object store 'photos': "),
        (civo.find_credential("mine"), "looking for credential 'mine': "),
        (civo.require_credential("mine"), "looking for credential 'mine': "),
        (civo.owner_of(ObjectStore("1", "photos", 500, "ready")), "looking for the owner of object store photos: "),
    ],
    ids=["object store", "required object store", "credential", "required credential", "owner"],
)
def test_a_listing_that_fails_says_what_was_looked_for(flow: Flow[Any], named: str) -> None:
    error = ServerError("civo.list: the service answered 500", status=500)
    next(flow)
    with pytest.raises(ServerError) as caught:
        flow.throw(error)
    assert (str(caught.value), caught.value.status) == (f"{named}{error}", 500)
