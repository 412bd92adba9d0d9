"""A call interprets any response: it returns a result or raises an error of this package."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_objectstore.api import airflow_rest, anypoint, civo
from airflow_provider_objectstore.api.anypoint import access, statistics
from airflow_provider_objectstore.api.call import Call, Page, Response
from airflow_provider_objectstore.api.civo.models import ObjectStore, ObjectStoreStats, Quota
from airflow_provider_objectstore.api.civo.usage import use_of_quota, use_of_store
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ObjectStoreError,
    ServerError,
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


TIMES = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
STORE = {"storeId": "s", "encrypted": True, "defaultTtlSeconds": 5, "defaultConfirmationTtlSeconds": 5}
ENTRY = {"keyId": "k", "valueType": "NUMBER", "numberValue": 1, "metadata": {}, "index": 0, "confirmationId": "c"}
OWNER = {"access_key_id": "A", "name": "n", "credential_id": "c"}
BUCKET = {"id": "1", "name": "n", "max_size_gb": 500, "status": "ready", "owner_info": OWNER, "reason": "r"}
KEYS = {"access_key_id": "A", "secret_access_key_id": "S"}
CREDENTIAL = {"id": "1", "name": "n", **KEYS, "max_size_gb": 500, "suspended": False, "status": "ready"}
STATS = {"size_kb_utilised": 1, "max_size_kb": 5, "num_objects": 3}
QUOTA = {"objectstore_gb_limit": 5, "objectstore_gb_usage": 1}
RESPONSES: list[tuple[Call[Any], Any]] = [
    (anypoint.list_stores(), {"values": [STORE, {"storeId": "t", "defaultTtlMillis": 5000}], "nextPageToken": "t"}),
    (anypoint.get_store("s"), {**STORE, "persistent": True, "isFixedTtl": True}),
    (anypoint.get_partition("s", "p"), {"values": [ENTRY], "nextPageToken": "t"}),
    (anypoint.get_partition("s", "p", "metadata"), {"values": [ENTRY], "nextPageToken": "t"}),
    (anypoint.get_key("s", "p", "k", confirmable=True), ENTRY),
    (anypoint.get_key("s", "p", "k"), {"keyId": "k", "values": [{"valueType": "BINARY", "binaryValue": "MQ=="}]}),
    (anypoint.alter_number("s", "p", "k", {"value": 1}), ENTRY),
    (anypoint.list_keys("s", "p"), {"values": [{"keyId": "k"}, "k"], "nextPageToken": "t"}),
    (anypoint.list_regions(), [{"id": "us-east-1", "name": "n"}]),
    (statistics.get_organization_usage(*TIMES), [{"timeStamp": TIMES[0], "objectStoreRequestCount": 5}]),
    (statistics.list_used_environments(*TIMES), ["a"]),
    (access.connected_app_token("a", "b"), {"access_token": "t", "expires_in": 5}),
    (airflow_rest.user_token("a", "b", "c"), {"access_token": "t"}),
    (civo.list_object_stores(), {"page": 1, "pages": 2, "items": [BUCKET]}),
    (civo.get_object_store("1"), BUCKET),
    (civo.list_credentials(), {"page": 1, "pages": 2, "items": [CREDENTIAL]}),
    (civo.get_object_store_stats("1"), STATS),
    (civo.get_quota(), QUOTA),
    (civo.list_regions(), [{"code": "L", "name": "n", "features": {"object_store": True}, "out_of_capacity": False}]),
]
HUGE = ["1e400", "-1e400", "1" + "0" * 30, "9" * 400, "NaN", "Infinity", '"1e400"', '"' + "9" * 400 + '"', "1e308"]
ODD = [
    *HUGE,
    *("null", "true", "-1", "0.5", "1e-400", '""', '" "', '"x"', '"1_0"', '"\\ud800"', "[]", "{}", "[null]", '{"a":1}'),
    *('"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+23:59"', '"2026-99-99"', "[" * 900 + "]" * 900),
]
"""JSON that stands where another type, or another size, belongs."""


def replacements(body: Any) -> Iterator[str]:
    """Yield a response in which one part after the other is something odd."""
    yield from ODD
    if not isinstance(body, (dict, list)):
        return
    parts: dict[Any, Any] = body if isinstance(body, dict) else dict(enumerate(body))
    for name, part in parts.items():
        for odd in replacements(part):
            texts = {other: odd if other == name else json.dumps(value) for other, value in parts.items()}
            members = [f"{json.dumps(other)}:{text}" for other, text in texts.items()]
            yield f"{{{','.join(members)}}}" if isinstance(body, dict) else f"[{','.join(texts.values())}]"


def fits(value: Any, kind: Any) -> bool:
    """Tell whether a value has the type that a model promises."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in typing.get_args(kind))
    if kind is Any or (kind is float and isinstance(value, int)):
        return True
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def require_types(result: Any) -> None:
    """Check the models of a result; what is computed from them is an error of this package, or finite."""
    if isinstance(result, (Page, tuple)):
        for item in result.items if isinstance(result, Page) else result:
            require_types(item)
    elif dataclasses.is_dataclass(result):
        kinds = typing.get_type_hints(type(result))
        for member in dataclasses.fields(result):
            value = getattr(result, member.name)
            assert fits(value, kinds[member.name]), (member.name, value)
        if isinstance(result, (ObjectStoreStats, ObjectStore, Quota)):
            try:
                assert math.isfinite(use_of(result)["share"])
            except ObjectStoreError:
                return


def use_of(result: Any) -> dict[str, Any]:
    if isinstance(result, Quota):
        return use_of_quota(result)
    if isinstance(result, ObjectStore):
        return use_of_store(result, ObjectStoreStats(1, 5, 3))
    return use_of_store(ObjectStore("1", "n", None, "ready"), result)


@pytest.mark.parametrize(("call", "body"), RESPONSES, ids=lambda value: getattr(value, "operation", ""))
def test_one_odd_part(call: Call[Any], body: Any) -> None:
    def interpret(status: int, text: str) -> Any:
        return call.interpret(Response(status, {"content-type": "application/json"}, text.encode()))

    require_types(interpret(200, json.dumps(body)))
    for text in replacements(body):
        for status in (200, 409, 429, 500):
            try:
                require_types(interpret(status, text))
            except ApiError as error:
                str(error).encode()


@pytest.mark.parametrize("huge", HUGE)
@pytest.mark.parametrize(
    ("call", "body", "member"),
    [
        (civo.get_object_store_stats("1"), STATS, "num_objects"),
        (civo.get_object_store("1"), BUCKET, "max_size_gb"),
        (anypoint.get_store("s"), STORE, "defaultTtlSeconds"),
    ],
    ids=["stats", "size", "ttl"],
)
def test_a_huge_number_is_an_unreadable_response(call: Call[Any], body: dict[str, Any], member: str, huge: str) -> None:
    text = json.dumps({**body, member: "here"}).replace('"here"', huge)
    with pytest.raises(ServerError, match=r"does not follow its contract") as caught:
        call.interpret(Response(200, {}, text.encode()))
    assert str(caught.value).startswith(str(call))
    assert len(str(caught.value)) < 300
