"""What the operations of Civo refuse before any request."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.exceptions import InvalidArgumentError


@pytest.mark.parametrize("size", [500, "500", 1500])
def test_sizes_are_never_rounded(size: Any) -> None:
    body = civo.create_object_store("bucket", size).body
    assert body is not None
    assert body["size"] == body["max_size_gb"] == int(size)


def test_an_update_changes_something() -> None:
    with pytest.raises(InvalidArgumentError, match="give at least one of max_size_gb, access_key_id"):
        civo.update_object_store("1")
    with pytest.raises(InvalidArgumentError, match="must not be empty"):
        civo.update_credential("1", access_key_id="")
