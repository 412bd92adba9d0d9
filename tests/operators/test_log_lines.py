"""Each operator says in one line what it did: to what, through which connection, where, and with which result."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import (
    AnypointCreateStoreOperator,
    AnypointDeleteKeyOperator,
    AnypointDeleteStoreOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
    AnypointUpdateStoreOperator,
)
from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator
from airflow_provider_objectstore.operators.civo import (
    CivoCreateCredentialOperator,
    CivoCreateObjectStoreOperator,
    CivoDeleteCredentialOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateCredentialOperator,
    CivoUpdateObjectStoreOperator,
)
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.transfers.sync_folder import SyncFolderOperator
from tests.hooks.buckets import create
from tests.operators.test_civo_usage import holds
from tests.test_structure import public_classes

KEY = {"store_id": "orders", "partition": "open", "key": "o-1"}
NAMES = ["'o-1'", "'open'", "'orders'"]
PURGE = {"store_id": "orders", "partitions": "open"}
TODAY = {"start": datetime.now(UTC) - timedelta(hours=1)}
THERE = "{there}"
"""A folder with an export."""

Case = tuple[str, type[BaseOperator], dict[str, Any], list[str]]
CASES: list[Case] = [
    ("create", AnypointCreateStoreOperator, {"store_id": "new"}, ["Created", "'new'"]),
    ("exists", AnypointCreateStoreOperator, {"store_id": "orders"}, ["already exists", "'orders'"]),
    (
        "update existing",
        AnypointCreateStoreOperator,
        {"store_id": "orders", "if_exists": "update", "default_ttl": 60},
        ["Updated", "'orders'"],
    ),
    (
        "update",
        AnypointUpdateStoreOperator,
        {"store_id": "orders", "default_ttl": 60},
        ["Updated", "'orders'"],
    ),
    ("delete", AnypointDeleteStoreOperator, {"store_id": "orders"}, ["Deleted", "'orders'"]),
    ("delete none", AnypointDeleteStoreOperator, {"store_id": "none"}, ["nothing to delete", "'none'"]),
    ("put", AnypointPutKeyOperator, {**KEY, "value": "v"}, ["Written", *NAMES]),
    ("get", AnypointGetKeyOperator, KEY, ["Read 4 bytes", *NAMES]),
    ("default", AnypointGetKeyOperator, {**KEY, "key": "none", "default": 1}, ["default", "'none'"]),
    ("delete key", AnypointDeleteKeyOperator, KEY, ["Deleted", *NAMES]),
    ("delete no key", AnypointDeleteKeyOperator, {**KEY, "key": "none"}, ["nothing to delete", "'none'"]),
    ("purge", AnypointPurgePartitionsOperator, PURGE, ["Purged open", "'orders'", "1 partition deleted"]),
    (
        "purge keys",
        AnypointPurgePartitionsOperator,
        {**PURGE, "key_prefix": "o"},
        ["Purged open", "'orders'", "2 keys deleted"],
    ),
    (
        "purge nothing",
        AnypointPurgePartitionsOperator,
        {**PURGE, "partitions": "none"},
        ["Purged none", "'orders'", "0 partitions deleted", "1 did not exist"],
    ),
    (
        "dry purge",
        AnypointPurgePartitionsOperator,
        {**PURGE, "dry_run": True},
        ["Dry run", "open", "'orders'", "1 partition would be deleted"],
    ),
    ("export", AnypointExportOperator, {"store_id": "orders", "path": "{new}"}, ["Exported", "'orders'", "2 values"]),
    ("import", AnypointImportOperator, {"store_id": "orders", "path": THERE}, ["Imported", "'orders'", "2 skipped"]),
    (
        "copy",
        AnypointCopyStoreOperator,
        {"source": "orders", "target": "copy", "source_conn_id": "log_anypoint", "target_conn_id": "log_anypoint"},
        ["Copied", "'orders'", "'copy'", "2 values copied"],
    ),
    ("usage", AnypointUsageOperator, {"store_ids": "orders", **TODAY}, ["Read the use of orders", "requests"]),
    (
        "create bucket",
        CivoCreateObjectStoreOperator,
        {"name": "music", "poke_interval": 0.1},
        ["music", "is ready"],
    ),
    ("bucket exists", CivoCreateObjectStoreOperator, {"name": "photos"}, ["photos", "already exists"]),
    (
        "update bucket",
        CivoUpdateObjectStoreOperator,
        {"object_store": "photos", "max_size_gb": 1000},
        ["Updated", "photos", "1000 GB"],
    ),
    (
        "large enough",
        CivoGrowObjectStoreOperator,
        {"object_store": "photos", "limit_gb": 1000},
        ["photos", "unchanged"],
    ),
    (
        "grow bucket",
        CivoGrowObjectStoreOperator,
        {"object_store": "photos", "limit_gb": 1000, "share": 0.5, "poke_interval": 0.1},
        ["photos", "has 1000 GB now"],
    ),
    ("bucket usage", CivoUsageOperator, {"object_stores": "photos"}, ["Read the use of photos"]),
    ("delete bucket", CivoDeleteObjectStoreOperator, {"object_store": "photos"}, ["Deleted", "photos"]),
    ("delete no bucket", CivoDeleteObjectStoreOperator, {"object_store": "none"}, ["nothing to delete", "none"]),
    ("create credential", CivoCreateCredentialOperator, {"name": "reader"}, ["Created", "reader"]),
    (
        "credential exists",
        CivoCreateCredentialOperator,
        {"name": "{owner}"},
        ["already exists", "{owner}"],
    ),
    (
        "update credential",
        CivoUpdateCredentialOperator,
        {"credential": "{owner}", "suspended": True},
        ["Updated", "{owner}", "suspended"],
    ),
    (
        "delete credential",
        CivoDeleteCredentialOperator,
        {"credential": "{unused}"},
        ["Deleted", "{unused}"],
    ),
    (
        "delete no credential",
        CivoDeleteCredentialOperator,
        {"credential": "none"},
        ["nothing to delete", "none"],
    ),
    ("rotate", CivoRotateCredentialOperator, {"object_store": "photos"}, ["Rotated", "photos", "retired"]),
    (
        "dry rotation",
        CivoRotateCredentialOperator,
        {"object_store": "photos", "dry_run": True},
        ["Dry run", "photos", "nothing was changed"],
    ),
    (
        "sync",
        SyncFolderOperator,
        {"source": "osv2://log_anypoint@orders/open", "target": "{new}"},
        ["Copied", "orders/open", "2 copied"],
    ),
]


def test_every_operator_has_a_case() -> None:
    operators = {kind for kind in public_classes("operators", "transfers") if issubclass(kind, BaseOperator)}
    bases = {kind for kind in operators if any(kind in other.__bases__ for other in operators)}
    shared = {kind for kind in operators if kind.__module__.endswith((".base", ".civo_waiting"))}
    assert operators - bases - shared == {kind for _, kind, _, _ in CASES}


@pytest.fixture
def there(tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Connections of their own, what the operators work on, and what stands for the names in braces."""
    for conn_id, connection in emulator.connections().items():
        name = conn_id.replace("_default", "")
        monkeypatch.setenv(f"AIRFLOW_CONN_LOG_{name.upper()}", json.dumps(connection))
    hook, buckets = AnypointObjectStoreHook("log_anypoint"), CivoObjectStoreHook("log_civo")
    hook.create_store("orders")
    for key in ("o-1", "o-2"):
        hook.put_key("orders", "open", key, "text")
    owner = buckets.require_credential(create(CivoObjectStoreHook(), "photos").owner_access_key_id or "")
    unused = buckets.create_credential("unused")
    folder = f"file://{tmp_path}/export"
    AnypointExportOperator(task_id="t", store_id="orders", path=folder).execute({})
    return {"there": folder, "new": f"file://{tmp_path}/new", "owner": owner.name, "unused": unused.name}


def run(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    conn_id = "anypoint_conn_id" if kind.__name__.startswith("Anypoint") else "civo_conn_id"
    if kind not in (AnypointCopyStoreOperator, SyncFolderOperator):
        fields = {**fields, conn_id: f"log_{conn_id.partition('_')[0]}"}
    dag_run = SimpleNamespace(run_after=datetime.now(UTC), dag_id="d", run_id="r")
    kind(task_id="t", **fields).execute({"dag_run": dag_run, "run_id": "r"})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("kind", "fields", "words"), [pytest.param(*case, id=name) for name, *case in CASES])
def test_one_line_says_it(
    kind: type[BaseOperator],
    fields: dict[str, Any],
    words: list[str],
    there: dict[str, str],
    emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "share" in fields:
        holds(emulator, 400)
    capsys.readouterr()
    run(kind, {name: value.format(**there) if isinstance(value, str) else value for name, value in fields.items()})
    printed = [line for line in capsys.readouterr().out.splitlines() if "outside of the Task Runner" not in line]
    conn_id = "log_civo" if kind.__name__.startswith("Civo") else "log_anypoint"
    environment = "region LON1" if conn_id == "log_civo" else "environment emulator-env, region us-east-1"
    wanted = [*(word.format(**there) for word in words), f"connection {conn_id}, {environment}"]
    assert any(all(word in line for word in wanted) for line in printed), printed
    assert not [line for line in printed if "[warning" in line], "nothing was wrong"
