"""A call interprets any response: it returns a result or raises an error of this package."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Response
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ObjectStoreError,
)

MEMBERS = [
    "values",
    "nextPageToken",
    "storeId",
    "keyId",
    "valueType",
    "stringValue",
    "numberValue",
    "binaryValue",
    "index",
    "metadata",
    "encrypted",
    "defaultTtlSeconds",
    "id",
    "name",
    "code",
    "items",
    "page",
    "pages",
    "max_size_gb",
    "owner_info",
    "access_key_id",
    "status",
    "suspended",
    "features",
    "objectstore_gb_limit",
    "objectstore_gb_usage",
    "objectstore_endpoint",
    "reason",
    "message",
    "result",
]


@settings(max_examples=60, deadline=None)
@given(
    answer=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
        max_leaves=12,
    ).map(json.dumps)
)
def test_json_of_any_shape(answer: str) -> None:
    for call in (
        anypoint.list_stores(),
        anypoint.get_store("s"),
        anypoint.get_partition("s", "p"),
        anypoint.get_key("s", "p", "k"),
        anypoint.put_key("s", "p", "k", "v"),
        anypoint.list_regions(),
        civo.list_object_stores(),
        civo.get_object_store("1"),
        civo.list_credentials(),
        civo.get_quota(),
        civo.list_regions(),
        civo.delete_credential("1"),
    ):
        for status in (200, 400, 404, 500):
            try:
                call.interpret(Response(status, {"content-type": "application/json"}, answer.encode()))
            except ObjectStoreError as error:
                assert isinstance(error, ApiError)
