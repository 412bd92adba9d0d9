"""DAGs that call back in every way, and Airflow's parts that do so without a scheduler; prints what these return."""

# ruff: noqa: TID251

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, task

from airflow_provider_objectstore.notifications.anypoint import AnypointKeyNotifier


def told(key: str, **arguments: Any) -> AnypointKeyNotifier:
    return AnypointKeyNotifier(store_id="s", partition="p", key=key, **arguments)


each = told("{{ dag.dag_id }} {{ ti.task_id }} {{ ti.map_index }}")
callbacks = dict.fromkeys(("on_success_callback", "on_failure_callback", "on_skipped_callback"), each)
runs = dict.fromkeys(("on_success_callback", "on_failure_callback"), told("{{ dag.dag_id }}"))

with DAG("good", schedule=None, default_args=callbacks, **runs) as good:  # type: ignore[arg-type]

    @task
    def one(number: int) -> int:
        return number

    @task(on_success_callback=told("own", value=b"{{ ds }}", metadata={"run": "{{ run_id }}"}))
    def own() -> None:
        raise AirflowSkipException

    one.expand(number=[1, 2])
    own()

with DAG("bad", schedule=None, default_args=callbacks, **runs) as bad:  # type: ignore[arg-type]

    @task(on_retry_callback=told("gone again"), retries=1)
    def broken() -> None:
        raise AirflowFailException("the-password")

    broken()


def latest(dag_id: str, session: Any) -> Any:
    from airflow.models.dagrun import DagRun

    return session.query(DagRun).filter(DagRun.dag_id == dag_id).order_by(DagRun.id.desc()).first()


def miss_deadline() -> None:
    """The context of the scheduler, the trigger of the database."""
    from airflow.models.deadline import Deadline
    from airflow.sdk.definitions.deadline import AsyncCallback
    from airflow.sdk.module_loading import import_string
    from airflow.utils.session import create_session

    arguments = {"store_id": "s", "partition": "p", "key": "{{ dag_run.dag_id }} late"}
    with create_session() as session:
        run = latest("bad", session)
        more = {"deadline_alert_id": None, "dag_id": "bad"} if hasattr(Deadline, "deadline_alert_id") else {}
        callback = AsyncCallback(AnypointKeyNotifier, arguments)
        late: Any = Deadline(run.run_after + timedelta(hours=1), callback, run.id, **more)
        session.add(late)
        session.commit()
        session.refresh(late)  # as the scheduler reads it: with an id of the database's own kind
        late.handle_miss(session)
        stored = late.trigger if hasattr(late, "trigger") else late.callback.trigger
        trigger = import_string(stored.classpath)(**stored.kwargs)
        context = stored.kwargs["callback_kwargs"]["context"]

    async def states() -> list[str]:
        return [str(getattr(e.payload["state"], "value", e.payload["state"])) async for e in trigger.run()]

    print("TRIGGER", asyncio.run(states()))
    if sync := sys.modules.get("airflow.sdk.execution_time.callback_supervisor") or supervisor():
        import structlog

        path = f"{AnypointKeyNotifier.__module__}.{AnypointKeyNotifier.__qualname__}"
        rest: Any = {"dag_rel_path": None, "bundle_path": None, "log": structlog.get_logger()}
        kwargs = {**arguments, "key": "sync", "context": context}
        print("EXECUTOR", sync.execute_callback(callback_path=path, callback_kwargs=kwargs, **rest))


def supervisor() -> ModuleType | None:
    try:
        from airflow.sdk.execution_time import callback_supervisor
    except ImportError:  # before Airflow 3.2
        return None
    return callback_supervisor


def process_callbacks() -> None:
    """What the DAG processor does when a run ends, and for a task whose process is gone."""
    import structlog
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun, TIRunContext
    from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext, TaskCallbackRequest
    from airflow.dag_processing import processor
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ModuleNotFoundError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag

    bag, log = DagBag(dag_folder=str(Path(__file__))), structlog.get_logger()
    place: Any = {"filepath": Path(__file__).name, "bundle_name": "b", "bundle_version": None}
    with create_session() as session:
        for dag_id, task_id, reason in (("good", "own", "success"), ("bad", "broken", "task_failure")):
            run = latest(dag_id, session)
            ti = run.get_task_instance(task_id, session=session)
            ended = DagCallbackRequest(
                **place,
                dag_id=dag_id,
                run_id=run.run_id,
                context_from_server=DagRunContext(dag_run=run, last_ti=ti),
                is_failure_callback=dag_id == "bad",
                msg=reason,
            )
            processor._execute_dag_callbacks(bag, ended, log)
        server = TIRunContext(
            dag_run=DagRun.model_validate(run, from_attributes=True),
            max_tries=1,
            variables=[],
            connections=[],
            xcom_keys_to_clear=[],
        )
        bag.dags["bad"].get_task("broken").on_failure_callback = [told("gone")]
        for kind in (TaskInstanceState.FAILED, TaskInstanceState.UP_FOR_RETRY):
            gone = TaskCallbackRequest(**place, ti=ti, msg="gone", task_callback_type=kind, context_from_server=server)
            processor._execute_task_callbacks(bag, gone, log)


if __name__ == "__main__":
    for dag in (good, bad):
        print("RUN", dag.test().run_id, flush=True)
    miss_deadline()
    process_callbacks()
