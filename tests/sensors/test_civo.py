from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor, CivoUsageSensor
from tests.triggers.waiting import answers, run

LIST = "civo.list_object_stores"
GET = "civo.get_object_store"


@pytest.fixture(params=[False, True], ids=["poke", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def sensor(object_store: Any, **settings: Any) -> CivoObjectStoreSensor:
    return CivoObjectStoreSensor(
        **{"task_id": "wait", "object_store": object_store, "poke_interval": 0.01, "timeout": 20, **settings}
    )


@pytest.mark.parametrize("by", ["name", "id"])
def test_waits_until_it_is_ready(by: str, deferrable: bool, emulator: Emulator) -> None:
    store = CivoObjectStoreHook().create_object_store("photos", 1000)
    assert not store.ready
    found = run(sensor(getattr(store, by), deferrable=deferrable))
    assert found["status"] == "ready"
    assert (found["id"], found["name"], found["max_size_gb"]) == (store.id, "photos", 1000)
    assert "secret" not in str(found).lower()


@pytest.fixture
def slow_creation(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new store is not ready before the first polls, also on a busy machine."""
    monkeypatch.setattr(emulator.settings, "creating_seconds", 1.5)


@pytest.mark.usefixtures("slow_creation")
def test_finds_it_by_id_once_it_is_known(deferrable: bool, emulator: Emulator) -> None:
    CivoObjectStoreHook().create_object_store("photos")
    run(sensor("photos", deferrable=deferrable))
    assert answers(emulator, LIST)["200"] == (2 if deferrable else 1)
    assert answers(emulator, GET)["200"] >= 2


@pytest.mark.usefixtures("slow_creation")
def test_finds_it_by_name_again_if_it_vanishes(deferrable: bool, emulator: Emulator) -> None:
    CivoObjectStoreHook().create_object_store("photos")
    emulator.faults(
        [
            {
                "operation": GET,
                "kind": "status",
                "status": 404,
                "times": 1,
                "body": {"code": "database_objectstore_not_found", "reason": "gone"},
            }
        ]
    )
    assert run(sensor("photos", deferrable=deferrable))["name"] == "photos"
    assert answers(emulator, GET)["404"] == 1
    assert answers(emulator, LIST)["200"] == (3 if deferrable else 2)


def failed(name: str = "photos") -> dict[str, Any]:
    return {"id": "7", "name": name, "max_size_gb": 500, "status": "failed", "reason": "no disks left"}


def test_one_that_has_failed_fails_at_first_sight(deferrable: bool, emulator: Emulator) -> None:
    page = {"page": 1, "per_page": 20, "pages": 1, "items": [failed()]}
    emulator.faults([{"operation": LIST, "kind": "status", "status": 200, "body": page}])
    with pytest.raises(AirflowFailException, match=r"photos \(7\) has failed: no disks left"):
        run(sensor("photos", deferrable=deferrable))
    assert answers(emulator, LIST) == {"200": 1}


def test_one_that_fails_while_it_is_waited_for(
    deferrable: bool, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator.settings, "creating_seconds", 600)
    begun = CivoObjectStoreHook().create_object_store("photos")
    emulator.faults([{"operation": GET, "kind": "status", "status": 200, "body": {**failed(), "id": begun.id}}])
    with pytest.raises(AirflowFailException, match="no disks left"):
        run(sensor("photos", deferrable=deferrable))
    assert answers(emulator, GET) == {"200": 1}


def test_another_that_has_failed_does_not_matter(deferrable: bool, emulator: Emulator) -> None:
    page = {"page": 1, "per_page": 20, "pages": 1, "items": [failed("photos-2")]}
    emulator.faults([{"operation": LIST, "kind": "status", "status": 200, "body": page, "times": 2}])
    CivoObjectStoreHook().create_object_store("photos")
    assert run(sensor("photos", deferrable=deferrable))["name"] == "photos"


def test_invalid_responses_are_tolerated(deferrable: bool, emulator: Emulator) -> None:
    CivoObjectStoreHook().create_object_store("photos")
    emulator.faults([{"operation": LIST, "kind": "garbage", "times": 3}])
    assert run(sensor("photos", deferrable=deferrable))["name"] == "photos"


@pytest.mark.parametrize("bad", ["", ".", "..", None, 5], ids=repr)
def test_bad_input_fails_at_once(bad: Any, deferrable: bool, emulator: Emulator) -> None:
    """Constants are refused when the DAG is parsed, rendered values by the task."""
    with pytest.raises((AirflowFailException, InvalidArgumentError), match=r"object_store|name or id"):
        run(sensor(bad, deferrable=deferrable))
    rendered = sensor("{{ x }}", deferrable=deferrable)
    rendered.object_store = bad
    with pytest.raises(AirflowFailException, match=r"object_store|name or id"):
        run(rendered)
    assert emulator.requests()["total"] == 0


def test_templates() -> None:
    task = sensor("{{ ds }}", civo_conn_id="c-{{ ds }}", region="r-{{ ds }}")
    context: Any = {"ds": "x"}
    task.render_template_fields(context)
    assert (task.object_store, task.civo_conn_id, task.region) == ("x", "c-x", "r-x")


def holds(emulator: Emulator, *gb: int) -> None:
    """Let the statistics say that the object store holds so much: first one value, in the end the last."""
    emulator.faults(
        [
            {
                "operation": "civo.get_object_store_stats",
                "kind": "status",
                "status": 200,
                "body": {"size_kb_utilised": size * 1_000_000, "max_size_kb": 500_000_000, "num_objects": 1},
                **({} if size == gb[-1] else {"times": 1}),
            }
            for size in gb
        ]
    )


def usage(**settings: Any) -> CivoUsageSensor:
    return CivoUsageSensor(**{"task_id": "use", "poke_interval": 0.01, "timeout": 20, **settings})


def test_waits_until_a_share_is_used(deferrable: bool, emulator: Emulator) -> None:
    CivoObjectStoreHook().create_object_store("photos")
    holds(emulator, 399, 400)
    found = run(usage(object_store="photos", deferrable=deferrable))
    assert (found["object_store"], found["share"], found["max_size_gb"]) == ("photos", 0.8, 500)
    assert answers(emulator, "civo.get_object_store_stats")["200"] == 2


def test_waits_until_a_share_of_the_quota_is_used(deferrable: bool, emulator: Emulator) -> None:
    CivoObjectStoreHook().create_object_store("photos", 1000)
    share = 1000 / emulator.settings.quota_gb
    assert run(usage(share=share, deferrable=deferrable))["objectstore_gb_usage"] == 1000


@pytest.mark.parametrize("share", [80, "80", 1.01, 0, -0.5])
def test_a_share_that_can_hardly_be_meant(share: Any) -> None:
    allowed = r"(at most 1, which is 100 %|above 0)"
    with pytest.raises(InvalidArgumentError, match=rf"^share must be {allowed}, not .*task 'use'"):
        usage(share=share)


def test_until_all_is_used(deferrable: bool, emulator: Emulator) -> None:
    CivoObjectStoreHook().create_object_store("photos")
    holds(emulator, 499, 501)
    assert run(usage(object_store="photos", share=1, deferrable=deferrable))["share"] > 1


def test_a_use_that_is_not_told(deferrable: bool, emulator: Emulator) -> None:
    body = {"objectstore_gb_limit": 0, "objectstore_gb_usage": 0}
    emulator.faults([{"operation": "civo.get_quota", "kind": "status", "status": 200, "body": body}])
    with pytest.raises(AirflowFailException, match="does not tell how much"):
        run(usage(deferrable=deferrable))


def test_a_missing_object_store_has_no_use(deferrable: bool, emulator: Emulator) -> None:
    with pytest.raises(AirflowFailException, match="no object store with the exact name"):
        run(usage(object_store="typo", deferrable=deferrable))
