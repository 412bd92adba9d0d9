from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ApiError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

FRAME = ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z")


@pytest.fixture(autouse=True)
def _now(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator.settings, "now", datetime(2026, 11, 2, 5, 59, tzinfo=UTC).timestamp)


def test_all_of_it(stores: AnypointObjectStoreHook) -> None:
    stores.put_key("s", "p", "k", 1)
    counted = [(count.time.day, count.requests) for count in stores.get_store_usage("s", *FRAME)]
    assert counted == [(1, 0), (2, 2)]
    for counts in (
        stores.get_organization_usage(*FRAME, include_suborganizations=True),
        stores.get_environment_usage(*FRAME),
        stores.get_region_usage(*FRAME),
    ):
        assert [count.requests for count in counts] == [0, 2]
    assert stores.list_used_environments(*FRAME) == ("emulator-env",)
    assert stores.list_used_regions(*FRAME) == ("us-east-1",)
    assert stores.list_used_stores(*FRAME) == ("s",)


def test_by_hour_and_month(stores: AnypointObjectStoreHook) -> None:
    hours = stores.get_store_usage("s", *FRAME, "1hour")
    assert len(hours) == 48
    assert [count.time.hour for count in hours if count.requests] == [5]
    assert [(count.time.month, count.requests) for count in stores.get_store_usage("s", *FRAME, "1month")] == [(11, 1)]


def test_a_store_that_no_longer_exists(stores: AnypointObjectStoreHook) -> None:
    stores.delete_store("s")
    assert stores.list_used_stores(*FRAME) == ("s",)
    assert [count.requests for count in stores.get_store_usage("s", *FRAME)] == [0, 2]


def test_another_environment_and_region(stores: AnypointObjectStoreHook) -> None:
    assert stores.get_environment_usage(*FRAME, environment_id="other") == ()
    assert stores.get_region_usage(*FRAME, region="eu-west-1") == ()
    assert stores.list_used_stores(*FRAME, environment_id="other") == ()
    assert stores.list_used_regions(*FRAME, environment_id="other") == ()
    assert stores.get_store_usage("never", *FRAME) == ()


def test_too_long_a_time(stores: AnypointObjectStoreHook) -> None:
    with pytest.raises(ApiError, match="too long") as caught:
        stores.get_store_usage("s", "2026-01-01T00:00:00Z", "2026-11-01T00:00:00Z", "1hour")
    assert caught.value.status == 400
