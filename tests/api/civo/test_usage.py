from __future__ import annotations

import pytest

from airflow_provider_objectstore.api.civo.models import ObjectStore, ObjectStoreStats, Quota
from airflow_provider_objectstore.api.civo.usage import use_of_quota, use_of_store
from airflow_provider_objectstore.exceptions import ObjectStoreError


def test_the_size_is_the_stores_own() -> None:
    store = ObjectStore("1", "photos", 1000, "ready")
    assert use_of_store(store, ObjectStoreStats(400_000_000, 500_000_000, 7)) == {
        "id": "1",
        "object_store": "photos",
        "max_size_gb": 1000,
        "size_kb_utilised": 400_000_000,
        "num_objects": 7,
        "share": 0.4,
    }


def test_the_size_of_the_statistics_where_the_store_has_none() -> None:
    store = ObjectStore("1", "photos", None, "ready")
    assert use_of_store(store, ObjectStoreStats(400_000_000, 500_000_000, 7))["share"] == 0.8


@pytest.mark.parametrize(
    ("size", "stats"), [(None, (5, 0, 1)), (0, (5, 0, 1)), (500, (-1, 5, 1)), (500, (1, 5, -1)), (-500, (1, 5, 1))]
)
def test_what_is_not_told_is_an_error(size: int | None, stats: tuple[int, int, int]) -> None:
    with pytest.raises(ObjectStoreError, match="does not tell how much of object store photos"):
        use_of_store(ObjectStore("1", "photos", size, "ready"), ObjectStoreStats(*stats))


def test_the_quota() -> None:
    assert use_of_quota(Quota(10_000, 2500))["share"] == 0.25
    for quota in (Quota(0, 0), Quota(-1, 5), Quota(5, -1)):
        with pytest.raises(ObjectStoreError, match="does not tell how much of the account's quota"):
            use_of_quota(quota)
