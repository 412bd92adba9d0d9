"""What a task returns when an earlier try has done a part: its own counts, as docs/bulk.md says."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ConflictError, NotFoundError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator

DONE_BEFORE = 12
KEYS = [f"k{number:02}" for number in range(30)]


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    for store in "s", "t":
        hook.create_store(store)
    hook.put_many("s", "p", dict.fromkeys(KEYS, "v")).raise_failed()
    return hook


def interrupted(task: Any, emulator: Emulator, operation: str) -> Any:
    """Execute a task whose requests fail from some point on, and return it."""
    emulator.faults([{"operation": operation, "kind": "status", "status": 403, "skip": DONE_BEFORE}])
    with pytest.raises(ObjectStoreError, match="403"):
        task.execute({})
    emulator.faults([])
    return task


def purge(**arguments: Any) -> AnypointPurgePartitionsOperator:
    return AnypointPurgePartitionsOperator(task_id="t", store_id="s", partitions="p", max_concurrency=1, **arguments)


def restore(folder: str, if_exists: str) -> AnypointImportOperator:
    arguments: Any = {"path": folder, "if_exists": if_exists, "max_concurrency": 1}
    return AnypointImportOperator(task_id="t", store_id="t", **arguments)


@pytest.fixture
def folder(hook: AnypointObjectStoreHook, tmp_path: Any) -> str:
    path = f"file://{tmp_path}/export"
    AnypointExportOperator(task_id="e", store_id="s", path=path).execute({})
    return path


def test_a_purge_counts_what_was_left(hook: AnypointObjectStoreHook, emulator: Emulator) -> None:
    task = interrupted(purge(key_prefix="k"), emulator, "anypoint.delete_key")
    assert task.execute({})["keys"] == len(KEYS) - DONE_BEFORE
    assert list(hook.list_partitions("s")) == []


def test_a_purge_after_one_that_had_deleted_all(hook: AnypointObjectStoreHook) -> None:
    purge(key_prefix="k").execute({})
    assert purge(key_prefix="k").execute({})["keys"] == 0
    with pytest.raises(AirflowSkipException):
        purge(key_prefix="k", if_empty="skip").execute({})
    with pytest.raises(ObjectStoreError, match="nothing to delete"):
        purge(key_prefix="k", if_empty="fail").execute({})


def test_a_partition_that_was_deleted_is_missing(hook: AnypointObjectStoreHook) -> None:
    assert purge().execute({})["partitions"] == 1
    again = purge().execute({})
    assert (again["partitions"], again["missing"]) == (0, 1)


def test_an_export_counts_all(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    task = AnypointExportOperator(task_id="e", store_id="s", path=folder, max_concurrency=1)
    assert interrupted(task, emulator, "anypoint.get_key").execute({})["values"] == len(KEYS)


def test_an_import_that_skips(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    done = interrupted(restore(folder, "skip"), emulator, "anypoint.put_key").execute({})
    assert (done["written"], done["skipped"]) == (len(KEYS) - DONE_BEFORE, DONE_BEFORE)


def test_an_import_that_overwrites(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    done = interrupted(restore(folder, "overwrite"), emulator, "anypoint.put_key").execute({})
    assert (done["written"], done["skipped"]) == (len(KEYS), 0)


def test_an_import_that_may_find_nothing(hook: AnypointObjectStoreHook, emulator: Emulator, folder: str) -> None:
    task = interrupted(restore(folder, "fail"), emulator, "anypoint.put_key")
    with pytest.raises(ConflictError, match="already exists"):
        task.execute({})


def test_many_keys_again(hook: AnypointObjectStoreHook) -> None:
    values = dict.fromkeys(KEYS, "v")
    assert len(hook.put_many("t", "p", dict.fromkeys(KEYS[:DONE_BEFORE], "v")).succeeded) == DONE_BEFORE
    assert len(hook.put_many("t", "p", values).succeeded) == len(KEYS)
    assert len(hook.delete_many("t", "p", KEYS[:DONE_BEFORE]).succeeded) == DONE_BEFORE
    again = hook.delete_many("t", "p", KEYS)
    assert (len(again.succeeded), set(again.failed)) == (len(KEYS) - DONE_BEFORE, set(KEYS[:DONE_BEFORE]))
    assert {type(error) for error in again.failed.values()} == {NotFoundError}
