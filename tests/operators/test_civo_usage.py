from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_objectstore.compat import gauges as airflow_gauges
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator
from tests.triggers.waiting import answers, run

UPDATE = "civo.update_object_store"


@pytest.fixture
def hook(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> CivoObjectStoreHook:
    """The hook, with an object store ``photos`` of 500 GB."""
    monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
    monkeypatch.setattr(emulator.settings, "quota_gb", 10_000)
    hook = CivoObjectStoreHook()
    hook.create_object_store("photos")
    return hook


def told(gb: int) -> dict[str, Any]:
    """Return what lets the statistics say that the object store holds so much, of a maximum that never changes."""
    body = {"size_kb_utilised": gb * 1_000_000, "max_size_kb": 500_000_000, "num_objects": 1}
    return {"operation": "civo.get_object_store_stats", "kind": "status", "status": 200, "body": body}


def holds(emulator: Emulator, gb: int) -> None:
    emulator.faults([told(gb)])


def grow(**fields: Any) -> CivoGrowObjectStoreOperator:
    defaults = {"task_id": "grow", "object_store": "photos", "limit_gb": 3000, "poke_interval": 0.01, "timeout": 5}
    return CivoGrowObjectStoreOperator(**{**defaults, **fields})


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("gb", "step", "size"), [(450, 500, 1000), (400, 500, 1000), (900, 500, 1500), (450, 1000, 1500)]
)
def test_grows(gb: int, step: int, size: int, deferrable: bool, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    holds(emulator, gb)
    assert run(grow(step_gb=step, deferrable=deferrable))["max_size_gb"] == size
    assert hook.require_object_store("photos").max_size_gb == size


@pytest.mark.parametrize(
    ("size_gb", "used", "share"),
    [(0, 1.0, 0.8), (-500, 1.0, 0.8), (500, nan, 0.8), (500, inf, 0.8), (500, 1.0, 5e-324), (500, 1.0, 1e-300)],
)
def test_numbers_that_lead_to_no_size_are_an_error(size_gb: int, used: float, share: float) -> None:
    task = grow(share=share)
    with pytest.raises(ObjectStoreError, match=f"is used to .* of {size_gb} GB.* no size .*: nothing changed"):
        task._new_size("photos", size_gb, used)


def test_waits_in_the_triggerer_for_what_an_earlier_attempt_began(
    hook: CivoObjectStoreHook, emulator: Emulator
) -> None:
    """It defers twice: until the object store is ready for a change, and until it has its size."""
    store = hook.require_object_store("photos")
    changing = {"id": store.id, "name": "photos", "max_size_gb": 500, "status": "updating"}
    list_all, get = "civo.list_object_stores", "civo.get_object_store"
    page = {"page": 1, "pages": 1, "per_page": 100, "items": [changing]}
    emulator.faults(
        [
            {"operation": list_all, "kind": "status", "status": 200, "body": page},
            {"operation": get, "kind": "status", "status": 200, "body": changing, "times": 2},
            told(450),
        ]
    )
    with pytest.raises(TaskDeferred) as deferred:
        grow(deferrable=True).execute({})
    assert deferred.value.method_name == "execute_ready"
    assert run(grow(deferrable=True))["max_size_gb"] == 1000
    assert answers(emulator, UPDATE) == {"200": 1}


def test_grows_once_for_one_cause(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    holds(emulator, 900)
    for _ in range(3):
        assert run(grow())["max_size_gb"] == 1500
    assert answers(emulator, UPDATE) == {"200": 1}


def test_a_retry_after_a_lost_response_reads_the_size(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([told(450), {"operation": UPDATE, "kind": "reset_after"}])
    with pytest.raises(ObjectStoreError):
        run(grow())
    emulator.faults([told(450)])
    assert run(grow())["max_size_gb"] == 1000
    assert "200" not in answers(emulator, UPDATE)


def test_enough_room(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    holds(emulator, 399)
    assert run(grow())["max_size_gb"] == 500
    assert UPDATE not in emulator.requests()["by_operation"]


@pytest.mark.parametrize(
    ("fields", "quota", "message"),
    [
        ({"limit_gb": 500}, 10_000, "above limit_gb=500: nothing changed"),
        ({}, 999, "above the account's quota: 500 of 999"),
    ],
)
def test_what_is_not_allowed_changes_nothing(
    fields: dict[str, Any],
    quota: int,
    message: str,
    hook: CivoObjectStoreHook,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emulator.settings, "quota_gb", quota)
    holds(emulator, 450)
    with pytest.raises(ObjectStoreError, match=message):
        run(grow(**fields))
    assert UPDATE not in emulator.requests()["by_operation"]


def test_a_size_that_something_else_changed(
    hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(emulator, 450)
    quota = CivoObjectStoreHook.get_quota
    store = hook.require_object_store("photos")

    def get_quota(self: CivoObjectStoreHook) -> Any:
        hook.update_object_store(store.id, max_size_gb=2000)
        return quota(self)

    monkeypatch.setattr(CivoObjectStoreHook, "get_quota", get_quota)
    with pytest.raises(ConflictError, match="had 500 GB and now has 2000 GB"):
        run(grow())
    assert hook.get_object_store(store.id).max_size_gb == 2000


def test_a_service_that_does_not_do_it(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    holds(emulator, 450)
    task = grow(timeout=0.05)
    store = hook.require_object_store("photos")
    unchanged = {"id": store.id, "name": "photos", "max_size_gb": 500, "status": "ready"}
    emulator.faults([told(450), {"operation": UPDATE, "kind": "status", "status": 200, "body": unchanged}])
    with pytest.raises(ObjectStoreError, match="not ready with 1000 GB"):
        run(task)


@pytest.mark.parametrize(
    "wrong", [{"share": 1}, {"share": 80}, {"share": 0}, {"limit_gb": 700}, {"step_gb": 100}, {"object_store": ""}]
)
def test_arguments_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="task 'grow'"):
        grow(**wrong)


def test_use(hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    gauges: dict[str, float] = {}
    monkeypatch.setattr(airflow_gauges, "gauge", lambda name, value, tags: gauges.update({name: value}))
    hook.create_credential("app.20260101T000000")
    holds(emulator, 250)
    found = run(CivoUsageOperator(task_id="use"))
    assert [store["share"] for store in found["object_stores"]] == [0.5]
    assert found["quota"] == {"objectstore_gb_limit": 10_000, "objectstore_gb_usage": 500, "share": 0.05}
    assert {one["name"]: one["object_stores"] for one in found["credentials"]}["app.20260101T000000"] == []
    assert (gauges["civo.store_share.photos"], gauges["civo.quota_share"]) == (0.5, 0.05)
    assert not any(
        one["age_seconds"] is None and f"civo.credential_age.{one['name']}" in gauges for one in found["credentials"]
    )
    assert "secret" not in str(found).lower()
    assert run(CivoUsageOperator(task_id="use", object_stores=["photos"]))["object_stores"] == found["object_stores"]
