"""
The seven operations of Object Store v2's Statistics API, each as a function that returns its call.

Contract: the vendor's OpenAPI file "Object Store v2 Statistics API" 1.0.0. Where it is not clear, a comment says
"assumption".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from airflow_provider_objectstore.api.anypoint.access import STATISTICS
from airflow_provider_objectstore.api.anypoint.models import failure_with, read_text
from airflow_provider_objectstore.api.call import Call, Query, Response
from airflow_provider_objectstore.api.encoding import integer, segment
from airflow_provider_objectstore.arguments import choice, strict_flag
from airflow_provider_objectstore.exceptions import InvalidArgumentError

T = TypeVar("T")

Period: TypeAlias = Literal["1hour", "1day", "1month"]
"""The length of time that one count is about."""

VIEW_METRICS = "Store Metrics Viewer"
"""The scope of a connected app for statistics."""


@dataclass(frozen=True, slots=True)
class RequestCount:
    """
    How many requests there were in a period.

    :param time: when the period began, in UTC.
    :param requests: how many requests the service has counted.
    """

    time: datetime
    requests: int


# Counts


def get_organization_usage(
    start: datetime | str, end: datetime | str, period: Period = "1day", *, include_suborganizations: bool = False
) -> Call[tuple[RequestCount, ...]]:
    """
    Count an organization's requests; `GET /organizations/{o}`.

    :param start: the beginning of the time to count in.
    :param end: its end.
    :param period: what one count is about.
    :param include_suborganizations: count the organizations below it, too.
    """
    whole = "true" if strict_flag("include_suborganizations", include_suborganizations) else "false"
    query = (*_query(start, end, period), ("isMaster", whole))
    return _call("get_organization_usage", (), _read_counts, query)


def get_environment_usage(
    environment_id: str, start: datetime | str, end: datetime | str, period: Period = "1day"
) -> Call[tuple[RequestCount, ...]]:
    """
    Count an environment's requests; `GET …/environments/{e}`.

    :param environment_id: the environment, which may be deleted.
    :param start: the beginning of the time to count in.
    :param end: its end.
    :param period: what one count is about.
    """
    return _call("get_environment_usage", (environment_id,), _read_counts, _query(start, end, period))


def get_region_usage(
    environment_id: str, region: str, start: datetime | str, end: datetime | str, period: Period = "1day"
) -> Call[tuple[RequestCount, ...]]:
    """
    Count an environment's requests in a region; `GET …/regions/{r}`.

    :param environment_id: the environment.
    :param region: the region's id.
    :param start: the beginning of the time to count in.
    :param end: its end.
    :param period: what one count is about.
    """
    return _call("get_region_usage", (environment_id, region), _read_counts, _query(start, end, period))


def get_store_usage(
    environment_id: str,
    region: str,
    store_id: str,
    start: datetime | str,
    end: datetime | str,
    period: Period = "1day",
) -> Call[tuple[RequestCount, ...]]:
    """
    Count a store's requests; `GET …/stores/{s}`.

    :param environment_id: the environment.
    :param region: the region's id.
    :param store_id: the store, which may be deleted.
    :param start: the beginning of the time to count in.
    :param end: its end.
    :param period: what one count is about.
    """
    return _call("get_store_usage", (environment_id, region, store_id), _read_counts, _query(start, end, period))


# Names


def list_used_environments(
    start: datetime | str, end: datetime | str, period: Period = "1day"
) -> Call[tuple[str, ...]]:
    """
    List the environments that were used, deleted ones included; `GET …/environments`.

    :param start: the beginning of the time to look at.
    :param end: its end.
    :param period: what one count is about.
    """
    return _call("list_used_environments", (), _read_names, _query(start, end, period), "/environments")


def list_used_regions(
    environment_id: str, start: datetime | str, end: datetime | str, period: Period = "1day"
) -> Call[tuple[str, ...]]:
    """
    List the regions in which an environment was used; `GET …/regions`.

    :param environment_id: the environment.
    :param start: the beginning of the time to look at.
    :param end: its end.
    :param period: what one count is about.
    """
    return _call("list_used_regions", (environment_id,), _read_names, _query(start, end, period), "/regions")


def list_used_stores(
    environment_id: str, region: str, start: datetime | str, end: datetime | str, period: Period = "1day"
) -> Call[tuple[str, ...]]:
    """
    List the stores that were used, deleted ones included; `GET …/stores`.

    :param environment_id: the environment.
    :param region: the region's id.
    :param start: the beginning of the time to look at.
    :param end: its end.
    :param period: what one count is about.
    """
    return _call("list_used_stores", (environment_id, region), _read_names, _query(start, end, period), "/stores")


# Building and reading


def _call(
    operation: str, names: tuple[str, ...], read: Callable[[Response], T], query: Query, suffix: str = ""
) -> Call[T]:
    kinds = (("environments", "environment id"), ("regions", "region"), ("stores", "store id"))
    parts = list(zip(kinds, names, strict=False))
    return Call(
        operation=f"anypoint.{operation}",
        subject=", ".join(f"{kind.removesuffix(' id')} {name}" for (_, kind), name in parts),
        method="GET",
        path="".join(f"/{folder}/{segment(kind, name)}" for (folder, kind), name in parts) + suffix,
        read=read,
        failure=failure_with(f"The connected app needs the scope {VIEW_METRICS}"),
        base_url=STATISTICS,
        query=query,
    )


def utc_time(what: str, value: Any) -> datetime:
    """
    Return a time in UTC.

    :param what: the argument's name, for the error.
    :param value: a ``datetime``, or text in the form of ISO 8601, with its offset from UTC.
    :raises InvalidArgumentError: if it is neither, or has no offset.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise InvalidArgumentError(f"{what} must be a time such as 2026-11-01T00:00:00Z, not {value!r}") from None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidArgumentError(
            f"{what} must be a time with its offset from UTC, such as 2026-11-01T00:00:00Z, not {value!r}"
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgumentError(f"{what} must be a time that UTC can express, not {value!r}") from None


def _query(start: datetime | str, end: datetime | str, period: str) -> Query:
    begins, ends = utc_time("start", start), utc_time("end", end)
    if begins >= ends:
        raise InvalidArgumentError(f"start must be before end: {begins.isoformat()} is not before {ends.isoformat()}")
    choice(*get_args(Period))("period", period)
    return (("startDate", _rfc_3339(begins)), ("endDate", _rfc_3339(ends)), ("period", period))


def _rfc_3339(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _read_counts(response: Response) -> tuple[RequestCount, ...]:
    counts = tuple(_read_count(item) for item in _list_of(response))
    if len({count.time for count in counts}) < len(counts):
        raise ValueError("two counts of one period")
    return tuple(sorted(counts, key=lambda count: count.time))


def _read_count(item: Any) -> RequestCount:
    time = datetime.fromisoformat(read_text(item["timeStamp"]))
    # Assumption: a time without an offset is in UTC, as in the contract's examples.
    time = time.replace(tzinfo=UTC) if time.utcoffset() is None else time.astimezone(UTC)
    requests = integer(item["objectStoreRequestCount"])
    if requests < 0:
        raise ValueError("a negative count")
    return RequestCount(time, requests)


def _read_names(response: Response) -> tuple[str, ...]:
    return tuple(map(read_text, _list_of(response)))


def _list_of(response: Response) -> list[Any]:
    body = response.json()
    if not isinstance(body, list):
        raise TypeError("not a list")
    return body
