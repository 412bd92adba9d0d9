"""What an error says of a response that is broken; sync and async."""

from __future__ import annotations

import gzip
import json

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.exceptions import (
    ApiError,
    ObjectStoreError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
)
from airflow_provider_objectstore.transport.failures import failure_text, shown_cause
from tests.transport.drivers import ONCE, Connect, Driver, anypoint_connection, get_quota_from
from tests.transport.stub import http, serving

SECRET = "a-secret-that-nobody-knows"
CREDENTIAL = json.dumps({"id": "i", "name": "n", "secret_access_key_id": SECRET}).encode()


def with_key(connect: Connect, url: str) -> Driver:
    return connect(anypoint_connection(url, token_call=None, bearer="a-token", retry=ONCE))


def test_a_change_with_two_lengths_in_its_response_is_not_unsent(connect: Connect) -> None:
    response = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\nhello"
    with serving(lambda request: response) as url, pytest.raises(OutcomeUnknownError):
        with_key(connect, url).send(anypoint.alter_number("s", "p", "k", {"value": 1}))


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" + CREDENTIAL,
        CREDENTIAL,
        b"HTTP/9.1 200 OK " + CREDENTIAL + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + CREDENTIAL,
        b"HTTP/1.1 200 OK\r\nx: " + SECRET.encode() * 10_000,
    ],
    ids=["after the body", "instead of the status", "in the status line", "as a chunk's size", "a long header"],
)
def test_no_error_repeats_what_was_sent(sent: bytes, connect: Connect) -> None:
    with pytest.raises(ObjectStoreError) as caught:
        get_quota_from(connect, sent)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error!r}"
        assert len(str(error)) < 1000
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Oops", "999 x"])
def test_an_error_does_not_show_a_secret_that_it_brings(status: str, connect: Connect) -> None:
    with pytest.raises(ApiError) as caught:
        get_quota_from(connect, http(CREDENTIAL, status=status))
    assert SECRET not in str(caught.value)


def test_what_a_message_quotes_is_left_out() -> None:
    quoting = ValueError(f"400, message='Bad status line:\n\n  b\"{SECRET}\"\n  ^'")
    assert failure_text(quoting) == "400, message='Bad status line"
    assert shown_cause(quoting) is None
    plain = ValueError("the job's web 'page' is closed")
    assert failure_text(plain) == str(plain)
    assert shown_cause(plain) is plain
    assert failure_text(TimeoutError()) == "TimeoutError"
    assert len(failure_text(ValueError("a" * 10_000))) == 500


@pytest.mark.parametrize("call", [anypoint.put_key("s", "p", "k", 1), anypoint.delete_key("s", "p", "k")])
def test_a_response_about_another_key_is_an_error(call: object, connect: Connect) -> None:
    with serving(lambda request: http(b'{"keyId": "another"}')) as url:
        with pytest.raises(ServerError, match="does not follow its contract"):
            with_key(connect, url).send(call)  # type: ignore[arg-type]
        with pytest.raises(OutcomeUnknownError):
            with_key(connect, url).send(anypoint.alter_number("s", "p", "k", {"value": 1}))


def test_a_compressed_body_ends_with_its_end(connect: Connect) -> None:
    body = gzip.compress(b"{}")
    for rest in (b"x", gzip.compress(b"{}")):
        with pytest.raises(TransportError, match="goes on after its end"):
            get_quota_from(connect, http(body + rest, "content-encoding: gzip"))
