"""Arguments that need each other, or exclude each other, are refused when the DAG is parsed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.exceptions import InvalidArgumentError
from airflow_provider_objectstore.operators.civo import CivoUpdateCredentialOperator, CivoUpdateObjectStoreOperator
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator

WRONG: list[tuple[type, dict[str, Any], str]] = [
    (AnypointPurgePartitionsOperator, {"store_id": "s"}, "give partitions or include, and not both"),
    (
        AnypointPurgePartitionsOperator,
        {"store_id": "s", "partitions": "{{ ds }}", "include": "p*"},
        "give partitions or include, and not both",
    ),
    (CivoRotateCredentialOperator, {}, "give credential or object_store, and not both"),
    (
        CivoRotateCredentialOperator,
        {"credential": "{{ ds }}", "object_store": "photos"},
        "give credential or object_store, and not both",
    ),
    (CivoUpdateObjectStoreOperator, {"object_store": "photos"}, "nothing to change: give max_size_gb or access_key_id"),
    (CivoUpdateCredentialOperator, {"credential": "mine"}, "nothing to change: give suspended or max_size_gb"),
]


@pytest.mark.parametrize(("kind", "arguments", "message"), WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_they_are_refused_at_once(kind: type, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        kind(task_id="t", **arguments)
    assert str(caught.value) == f"{message} (task 't')"


def test_a_template_counts_as_given() -> None:
    AnypointPurgePartitionsOperator(task_id="t", store_id="s", partitions="{{ ds }}")
    CivoRotateCredentialOperator(task_id="t", object_store="{{ params.store }}")
    CivoUpdateObjectStoreOperator(task_id="t", object_store="photos", max_size_gb="{{ params.size }}")
    CivoUpdateCredentialOperator(task_id="t", credential="mine", suspended="{{ params.suspended }}")
