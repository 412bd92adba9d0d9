from __future__ import annotations

import pytest

from airflow_provider_objectstore.plugins.operator_uses import Place
from airflow_provider_objectstore.plugins.page.task_places import Searched


@pytest.mark.parametrize(("key", "holds"), [("a b", True), ("a+b", True), ("ab", False)])
def test_a_key_with_a_space_is_found_by_its_stored_name(key: str, holds: bool) -> None:
    place = Place("writes", "anypoint", "mule", None, (("s",), ("p",), (key,)))
    assert Searched("anypoint", "mule", "us-east-1", ("s", "p", "a+b")).holds(place) is holds


def test_a_space_in_a_partition_is_a_space() -> None:
    place = Place("writes", "anypoint", "mule", None, (("s",), ("p q",), None))
    assert not Searched("anypoint", "mule", "us-east-1", ("s", "p+q")).holds(place)
