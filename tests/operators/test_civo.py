from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, TaskDeferred

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    ObjectStoreError,
    ResourceFailedError,
    is_permanent,
)
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from tests.triggers.waiting import answers, run

CREATE = "civo.create_object_store"
GET = "civo.get_object_store"


@pytest.fixture(params=[False, True], ids=["blocking", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def hook(emulator: Emulator) -> CivoObjectStoreHook:
    return CivoObjectStoreHook()


def create(**settings: Any) -> CivoCreateObjectStoreOperator:
    fixed = {"task_id": "create", "name": "photos", "poke_interval": 0.02, "timeout": 20}
    return CivoCreateObjectStoreOperator(**{**fixed, **settings})


def test_creates_and_waits(deferrable: bool, hook: CivoObjectStoreHook) -> None:
    created = run(create(size_gb=1000, deferrable=deferrable))
    assert (created["name"], created["max_size_gb"], created["status"]) == ("photos", 1000, "ready")
    assert json.loads(json.dumps(created)) == created
    (there,) = hook.list_object_stores()
    assert (there.id, there.max_size_gb) == (created["id"], 1000)
    secrets = [credential.secret_access_key for credential in hook.list_credentials()]
    assert secrets
    assert not any(secret in json.dumps(created) for secret in secrets)


def test_size_as_a_template_renders_it(hook: CivoObjectStoreHook) -> None:
    task = create(size_gb="{{ gb }}", wait=False)
    context: Any = {"gb": 1500}
    task.render_template_fields(context)
    assert run(task)["max_size_gb"] == 1500


def test_does_not_wait_if_told_so(deferrable: bool, hook: CivoObjectStoreHook) -> None:
    created = run(create(wait=False, deferrable=deferrable))
    assert created["status"] == "creating"


def test_with_an_owner(hook: CivoObjectStoreHook) -> None:
    owner = hook.create_credential("team")
    created = run(create(access_key_id=owner.access_key_id))
    assert created["owner_access_key_id"] == owner.access_key_id


@pytest.mark.parametrize(("status", "wait"), [("ready", True), ("creating", True), ("creating", False)])
@pytest.mark.parametrize(
    ("member", "made"),
    [
        ({"max_size_gb": 500}, "max_size_gb is 500 instead of 1000"),
        ({"owner_info": {"access_key_id": "X"}}, "owner_access_key_id is X instead of MINE"),
    ],
    ids=["size", "owner"],
)
def test_another_one_than_asked_for(
    member: dict[str, Any], made: str, status: str, wait: bool, deferrable: bool, emulator: Emulator
) -> None:
    asked = {"max_size_gb": 1000, "owner_info": {"access_key_id": "MINE"}}
    store = {"id": "1", "name": "photos", **asked, **member}
    page = {"page": 1, "pages": 1, "items": [{**store, "status": "ready"}]}
    answer = {"kind": "status", "status": 200}
    emulator.faults(
        [
            {"operation": CREATE, **answer, "body": {**store, "status": status}},
            {"operation": "civo.list_object_stores", "skip": 1, **answer, "body": page},
        ]
    )
    task = create(size_gb="1000", access_key_id="MINE", wait=wait, deferrable=deferrable)
    with pytest.raises(AirflowException, match=f"created another one: {made}.*delete it") as caught:
        run(task)
    assert "[connection civo_default, " in str(caught.value)
    assert is_permanent(caught.value) or isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("if_exists", ["skip", "fail"])
def test_the_id_of_another_one_is_no_name(if_exists: str, hook: CivoObjectStoreHook) -> None:
    there = hook.create_object_store("photos")
    with pytest.raises(
        ConflictError, match=f"'{there.id}' is the id of object store photos, and this task gives it as a name"
    ):
        run(create(name=there.id, if_exists=if_exists))
    assert [store.name for store in hook.list_object_stores()] == ["photos"]


def test_existing_is_left_as_it_is(deferrable: bool, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    there = hook.create_object_store("photos", 1000)
    found = run(create(deferrable=deferrable))
    assert (found["id"], found["max_size_gb"], found["status"]) == (there.id, 1000, "ready")
    assert sum(answers(emulator, CREATE).values()) == 1


def test_existing_and_ready_needs_no_triggerer(hook: CivoObjectStoreHook) -> None:
    run(create())
    context: Any = {}
    assert create(deferrable=True).execute(context)["status"] == "ready"


def test_existing_fails_if_told_so(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    hook.create_object_store("photos")
    with pytest.raises(ConflictError, match="photos already exists"):
        run(create(if_exists="fail"))
    assert sum(answers(emulator, CREATE).values()) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"size_gb": 0},
        {"size_gb": 1},
        {"size_gb": 499},
        {"size_gb": 750},
        {"size_gb": -500},
        {"size_gb": True},
        {"size_gb": 500.5},
        {"size_gb": "a lot"},
        {"size_gb": None},
        {"name": ""},
        {"name": ".."},
        {"name": "a b"},
        {"name": "a/b"},
        {"name": "x" * 64},
        {"name": None},
        {"if_exists": "update"},
    ],
    ids=repr,
)
def test_bad_input_asks_nothing(bad: dict[str, Any], emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError):
        run(create(**bad))
    assert emulator.requests()["total"] == 0


def test_timeout(deferrable: bool, hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    still = {"id": "7", "name": "photos", "status": "creating"}
    emulator.faults([{"operation": GET, "kind": "status", "status": 200, "body": still}])
    with pytest.raises(ObjectStoreError, match=r"photos was not ready after 0.1 s.*\[connection civo_default, "):
        run(create(deferrable=deferrable, timeout=0.1))
    emulator.faults([])
    assert hook.find_object_store("photos") is not None, "the store stays"


def test_one_that_fails_while_it_is_waited_for(
    deferrable: bool, hook: CivoObjectStoreHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator.settings, "creating_seconds", 600)
    begun = hook.create_object_store("photos")
    failed = {"id": begun.id, "name": "photos", "status": "failed", "reason": "no disks left"}
    emulator.faults([{"operation": GET, "kind": "status", "status": 200, "body": failed}])
    with pytest.raises(ObjectStoreError, match="no disks left"):
        run(create(deferrable=deferrable))
    assert answers(emulator, GET) == {"200": 1}


def test_one_that_failed_before(deferrable: bool, emulator: Emulator) -> None:
    failed = {"id": "7", "name": "photos", "status": "failed", "reason": "no disks left"}
    page = {"page": 1, "pages": 1, "items": [failed]}
    emulator.faults([{"operation": "civo.list_object_stores", "kind": "status", "status": 200, "body": page}])
    with pytest.raises(ResourceFailedError, match="no disks left"):
        run(create(deferrable=deferrable))
    assert not answers(emulator, CREATE)


def test_lost_answer_is_looked_up(hook: CivoObjectStoreHook, emulator: Emulator) -> None:
    emulator.faults([{"operation": CREATE, "kind": "reset_after", "times": 1}])
    assert run(create())["status"] == "ready"
    assert len(list(hook.list_object_stores())) == 1


@pytest.mark.parametrize(
    "event", [None, {}, {"status": "maybe"}, {"status": "success"}, {"status": "success", "result": None}], ids=repr
)
@pytest.mark.parametrize("method", ["execute_complete", "execute_created"])
def test_events_that_are_not_ours(method: str, event: Any) -> None:
    context: Any = {}
    with pytest.raises(AirflowException, match="sent an event that cannot be understood"):
        create().resume_execution(method, {"event": event}, context)


def test_deferrable_by_default_as_configured(hook: CivoObjectStoreHook, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not create().deferrable
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        create(timeout=77, poke_interval=3).execute(context)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout.total_seconds() == 77
    assert deferred.value.trigger.serialize()[1]["poke_interval"] == 3
    assert not create(deferrable=False).deferrable
