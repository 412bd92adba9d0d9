"""Every operator and sensor as part of a DAG: constructors, template fields, signatures, serialization."""

from __future__ import annotations

import inspect
import json
import re
import socket
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseHook, BaseOperator

from airflow_provider_objectstore.exceptions import ServerError
from airflow_provider_objectstore.operators.anypoint import (
    AnypointCreateStoreOperator,
    AnypointDeleteKeyOperator,
    AnypointDeleteStoreOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
    AnypointUpdateStoreOperator,
)
from airflow_provider_objectstore.operators.anypoint_usage import AnypointUsageOperator
from airflow_provider_objectstore.operators.base import AnypointOperator
from airflow_provider_objectstore.operators.civo import (
    CivoCreateCredentialOperator,
    CivoCreateObjectStoreOperator,
    CivoDeleteCredentialOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateCredentialOperator,
    CivoUpdateObjectStoreOperator,
)
from airflow_provider_objectstore.operators.civo_usage import CivoGrowObjectStoreOperator, CivoUsageOperator
from airflow_provider_objectstore.operators.civo_waiting import CivoWaitingOperator
from airflow_provider_objectstore.operators.copy_store import AnypointCopyStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor, AnypointPartitionSensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor, CivoUsageSensor
from airflow_provider_objectstore.sensors.polling import BasePollingSensor
from tests.test_structure import public_classes

TASKS: dict[type[BaseOperator], dict[str, Any]] = {
    AnypointCreateStoreOperator: {"store_id": "s"},
    AnypointUpdateStoreOperator: {"store_id": "s"},
    AnypointDeleteStoreOperator: {"store_id": "s"},
    AnypointPutKeyOperator: {"store_id": "s", "partition": "p", "key": "k", "value": "v"},
    AnypointGetKeyOperator: {"store_id": "s", "partition": "p", "key": "k"},
    AnypointDeleteKeyOperator: {"store_id": "s", "partition": "p", "key": "k"},
    AnypointPurgePartitionsOperator: {"store_id": "s", "partitions": ["p"]},
    AnypointExportOperator: {"store_id": "s", "partitions": ["p"], "path": "file:///tmp/x"},
    AnypointImportOperator: {"store_id": "s", "path": "file:///tmp/x", "if_exists": "fail"},
    AnypointKeySensor: {"store_id": "s", "partition": "p", "keys": ["a"]},
    AnypointPartitionSensor: {"store_id": "s", "partition": "p"},
    CivoCreateObjectStoreOperator: {"name": "photos"},
    CivoUpdateObjectStoreOperator: {"object_store": "photos", "max_size_gb": 500},
    CivoGrowObjectStoreOperator: {"object_store": "photos", "limit_gb": 1000},
    CivoDeleteObjectStoreOperator: {"object_store": "photos"},
    CivoCreateCredentialOperator: {"name": "mine"},
    CivoUpdateCredentialOperator: {"credential": "mine", "suspended": True},
    CivoDeleteCredentialOperator: {"credential": "mine"},
    CivoRotateCredentialOperator: {"credential": "mine", "strategy": "auto"},
    CivoObjectStoreSensor: {"object_store": "photos"},
    CivoUsageSensor: {"object_store": "photos", "share": 0.9},
    AnypointUsageOperator: {"monthly_allowance": 1000},
    CivoUsageOperator: {"object_stores": ["photos"]},
}
each = pytest.mark.parametrize(("kind", "fields"), TASKS.items(), ids=lambda value: getattr(value, "__name__", ""))


def conn_id_name(kind: type[BaseOperator]) -> str:
    return "anypoint_conn_id" if issubclass(kind, AnypointOperator) else "civo_conn_id"


@pytest.fixture
def no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of both kinds are out of reach."""

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("I/O while a DAG is built")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(BaseHook, "get_connection", refuse)


def dag_with_all(**settings: Any) -> DAG:
    with DAG("all", schedule=None, start_date=datetime(2026, 1, 1), **settings) as dag:
        for kind, fields in TASKS.items():
            kind(task_id=kind.__name__, **fields)
            (mapped, value), *rest = list(fields.items())[::-1]
            kind.partial(task_id=f"mapped_{kind.__name__}", **dict(rest)).expand(**{mapped: [value]})
    return dag


@each
def test_constructors_do_no_io(kind: type[BaseOperator], fields: dict[str, Any], no_io: None) -> None:
    kind(task_id="t", **fields, **{conn_id_name(kind): "nowhere"})


@each
def test_constructors_take_what_templates_decide_later(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    task = kind(task_id="t", **dict.fromkeys(fields, "{{ x }}"))
    assert all(getattr(task, name) == "{{ x }}" for name in fields)


@each
def test_template_fields_are_attributes(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    task = kind(task_id="t", **fields)
    assert {conn_id_name(kind), "region", *fields} <= set(task.template_fields)
    assert all(hasattr(task, name) for name in task.template_fields)
    assert len(set(task.template_fields)) == len(task.template_fields)


@each
def test_template_fields_are_rendered(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    task = kind(task_id="t", **{**fields, conn_id_name(kind): "c-{{ x }}", "region": "r-{{ x }}"})
    context: Any = {"x": "1"}
    task.render_template_fields(context)
    assert (getattr(task, conn_id_name(kind)), getattr(task, "region", None)) == ("c-1", "r-1")


def test_json_and_lists_are_shown_as_such() -> None:
    assert AnypointCreateStoreOperator.template_fields_renderers == {"attributes": "json"}
    assert AnypointPutKeyOperator.template_fields_renderers == {"metadata": "json"}
    assert AnypointExportOperator.template_fields_renderers == {"partitions": "py"}
    assert AnypointPurgePartitionsOperator.template_fields_renderers == dict.fromkeys(
        ("partitions", "include", "exclude"), "py"
    )


@pytest.mark.parametrize("kind", [kind for kind in TASKS if not issubclass(kind, BasePollingSensor)])
def test_signatures_and_docstrings_show_every_argument(kind: Any) -> None:
    parameters = set(inspect.signature(vars(kind)["__init__"]).parameters) - {"self", "kwargs"}
    assert parameters >= {conn_id_name(kind), "region", *kind.arguments, *kind.template_fields}
    assert sorted(re.findall(r"^ *:param (\w+):", kind.__doc__, re.MULTILINE)) == sorted(parameters)


def test_none_is_forgotten() -> None:
    kinds = [kind for kind in public_classes("operators", "sensors") if issubclass(kind, BaseOperator)]
    bases = {base for kind in kinds for base in kind.__mro__[1:]}
    of_two_places = {AnypointCopyStoreOperator}  # its own tests
    assert set(kinds) - bases == set(TASKS) | of_two_places


@each
def test_default_connection(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    task = kind(task_id="t", **fields)
    assert getattr(task, conn_id_name(kind)) == conn_id_name(kind).replace("conn_id", "default")


@each
def test_default_arguments_of_a_dag_apply(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    given = {"anypoint_conn_id": "mine", "civo_conn_id": "mine", "region": "there", "deferrable": True}
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1), default_args=given):
        task: Any = kind(task_id="t", **fields)
        own: Any = kind(task_id="own", **fields, **{conn_id_name(kind): "other"})
    assert (getattr(task, conn_id_name(kind)), task.region) == ("mine", "there")
    assert getattr(own, conn_id_name(kind)) == "other"
    if isinstance(task, BasePollingSensor | CivoWaitingOperator):
        assert task.deferrable


@each
def test_unknown_arguments_are_refused(kind: type[BaseOperator], fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="no_such_argument"):
        kind(task_id="t", **fields, no_such_argument=1)


def test_dag_can_be_serialized(no_io: None) -> None:
    from airflow.serialization import serialized_objects

    name = "DagSerialization" if hasattr(serialized_objects, "DagSerialization") else "SerializedDAG"
    serializer = getattr(serialized_objects, name)
    stored = json.loads(json.dumps(serializer.to_dict(dag_with_all())))
    again = serializer.from_dict(stored)
    assert len(again.task_ids) == 2 * len(TASKS)
    for kind, fields in TASKS.items():
        task = again.get_task(kind.__name__)
        assert task.task_type == kind.__name__
        assert {name: getattr(task, name) for name in fields} == fields
        assert again.get_task(f"mapped_{kind.__name__}").is_mapped


def test_an_error_is_not_hidden_by_another_kind_of_hook() -> None:
    class Own(AnypointOperator):
        def execute(self, context: Any) -> None:
            self.hook = object()
            raise ServerError("down", status=503)

    with pytest.raises(ServerError, match=r"^down$"):
        Own(task_id="own").execute({})


def test_what_a_subclass_calls_execute_something_stays_what_it_is() -> None:
    class Guarded(AnypointDeleteStoreOperator):
        execute_for_real = False
        execute_times = (1, 2)
        executed = property(lambda self: "yes")

        @staticmethod
        def execute_many(number: int) -> int:
            return number

        @classmethod
        def execute_all(cls) -> str:
            return cls.__name__

        def execute(self, context: Any) -> Any:
            return super().execute(context) if self.execute_for_real else "dry run"

    task: Any = Guarded(task_id="t", store_id="orders")
    assert task.execute({}) == "dry run"
    assert (task.execute_for_real, task.execute_times, task.executed) == (False, (1, 2), "yes")
    assert (task.execute_many(2), task.execute_all()) == (2, "Guarded")
