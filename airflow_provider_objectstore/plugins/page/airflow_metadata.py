"""
What Airflow's metadata database knows of a place: its assets with their events and watchers, and tasks that work there.

Everything is read only, and only what the auth manager lets the signed-in user read. The models are Airflow's own, as
its API server uses them; what differs between versions is in ``compat/``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.jobs.job import Job
from airflow.models import asset as assets  # noqa: TID251 - the API server has the metadata database
from airflow.models.asset import AssetEvent, AssetModel  # noqa: TID251
from airflow.models.dag import DagModel  # noqa: TID251
from airflow.models.dagrun import DagRun  # noqa: TID251
from airflow.models.taskinstance import TaskInstance  # noqa: TID251
from airflow.models.trigger import Trigger  # noqa: TID251
from sqlalchemy import String, and_, cast, func, literal, null, or_, select, tuple_, union_all

from airflow_provider_objectstore.compat.metadata import asset_state_times, asset_watchers, watched_by
from airflow_provider_objectstore.plugins.operator_uses import WATCHES, place_of
from airflow_provider_objectstore.plugins.page.task_places import Searched, StoredTasks, WorkingTask

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_ASSETS = 100
"""How many assets are shown at most."""
MAX_TASKS = 200
"""How many tasks are shown at most."""


@dataclass(frozen=True, slots=True)
class Rights:
    """
    What a user may read.

    :param dag_ids: these DAGs.
    :param assets: assets.
    :param runs: runs of these DAGs.
    :param tasks: tasks of these DAGs.
    :param instances: instances of these tasks.
    :param jobs: Airflow's own processes.
    """

    dag_ids: frozenset[str]
    assets: bool
    runs: bool
    tasks: bool
    instances: bool
    jobs: bool


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a DAG."""

    run_id: str
    state: str
    run_after: datetime


@dataclass(frozen=True, slots=True)
class TaskState:
    """What a task's instances are in the last run of its DAG, and whether they are mapped ones."""

    text: str
    mapped: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """What a DAG or a task has to do with an asset: it ``writes`` or ``reads`` the asset, or ``starts`` after it."""

    verb: str
    dag_id: str
    task_id: str | None


@dataclass(frozen=True, slots=True)
class Watcher:
    """A watcher of an asset, and the triggerer that runs it."""

    name: str | None
    trigger: str
    triggerer: str | None
    heartbeat: datetime | None


@dataclass(slots=True)
class KnownAsset:
    """An asset. ``state_changed`` is when a watcher last stored what it had found, on Airflow 3.3."""

    id: int
    name: str
    uri: str
    references: list[Reference] = field(default_factory=list)
    event: Any = None
    watchers: list[Watcher] = field(default_factory=list)
    state_changed: datetime | None = None


@dataclass(slots=True)
class Known:
    """What Airflow knows of a place, as far as a user may read it."""

    rights: Rights
    assets: list[KnownAsset]
    more_assets: bool
    tasks: list[WorkingTask]
    more_tasks: int
    unread_dags: int
    unread_watchers: int
    paused: Mapping[str, bool] = field(default_factory=dict)
    runs: Mapping[str, LastRun] = field(default_factory=dict)
    states: Mapping[tuple[str, str], TaskState] = field(default_factory=dict)


def rights_of(user: Any, session: Session) -> Rights:
    """
    Ask the auth manager what a user may read.

    :param user: the user.
    :param session: a session of the metadata database.
    """
    manager = get_auth_manager()

    def of_dags(entity: DagAccessEntity) -> bool:
        return bool(manager.is_authorized_dag(method="GET", access_entity=entity, user=user))

    return Rights(
        dag_ids=frozenset(manager.get_authorized_dag_ids(user=user, method="GET", session=session)),
        assets=manager.is_authorized_asset(method="GET", user=user),
        runs=of_dags(DagAccessEntity.RUN),
        tasks=of_dags(DagAccessEntity.TASK),
        instances=of_dags(DagAccessEntity.TASK_INSTANCE),
        jobs=manager.is_authorized_view(access_view=AccessView.JOBS, user=user),
    )


def read_known(session: Session, rights: Rights, searched: Searched, uris: Uris, stored: StoredTasks) -> Known:
    """
    Read what Airflow knows of a place.

    :param session: a session of the metadata database.
    :param rights: what the user may read.
    :param searched: the place, for tasks.
    :param uris: the place, for assets.
    :param stored: the tasks of the stored DAGs.
    """
    found, unread_watchers = _assets(session, rights, searched, uris) if rights.assets else ([], 0)
    # The places of a task are its rendered fields, or the templates of them.
    tasks, unread = stored.find(session, rights.dag_ids, searched) if rights.tasks and rights.instances else ([], 0)
    known = Known(
        rights,
        found[:MAX_ASSETS],
        len(found) > MAX_ASSETS,
        tasks[:MAX_TASKS],
        max(0, len(tasks) - MAX_TASKS),
        unread,
        unread_watchers,
    )
    references = [reference for asset in known.assets for reference in asset.references]
    named = {*((task.dag_id, task.task_id) for task in known.tasks), *((r.dag_id, r.task_id) for r in references)}
    dag_ids = {dag_id for dag_id, _ in named}
    known.paused = _paused(session, dag_ids)
    if rights.runs:
        known.runs = _last_runs(session, dag_ids)
    if rights.instances:
        known.states = _states(session, known.runs, {task_id for _, task_id in named if task_id})
    return known


@dataclass(frozen=True, slots=True)
class Uris:
    """
    The URIs of a place.

    :param own: the URI of the place.
    :param around: the URIs of what it is in.
    """

    own: str
    around: tuple[str, ...] = ()


def _assets(session: Session, rights: Rights, searched: Searched, uris: Uris) -> tuple[list[KnownAsset], int]:
    """
    Return the assets whose URI is of the place, and those for which an event trigger watches the place.

    Return also how many event triggers cannot be read.
    """
    triggers = list(watched_by(session, WATCHES))
    watched = {
        asset_id
        for asset_id, trigger, fields in triggers
        if fields is not None
        and (place := place_of(WATCHES[trigger], fields)) is not None
        and searched.holds(place) is not False
    }
    below = f"{uris.own.rstrip('/')}/"
    exact = {uris.own, *uris.around}
    rows = session.execute(
        select(AssetModel.id, AssetModel.name, AssetModel.uri)
        .where(
            or_(
                AssetModel.uri.in_(exact), AssetModel.uri.startswith(below, autoescape=True), AssetModel.id.in_(watched)
            )
        )
        .where(AssetModel.active.has())
        .order_by(AssetModel.uri, AssetModel.name)
        .limit(MAX_ASSETS + 1)
    )
    # Some databases compare without regard to case.
    found = {
        id: KnownAsset(id, name, uri)
        for id, name, uri in rows
        if id in watched or uri in exact or uri.startswith(below)
    }
    if found:
        _add_references(session, rights, found)
        _add_events(session, rights, found)
        _add_watchers(session, rights, found)
    return list(found.values()), sum(fields is None for *_, fields in triggers)


def _add_references(session: Session, rights: Rights, found: Mapping[int, KnownAsset]) -> None:
    no_task = cast(null(), String)
    outlets, inlets = assets.TaskOutletAssetReference, assets.TaskInletAssetReference
    schedules, aliases = assets.DagScheduleAssetReference, assets.alias_association_table
    by_uri, by_name = assets.DagScheduleAssetUriReference, assets.DagScheduleAssetNameReference
    by_alias = assets.DagScheduleAssetAliasReference
    starts = literal("starts")
    queries = [
        select(outlets.asset_id, literal("writes"), outlets.dag_id, outlets.task_id).where(outlets.asset_id.in_(found)),
        select(inlets.asset_id, literal("reads"), inlets.dag_id, inlets.task_id).where(inlets.asset_id.in_(found)),
        select(schedules.asset_id, starts, schedules.dag_id, no_task).where(schedules.asset_id.in_(found)),
        select(AssetModel.id, starts, by_uri.dag_id, no_task)
        .join(by_uri, by_uri.uri == AssetModel.uri)
        .where(AssetModel.id.in_(found)),
        select(AssetModel.id, starts, by_name.dag_id, no_task)
        .join(by_name, by_name.name == AssetModel.name)
        .where(AssetModel.id.in_(found)),
        select(aliases.c.asset_id, starts, by_alias.dag_id, no_task)
        .join(by_alias, by_alias.alias_id == aliases.c.alias_id)
        .where(aliases.c.asset_id.in_(found)),
    ]
    seen = {(asset_id, Reference(*row)) for asset_id, *row in session.execute(union_all(*queries))}
    for asset_id, reference in sorted(seen, key=lambda pair: (pair[0], pair[1].dag_id, pair[1].task_id or "")):
        if reference.dag_id in rights.dag_ids and (reference.task_id is None or rights.tasks):
            found[asset_id].references.append(reference)


def _add_events(session: Session, rights: Rights, found: Mapping[int, KnownAsset]) -> None:
    """Add the last event of each asset: of the DAGs that the user may read, and those that no DAG has caused."""
    own = or_(AssetEvent.source_dag_id.in_(rights.dag_ids), AssetEvent.source_dag_id.is_(None))
    last = (
        select(func.max(AssetEvent.id))
        .where(AssetEvent.asset_id.in_(found), own)
        .group_by(AssetEvent.asset_id)
        .scalar_subquery()
    )
    columns = (
        AssetEvent.asset_id,
        AssetEvent.timestamp,
        AssetEvent.source_dag_id.label("dag_id"),
        AssetEvent.source_task_id.label("task_id"),
        AssetEvent.source_run_id.label("run_id"),
        AssetEvent.source_map_index.label("map_index"),
    )
    for event in session.execute(select(*columns).where(AssetEvent.id.in_(last))):
        found[event.asset_id].event = event


def _add_watchers(session: Session, rights: Rights, found: Mapping[int, KnownAsset]) -> None:
    asset_id, trigger_id, name = asset_watchers()
    query = (
        select(asset_id, name, Trigger.classpath, Job.hostname, Job.latest_heartbeat)
        .join(Trigger, Trigger.id == trigger_id)
        .outerjoin(Job, Job.id == Trigger.triggerer_id)
        .where(asset_id.in_(found))
    )
    for owner, watcher, classpath, host, heartbeat in session.execute(query):
        kind = classpath.rpartition(".")[2]
        process = (host, heartbeat) if rights.jobs else (None, None)
        found[owner].watchers.append(Watcher(watcher, kind, *process))
    for owner, changed in asset_state_times(session, [id for id, asset in found.items() if asset.watchers]):
        found[owner].state_changed = changed


def _paused(session: Session, dag_ids: Collection[str]) -> dict[str, bool]:
    rows = session.execute(select(DagModel.dag_id, DagModel.is_paused).where(DagModel.dag_id.in_(dag_ids)))
    return {dag_id: bool(paused) for dag_id, paused in rows}


def _last_runs(session: Session, dag_ids: Collection[str]) -> dict[str, LastRun]:
    last = (
        select(DagRun.dag_id, func.max(DagRun.run_after).label("run_after"))
        .where(DagRun.dag_id.in_(dag_ids))
        .group_by(DagRun.dag_id)
        .subquery()
    )
    rows = session.execute(
        select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after)
        .join(last, and_(DagRun.dag_id == last.c.dag_id, DagRun.run_after == last.c.run_after))
        .order_by(DagRun.id)
    )
    return {dag_id: LastRun(run_id, str(state or "none"), run_after) for dag_id, run_id, state, run_after in rows}


def _states(session: Session, runs: Mapping[str, LastRun], task_ids: Iterable[str]) -> dict[tuple[str, str], TaskState]:
    """Return the states of tasks in the last runs; of mapped tasks how many there are of each."""
    ti = TaskInstance
    last = [(dag_id, run.run_id) for dag_id, run in runs.items()]
    rows = session.execute(
        select(ti.dag_id, ti.task_id, ti.state, func.count(), func.max(ti.map_index))
        .where(tuple_(ti.dag_id, ti.run_id).in_(last), ti.task_id.in_(list(task_ids)))
        .group_by(ti.dag_id, ti.task_id, ti.state)
    )
    found: dict[tuple[str, str], list[tuple[str, int, bool]]] = defaultdict(list)
    for dag_id, task_id, state, number, map_index in rows:
        found[dag_id, task_id].append((str(state or "not started"), number, map_index >= 0))
    return {task: _state_of(sorted(instances)) for task, instances in found.items()}


def _state_of(instances: list[tuple[str, int, bool]]) -> TaskState:
    mapped = any(is_mapped for *_, is_mapped in instances)
    text = ", ".join(f"{number} {state}" if mapped else state for state, number, _ in instances)
    return TaskState(text, mapped)
