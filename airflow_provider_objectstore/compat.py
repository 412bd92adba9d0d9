"""
Every place where this package depends on Airflow's version or reaches into its privates.

Each function says when it can go. Airflow modules that only some versions have are imported inside the functions.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import ObjectStoreError

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseNotifier, BaseOperator, Context
    from airflow.sdk import ObjectStoragePath
    from airflow.triggers.base import BaseTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer


def deferral_timeout() -> type[Exception]:
    """
    Return the error with which Airflow ends a wait in the triggerer after its time-out.

    Remove when Airflow >= 3.2 is required, which has it in ``airflow.sdk.exceptions``.
    """
    from airflow.sdk.bases.sensor import TaskDeferralTimeout  # type: ignore[attr-defined]

    return TaskDeferralTimeout


def paths_lack_container() -> bool:
    """
    Return whether Airflow writes a path of ours as ``osv2://conn_id@/store/…``, with an empty container.

    Remove when Airflow >= 3.2 is required, which comes with universal_pathlib 0.3.
    """
    return find_spec("upath.extensions") is None


def connection_form_widgets(hook: type[Any]) -> dict[str, Any]:
    """
    Return the fields of a connection form by name, derived from the provider info.

    Remove when Airflow >= 3.2 is required, which reads the provider info itself. Before, a form knows text, integers,
    passwords, check boxes and choices only: text takes the place of numbers and of proposals. It marks no field as
    required: the label does.
    """
    from flask_babel import lazy_gettext
    from wtforms import StringField
    from wtforms.validators import any_of

    fields: dict[str, Any] = _connection_type(hook.conn_type)["conn-fields"]
    widgets = {}
    for name, declared in fields.items():
        schema = declared["schema"]
        label = declared["label"] if "null" in schema["type"] else f"{declared['label']} *"
        choices = [any_of(schema["enum"])] if "enum" in schema else []
        widgets[name] = StringField(lazy_gettext(label), choices, description=declared["description"])
    return widgets


def connection_form_behaviour(hook: type[Any]) -> dict[str, Any]:
    """
    Return which standard fields of a connection form are hidden, and the labels of the others.

    Remove when Airflow >= 3.2 is required, which reads the provider info itself.
    """
    declared: dict[str, Any] = _connection_type(hook.conn_type)["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in declared.items()}


def _connection_type(conn_type: str) -> dict[str, Any]:
    from airflow_provider_objectstore.get_provider_info import get_provider_info

    types: list[dict[str, Any]] = get_provider_info()["connection-types"]
    return next(declared for declared in types if declared["connection-type"] == conn_type)


def is_of_test_button(conn_id: str) -> bool:
    """
    Return whether Airflow's button **Test** has made up this connection id, which tells nobody anything.

    Private: the API server tries a connection by an environment variable, under eight random letters and digits. It can
    go when the hook is told the id of the connection that is tried.

    :param conn_id: the id.
    """
    server = os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server"
    return server and bool(re.fullmatch("[A-Za-z0-9]{8}", conn_id)) and f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ


async def amask_secret(secret: str) -> None:
    """
    Mask a secret in logs, on an event loop.

    Remove when Airflow >= 3.3 is required, which has ``airflow.sdk.log.amask_secret``.
    """
    try:
        from airflow.sdk.log import amask_secret as airflow_amask_secret
    except ImportError:
        from airflow.providers.common.compat.sdk import mask_secret
        from asgiref.sync import sync_to_async

        # This sends the secret to the supervisor and waits. Before 3.2.2 it does so on this loop from asgiref's thread
        # only; from any other thread it reads responses that are meant for the loop, and the triggerer ends.
        await sync_to_async(mask_secret)(secret)
    else:
        await airflow_amask_secret(secret)


def forbid_blocking_in_triggerer(*, own_threads: bool = False) -> None:
    """
    Refuse a blocking call that would stop a triggerer, or end it.

    Private: ``SUPERVISOR_COMMS`` and the loop of the triggerer's decoder; there is no public way to ask. The second
    refusal can go when Airflow >= 3.2.2 is required: its triggerer takes requests from any thread, which a decoder with
    ``start_reader`` shows. The first stays.

    :param own_threads: whether the call requests something from Airflow in threads of its own.
    :raises ObjectStoreError: in a triggerer, with what to do instead.
    """
    comms = getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)
    if type(comms).__name__ != "TriggerCommsDecoder":
        return
    if hasattr(comms, "start_reader"):
        if own_threads and _running_loop() is getattr(comms, "_loop", sys):
            raise ObjectStoreError(
                "this would stop the triggerer's event loop for ever. Call it through asyncio.to_thread, or use the "
                "hook's async_client()"
            )
    elif own_threads or not _is_asgiref_thread():
        raise ObjectStoreError(
            "in a triggerer before Airflow 3.2.2 this would take responses that are meant for others, and end it. Use "
            "the hook's async_client(), or osv2:// paths one at a time through asgiref's sync_to_async"
        )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_asgiref_thread() -> bool:
    from asgiref.sync import SyncToAsync

    return getattr(SyncToAsync.threadlocal, "main_event_loop", None) is not None


def supports_start_from_trigger() -> bool:
    """
    Return whether the scheduler starts tasks in the triggerer.

    Remove when Airflow >= 3.3 is required. Earlier versions have the classes and ignore them. What they lack is the
    rendering of a trigger's templates.
    """
    from airflow.triggers.base import BaseTrigger

    return hasattr(BaseTrigger, "render_template_fields")


def mapped_argument_names(operator: BaseOperator) -> frozenset[str]:
    """
    Return the names of the arguments that a mapped task got from ``expand``; nothing for other tasks.

    Private: how ``BaseOperator`` stores its arguments. It can go when Airflow has a public way to ask an unmapped task.
    """
    arguments: Mapping[str, Any] = getattr(operator, "_BaseOperator__init_kwargs", {})
    if not (getattr(operator, "_BaseOperator__from_mapped", False) and operator.has_dag()):  # type: ignore[no-untyped-call]
        return frozenset()
    fixed = getattr(operator.dag.task_dict.get(operator.task_id), "partial_kwargs", {})
    return frozenset(arguments).difference(fixed)


def asset_state_stores(trigger: BaseTrigger) -> list[Any]:
    """
    Return the state store of each asset that an event trigger serves; nothing where Airflow has no such stores.

    The first ``getattr`` can go when Airflow >= 3.3 is required. Private: ``_by_name``; the public accessor serves one
    asset only, and a trigger may have several.
    """
    accessor = getattr(trigger, "asset_state_store", None)
    by_name: Mapping[str, Any] = getattr(accessor, "_by_name", {})
    if len(by_name) > 1:
        return [by_name[asset] for asset in sorted(by_name)]
    return [] if accessor is None else [accessor]


def shared_stream_producer() -> type[SharedStreamProducer]:
    """
    Return the base class of a stream that is told which of its events Airflow has stored.

    Remove when Airflow >= 3.3 is required: then import it where it is used. Earlier versions share no streams.
    """
    from airflow.triggers.shared_stream import SharedStreamProducer

    return SharedStreamProducer


def gauge(name: str, value: float, tags: Mapping[str, str]) -> None:
    """
    Set a gauge of Airflow's metrics, where Airflow sends any. A failure is logged and fails no task.

    The import can be direct when Airflow >= 3.3 is required: earlier versions have ``Stats`` in other modules.

    :param name: the gauge's name below ``objectstore.``; characters that a name cannot hold become ``_``.
    :param value: its value.
    :param tags: what it is about, for the kinds of metrics that have tags.
    """
    name = "objectstore." + re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    try:
        from airflow.providers.common.compat.sdk import Stats

        Stats.gauge(name, value, tags=dict(tags))
    except Exception as error:
        logging.getLogger(__name__).warning("The gauge %s was not sent: %s: %s", name, type(error).__name__, error)


def path_conn_id(path: ObjectStoragePath) -> str | None:
    """
    Return the connection id of a path; None for none.

    Remove when Airflow >= 3.2 is required, whose paths have ``conn_id``. Before, it is a storage option.

    :param path: the path.
    """
    found: str | None = getattr(path, "conn_id", None) if hasattr(type(path), "conn_id") else None
    return found or path.storage_options.get("conn_id")


def command_line(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """
    Return a function of Airflow's command line: without logs, with the configuration of all providers.

    :param function: takes the parsed arguments.
    """
    from airflow.utils.cli import suppress_logs_and_warning  # noqa: TID251
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded  # noqa: TID251

    wrapped: Callable[[Any], None] = suppress_logs_and_warning(providers_configuration_loaded(function))
    return wrapped


def render_fields(notifier: BaseNotifier, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
    """
    Render the template fields of a notifier in place.

    Remove when Airflow >= 3.2 is required and ``dag.test()`` renders the callbacks of DAGs. Before 3.2 a template that
    comes out empty is left as it is, and 3.3's ``dag.test()`` gives a DAG that has no ``get_template_env``.

    :param notifier: the notifier.
    :param context: the callback's context.
    :param jinja_env: the environment to render with; None for the DAG's.
    """
    dag: Any = context.get("dag")
    environment = jinja_env or notifier.get_template_env(dag=dag if hasattr(dag, "get_template_env") else None)
    for name in notifier.template_fields:
        setattr(notifier, name, notifier.render_template(getattr(notifier, name), context, environment))


def supports_retry_policies() -> bool:
    """
    Return whether tasks have a policy that decides about their retries.

    Remove when Airflow >= 3.3 is required.
    """
    from airflow.providers.common.compat.sdk import BaseOperator

    return hasattr(BaseOperator, "retry_policy")


def without_retries(error: ObjectStoreError) -> ObjectStoreError:
    """
    Return the same error as one after which Airflow does not try a task again.

    Remove when Airflow >= 3.3 is required: a retry policy says so there.

    :param error: the error.
    """
    from airflow.providers.common.compat.sdk import AirflowFailException

    kind = type(error)
    # To another process the error goes as it was: a class that is made here cannot be imported there.
    final_kind: Any = type(kind.__name__, (kind, AirflowFailException), {"__reduce__": lambda _: error.__reduce__()})
    final: ObjectStoreError = final_kind.__new__(final_kind)
    final.args = error.args
    final.__dict__.update(error.__dict__)
    return final


def readable_connections(manager: Any, user: Any, conn_types: Collection[str]) -> dict[str, str]:
    """
    Return the connections of the metadata database that a user may read: types by id. For the API server only.

    Private: the models, and that the details of a connection name its team, as in Airflow's own routes.

    :param manager: the auth manager.
    :param user: the user.
    :param conn_types: the types of connections to look for.
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
    from airflow.models.connection import Connection as Stored  # noqa: TID251 - only tasks have no metadata database
    from airflow.providers.common.compat.sdk import conf
    from airflow.utils.session import create_session  # noqa: TID251
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        found = session.execute(select(Stored.conn_id, Stored.conn_type).where(Stored.conn_type.in_(conn_types)))
        types = {row.conn_id: row.conn_type for row in found}
    in_teams = conf.getboolean("core", "multi_team", fallback=False)

    def is_readable(conn_id: str) -> bool:
        details = ConnectionDetails(conn_id=conn_id, team_name=Stored.get_team_name(conn_id) if in_teams else None)
        return bool(manager.is_authorized_connection(method="GET", details=details, user=user))

    return {conn_id: conn_type for conn_id, conn_type in types.items() if is_readable(conn_id)}


def frames_follow_addresses() -> bool:
    """
    Return whether ``/plugin/<page>/<path>`` of Airflow's UI shows that path in the page's frame.

    Remove when Airflow >= 3.3 is required. Nothing else tells what the UI can: the module came with the same version.
    """
    return find_spec("airflow.sdk.state") is not None
