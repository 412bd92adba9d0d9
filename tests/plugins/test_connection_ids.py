from __future__ import annotations

import pytest

from airflow_provider_objectstore.plugins.connection_ids import has_address


@pytest.mark.parametrize(
    "id", ["mule", "team/mule", "a b", "a.b", "...", "..a", "#!()-:", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_usual_ids_have_an_address(id: str) -> None:
    assert has_address(id)


@pytest.mark.parametrize(
    "id", ["", " ", ".", "..", "a/../b", "a/ .. /b", "/a", "a/", "a//b", "a\\..\\b", "..%2fa", "a\tb", "a\0", "\udcff"]
)
def test_ids_that_lead_elsewhere_have_none(id: str) -> None:
    assert not has_address(id)


def test_an_id_is_as_long_as_airflow_stores_it() -> None:
    assert has_address("x" * 250)
    assert not has_address("x" * 251)
