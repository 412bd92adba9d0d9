"""What the operations of Object Store v2 refuse before any request."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.exceptions import InvalidArgumentError


def test_an_unknown_inclusion() -> None:
    with pytest.raises(InvalidArgumentError, match="inclusion must be one of 'all', 'metadata', 'body', not 'values'"):
        anypoint.get_partition("s", "p", "values")  # type: ignore[arg-type]
