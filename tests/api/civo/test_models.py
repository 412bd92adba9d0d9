"""Responses of Civo are read in every known form, and the addresses of S3 are checked."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.call import Response
from airflow_provider_objectstore.api.civo.models import read_store, s3_endpoint
from airflow_provider_objectstore.exceptions import ApiError, InvalidArgumentError, ServerError


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, "https://objectstore.lon1.civo.com"),
        ("objectstore.fra1.civo.com", "https://objectstore.fra1.civo.com"),
        ("https://objectstore.civo.com/bucketA-zqws", "https://objectstore.civo.com"),
        ("127.0.0.1:9000", "https://127.0.0.1:9000"),
    ],
)
def test_s3_endpoints_in_every_form(endpoint: str | None, expected: str) -> None:
    assert s3_endpoint(endpoint, "LON1") == expected


@pytest.mark.parametrize(
    ("item", "size", "status"),
    [
        ({"max_size_gb": 500, "status": "Ready"}, 500, "ready"),
        ({"max_size": "500", "state": "pending"}, 500, "pending"),
        ({}, None, ""),
    ],
)
def test_object_stores_are_read_in_every_form(item: dict[str, Any], size: int | None, status: str) -> None:
    body = json.dumps({"id": "1", "name": "b", **item}).encode()
    store = civo.get_object_store("1").read(Response(200, {}, body))
    assert (store.max_size_gb, store.status) == (size, status)


STORE = {"id": "1", "name": "n", "status": "ready"}


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://objectstore.civo.com",
        "https://user@objectstore.civo.com",
        "https://user:pw@objectstore.civo.com",
        "user@objectstore.civo.com",
        "ftp://objectstore.civo.com",
        "https://[oops",
        "https://",
        "/",
        "objectstore.civo.com:99999",
        "a b",
        "x" * 5000,
    ],
)
def test_an_endpoint_that_is_not_taken(endpoint: str) -> None:
    with pytest.raises(ServerError, match="s3_endpoint") as caught:
        s3_endpoint(endpoint, "LON1")
    assert len(str(caught.value)) < 1000


def test_an_endpoint_without_tls_where_the_connection_has_none() -> None:
    assert s3_endpoint("http://127.0.0.1:9000/", "LON1", plain_http=True) == "http://127.0.0.1:9000"
    assert s3_endpoint("127.0.0.1:9000", "LON1", plain_http=True) == "https://127.0.0.1:9000"


@pytest.mark.parametrize("region", ["", "a.b", "evil.example/", "lon1\n"])
def test_a_region_is_checked_before_it_is_in_a_host(region: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must be a region code"):
        s3_endpoint(None, region)


@pytest.mark.parametrize("endpoint", [{"a": 1}, ["https://x"], 5, 1.5, True, False, 0, [], {}], ids=repr)
def test_an_endpoint_that_is_no_text_breaks_the_contract(endpoint: object) -> None:
    with pytest.raises(TypeError):
        read_store({**STORE, "objectstore_endpoint": endpoint})


@pytest.mark.parametrize("endpoint", [None, ""])
def test_no_endpoint(endpoint: str | None) -> None:
    assert read_store({**STORE, "objectstore_endpoint": endpoint}).endpoint is None
    assert read_store(STORE).endpoint is None


@given(st.text())
def test_any_endpoint_is_taken_or_refused(endpoint: str) -> None:
    try:
        url = s3_endpoint(endpoint, "LON1")
    except ServerError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.username, parts.path) == ("https", None, "")
    assert parts.hostname


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            b"<Error><Code>AccessDenied</Code></Error>",
            r"does not allow this, or another program answers: check the",
        ),
        (
            404,
            b'{"message": "No such resource"}',
            r"No such resource\. Civo's API has a code .*: check the connection's host",
        ),
        (403, b'{"code": "not_allowed", "reason": "No."}', r"\(not_allowed\): No\.\. The API key does not allow this$"),
        (404, b'{"code": "database_objectstore_not_found", "reason": "None."}', r"None\.$"),
    ],
)
def test_a_response_without_a_code_may_be_of_another_program(status: int, body: bytes, said: str) -> None:
    call = civo.list_object_stores()
    with pytest.raises(ApiError, match=said):
        call.interpret(Response(status, {}, body))
