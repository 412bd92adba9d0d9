"""What the page reads from Airflow's metadata database, and what differs there. For the API server only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey
    from sqlalchemy.orm import Session


def stored_task_fields(task: Any, ti_key: TaskInstanceKey) -> tuple[tuple[str, str], Mapping[str, Any] | None]:
    """
    Return a task's class, as module and name, and its template fields.

    The fields are rendered if this instance has run, as Airflow stores them; else they are templates, and those of a
    mapped task None. Private: the model, and how stored tasks look.

    :param task: the task, as it is stored.
    :param ti_key: the instance.
    """
    from airflow.models.renderedtifields import RenderedTaskInstanceFields as Stored  # noqa: TID251
    from airflow.utils.session import create_session  # noqa: TID251
    from sqlalchemy import select

    columns = (Stored.dag_id, Stored.task_id, Stored.run_id, Stored.map_index)
    key = (ti_key.dag_id, ti_key.task_id, ti_key.run_id, ti_key.map_index)
    with create_session(scoped=False) as session:
        rendered = session.scalar(
            select(Stored.rendered_fields).where(*(column == value for column, value in zip(columns, key, strict=True)))
        )
    task_class = (task._task_module, task.task_type)
    if rendered is None and not task.is_mapped:
        rendered = {name: getattr(task, name, None) for name in task.template_fields}
    return task_class, rendered


def asset_watchers() -> tuple[Any, Any, Any]:
    """
    Return the columns that tell an asset's watchers: the asset's id, the trigger's, and the watcher's name or NULL.

    Remove when Airflow >= 3.2 is required: earlier versions keep no names of watchers. Private: the models.
    """
    from airflow.models import asset  # noqa: TID251
    from sqlalchemy import null

    if model := getattr(asset, "AssetWatcherModel", None):
        return model.asset_id, model.trigger_id, model.name
    columns = asset.asset_trigger_association_table.c  # type: ignore[attr-defined]
    return columns.asset_id, columns.trigger_id, null()


def watched_by(session: Session, classpaths: Collection[str]) -> Iterator[tuple[int, str, Mapping[str, Any] | None]]:
    """
    Yield the assets that event triggers watch for, with the path of the trigger's class and its arguments.

    The arguments are None if they cannot be read: written with another key, or broken. Private: the model, and how it
    keeps arguments.

    :param session: a session of the metadata database.
    :param classpaths: the classes.
    """
    from airflow.models.trigger import Trigger  # noqa: TID251
    from sqlalchemy import select

    asset_id, trigger_id, _ = asset_watchers()
    query = select(asset_id, Trigger.classpath, Trigger.encrypted_kwargs).join(Trigger, Trigger.id == trigger_id)
    for watched, classpath, encrypted in session.execute(query.where(Trigger.classpath.in_(classpaths))):
        try:
            arguments = Trigger._decrypt_kwargs(encrypted)
        except Exception:  # whatever was stored is decrypted, parsed and deserialized
            arguments = None
        yield watched, classpath, arguments if isinstance(arguments, Mapping) else None


def asset_state_times(session: Any, asset_ids: Collection[int]) -> list[tuple[int, datetime]]:
    """
    Return when the state store of each asset was last written; nothing before Airflow 3.3, which brought them.

    The check can go when Airflow >= 3.3 is required. Private: the model.

    :param session: a session of the metadata database.
    :param asset_ids: the assets.
    """
    if not asset_ids or find_spec("airflow.models.asset_state_store") is None:
        return []
    from airflow.models.asset_state_store import AssetStateStoreModel as Stored  # noqa: TID251
    from sqlalchemy import func, select

    query = select(Stored.asset_id, func.max(Stored.updated_at)).where(Stored.asset_id.in_(asset_ids))
    return [tuple(row) for row in session.execute(query.group_by(Stored.asset_id))]
