"""The rotation as a task: its grace period, and what it keeps to itself."""

from __future__ import annotations

import json
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

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.emulator.settings import CIVO_KEY, CLIENT_SECRET
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.rotation import standing
from airflow_provider_objectstore.rotation.standing import Target
from airflow_provider_objectstore.rotation.steps import Rotation
from tests.rotation.conftest import Behave
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    let_in,
    rotation_task,
    run_of,
    tag_of_run,
    wrong_with,
)

Before = list[S3Options]


def resume(task: Any, deferred: TaskDeferred, week: int = 1) -> dict[str, Any]:
    """Go on after the trigger, with what the database has kept meanwhile."""
    kept = json.loads(json.dumps(deferred.kwargs))
    done: dict[str, Any] = task.resume_execution(deferred.method_name, {**kept, "event": DUE}, run_of(week))
    return done


DUE = datetime.now(UTC)


@pytest.mark.parametrize("grace", [90, timedelta(seconds=90)])
def test_the_grace_period(grace: Any, before: Before, hook: CivoObjectStoreHook) -> None:
    task = rotation_task("replace", credential=CREDENTIAL, grace_period=grace)
    began = datetime.now(UTC)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(run_of())
    trigger = caught.value.trigger
    assert isinstance(trigger, DateTimeTrigger)
    assert 89 < trigger.moment.timestamp() - began.timestamp() < 120
    assert list(caught.value.kwargs or {}) == ["gap_seconds"]
    assert caught.value.timeout is None

    old, new = hook.list_credentials()
    assert not old.suspended  # for a rollback by hand
    stored = str(trigger.serialize()) + str(caught.value.kwargs)
    assert old.secret_access_key not in stored
    assert new.secret_access_key not in stored
    assert not any(let_in(options) for options in before)

    done = resume(task, caught.value)
    assert wrong_with(hook, before, "replace") == []
    assert done["gap_seconds"] == (caught.value.kwargs or {})["gap_seconds"] > 0


@pytest.mark.parametrize("arguments", [{"grace_period": 0}, {"grace_period": None}, {"retire": "keep"}])
def test_nothing_to_wait_for(arguments: dict[str, Any], before: Before) -> None:
    task = rotation_task("replace", **{"credential": CREDENTIAL, "grace_period": 90, **arguments})
    assert task.execute(run_of())["rotated"]
    if arguments.get("retire") != "keep":
        # Nothing was replaced in place, and a finished run has nothing left to retire.
        for strategy, week in (("in_place", 2), ("in_place", 2)):
            assert rotation_task(strategy, credential=CREDENTIAL, grace_period=90).execute(run_of(week))["rotated"]


def test_a_retry_in_the_grace_period_waits_again(before: Before, hook: CivoObjectStoreHook) -> None:
    task = rotation_task("replace", credential=CREDENTIAL, grace_period=90)
    for _ in range(2):
        with pytest.raises(TaskDeferred) as caught:
            task.execute(run_of())
    assert len(list(hook.list_credentials())) == 2
    resume(task, caught.value)
    assert wrong_with(hook, before, "replace") == []


def test_a_rollback_by_hand(before: Before, hook: CivoObjectStoreHook) -> None:
    """Within the grace period the stores can be given back; a retirement then switches again."""
    task = rotation_task("replace", credential=CREDENTIAL, grace_period=90)
    with pytest.raises(TaskDeferred):
        task.execute(run_of())
    for name in STORES:
        store = hook.find_object_store(name)
        assert store
        hook.update_object_store(store.id, access_key_id=before[0].access_key_id)
    assert all(let_in(options) for options in before)
    (unused,) = (use.credential for use in hook.credential_inventory() if use.orphan)
    hook.delete_credential(unused.id)
    assert [it.access_key_id for it in hook.list_credentials()] == [before[0].access_key_id]


class Broken:
    def publish(self, credential: S3Options) -> None:
        raise OSError(f"no room for {credential}")

    def verify(self, credential: S3Options) -> None:
        raise OSError(f"no room for {credential}")


@pytest.mark.parametrize("strategy", ["replace", "in_place", "auto"])
def test_no_secret_is_told(
    strategy: str,
    before: Before,
    hook: CivoObjectStoreHook,
    behave: Behave,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("boto3", "botocore", "urllib3"):
        caplog.set_level(logging.INFO, name)  # theirs: botocore writes signatures and bodies at DEBUG
    secrets = {options.secret_access_key for options in before} | {CIVO_KEY, CLIENT_SECRET}
    told: list[object] = []

    def look() -> None:
        secrets.update(it.secret_access_key for it in hook.list_credentials())

    if strategy == "auto":
        behave(owner_change="ignored")
    broken = rotation_task(strategy, credential=CREDENTIAL, publishers=[PUBLISHER, Broken()])
    with pytest.raises(ObjectStoreError) as caught:
        broken.execute(run_of())
    told += [caught.value, repr(caught.value), broken, vars(broken)]
    look()
    task = rotation_task(strategy, credential=CREDENTIAL, grace_period=5)
    told.append(rotation_task(strategy, credential=CREDENTIAL, dry_run=True).execute(run_of()))
    try:
        told.append(task.execute(run_of()))
    except TaskDeferred as deferred:
        told += [deferred.trigger.serialize(), deferred.kwargs]
        look()
        told.append(resume(task, deferred))
    look()
    told.append(rotation_task(strategy, credential=CREDENTIAL).execute(run_of(2)))
    look()
    target = Target(credential=CREDENTIAL)
    rotation = Rotation(hook, target, tag_of_run(3), strategy, [PUBLISHER], patience=1)
    told += [rotation, target, standing.read(hook, target, rotation.tag)]
    rotation.switch(rotation.look())
    look()
    told += [rotation, vars(rotation), rotation.look()]
    printed = "".join(capfd.readouterr()) + caplog.text + "".join(map(str, told)) + "".join(map(repr, told))
    assert "Plan: " in printed
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
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True, timeout=300)
    command = [sys.executable, str(tmp_path / "rotation.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    shown = ran.stdout + ran.stderr
    assert shown.count("ended success") == 2, shown[-4000:]
    assert "'rotated': True" in shown
    (use,) = hook.credential_inventory()
    assert use.stores == STORES
    assert use.rotated
    assert not any(let_in(options) for options in before)
    for secret in (before[0].secret_access_key, use.credential.secret_access_key, CIVO_KEY, CLIENT_SECRET):
        assert secret not in shown
