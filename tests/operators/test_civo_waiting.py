"""What the operators that wait for an object store have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.civo import CivoCreateObjectStoreOperator
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator
from tests.hooks.buckets import create
from tests.triggers.waiting import run

Build = Callable[..., BaseOperator]


def never_grows(id: str) -> list[dict[str, Any]]:
    """Faults of a service that accepts a size for a full object store and does not set it."""
    bodies = {
        "civo.get_object_store_stats": {"size_kb_utilised": 450_000_000, "max_size_kb": 500_000_000, "num_objects": 1},
        "civo.update_object_store": {"id": id, "name": "photos", "max_size_gb": 500, "status": "ready"},
    }
    return [{"operation": name, "kind": "status", "status": 200, "body": body} for name, body in bodies.items()]


@pytest.fixture(params=[False, True], ids=["blocking", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=["create", "grow"])
def build(request: pytest.FixtureRequest, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Returns an operator that waits for ``photos``, in vain."""
    monkeypatch.setattr(emulator.settings, "quota_gb", 10_000)
    hook = CivoObjectStoreHook()
    if request.param == "create":
        monkeypatch.setattr(emulator.settings, "creating_seconds", 600)
        hook.create_object_store("photos")
    else:
        monkeypatch.setattr(emulator.settings, "creating_seconds", 0)
        create(hook, "photos")
    emulator.faults(never_grows(hook.require_object_store("photos").id))
    common: dict[str, Any] = {"task_id": "wait", "poke_interval": 0.02}
    if request.param == "create":
        return lambda **fields: CivoCreateObjectStoreOperator(name="photos", **common, **fields)
    return lambda **fields: CivoGrowObjectStoreOperator(object_store="photos", limit_gb=3000, **common, **fields)


@pytest.mark.parametrize("timeout", ["PT0.2S", timedelta(seconds=0.2)], ids=repr)
def test_a_timeout_names_store_and_time(build: Build, timeout: Any, deferrable: bool) -> None:
    with pytest.raises(
        ObjectStoreError, match=r"^object store photos was not ready .*after 0\.2 s.*\[connection civo_default, "
    ):
        run(build(timeout=timeout, deferrable=deferrable))


def test_an_error_while_waiting_names_the_store(build: Build, deferrable: bool, emulator: Emulator) -> None:
    refused = {"operation": "civo.get_object_store", "kind": "status", "status": 403, "skip": 1}
    emulator.faults([*never_grows(CivoObjectStoreHook().require_object_store("photos").id), refused])
    with pytest.raises(
        ObjectStoreError, match=r"^object store photos exists, but waiting until it is ready failed: .* 403"
    ):
        run(build(deferrable=deferrable))
