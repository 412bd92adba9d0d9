"""Everything that sends requests has a case: a new method or class without one is red here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.fs.anypoint import AnypointFileSystem
from airflow_provider_objectstore.fs.civo_s3fs import CivoFileSystem
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from tests.chaos.cases import CASES
from tests.test_structure import public_classes

COVERED = {name for case in CASES.values() for name in case.covers}
COVERED_ASYNC = {name for case in CASES.values() if "async" in case.forms for name in case.covers}
HOOKS = {AnypointObjectStoreHook: anypoint, CivoObjectStoreHook: civo}
WITHOUT_REQUESTS = {"asset", "get_conn", "resolve", "aresolve", "get_connection_form_widgets", "get_ui_field_behaviour"}
USED_BY_OTHERS = {"send", "client", "async_client", "bulk"}
"""Every other method, its async form, or every bulk method is built on them."""
FOLDERS = ("operators", "transfers", "sensors", "triggers")
FILESYSTEMS = [AnypointFileSystem, CivoFileSystem]
NO_OPERATION = {
    "hook",
    "hook_and_names",
    "get_s3",
    "call_s3",
    "set_session",
    "split_path",
    "unstrip_protocol",
    "connect",
}


def own_methods(kind: type) -> set[str]:
    """The public methods that this package defines, inherited ones included; an async twin counts as its method."""
    bases = [base for base in kind.__mro__ if base.__module__.startswith("airflow_provider_objectstore.")]
    found = {name: member for base in bases for name, member in vars(base).items() if not isinstance(member, property)}
    return {name for name, member in found.items() if not name.startswith("_") and callable(getattr(kind, name))}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_method_of_a_hook(hook: Any) -> None:
    methods = own_methods(hook) - WITHOUT_REQUESTS - USED_BY_OTHERS
    assert {f"{hook.__name__}.{name}" for name in methods} - COVERED == set()
    api = HOOKS[hook]
    twins = {name for name in methods if name in api.__all__}
    assert {f"{hook.__name__}.{name}" for name in twins} - COVERED_ASYNC == set()


@pytest.mark.parametrize("filesystem", FILESYSTEMS, ids=lambda kind: kind.__name__)
def test_every_operation_of_a_filesystem(filesystem: type) -> None:
    operations = own_methods(filesystem) - NO_OPERATION
    assert {name for name in operations if f"{filesystem.__name__}.{name}" not in COVERED} == set()


def test_every_operator_sensor_and_trigger() -> None:
    kinds = [kind for kind in public_classes(*FOLDERS) if not inspect.isabstract(kind)]
    names = {kind.__name__ for kind in kinds if kind.__name__.endswith(("Operator", "Sensor", "Trigger"))}
    bases = {base.__name__ for kind in kinds for base in kind.__mro__[1:]}
    assert names - bases - COVERED == set()
    assert len(names - bases) > 20


def test_nothing_is_covered_that_does_not_exist() -> None:
    known = {kind.__name__ for kind in public_classes(*FOLDERS)}
    for kind in (*HOOKS, *FILESYSTEMS):
        known |= {f"{kind.__name__}.{name}" for name in dir(kind)}
    assert known >= COVERED
