"""The rotation as a task: its arguments, its grace period, and that it shows no secret."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.emulator.settings import CIVO_KEY, CLIENT_SECRET
from airflow_provider_objectstore.exceptions import ConflictError, InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation.names import name_for
from airflow_provider_objectstore.rotation.rotation import Rotation
from airflow_provider_objectstore.rotation.state import RotationTarget, read_state
from dev.database import create_database
from tests.conftest import connect
from tests.rotation.conftest import ConfigureEmulator
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    create_stores,
    find_problems,
    has_access,
    read_everything,
    resume,
    rotate,
    rotation_id_of_run,
    rotation_task,
    run_context,
    start_grace_period,
)

pytestmark = pytest.mark.slow

Before = list[S3Options]


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "swap"},
        {"retire": "burn"},
        {"dry_run": "perhaps"},
        {"credential": None},
        {"credential": ""},
        {"object_store": ""},
        {"credential": CREDENTIAL, "object_store": STORES[0]},
        {"grace_period": -1},
        {"grace_period": "1 day"},
        {"grace_period": True},
        {"settle_timeout": "long"},
        {"settle_timeout": -1},
    ],
    ids=str,
)
def test_bad_arguments(wrong: dict[str, Any], emulator: Emulator) -> None:
    before = emulator.requests()["total"]
    with pytest.raises(InvalidArgumentError):
        rotate(**{"strategy": "replace", **wrong})
    assert emulator.requests()["total"] == before


@pytest.mark.parametrize("grace", [90, timedelta(seconds=90)])
def test_the_grace_period(grace: Any, before: Before, hook: CivoObjectStoreHook) -> None:
    task = rotation_task("replace", credential=CREDENTIAL, grace_period=grace)
    began = datetime.now(UTC)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(run_context())
    trigger = caught.value.trigger
    assert isinstance(trigger, DateTimeTrigger)
    assert 89 < trigger.moment.timestamp() - began.timestamp() < 120
    assert list(caught.value.kwargs or {}) == ["resume_point"]
    assert caught.value.timeout is None

    old, new = hook.list_credentials()
    assert not old.suspended  # for a rollback by hand
    stored = str(trigger.serialize()) + str(caught.value.kwargs)
    assert old.secret_access_key not in stored
    assert new.secret_access_key not in stored
    assert not any(has_access(options) for options in before)

    result = resume(task, caught.value)
    assert find_problems(hook, before, "replace") == []
    assert result["gap_seconds"] == (caught.value.kwargs or {})["resume_point"]["outage_seconds"] > 0


@pytest.mark.parametrize("arguments", [{"grace_period": 0}, {"grace_period": None}, {"retire": "keep"}])
def test_nothing_to_wait_for(arguments: dict[str, Any], before: Before) -> None:
    task = rotation_task("replace", **{"credential": CREDENTIAL, "grace_period": 90, **arguments})
    assert task.execute(run_context())["rotated"]
    if arguments.get("retire") != "keep":
        # Nothing was replaced in place, and a finished run has nothing left to retire.
        for strategy, week in (("in_place", 2), ("in_place", 2)):
            assert rotation_task(strategy, credential=CREDENTIAL, grace_period=90).execute(run_context(week))["rotated"]


def test_a_retry_in_the_grace_period_waits_again(before: Before, hook: CivoObjectStoreHook) -> None:
    task = rotation_task("replace", credential=CREDENTIAL, grace_period=90)
    for _ in range(2):
        with pytest.raises(TaskDeferred) as caught:
            task.execute(run_context())
    assert len(list(hook.list_credentials())) == 2
    resume(task, caught.value)
    assert find_problems(hook, before, "replace") == []


def test_a_rollback_by_hand(before: Before, hook: CivoObjectStoreHook) -> None:
    """Within the grace period the stores can be given back; a retirement then changes the owner again."""
    task = rotation_task("replace", credential=CREDENTIAL, grace_period=90)
    with pytest.raises(TaskDeferred):
        task.execute(run_context())
    for name in STORES:
        store = hook.find_object_store(name)
        assert store
        hook.update_object_store(store.id, access_key_id=before[0].access_key_id)
    assert all(has_access(options) for options in before)
    (unused,) = (use.credential for use in hook.credential_inventory() if use.orphan)
    hook.delete_credential(unused.id)
    assert [credential.access_key_id for credential in hook.list_credentials()] == [before[0].access_key_id]


class TestAResumedTaskBeginsNoRotation:
    """It has no grace period: consumers would lose their keys at once."""

    @pytest.mark.parametrize("strategy", ["overlap", "replace"])
    def test_where_its_credential_was_deleted(self, strategy: str, before: Before, hook: CivoObjectStoreHook) -> None:
        finish = start_grace_period(strategy=strategy)
        for name in STORES:
            hook.update_object_store(hook.require_object_store(name).id, access_key_id=before[0].access_key_id)
        (new,) = (credential for credential in hook.list_credentials() if credential.name != CREDENTIAL)
        hook.delete_credential(new.id)
        state = read_everything(hook)
        with pytest.raises(ConflictError, match=rf"{new.id}\) is gone"):
            finish()
        assert read_everything(hook) == state
        assert all(map(has_access, before))

    def test_where_the_connection_leads_to_another_account(
        self, before: Before, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arguments = {"strategy": "overlap", "credential": CREDENTIAL, "grace_period": 60}
        with pytest.raises(TaskDeferred) as caught:
            rotation_task(**arguments).execute(run_context())
        with Emulator(Settings(creating_seconds=0), s3=MotoS3()) as other:
            connect(monkeypatch, other)
            AnypointObjectStoreHook().create_store("keys")
            hook = CivoObjectStoreHook()
            theirs = create_stores(hook)
            state = read_everything(hook)
            with pytest.raises(ConflictError, match="its connection leads elsewhere since"):
                resume(rotation_task(**arguments), caught.value)
            assert read_everything(hook) == state
            assert all(map(has_access, theirs))

    def test_in_place_its_credential_is_the_old_one(self, before: Before, hook: CivoObjectStoreHook) -> None:
        hook.create_credential(name_for(CREDENTIAL, rotation_id_of_run(1)))  # otherwise there is nothing to retire
        assert start_grace_period(2, "in_place")()["rotated"]
        assert find_problems(hook, before, "in_place", 2) == []


class FailingPublisher:
    def publish(self, credential: S3Options) -> None:
        raise OSError(f"no room for {credential}")

    def verify(self, credential: S3Options) -> None:
        raise OSError(f"no room for {credential}")


@pytest.mark.parametrize("strategy", ["replace", "in_place", "auto"])
def test_no_secret_is_shown(
    strategy: str,
    before: Before,
    hook: CivoObjectStoreHook,
    configure_emulator: ConfigureEmulator,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("boto3", "botocore", "urllib3"):
        caplog.set_level(logging.INFO, name)  # botocore writes signatures and bodies at DEBUG
    secrets = {options.secret_access_key for options in before} | {CIVO_KEY, CLIENT_SECRET}
    shown: list[object] = []

    def note_secrets() -> None:
        secrets.update(credential.secret_access_key for credential in hook.list_credentials())

    if strategy == "auto":
        configure_emulator(owner_change="ignored")
    failing = rotation_task(strategy, credential=CREDENTIAL, publishers=[PUBLISHER, FailingPublisher()])
    with pytest.raises(ObjectStoreError) as caught:
        failing.execute(run_context())
    shown += [caught.value, repr(caught.value), failing, vars(failing)]
    note_secrets()
    task = rotation_task(strategy, credential=CREDENTIAL, grace_period=5)
    shown.append(rotation_task(strategy, credential=CREDENTIAL, dry_run=True).execute(run_context(2)))
    try:
        shown.append(task.execute(run_context(2)))
    except TaskDeferred as deferred:
        shown += [deferred.trigger.serialize(), deferred.kwargs]
        note_secrets()
        shown.append(resume(task, deferred, 2))
    note_secrets()
    shown.append(rotation_task(strategy, credential=CREDENTIAL).execute(run_context(3)))
    note_secrets()
    target = RotationTarget(credential=CREDENTIAL)
    rotation = Rotation(hook, target, rotation_id_of_run(4), strategy, [PUBLISHER], settle_timeout=1)
    shown += [rotation, target, read_state(hook, target, rotation_id_of_run(4))]
    rotation.switch(rotation.refresh())
    note_secrets()
    shown += [rotation, vars(rotation), rotation.refresh()]
    printed = "".join(capfd.readouterr()) + caplog.text + "".join(map(str, shown)) + "".join(map(repr, shown))
    assert "Plan of the rotation" in printed
    assert f"Published credential {CREDENTIAL}" in printed
    assert len(secrets) > 4
    assert [secret for secret in secrets if secret in printed] == []


DAG_FILE = """
import pendulum
from airflow.sdk import DAG
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher

with DAG("rotation", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    CivoRotateCredentialOperator(
        task_id="rotate",
        object_store="{{ params.store }}",
        publishers=[AnypointKeyPublisher("keys", "s3", "reports")],
        grace_period=1,
        params={"store": "reports-us"},
    )

if __name__ == "__main__":
    for _ in range(2):
        run = dag.test()
        print("ended", run.state, run.get_task_instance("rotate").xcom_pull("rotate"))
"""


def test_in_a_dag(before: Before, hook: CivoObjectStoreHook, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "rotation.py").write_text(DAG_FILE)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    create_database(environment)
    command = [sys.executable, str(tmp_path / "rotation.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    shown = ran.stdout + ran.stderr
    assert shown.count("ended success") == 2, shown[-4000:]
    assert "'rotated': True" in shown
    (use,) = hook.credential_inventory()
    assert use.stores == STORES
    assert use.rotated
    assert not any(has_access(options) for options in before)
    for secret in (before[0].secret_access_key, use.credential.secret_access_key, CIVO_KEY, CLIENT_SECRET):
        assert secret not in shown
