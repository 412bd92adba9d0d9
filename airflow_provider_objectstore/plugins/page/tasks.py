"""The view "DAGs and tasks": what Airflow knows of a connection's stores and buckets. It asks no service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from airflow.utils.session import create_session  # noqa: TID251 - the API server has the metadata database

from airflow_provider_objectstore.assets import anypoint_namespace, civo_namespace, encode_names
from airflow_provider_objectstore.plugins.operator_uses import Names, Place, Unknown
from airflow_provider_objectstore.plugins.page.airflow_metadata import Uris, read_known, rights_of
from airflow_provider_objectstore.plugins.page.services import PageAnypointHook, PageCivoHook
from airflow_provider_objectstore.plugins.page.task_places import Searched, StoredTasks
from airflow_provider_objectstore.plugins.page.views import Context, Parameters

NAMES = {"anypoint": ("store", "partition", "key"), "civo": ("bucket",)}
"""The parameters that name a place, by service."""
PARAMETERS = ("store", "partition", "key", "bucket")


def tasks_reader() -> Callable[[PageAnypointHook | PageCivoHook, Parameters, Any], Context]:
    """Return what reads the view's content for a user. It blocks, and keeps the tasks of stored DAGs."""
    stored = StoredTasks()

    def read(hook: PageAnypointHook | PageCivoHook, parameters: Parameters, user: Any) -> Context:
        searched, uris = place_of(hook, parameters)
        with create_session(scoped=False) as session:
            known = read_known(session, rights_of(user, session), searched, uris, stored)
        return {"known": known, "searched": searched, "names_of": names_of, "path": dag_path, "verbs": VERBS}

    return read


def place_of(hook: PageAnypointHook | PageCivoHook, parameters: Parameters) -> tuple[Searched, Uris]:
    """
    Return the place that an address names, for tasks and for assets.

    :param hook: the connection's hook.
    :param parameters: the names of the place.
    :raises ObjectStoreError: if a name cannot be used.
    """
    service, labels = hook.conn_type, hook.labels
    names: list[str] = []
    for parameter in NAMES[service]:
        if (name := parameters.get(parameter)) is None:
            break
        names.append(name)
    if service == "anypoint":
        root = anypoint_namespace(labels["organization_id"], labels["environment_id"], labels["region"])
    else:
        root = civo_namespace(labels["region"])
    around = [f"{root}/{encode_names(names[:end])}" for end in range(1, len(names))]
    own = f"{root}/{encode_names(names)}" if names else root
    return Searched(service, labels["conn_id"], labels["region"], tuple(names)), Uris(own, tuple(around))


VERBS = {"writes": "written by", "reads": "read by", "starts": "starts"}


def names_of(place: Place) -> list[str]:
    """
    Return what a task works on, for people.

    :param place: where it works.
    """
    if place.credential is not None:
        return [f"credential {_listed(place.credential)}"]
    if place.guessed:
        return ["not known" if isinstance(names, Unknown) else _listed(names) for names in place.names]
    return [_listed(names) for names in place.names]


def _listed(names: Names) -> str:
    if names is None:
        return "all"
    if isinstance(names, Unknown):
        return "by template"
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def dag_path(dag_id: str, run_id: str | None = None, task_id: str | None = None, mapped: str | None = None) -> str:
    """
    Return the path in Airflow's UI of a DAG, a run or a task.

    :param dag_id: the DAG.
    :param run_id: the run.
    :param task_id: the task.
    :param mapped: which instance of a mapped task in a run; empty for all of them. None for other tasks.
    """
    parts = ["dags", dag_id]
    parts += ["runs", run_id] if run_id else []
    parts += ["tasks", task_id] if task_id else []
    parts += [] if mapped is None else ["mapped", mapped]
    return "".join(f"/{quote(part, safe='')}" for part in parts if part)
