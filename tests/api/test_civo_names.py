"""An exact name, id or access key means one object, or it is an error that names all that it could mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api.civo import the_credential, the_store
from airflow_provider_objectstore.api.civo_model import Credential, ObjectStore
from airflow_provider_objectstore.exceptions import ObjectStoreError

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
    meant = [it for it in there if wanted in (it.id, it.name, it.access_key_id)]
    if len(meant) > 1:
        with pytest.raises(ObjectStoreError, match=f"means {len(meant)} credentials") as caught:
            the_credential(wanted, there)
        assert all(f"{it.name} (id {it.id})" in str(caught.value) for it in meant)
        assert "secret" not in str(caught.value)
    else:
        assert the_credential(wanted, there) is (meant[0] if meant else None)


@given(stores, names)
def test_object_stores(there: list[ObjectStore], wanted: str) -> None:
    meant = [it for it in there if wanted in (it.id, it.name)]
    if len(meant) > 1:
        with pytest.raises(ObjectStoreError, match=f"means {len(meant)} object stores") as caught:
            the_store(wanted, there)
        assert all(f"{it.name} (id {it.id})" in str(caught.value) for it in meant)
    else:
        assert the_store(wanted, there) is (meant[0] if meant else None)
