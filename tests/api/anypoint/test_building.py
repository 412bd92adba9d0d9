"""What calls of Object Store v2 have in common: checked names and listings."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("",), "the store id must not be ''"),
        (("s", ".."), r"the partition must not be '\.\.'"),
        (("s", "p", "k", "a|b"), "holds '|'"),
        (("s", "p", "k", 5), "the key must be text, not int"),
        (("s", "p", None), "the key must be text, not NoneType"),
    ],
)
def test_names_are_checked_without_a_call(names: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        anypoint.check_names(*names)


def test_names_that_are_allowed() -> None:
    anypoint.check_names("s")
    anypoint.check_names("s", "p")
    anypoint.check_names("s", "p", "k", "a/b", "..x")


@pytest.mark.parametrize("size", [0, 26, "5", True])
def test_the_size_of_a_page(size: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="page_size must be an integer from 1 to 25"):
        anypoint.list_keys("s", "p", page_size=size)
