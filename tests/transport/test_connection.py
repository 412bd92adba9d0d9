"""The resolved connection."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from airflow_provider_objectstore.transport import ResolvedConnection

CONNECTION = ResolvedConnection(base_urls={"api": "https://example.com"}, secrets=("hidden",), bearer="hidden")


def test_labels_do_not_make_another_connection() -> None:
    labelled = dataclasses.replace(CONNECTION, labels={"connection": "my_conn", "region": "LON1"})
    assert labelled.digest == CONNECTION.digest


@pytest.mark.parametrize(
    "change",
    [{"timeout": 31}, {"bearer": "other"}, {"secrets": ()}, {"parameters": {"region": "LON1"}}, {"proxy": "http://p"}],
    ids=str,
)
def test_what_requests_depend_on_makes_another_connection(change: dict[str, Any]) -> None:
    assert dataclasses.replace(CONNECTION, **change).digest != CONNECTION.digest


def test_it_is_immutable_and_shows_no_secret() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONNECTION.timeout = 1  # type: ignore[misc]
    assert "hidden" not in repr(CONNECTION)


def test_another_environment_makes_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [ResolvedConnection(base_urls={"api": "http://example.com"}, secrets=()).digest]
    for name, value in {"HTTP_PROXY": "proxy:1", "NO_PROXY": "example.com"}.items():
        monkeypatch.setenv(name, value)
        digests.append(ResolvedConnection(base_urls={"api": "http://example.com"}, secrets=()).digest)
    assert len(set(digests)) == 3
