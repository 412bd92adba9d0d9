"""The polling loop, which all sensors and waiting operators share. Private: use the sensors."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import field
from itertools import count
from random import randrange
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.api.call import Flow, Pause
from airflow_provider_objectstore.exceptions import ObjectStoreError, StoreNotFoundError, is_transient
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from airflow_provider_objectstore.triggers.dataclass_trigger import DataclassTrigger

if TYPE_CHECKING:
    from jinja2 import Environment

LOG_SECONDS = 600
"""How often a wait that sees no change says in the log what is missing."""
MAX_SUMMARY = 300
"""Most characters of what was found in a line of a log."""


class PollingTrigger(DataclassTrigger):
    """
    Polls until there is a result, and fires one event: the result, or why there will be none.

    A subclass implements :meth:`poll_once`, :meth:`hook` and :meth:`missing`; its sensor pokes with the same code. Its
    fields have the names of the sensor's template fields, because Airflow renders them when a task starts in the
    triggerer.

    :param poke_interval: seconds between two polls.
    :param exponential_backoff: wait longer from poll to poll, as Airflow's sensors do.
    :param max_wait: the longest wait between two polls with ``exponential_backoff``, in seconds; None means no limit.
    :param max_consecutive_errors: how many transient errors in a row are tolerated.
    :param end_from_trigger: end the task in the triggerer once there is a result. Anything else ends on a worker.
    :param timeout: seconds after which Airflow ends the wait, for the log alone; None if that is not known.
    """

    poke_interval: float = 60
    exponential_backoff: bool = False
    max_wait: float | None = None
    max_consecutive_errors: int = 5
    end_from_trigger: bool = False
    timeout: float | None = None
    _missing_store_logged: bool = field(default=False, init=False)

    @abstractmethod
    def hook(self) -> ObjectStoreHook:
        """Return the hook that sends the requests."""

    @abstractmethod
    def poll_once(self) -> Flow[Any | None]:
        """Yield the calls of one poll; return the result as plain JSON values, or None if there is none yet."""

    @abstractmethod
    def missing(self) -> str:
        """Say what has not been found yet, for log lines and for the error after a time-out."""

    def plan(self) -> str:
        """Say what is waited for, how often it is polled, and until when, for the first line of a log."""
        every = f"a poll every {self.poke_interval:g} s" + (" at first, then less often" * self.exponential_backoff)
        if self.timeout is None:
            return f"Waiting for {self.missing()}: {every}"
        return f"Waiting for {self.missing()}: {every}, for at most {self.timeout:g} s"

    def poke(self) -> Flow[Any | None]:
        """
        Poll once. A missing store is no error, because it may be created later; it is logged once.

        :return: the result, or None if there is none yet.
        """
        try:
            return (yield from self.poll_once())
        except StoreNotFoundError as error:
            if not self._missing_store_logged:
                self._missing_store_logged = True
                self.log.warning(
                    "%s. The store itself is missing: waiting goes on until it exists and holds what is waited for",
                    error,
                )
            return None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll; yield exactly one event."""
        hook = self.hook()
        try:
            async with hook.async_client() as client:
                self.log.info("%s [%s]", self.plan(), hook.where)
                result = await client.run(self.poll(queue_seconds=lambda: client.queue_seconds))
                self.log.info("Found: %s [%s]", read.shortened(result, MAX_SUMMARY), hook.where)
        except ObjectStoreError as error:
            yield _failure(f"{type(error).__name__}: {error}", non_retryable=not is_transient(error))
        except AirflowNotFoundException as error:
            yield _failure(str(error), non_retryable=False)
        except Exception as error:
            self.log.exception("The trigger failed with an unexpected error")
            message = f"the trigger failed with {type(error).__name__}; see the triggerer's log"
            yield _failure(message, non_retryable=False)
        else:
            # Airflow stores an XCom that comes with a TaskSuccessEvent as JSON within JSON, so the event has none.
            yield TaskSuccessEvent() if self.end_from_trigger else _event(status="success", result=result)

    def get_template_env(self, dag: Any = None) -> Environment:
        """Return the environment that renders the fields; a missing value is an error, as it is on a worker."""
        from jinja2 import StrictUndefined

        environment: Environment = super().get_template_env(dag)
        environment.undefined, environment.finalize = StrictUndefined, _refuse_none
        return environment

    def poll(
        self, timeout: float = float("inf"), *, queue_seconds: Callable[[], float] = lambda: 0.0
    ) -> Flow[Any | None]:
        """
        Poll until there is a result; workers wait with this as well.

        :param timeout: seconds after which to give up.
        :param queue_seconds: returns how long a request would now wait for its turn.
        :return: the result, or None after the timeout.
        :raises ObjectStoreError: if it is not transient, or ``max_consecutive_errors`` is exceeded.
        """
        previous = time.monotonic()
        deadline = previous + timeout
        interval, longest_logged = self.poke_interval, 1.0
        errors, logged, logged_at = 0, self.missing(), previous
        for number in count(1):
            queued = queue_seconds()
            try:
                result = yield from self.poke()
            except ObjectStoreError as error:
                errors += 1
                if not is_transient(error) or errors > self.max_consecutive_errors:
                    raise
                self.log.warning("%s. Error %d of at most %d in a row", error, errors, self.max_consecutive_errors)
            else:
                errors = 0
                if result is not None:
                    return result
                missing = self.missing()
                if missing != logged or time.monotonic() - logged_at >= LOG_SECONDS:
                    self.log.info("Not yet: %s", missing)
                    logged, logged_at = missing, time.monotonic()
            now = time.monotonic()
            if now >= deadline:
                break
            elapsed = now - previous
            if elapsed > 1.5 * max(interval, longest_logged) and queued > elapsed / 2:
                longest_logged = elapsed
                self.log.info(
                    "Polls are %.0f s apart instead of %.0f: everything that uses this connection in one process "
                    "shares its requests_per_second",
                    elapsed,
                    interval,
                )
            previous, interval = now, self._interval(number)
            yield Pause(interval)
        return None

    def _interval(self, number: int) -> float:
        """Return the seconds to wait after a poll, counted from 1."""
        if not self.exponential_backoff:
            return self.poke_interval
        # The rule of Airflow's sensors: double from poke_interval / 2, at least 1 s, plus up to as much at random.
        minimum = max(int(self.poke_interval * 2.0 ** min(number - 2, 30)), 1)
        interval = float(minimum + randrange(minimum))  # noqa: S311 - spreads polls
        return interval if not self.max_wait else min(interval, self.max_wait)


def _refuse_none(value: Any) -> Any:
    from jinja2 import UndefinedError

    if value is None:
        raise UndefinedError("a part of a template came out as None")
    return value


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]


def _failure(message: str, *, non_retryable: bool) -> TriggerEvent:
    return _event(status="failed", message=message, non_retryable=non_retryable)


class PollFailedError(ObjectStoreError):
    """Polling failed in the triggerer; ``non_retryable`` if a retry of the task cannot help."""

    def __init__(self, message: str = "", *, non_retryable: bool = False) -> None:
        super().__init__(message)
        self.non_retryable = non_retryable


def validate_event(event: Mapping[str, Any] | None) -> Any:
    """
    Return the result that an event holds.

    :param event: the payload of the trigger's event, as Airflow passes it to ``execute_complete``.
    :raises PollFailedError: if polling failed.
    :raises AirflowException: if the event is not one of :class:`PollingTrigger`.
    """
    match event:
        case {"status": "success", "result": result}:
            return result
        case {"status": "failed", "message": str(message), "non_retryable": bool(non_retryable)}:
            raise PollFailedError(message, non_retryable=non_retryable)
    raise AirflowException(f"The trigger sent an event that cannot be understood: {event!r}")
