from __future__ import annotations

import inspect
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.operators.anypoint import AnypointDeleteStoreOperator
from airflow_provider_objectstore.operators.base import AnypointOperator
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from airflow_provider_objectstore.sensors.civo import CivoObjectStoreSensor


class Counting(AnypointDeleteStoreOperator):
    """Has no constructor of its own."""

    checks = 0

    def check_arguments(self) -> None:
        self.checks = self.checks + 1
        super().check_arguments()


class Tenant(Counting):
    """Sets an argument after the constructor of its base."""

    def __init__(self, *, tenant: str, **kwargs: Any) -> None:
        super().__init__(store_id="placeholder", **kwargs)
        self.store_id = tenant


@pytest.mark.parametrize("task", [Counting(task_id="t", store_id="s"), Tenant(task_id="t", tenant="s")], ids=repr)
def test_arguments_are_checked_once(task: Counting) -> None:
    assert task.checks == 1


def test_arguments_are_checked_after_the_outermost_constructor() -> None:
    with pytest.raises(InvalidArgumentError, match=r"store_id must not be empty.*\(task 't'\)"):
        Tenant(task_id="t", tenant="")


def test_constructors_keep_their_signature() -> None:
    assert list(inspect.signature(Tenant).parameters) == ["tenant", "kwargs"]
    assert {"keys", "deferrable", "timeout"} <= set(inspect.signature(AnypointKeySensor).parameters)


def unmapped(kind: type[AnypointOperator], arguments: dict[str, Any], mapped: dict[str, Any]) -> AnypointOperator:
    """One task of a mapped operator, as a worker creates it."""
    with DAG("mapping", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        kind.partial(task_id="t", **arguments).expand(**{name: [value] for name, value in mapped.items()})
    task: Any = dag.get_task("t")
    found: AnypointOperator = task.unmap(mapped)
    return found


def test_defaults_do_not_count_as_given_by_mapping() -> None:
    task = unmapped(AnypointKeySensor, {"store_id": "s", "partition": "p"}, {"keys": "k"})
    task.read_arguments()
    assert task.region is None


def test_none_given_by_mapping_is_refused() -> None:
    task = unmapped(AnypointKeySensor, {"store_id": "s", "partition": "p", "keys": "k"}, {"region": None})
    with pytest.raises(InvalidArgumentError, match="region was given and came out as None"):
        task.read_arguments()


class Regional(AnypointKeySensor):
    """Computes an argument from its own."""

    def __init__(self, *, country: str | None, **kwargs: Any) -> None:
        super().__init__(region=country, **kwargs)


def test_none_given_by_mapping_is_refused_through_a_subclass() -> None:
    task = unmapped(Regional, {"store_id": "s", "partition": "p", "keys": "k"}, {"country": None})
    with pytest.raises(InvalidArgumentError, match="region was given and came out as None"):
        task.read_arguments()


@pytest.mark.parametrize(
    "task",
    [
        AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="k"),
        CivoObjectStoreSensor(task_id="t", object_store="photos"),
    ],
    ids=repr,
)
def test_the_hook_is_created_once(task: Any) -> None:
    assert task.hook is task.hook
