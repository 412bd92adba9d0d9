"""What Airflow's own components write into the metadata database: DAGs, runs, events, watchers. For tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.jobs.job import Job
from airflow.models.asset import AssetEvent, AssetModel  # noqa: TID251
from airflow.models.dagbundle import DagBundleModel  # noqa: TID251
from airflow.models.dagrun import DagRun  # noqa: TID251
from airflow.models.renderedtifields import RenderedTaskInstanceFields  # noqa: TID251
from airflow.models.serialized_dag import SerializedDagModel  # noqa: TID251
from airflow.models.trigger import Trigger  # noqa: TID251
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.db import synchronize_log_template  # noqa: TID251
from airflow.utils.session import create_session  # noqa: TID251
from airflow.utils.types import DagRunTriggeredByType, DagRunType  # noqa: TID251
from sqlalchemy import select, update

BUNDLE = "tests"
NOW = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
"""When all this was, so in the past."""


def save(*dags: DAG) -> None:
    """Store DAGs as the DAG processor does."""
    with create_session() as session:
        if session.get(DagBundleModel, BUNDLE) is None:
            session.add(DagBundleModel(name=BUNDLE))
            synchronize_log_template(session=session)
            session.flush()
        for dag in dags:
            dag.fileloc, dag.relative_fileloc = __file__, "airflow_records.py"
        # One that was stored just now would not be stored again.
        session.execute(update(SerializedDagModel).values(last_updated=NOW))
        stored = [LazyDeserializedDAG.from_dag(dag) for dag in dags]
        update_dag_parsing_results_in_db(BUNDLE, None, stored, {}, None, set(), session)


def run(dag_id: str, state: Any, tasks: Mapping[str, Any], run_id: str = "r1", after: datetime = NOW) -> None:
    """Store a run, with the states of its tasks."""
    with create_session() as session:
        dag = session.scalar(SerializedDagModel.latest_item_select_object(dag_id)).dag
        created = dag.create_dagrun(
            run_id=run_id,
            run_after=after,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=state,
            session=session,
        )
        for instance in created.get_task_instances(session=session):
            instance.state = tasks.get(instance.task_id)


def render(dag_id: str, task_id: str, fields: Mapping[str, Any], run_id: str = "r1", map_index: int = -1) -> None:
    """Store the rendered fields of a task, as its start on a worker does."""
    with create_session() as session:
        found = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        instance = found.get_task_instance(task_id, session=session, map_index=map_index)
        session.merge(RenderedTaskInstanceFields(instance, render_templates=False, rendered_fields=dict(fields)))


def event(uri: str, dag_id: str | None = None, task_id: str | None = None, run_id: str | None = None) -> None:
    """Store an event of an asset."""
    with create_session() as session:
        asset_id = session.scalar(select(AssetModel.id).where(AssetModel.uri == uri))
        session.add(
            AssetEvent(
                asset_id=asset_id,
                timestamp=NOW,
                source_dag_id=dag_id,
                source_task_id=task_id,
                source_run_id=run_id,
                source_map_index=-1,
            )
        )


def take_triggers(hostname: str) -> None:
    """Give all triggers to a triggerer."""
    with create_session() as session:
        job = Job(job_type="TriggererJob", state="running", hostname=hostname, latest_heartbeat=NOW)
        session.add(job)
        session.flush()
        job.hostname, job.latest_heartbeat = hostname, NOW
        for trigger in session.scalars(select(Trigger)):
            trigger.triggerer_id = job.id


@contextmanager
def emptied() -> Iterator[None]:
    """Delete all records afterwards, but for users and connections."""
    from airflow.models.base import Base  # noqa: TID251

    try:
        yield
    finally:
        with create_session() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name not in ("connection", "log_template"):
                    session.execute(table.delete())
