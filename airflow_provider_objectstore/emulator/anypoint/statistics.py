"""Object Store v2's Statistics API: what was counted, and the seven operations that return it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.emulator import assumptions
from airflow_provider_objectstore.emulator.anypoint.parsing import anypoint_error
from airflow_provider_objectstore.emulator.messages import Operation, Request, Response, json_response
from airflow_provider_objectstore.emulator.settings import ANYPOINT_REGION, ENVIRONMENT, ORGANIZATION

if TYPE_CHECKING:
    from airflow_provider_objectstore.emulator.anypoint.operations import AnypointState

SCOPE = "read:store_metrics"
PERIODS = ("1hour", "1day", "1month")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Statistics:
    """
    The requests that succeeded, by store and hour. They outlive their stores.

    :param now: returns the time of day, in seconds since 1970.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.counts: Counter[tuple[str | None, datetime]] = Counter()

    def reset(self) -> None:
        """Forget everything."""
        self.counts.clear()

    def count(self, names: list[str], response: Response) -> Response:
        """Count a request for the store that its path names, if it succeeded; return the response."""
        if response.status < 300:
            hour = datetime.fromtimestamp(self._now(), UTC).replace(minute=0, second=0, microsecond=0)
            self.counts[names[0] if names else None, hour] += 1
        return response

    def stores(self) -> set[str]:
        """Return the stores that have ever been used."""
        return {store for store, _ in self.counts if store is not None}

    def total(self, start: datetime, end: datetime, store: str | None = None) -> int:
        """Return how many requests there were from ``start`` to ``end``: of a store, or all."""
        return sum(
            count
            for (name, hour), count in self.counts.items()
            if start <= hour < end and (store is None or name == store)
        )


# ---- operations --------------------------------------------------------------------------------


def get_organization_usage(state: AnypointState, request: Request) -> Response:
    """``GET /organizations/{o}``"""
    if request.query.get("isMaster") not in ("true", "false"):
        raise anypoint_error(400, "isMaster must be true or false")
    return _counts(state, request)


def list_used_environments(state: AnypointState, request: Request) -> Response:
    """``GET /organizations/{o}/environments``"""
    return _names(state, request, [ENVIRONMENT])


def get_environment_usage(state: AnypointState, request: Request) -> Response:
    """``GET …/environments/{e}``"""
    return _counts(state, request)


def list_used_regions(state: AnypointState, request: Request) -> Response:
    """``GET …/environments/{e}/regions``"""
    return _names(state, request, [ANYPOINT_REGION])


def get_region_usage(state: AnypointState, request: Request) -> Response:
    """``GET …/regions/{r}``"""
    return _counts(state, request)


def list_used_stores(state: AnypointState, request: Request) -> Response:
    """``GET …/regions/{r}/stores``"""
    start, end, _ = _time_frame(request)
    stores = sorted(state.statistics.stores()) if _is_known(state, request.path) else []
    return json_response(200, [store for store in stores if state.statistics.total(start, end, store)])


def get_store_usage(state: AnypointState, request: Request) -> Response:
    """``GET …/stores/{s}``"""
    return _counts(state, request, request.path[5])


def _names(state: AnypointState, request: Request, names: list[str]) -> Response:
    start, end, _ = _time_frame(request)
    used = _is_known(state, request.path) and state.statistics.total(start, end)
    return json_response(200, names if used else [])


def _counts(state: AnypointState, request: Request, store: str | None = None) -> Response:
    start, end, period = _time_frame(request)
    counts: list[dict[str, Any]] = []
    while start < end and _is_known(state, request.path):
        following = _next(start, period)
        total = state.statistics.total(start, following, store)
        counts.append({"timeStamp": start.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "objectStoreRequestCount": total})
        start = following
    return json_response(200, counts)


def _is_known(state: AnypointState, path: list[str]) -> bool:
    """Return whether the environment, region and store in a path exist or have existed."""
    expected = ["environments", ENVIRONMENT, "regions", ANYPOINT_REGION]
    known_store = len(path) < 6 or path[5] in state.statistics.stores() or path[5] in state.data.stores
    return path[:4] == expected[: len(path[:4])] and known_store


# ---- parsing -----------------------------------------------------------------------------------


def _time_frame(request: Request) -> tuple[datetime, datetime, str]:
    """Return when the first period begins, when the time frame ends, and the period."""
    query = request.query
    period = query.get("period", "")
    if period not in PERIODS:
        raise anypoint_error(400, f"period must be one of {', '.join(PERIODS)}")
    start, end = (_parse_time(query.get(name, ""), name) for name in ("startDate", "endDate"))
    if start >= end:
        raise anypoint_error(400, "startDate must be before endDate")
    if (end - start) / timedelta(hours=1) > assumptions.MAX_STATISTICS_HOURS[period]:
        raise anypoint_error(400, f"The time frame is too long for periods of {period}")
    start = start.replace(minute=0, second=0, microsecond=0)
    if period != "1hour":
        start = start.replace(hour=0)
    return start.replace(day=1) if period == "1month" else start, end, period


def _parse_time(text: str, name: str) -> datetime:
    try:
        if _DATE_TIME.fullmatch(text):
            time = datetime.fromisoformat(text.upper()).astimezone(UTC)
            if 1970 <= time.year < 9999:
                return time
    except (ValueError, OverflowError):
        pass
    raise anypoint_error(400, f"{name} must be a date and time as in RFC 3339")


def _next(start: datetime, period: str) -> datetime:
    if period == "1month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + (timedelta(days=1) if period == "1day" else timedelta(hours=1))


# ---- routing -----------------------------------------------------------------------------------

Handler = Callable[["AnypointState", Request], Response]

OPERATIONS: dict[tuple[int, str], Handler] = {
    (0, "GET"): get_organization_usage,
    (1, "GET"): list_used_environments,
    (2, "GET"): get_environment_usage,
    (3, "GET"): list_used_regions,
    (4, "GET"): get_region_usage,
    (5, "GET"): list_used_stores,
    (6, "GET"): get_store_usage,
}
"""Number of segments after the organization and method → operation."""
_COLLECTIONS = ["environments", "regions", "stores"]


NAMES = frozenset(f"anypoint.{handler.__name__}" for handler in OPERATIONS.values())


def route(state: AnypointState, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """Return name and operation of a path's segments after ``/api/v1/organizations``, ``None`` if there is none."""
    if not segments or "" in segments or "." in segments or ".." in segments:
        return None
    collections = segments[1::2]
    handler = OPERATIONS.get((len(segments) - 1, method))
    if handler is None or collections != _COLLECTIONS[: len(collections)]:
        return None
    return f"anypoint.{handler.__name__}", partial(_authorized, state, handler, segments)


def _authorized(state: AnypointState, handler: Handler, segments: list[str], request: Request) -> Response:
    """Check token, organization and scope, then execute the operation."""
    granted = state.accounts.scopes(request.bearer_token())
    if granted is None:
        raise anypoint_error(401, "The access token is missing, unknown or has expired")
    if segments[0] != ORGANIZATION:
        raise anypoint_error(assumptions.UNKNOWN_ORGANIZATION_STATUS, f"No access to organization {segments[0]}")
    if SCOPE not in granted:
        raise anypoint_error(403, f"This scope is needed: {SCOPE}")
    request.path = segments[1:]
    return handler(state, request)
