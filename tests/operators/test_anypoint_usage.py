from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_objectstore.compat import gauges as airflow_gauges
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError, PermissionDeniedError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator
from tests.triggers.waiting import run

FRAME = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-04T00:00:00Z"}


@pytest.fixture
def hook(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AnypointObjectStoreHook:
    """The hook, with three requests to store ``s`` and one to ``t`` on 2 March."""
    monkeypatch.setattr(emulator.settings, "now", datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp)
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    hook.put_key("s", "p", "k", 1)
    hook.get_key("s", "p", "k")
    hook.create_store("t")
    return hook


@pytest.fixture
def gauges(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    found: dict[str, float] = {}
    monkeypatch.setattr(airflow_gauges, "gauge", lambda name, value, tags: found.update({name: value}))
    return found


def usage(**fields: Any) -> AnypointUsageOperator:
    return AnypointUsageOperator(**{"task_id": "usage", "monthly_allowance": 40, **FRAME, **fields})


def counts(emulator: Emulator, operation: str, found: list[tuple[str, int]]) -> None:
    """Let the service answer with these counts."""
    body = [{"timeStamp": time, "objectStoreRequestCount": count} for time, count in found]
    emulator.faults([{"operation": f"anypoint.{operation}", "kind": "status", "status": 200, "body": body}])


def test_by_store_and_period(hook: AnypointObjectStoreHook, gauges: dict[str, float]) -> None:
    hook.delete_store("t")
    found = run(usage())
    assert found["stores"]["s"] == {
        "requests": 3,
        "share": 3 / 40,
        "periods": [
            {"time": "2026-03-01T00:00:00+00:00", "requests": 0},
            {"time": "2026-03-02T00:00:00+00:00", "requests": 3},
            {"time": "2026-03-03T00:00:00+00:00", "requests": 0},
        ],
    }
    assert (found["requests"], found["share"], found["monthly_allowance"]) == (5, 5 / 40, 40)
    assert gauges == {
        "anypoint.requests.s": 3,
        "anypoint.allowance_share.s": 3 / 40,
        "anypoint.requests.t": 2,
        "anypoint.allowance_share.t": 2 / 40,
    }


@pytest.mark.parametrize("stores", ["s", ["s"]])
def test_some_stores(stores: Any, hook: AnypointObjectStoreHook) -> None:
    found = run(usage(store_ids=stores, period="1hour"))
    assert list(found["stores"]) == ["s"]
    assert len(found["stores"]["s"]["periods"]) == 72
    assert found["requests"] == 3


def test_this_month_is_the_default(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    emulator.settings.now = lambda: datetime.now(UTC).timestamp()  # the fixture takes it back
    hook.put_key("s", "p", "k", 2)
    found = run(AnypointUsageOperator(task_id="usage", period="1month"))
    assert found["stores"]["s"]["requests"] == 1
    assert found["start"].startswith(f"{datetime.now(UTC):%Y-%m}-01T00:00:00")


def test_no_use_is_zero_only_if_the_service_says_so(hook: AnypointObjectStoreHook) -> None:
    earlier = {"start": "2026-02-01T00:00:00Z", "end": "2026-02-03T00:00:00Z"}
    assert run(usage(**earlier))["requests"] == 0
    assert run(usage(**earlier, store_ids="s"))["requests"] == 0


@pytest.mark.parametrize("fields", [{"store_ids": "typo"}, {"region": None, "store_ids": ["s", "typo"]}])
def test_an_unknown_store(fields: dict[str, Any], hook: AnypointObjectStoreHook) -> None:
    with pytest.raises(ObjectStoreError, match=r"store typo.*not known, which is not zero"):
        run(usage(**fields))


def test_the_period_that_runs_stands_for_no_other(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=n) for n in (2, 1, 0)]
    counts(emulator, "get_store_usage", [(day.isoformat(), 1) for day in days if day != days[1]])
    with pytest.raises(ObjectStoreError, match=f"none of the one that begins at {days[1].date()}T00"):
        run(usage(store_ids="s", start=days[0], end=datetime.now(UTC)))


def test_a_region_of_which_nothing_is_told(
    hook: AnypointObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts(emulator, "get_region_usage", [])
    earlier = {"start": "2026-02-01T00:00:00Z", "end": "2026-02-03T00:00:00Z"}
    with pytest.raises(ObjectStoreError, match=r"the region.*not known"):
        run(usage(**earlier))


def test_use_without_a_store(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([{"operation": "anypoint.list_used_stores", "kind": "status", "status": 200, "body": []}])
    with pytest.raises(ObjectStoreError, match="counts 4 requests in the region and names no store"):
        run(usage())


DAYS = [(f"2026-03-0{day}T00:00:00.000Z", day) for day in range(1, 5)]


def test_a_missing_period(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    counts(emulator, "get_store_usage", [DAYS[0], DAYS[2]])
    with pytest.raises(ObjectStoreError, match=r"tells 2 counts of store s.*where 3 periods"):
        run(usage(store_ids="s"))


def test_a_period_outside_does_not_count(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    counts(emulator, "get_store_usage", DAYS)
    assert run(usage(store_ids="s"))["requests"] == 1 + 2 + 3


def test_a_period_that_is_not_over_may_be_missing(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)
    counts(emulator, "get_store_usage", [(yesterday.isoformat(), 7)])
    later = {"start": yesterday.isoformat(), "end": (today + timedelta(days=2)).isoformat()}
    assert run(usage(store_ids="s", **later))["requests"] == 7


def test_months(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    months = [("2025-12-01T00:00:00Z", 1), ("2026-01-01T00:00:00Z", 2)]
    frame = {"start": "2025-11-15T00:00:00Z", "end": "2026-02-20T00:00:00Z", "period": "1month", "store_ids": "s"}
    counts(emulator, "get_store_usage", months)
    assert run(usage(**frame))["requests"] == 3
    counts(emulator, "get_store_usage", months[:1])
    with pytest.raises(ObjectStoreError, match="where 2 periods"):
        run(usage(**frame))


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "soon"},
        {"end": datetime(2026, 3, 1)},
        {"period": "1week"},
        {"monthly_allowance": 0},
        {"store_ids": []},
        {"start": FRAME["end"]},
    ],
)
def test_arguments_are_checked_before_the_first_request(wrong: dict[str, Any], emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError, match="task 'usage'"):
        run(usage(**wrong))
    assert emulator.requests()["total"] == 0


def test_the_scope_is_named(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([{"operation": "anypoint.list_used_stores", "kind": "status", "status": 403, "body": {}}])
    with pytest.raises(PermissionDeniedError, match="Store Metrics Viewer"):
        run(usage())
