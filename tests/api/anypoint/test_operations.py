"""What the operations of Object Store v2 refuse before any request."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.exceptions import InvalidArgumentError


def test_an_unknown_inclusion() -> None:
    with pytest.raises(InvalidArgumentError, match="inclusion must be one of 'all', 'metadata', 'body', not 'values'"):
        anypoint.get_partition("s", "p", "values")  # type: ignore[arg-type]


def test_a_listing_by_prefix_is_named_by_it() -> None:
    listing = anypoint.list_keys("s", "p", "a b")
    assert str(listing) == "anypoint.list_keys (store s, partition p, keys that begin with 'a+b')"
    assert str(anypoint.list_keys("s", "p")) == "anypoint.list_keys (store s, partition p)"
