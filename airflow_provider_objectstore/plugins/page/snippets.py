"""Code for DAGs that do what the page does not: it changes nothing."""

from __future__ import annotations

_PACKAGE = "airflow_provider_objectstore"


def purge(conn_id: str, store: str, partition: str, prefix: str | None) -> str | None:
    """Return the task that deletes a partition, or its keys with a prefix; None for names that no code may have."""
    if _unfit(store, partition, prefix or ""):
        return None
    return _task(
        "operators.purge",
        "AnypointPurgePartitionsOperator",
        task_id="purge",
        store_id=store,
        partitions=[partition],
        key_prefix=prefix,
        anypoint_conn_id=conn_id,
    )


def delete_key(conn_id: str, store: str, partition: str, key: str) -> str | None:
    """Return the task that deletes a key; None for names that no code may have."""
    if _unfit(store, partition, key):
        return None
    return _task(
        "operators.anypoint_keys",
        "AnypointDeleteKeyOperator",
        task_id="delete_key",
        store_id=store,
        partition=partition,
        key=key,
        anypoint_conn_id=conn_id,
    )


def grow(conn_id: str) -> str:
    """Return the task that grows a bucket before it is full."""
    return _task(
        "operators.civo_usage",
        "CivoGrowObjectStoreOperator",
        task_id="grow",
        object_store="the bucket's name",
        share=0.8,
        limit_gb=2000,
        civo_conn_id=conn_id,
    )


def rotate(conn_id: str) -> str:
    """Return the task that replaces a credential and publishes the new one."""
    task = _task(
        "operators.rotation",
        "CivoRotateCredentialOperator",
        task_id="rotate",
        credential="the credential's name",
        publishers=_Code('[AirflowConnectionPublisher("s3_of_the_consumers", airflow_api_conn_id="airflow_api")]'),
        grace_period="P1D",
        civo_conn_id=conn_id,
    )
    return task.replace("\n\n", f"\nfrom {_PACKAGE}.publishers import AirflowConnectionPublisher\n\n", 1)


class _Code(str):
    """Code that stands as it is."""


def _unfit(*names: str) -> bool:
    """Return whether Airflow would render one of somebody else's names as a template, or operators refuse it."""
    return any(mark in name for name in names for mark in ("{{", "{%", "{#", "\n", "\r"))


def _task(module: str, operator: str, **arguments: object) -> str:
    lines = "".join(f"    {name}={_literal(value)},\n" for name, value in arguments.items() if value is not None)
    return f"from {_PACKAGE}.{module} import {operator}\n\n{operator}(\n{lines})\n"


def _literal(value: object) -> str:
    """Return a value as Python code, in ASCII: what does not print is an escape."""
    return value if isinstance(value, _Code) else ascii(value)
