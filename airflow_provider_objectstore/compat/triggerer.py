"""What differs in the triggerer between versions of Airflow, and what only its privates tell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_objectstore.exceptions import ObjectStoreError

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer


def deferral_timeout() -> type[Exception]:
    """
    Return the error with which Airflow ends a wait in the triggerer after its time-out.

    Remove when Airflow >= 3.2 is required, which has it in ``airflow.sdk.exceptions``.
    """
    from airflow.sdk.bases.sensor import TaskDeferralTimeout  # type: ignore[attr-defined]

    return TaskDeferralTimeout


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
