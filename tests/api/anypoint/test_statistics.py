from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.anypoint.statistics import RequestCount
from airflow_provider_objectstore.api.call import Call, Response
from airflow_provider_objectstore.exceptions import InvalidArgumentError, PermissionDeniedError, ServerError

FRAME = ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z")
STORE = ("env", "us-east-1", "orders")


def answer(call: Call[Any], body: Any, status: int = 200) -> Any:
    return call.interpret(Response(status, {"content-type": "application/json"}, json.dumps(body).encode()))


def test_the_request() -> None:
    call = anypoint.get_store_usage("e/1", "us-east-1", "a b", *FRAME, "1hour")
    assert (call.method, call.path) == ("GET", "/environments/e%2F1/regions/us-east-1/stores/a%20b")
    assert call.base_url == "statistics"
    assert dict(call.query) == {
        "startDate": "2026-11-01T00:00:00.000Z",
        "endDate": "2026-11-03T00:00:00.000Z",
        "period": "1hour",
    }
    assert "store a b" in str(call)


def test_times_are_sent_in_utc() -> None:
    start = datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=2)))
    call = anypoint.list_used_environments(start, "2026-11-01T00:00:00+01:00")
    assert dict(call.query)["startDate"] == "2026-10-31T22:00:00.000Z"
    assert dict(call.query)["endDate"] == "2026-10-31T23:00:00.000Z"


@pytest.mark.parametrize(("given", "sent"), [(True, "true"), (False, "false")])
def test_suborganizations_are_always_said(given: bool, sent: str) -> None:
    assert dict(anypoint.get_organization_usage(*FRAME, include_suborganizations=given).query)["isMaster"] == sent


@pytest.mark.parametrize(
    ("start", "end", "period"),
    [
        ("yesterday", FRAME[1], "1day"),
        ("2026-11-01", FRAME[1], "1day"),
        (datetime(2026, 11, 1), FRAME[1], "1day"),
        (5, FRAME[1], "1day"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=2))), FRAME[1], "1day"),
        (FRAME[1], FRAME[0], "1day"),
        (FRAME[0], FRAME[0], "1day"),
        (*FRAME, "1week"),
    ],
)
def test_what_cannot_be_asked(start: Any, end: Any, period: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"start|period"):
        anypoint.get_store_usage(*STORE, start, end, period)


@pytest.mark.parametrize("names", [("", "r", "s"), ("e", "..", "s"), ("e", "r", None)])
def test_names_that_no_path_can_hold(names: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        anypoint.get_store_usage(*names, *FRAME)


@pytest.mark.parametrize(
    "time", ["2015-12-01T00:00:00Z", "2015-12-01T00:00:00.000Z", "2015-12-01 00:00:00+00:00", "2015-12-01T00:00:00"]
)
def test_counts(time: str) -> None:
    body = [
        {"timeStamp": "2016-01-01T02:00:00+02:00", "objectStoreRequestCount": "12"},
        {"timeStamp": time, "objectStoreRequestCount": 0},
    ]
    assert answer(anypoint.get_store_usage(*STORE, *FRAME), body) == (
        RequestCount(datetime(2015, 12, 1, tzinfo=UTC), 0),
        RequestCount(datetime(2016, 1, 1, tzinfo=UTC), 12),
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        {"status": "failure"},
        [{}],
        [{"timeStamp": "2015-12-01T00:00:00Z"}],
        [{"timeStamp": "2015-12-01T00:00:00Z", "objectStoreRequestCount": None}],
        [{"timeStamp": "2015-12-01T00:00:00Z", "objectStoreRequestCount": -1}],
        [{"timeStamp": "2015-12-01T00:00:00Z", "objectStoreRequestCount": 1.5}],
        [{"timeStamp": "soon", "objectStoreRequestCount": 1}],
        [{"timeStamp": "2015-12-01T00:00:00Z", "objectStoreRequestCount": 1}] * 2,
    ],
)
def test_a_count_that_is_not_told_is_never_zero(body: Any) -> None:
    with pytest.raises(ServerError, match="does not follow its contract"):
        answer(anypoint.get_store_usage(*STORE, *FRAME), body)


def test_names() -> None:
    call = anypoint.list_used_stores("env", "us-east-1", *FRAME)
    assert answer(call, ["a", "b"]) == ("a", "b")
    for body in ({}, "ab", [1], None):
        with pytest.raises(ServerError):
            answer(call, body)


def test_the_scope_is_named() -> None:
    with pytest.raises(PermissionDeniedError, match="Store Metrics Viewer"):
        answer(anypoint.get_environment_usage("env", *FRAME), {"message": "no"}, 403)
