"""Responses of Object Store v2 are read in every known form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint import models
from airflow_provider_objectstore.api.call import Response


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, b'{"confirmationId": "c1"}', "c1"),
        ({"confirmationid": "c2"}, b"", "c2"),
        ({"x-confirmation-id": "c3"}, b"[]", "c3"),
        ({"location": "https://h/stores/s/partitions/p/keys/k/confirmations/c4?x=1"}, b"", "c4"),
        ({}, b"", None),
    ],
)
def test_a_confirmation_id_is_looked_for(headers: dict[str, str], body: bytes, expected: str | None) -> None:
    assert anypoint.put_key("s", "p", "k", "v").read(Response(200, headers, body)) == expected


@pytest.mark.parametrize("found", ["7.5", "true", '["c1"]', '{"id": "c1"}'])
def test_a_confirmation_id_is_text_or_a_number(found: str) -> None:
    response = Response(200, {}, f'{{"keyId": "k", "stringValue": "v", "confirmationId": {found}}}'.encode())
    with pytest.raises(TypeError, match="confirmation id"):
        models.confirmation_id_of(response)
    with pytest.raises(TypeError, match="confirmation id"):
        models.read_entry(response.json())
    assert models.confirmation_id_of(Response(200, {}, b'{"confirmationId": 12}')) == "12"


@pytest.mark.parametrize(
    ("body", "seconds", "encrypted"),
    [
        ({"storeId": "s", "encrypted": "false", "defaultTtlMillis": 120000}, 120, False),
        ({"storeId": "s", "encrypted": True, "defaultTtlSeconds": 120, "defaultTtlMillis": 1}, 120, True),
        ({"storeId": "s", "defaultTtlSeconds": "120", "encrypted": None}, 120, None),
        ({"storeId": "s", "defaultTtlMillis": 500}, 0.5, None),
        ({"storeId": "s"}, None, None),
    ],
)
def test_stores_are_read_in_every_form(body: dict[str, Any], seconds: float | None, encrypted: bool | None) -> None:
    store = anypoint.get_store("s").read(Response(200, {}, json.dumps(body).encode()))
    assert (store.default_ttl_seconds, store.encrypted) == (seconds, encrypted)
