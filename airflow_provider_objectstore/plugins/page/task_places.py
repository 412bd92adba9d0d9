"""Which tasks work where, by their DAGs as Airflow stores them. No DAG is loaded, no class of an operator imported."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow.models.dag import DagModel  # noqa: TID251 - the API server has the metadata database
from airflow.models.serialized_dag import SerializedDagModel  # noqa: TID251
from sqlalchemy import and_, func, select

from airflow_provider_objectstore.api.anypoint.values import normalize_key
from airflow_provider_objectstore.plugins.operator_uses import USES, Place, Unknown, guessed_places, places_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BUDGET = 2.0
"""Seconds in which stored DAGs are read for one request. The next one reads on."""
BATCH = 25
"""How many stored DAGs are read at once."""
KEY_LEVEL = 2
"""Where a key stands in names, below store and partition. It is looked for as the service stores it."""


@dataclass(frozen=True, slots=True)
class Searched:
    """
    What tasks are looked for.

    :param service: the type of connection.
    :param connection_id: the connection's id.
    :param region: the connection's region.
    :param names: a store, a partition and a key, or a bucket; or less, for all that is in them.
    """

    service: str
    connection_id: str
    region: str
    names: tuple[str, ...]

    def holds(self, place: Place) -> bool | None:
        """
        Tell whether a task works there; None if only its run tells.

        :param place: where the task works.
        """
        if (place.service, place.connection_id) != (self.service, self.connection_id):
            return False
        if place.region is not None and place.region.casefold() != self.region.casefold():
            return False
        certain = True
        for level, (names, wanted) in enumerate(zip(place.names, self.names, strict=False)):
            if isinstance(names, Unknown):
                if level == 0:
                    return False  # it may be any store
                certain = False
            elif names is not None and wanted not in (map(normalize_key, names) if level == KEY_LEVEL else names):
                return False
        return True if certain else None


@dataclass(frozen=True, slots=True)
class WorkingTask:
    """
    A task and one of the places where it works.

    :param dag_id: its DAG.
    :param task_id: its id.
    :param place: the place.
    :param certain: whether it works at what is looked for; otherwise a template decides.
    """

    dag_id: str
    task_id: str
    place: Place
    certain: bool


class StoredTasks:
    """Reads each stored DAG once, and keeps the places of its tasks until the DAG changes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, tuple[Any, tuple[tuple[str, Place], ...]]] = {}

    def find(self, session: Session, dag_ids: frozenset[str], searched: Searched) -> tuple[list[WorkingTask], int]:
        """
        Return the tasks that work somewhere, and how many DAGs were not read yet.

        :param session: a session of the metadata database.
        :param dag_ids: the DAGs to look through.
        :param searched: what is looked for.
        """
        with self._lock:
            unread = self._refresh(session)
            known = dict(self._known)
        found = [
            WorkingTask(dag_id, task_id, place, certain is True and not place.guessed)
            for dag_id, (_, places) in known.items()
            if dag_id in dag_ids
            for task_id, place in places
            if (certain := searched.holds(place)) is not False
        ]
        return sorted(found, key=lambda task: (task.dag_id, task.task_id)), len(unread & dag_ids)

    def _refresh(self, session: Session) -> set[str]:
        """Read DAGs that are new or have changed, as long as the time for that lasts. Return those that are left."""
        stored = SerializedDagModel
        latest = (
            select(stored.dag_id, func.max(stored.created_at).label("created_at")).group_by(stored.dag_id).subquery()
        )
        current = session.execute(
            select(stored.dag_id, stored.id, stored.dag_hash)
            .join(latest, and_(stored.dag_id == latest.c.dag_id, stored.created_at == latest.c.created_at))
            .join(DagModel, and_(DagModel.dag_id == stored.dag_id, DagModel.is_stale.is_(False)))
        )
        versions = {dag_id: (id, dag_hash) for dag_id, id, dag_hash in current}
        self._known = {dag_id: known for dag_id, known in self._known.items() if dag_id in versions}
        changed = [dag_id for dag_id, version in versions.items() if self._known.get(dag_id, (None,))[0] != version]
        ends = time.monotonic() + BUDGET
        while changed and time.monotonic() < ends:
            batch, changed = changed[:BATCH], changed[BATCH:]
            for row in session.scalars(select(stored).where(stored.id.in_([versions[name][0] for name in batch]))):
                self._known[row.dag_id] = versions[row.dag_id], tuple(stored_places(row.data or {}))
                session.expunge(row)
        return set(changed)


def stored_places(data: Mapping[str, Any]) -> Iterator[tuple[str, Place]]:
    """
    Yield the tasks of a stored DAG that work somewhere, with each place.

    :param data: the DAG, as Airflow stores it.
    """
    for entry in data.get("dag", {}).get("tasks", ()):
        task = entry.get("__var", entry)
        task_class = task.get("_task_module", ""), task.get("task_type", "")
        fields = _mapped_fields(task) if task.get("_is_mapped") else task
        if task_class in USES:
            places = places_of(task_class, fields)
        else:
            names = task.get("template_fields", ())
            # What is not given to a mapped task may be a constant of its class.
            unknown = dict.fromkeys(names, Unknown.VALUE) if task.get("_is_mapped") else {}
            places = guessed_places(task_class[1], names, {**unknown, **fields})
        yield from ((task["task_id"], place) for place in places)


def _mapped_fields(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a mapped task. Those that are expanded are not known."""
    fields = dict(task.get("partial_kwargs", {}))
    expanded = task.get("expand_input", {}).get("value")
    rows = expanded if isinstance(expanded, list) else [expanded]
    literal = [row["__var"] for row in rows if isinstance(row, Mapping) and row.get("__type") == "dict"]
    names = task.get("template_fields", ()) if len(literal) < len(rows) else {name for row in literal for name in row}
    return {**dict.fromkeys(names, Unknown.VALUE), **fields}
