from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import pendulum
import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.anypoint import operations as service
from airflow_provider_objectstore.exceptions import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    PermissionDeniedError,
    StoreNotFoundError,
)
from airflow_provider_objectstore.export.attributes import find_store
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import (
    AnypointCreateStoreOperator,
    AnypointDeleteStoreOperator,
    AnypointUpdateStoreOperator,
)
from tests.triggers.waiting import answers, run


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    return AnypointObjectStoreHook()


def create(**settings: Any) -> AnypointCreateStoreOperator:
    return AnypointCreateStoreOperator(**{"task_id": "create", "store_id": "orders", **settings})


def test_creates(hook: AnypointObjectStoreHook) -> None:
    created = run(create(default_ttl=3600, default_confirmation_ttl=60, encrypted=True))
    assert created["store_id"] == "orders"
    assert (created["default_ttl_seconds"], created["default_confirmation_ttl_seconds"]) == (3600, 60)
    assert created["encrypted"] is True
    assert json.loads(json.dumps(created)) == created
    assert hook.get_store("orders").default_ttl_seconds == 3600


@pytest.mark.parametrize(
    "ttl",
    [3600, 3600.0, "3600", "PT1H", "PT60M", timedelta(hours=1), pendulum.duration(hours=1)],
    ids=repr,
)
def test_forms_of_a_ttl(ttl: Any, emulator: Emulator) -> None:
    assert run(create(default_ttl=ttl))["default_ttl_seconds"] == 3600


def test_further_attributes_are_sent(emulator: Emulator) -> None:
    assert run(create(attributes={"defaultTtlSeconds": 120}))["default_ttl_seconds"] == 120


def test_existing_is_left_as_it_is(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    hook.create_store("orders", default_ttl=60)
    assert run(create(default_ttl=3600))["default_ttl_seconds"] == 60
    assert sum(answers(emulator, "anypoint.create_store").values()) == 1
    assert not answers(emulator, "anypoint.update_store")


def test_existing_is_updated_if_told_so(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    hook.create_store("orders", default_ttl=60, default_confirmation_ttl=90)
    hook.put_key("orders", "p", "k", "v")
    updated = run(create(default_ttl=3600, if_exists="update"))
    assert updated["default_ttl_seconds"] == 3600
    assert updated["default_confirmation_ttl_seconds"] == 90, "what is not given stays"
    assert hook.get_key("orders", "p", "k").value == "v"
    assert sum(answers(emulator, "anypoint.create_store").values()) == 1


def test_existing_fails_if_told_so(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    hook.create_store("orders")
    with pytest.raises(ConflictError, match="store orders already exists"):
        run(create(if_exists="fail"))
    assert sum(answers(emulator, "anypoint.create_store").values()) == 1


@pytest.mark.parametrize("if_exists", ["skip", "update", "fail"])
def test_missing_is_created_whatever_if_exists_says(if_exists: str, emulator: Emulator) -> None:
    assert run(create(if_exists=if_exists))["store_id"] == "orders"


@pytest.mark.parametrize(
    "bad",
    [{"if_exists": "overwrite"}, {"store_id": ""}, {"store_id": ".."}, {"store_id": None}],
    ids=repr,
)
def test_bad_input_asks_nothing(bad: dict[str, Any], emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError):
        run(create(**bad))
    assert emulator.requests()["total"] == 0


@pytest.mark.parametrize("ttl", [0, -1, 1.5, "an hour", "P1M", 31 * 24 * 3600, timedelta(days=31)], ids=repr)
def test_bad_ttl_changes_nothing(ttl: Any, emulator: Emulator) -> None:
    with pytest.raises(InvalidArgumentError, match="default_ttl"):
        run(create(default_ttl=ttl))
    assert not answers(emulator, "anypoint.create_store")


def test_refusal(emulator: Emulator) -> None:
    emulator.faults([{"operation": "anypoint.create_store", "kind": "status", "status": 403}])
    with pytest.raises(PermissionDeniedError, match="Manage Stores"):
        run(create())


def test_update_store(hook: AnypointObjectStoreHook) -> None:
    hook.create_store("s", default_ttl=60)
    updated = run(AnypointUpdateStoreOperator(task_id="t", store_id="s", default_ttl="PT2H"))
    assert updated["default_ttl_seconds"] == 7200
    with pytest.raises(NotFoundError):
        run(AnypointUpdateStoreOperator(task_id="t", store_id="other", default_ttl="PT2H"))


def test_delete_store(hook: AnypointObjectStoreHook) -> None:
    hook.create_store("s")
    run(AnypointDeleteStoreOperator(task_id="t", store_id="s", if_missing="fail"))
    assert not hook.store_exists("s")
    run(AnypointDeleteStoreOperator(task_id="t", store_id="s"))
    with pytest.raises(NotFoundError):
        run(AnypointDeleteStoreOperator(task_id="t", store_id="s", if_missing="fail"))


def test_a_store_of_an_environment_that_is_not_there_is_not_deleted_already(
    hook: AnypointObjectStoreHook, monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    """Such as one with a typing mistake in the connection: its 404 says nothing about the store."""
    connection = json.loads(os.environ["AIRFLOW_CONN_ANYPOINT_DEFAULT"])
    connection["extra"]["environment_id"] = "emulator-evn"
    monkeypatch.setenv("AIRFLOW_CONN_TYPO", json.dumps(connection))
    said = (
        r"store s\): the environment does not exist, so nothing .*Environment emulator-evn does not exist "
        r"\[connection typo, environment emulator-evn, region us-east-1\]$"
    )
    for store in ("s", "none"):
        hook.create_store("s")
        with pytest.raises(StoreNotFoundError, match=said.replace("store s", f"store {store}")):
            run(AnypointDeleteStoreOperator(task_id="t", store_id=store, anypoint_conn_id="typo"))
        with pytest.raises(StoreNotFoundError, match=said.replace("store s", f"store {store}")):
            AnypointObjectStoreHook("typo").store_exists(store)
        with pytest.raises(StoreNotFoundError, match=said.replace("store s", f"store {store}")):
            find_store(AnypointObjectStoreHook("typo"), store)
    assert hook.store_exists("s")
    before = emulator.requests()["total"]
    assert [hook.store_exists(store) for store in ("a", "b", "c")] == [False] * 3
    assert emulator.requests()["total"] - before <= 4, "the environment is looked up once"


class TestAnExistingStoreThatDiffers:
    @pytest.fixture(autouse=True)
    def existing(self, hook: AnypointObjectStoreHook) -> None:
        hook.create_store("s", default_ttl=60)

    def create(self, **settings: Any) -> Any:
        return run(AnypointCreateStoreOperator(task_id="t", store_id="s", **settings))

    def test_it_is_logged(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.create(default_ttl="PT2M", default_confirmation_ttl=None)
        assert (
            "Store 's' differs from this task's arguments: default_ttl is 60 instead of 120" in capsys.readouterr().out
        )

    def test_one_that_does_not_differ_is_not(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.create(default_ttl="PT1M")
        assert "differs from" not in capsys.readouterr().out

    def test_attributes_that_are_not_taken(self, emulator: Emulator) -> None:
        body = {"storeId": "s", "encrypted": False, "defaultTtlSeconds": 60}
        emulator.faults([{"operation": "anypoint.get_store", "kind": "status", "status": 200, "body": body}])
        with pytest.raises(
            Exception, match="accepted the attributes of store s, but encrypted is False instead of True"
        ):
            self.create(encrypted=True, if_exists="update")


class TestFurtherAttributes:
    """What the service accepts and does not set is red, what it does not return is named."""

    def set(self, attributes: dict[str, Any], how: str, **settings: Any) -> Any:
        if how == "create":
            return run(create(attributes=attributes, **settings))
        AnypointObjectStoreHook().create_store("orders")
        if how == "update":
            task = AnypointUpdateStoreOperator(task_id="t", store_id="orders", attributes=attributes, **settings)
            return run(task)
        return run(create(attributes=attributes, if_exists=how.partition(" ")[2], **settings))

    @pytest.fixture
    def ignoring(self, monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
        """A service that reads no body."""
        for operation in ((1, "PUT"), (1, "PATCH")):
            handler, scopes = service.OPERATIONS[operation]

            def without_body(state: Any, request: Any, handler: Any = handler) -> Any:
                request.body = b""
                return handler(state, request)

            monkeypatch.setitem(service.OPERATIONS, operation, (without_body, scopes))

    @pytest.mark.parametrize("how", ["create", "update", "existing update"])
    @pytest.mark.parametrize(
        ("attributes", "difference"),
        [
            ({"persistent": False}, "persistent is True instead of False"),
            ({"encrypted": "false"}, "encrypted is True instead of False"),
            ({"defaultTtlSeconds": 60}, "default_ttl_seconds is 2592000 instead of 60"),
            ({"defaultTtlMillis": 60_000}, "default_ttl_seconds is 2592000 instead of 60"),
            ({"defaultConfirmationTtlSeconds": 60}, "default_confirmation_ttl_seconds is 600 instead of 60"),
        ],
        ids=str,
    )
    def test_that_the_service_ignores(
        self, attributes: dict[str, Any], difference: str, how: str, ignoring: None
    ) -> None:
        with pytest.raises(ObjectStoreError, match=f"accepted the attributes of store orders, but {difference}"):
            self.set(attributes, how)

    @pytest.mark.parametrize("how", ["create", "update", "existing update"])
    def test_that_the_service_sets(self, how: str, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
        done = self.set({"persistent": False, "isFixedTtl": True, "defaultTtlMillis": 60_000, "encrypted": None}, how)
        assert (done["persistent"], done["is_fixed_ttl"], done["default_ttl_seconds"]) == (False, True, 60)
        assert "does not return" not in capsys.readouterr().out

    @pytest.mark.parametrize("how", ["create", "update", "existing update"])
    def test_that_the_service_does_not_return(
        self, how: str, ignoring: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.set({"maximumEntries": 5, "isFixedTtl": True}, how)
        assert "does not return whether it has set them: maximumEntries, isFixedTtl" in capsys.readouterr().out

    def test_an_argument_that_the_service_does_not_return(
        self, emulator: Emulator, capsys: pytest.CaptureFixture[str]
    ) -> None:
        body = {"storeId": "orders"}
        emulator.faults([{"operation": "anypoint.get_store", "kind": "status", "status": 200, "body": body, "skip": 1}])
        run(create(default_ttl=60))
        assert "does not return whether it has set them: default_ttl" in capsys.readouterr().out

    def test_that_an_existing_store_does_not_have(self, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
        self.set({"defaultTtlSeconds": 60}, "existing skip")
        assert "arguments: default_ttl_seconds is 2592000 instead of 60" in capsys.readouterr().out

    @pytest.mark.parametrize("how", ["create", "update", "existing skip"])
    @pytest.mark.parametrize(
        ("attributes", "settings"),
        [
            ({"storeId": "other"}, {}),
            ({"storeId": "orders"}, {}),
            ({"defaultTtlSeconds": 60}, {"default_ttl": 3600}),
            ({"defaultTtlMillis": 60}, {"default_ttl": 3600}),
            ({"encrypted": True}, {"encrypted": False}),
        ],
        ids=str,
    )
    def test_that_another_argument_sets(
        self, attributes: dict[str, Any], settings: dict[str, Any], how: str, emulator: Emulator
    ) -> None:
        said = rf"attributes has {next(iter(attributes))}, which another argument sets.*\(task '\w+'\)"
        with pytest.raises(InvalidArgumentError, match=said):
            self.set(attributes, how, **settings)
        assert not answers(emulator, "anypoint.get_store")
