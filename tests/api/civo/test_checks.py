"""What is no size or name of Civo, before any request."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.exceptions import (
    InvalidArgumentError,
)


@pytest.mark.parametrize("size", [0, 1, 499, 501, 750, -500, 500.5, True, "500GB", None])
def test_sizes_that_are_refused(size: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="must be 500 or a multiple"):
        civo.create_object_store("bucket", size)


@pytest.mark.parametrize(
    ("name", "said"), [("x" * 64, "64 characters; at most 63"), ("a b", "white space"), ("a/b", "slash"), ("", "''")]
)
def test_names_that_are_refused(name: str, said: str) -> None:
    for build in (civo.create_object_store, civo.create_credential):
        with pytest.raises(InvalidArgumentError, match=said):
            build(name)
