"""How much Object Store v2 was used, by store and period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.anypoint import Period, utc_time
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.operators.base import AnypointOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.api.anypoint.statistics import RequestCount


class AnypointUsageOperator(AnypointOperator):
    """
    Read how many requests stores got, in each period, and which share of the monthly allowance that is.

    Usage that the service does not tell is an error, not zero: each period that is over must have its count. The
    service counts in UTC, so begin and end with a period. Needs the scope *Store Metrics Viewer*.

    XCom: ``start``, ``end``, ``period``, ``requests`` (of these stores together), ``monthly_allowance``, ``share``, and
    ``stores``: by store id its ``requests``, ``share`` and ``periods``, a list of ``time`` and ``requests``. The gauges
    ``objectstore.anypoint.requests.<store id>`` and ``objectstore.anypoint.allowance_share.<store id>`` get the same
    numbers.

    :param store_ids: a store, or a list of stores, which may be deleted. Left out: all that were used.
    :param start: the beginning of the time to count in: a ``datetime`` or ISO 8601 text, with an offset from UTC. Left
        out: the beginning of this month.
    :param end: its end, likewise. Left out: now.
    :param period: what one count is about: ``1hour``, ``1day`` or ``1month``.
    :param monthly_allowance: requests a month that are paid for. The vendor names 26 million for the base subscription
        and 100 million for premium. Assumption: each request uses up one. The bill counts one for each 100 KB, so the
        share may be higher.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region, such as ``eu-west-1``, instead of the connection's. None means the connection's; an
        empty text is an error.
    """

    template_fields: Sequence[str] = (
        *AnypointOperator.template_fields,
        "store_ids",
        "start",
        "end",
        "period",
        "monthly_allowance",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_ids": read.optional(read.name_or_names),
        "start": read.optional(utc_time),
        "end": read.optional(utc_time),
        "period": read.choice(*get_args(Period)),
        "monthly_allowance": read.integer(1),
    }

    def __init__(
        self,
        *,
        store_ids: str | Sequence[str] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        period: Period = "1day",
        monthly_allowance: int | str = 26_000_000,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(anypoint_conn_id=anypoint_conn_id, region=region, **kwargs)
        self.store_ids = store_ids
        self.start: Any = start
        self.end: Any = end
        self.period = period
        self.monthly_allowance: Any = monthly_allowance

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the counts."""
        from airflow_provider_objectstore.compat.gauges import gauge

        self.read_arguments()
        now = datetime.now(UTC)
        start = self.start or now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = self.end or now
        if start >= end:
            with self.naming_task():
                raise InvalidArgumentError(f"start must be before end: {start} is not before {end}")
        frame = (start, end, self.period)
        stores = {}
        for store_id in self._stores(start, end):
            what = f"store {store_id}"
            counts = self._told(what, self.hook.get_store_usage(store_id, *frame), start, end)
            requests = sum(count.requests for count in counts)
            share = requests / self.monthly_allowance
            periods = [{"time": count.time.isoformat(), "requests": count.requests} for count in counts]
            stores[store_id] = {"requests": requests, "share": share, "periods": periods}
            gauge(f"anypoint.requests.{store_id}", requests, {"store_id": store_id})
            gauge(f"anypoint.allowance_share.{store_id}", share, {"store_id": store_id})
        requests = sum(store["requests"] for store in stores.values())
        share = requests / self.monthly_allowance
        self.log.info(
            "Read the use of %s: %d requests from %s to %s, %.2f %% of %d a month (%s)",
            ", ".join(list(stores)[:20]) or "no store",
            requests,
            start,
            end,
            share * 100,
            self.monthly_allowance,
            self.where,
        )
        return {
            "start": start.isoformat(),
            "end": end.isoformat(),
            "period": self.period,
            "requests": requests,
            "monthly_allowance": self.monthly_allowance,
            "share": share,
            "stores": stores,
        }

    def _stores(self, start: datetime, end: datetime) -> Sequence[str]:
        """Return the stores to read; without any, the region's counts must say that there was no use."""
        if self.store_ids is not None:
            return [self.store_ids] if isinstance(self.store_ids, str) else self.store_ids
        stores = self.hook.list_used_stores(start, end, self.period)
        if not stores:
            counts = self._told("the region", self.hook.get_region_usage(start, end, self.period), start, end)
            if requests := sum(count.requests for count in counts):
                raise ObjectStoreError(
                    f"the service counts {requests} requests in the region and names no store ({self.where}): whose "
                    "they are is not known"
                )
        return stores

    def _told(
        self, what: str, counts: Sequence[RequestCount], start: datetime, end: datetime
    ) -> Sequence[RequestCount]:
        """
        Return the counts of a time frame.

        :raises ObjectStoreError: if one is missing.
        """
        first = _beginning(start, self.period)
        counts = [count for count in counts if first <= count.time < end]
        told = {_beginning(count.time, self.period) for count in counts}
        expected = _whole_periods(start, min(end, datetime.now(UTC)), self.period)
        if not told or not expected <= told:
            missing = min(expected - told, default=first)
            raise ObjectStoreError(
                f"the service tells {len(counts)} counts of {what} from {start.isoformat()} to {end.isoformat()}, "
                f"where {max(len(expected), 1)} periods of {self.period} must have one, and none of the one that "
                f"begins at {missing.isoformat()} ({self.where}): its usage is not known, which is not zero. Check the "
                "name and the region, ask for a time that the service still remembers, or try again when it has counted"
            )
        return counts


def _beginning(time: datetime, period: str) -> datetime:
    """Return when the period of a time begins."""
    time = time.replace(minute=0, second=0, microsecond=0)
    if period == "1hour":
        return time
    return time.replace(hour=0, **({"day": 1} if period == "1month" else {}))  # type: ignore[arg-type]


def _whole_periods(start: datetime, end: datetime, period: str) -> set[datetime]:
    """Return when the periods begin that lie between two times as a whole."""
    found, time = set(), _beginning(start, period)
    last = _beginning(end, period)
    longest = timedelta(days=31) if period == "1month" else timedelta(hours=1 if period == "1hour" else 24)
    while time < last:
        if time >= start:
            found.add(time)
        time = _beginning(time + longest, period)
    return found
