"""Blocking calls that would stop a triggerer are refused: Airflow lets its triggers ask for connections in few ways."""

from __future__ import annotations

import asyncio
import sys

from airflow_provider_objectstore.exceptions import ObjectStoreError


def refuse_in_triggerer(*, own_threads: bool = False) -> None:
    """
    Refuse to block a triggerer, or to ask it for a connection in a way that ends it.

    :param own_threads: whether the work to come asks Airflow from threads of its own.
    :raises ObjectStoreError: saying what to do instead.
    """
    comms = getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)
    if type(comms).__name__ != "TriggerCommsDecoder":
        return
    if hasattr(comms, "start_reader"):  # from Airflow 3.3 on any thread may ask
        if own_threads and _running_loop() is getattr(comms, "_loop", sys):
            raise ObjectStoreError(
                "this would stop the triggerer's event loop for ever. Call it through asyncio.to_thread, or use the "
                "hook's async_client()"
            )
    elif own_threads or not _asgirefs_thread():
        raise ObjectStoreError(
            "in a triggerer before Airflow 3.3 this would take the answers that are meant for others, and end it. Use "
            "the hook's async_client(), or osv2:// paths one at a time through asgiref's sync_to_async"
        )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _asgirefs_thread() -> bool:
    from asgiref.sync import SyncToAsync

    return getattr(SyncToAsync.threadlocal, "main_event_loop", None) is not None
