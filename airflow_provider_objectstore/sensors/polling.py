"""The base of the sensors: they poll on a worker or in the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
)

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.compat.tasks import without_retries
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError, is_transient
from airflow_provider_objectstore.operators.base import CheckedArguments, default_deferrable

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import PokeReturnValue

    from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
    from airflow_provider_objectstore.triggers.polling import PollingTrigger

NO_TIME_LEFT = float("-inf")
"""When a sensor has started whose time-out is over."""


class BasePollingSensor(CheckedArguments, BaseSensorOperator):
    """
    Base of the sensors. On a worker and in the triggerer, the same trigger object polls.

    What polls in one process find is of one place. If the connection is edited meanwhile and leads to another service,
    account or region, a wait on a worker fails with ``AuthenticationError``, as every task does; one in the triggerer
    goes on where it began until its credentials are refused, and then fails with the same. New credentials are used.

    :param deferrable: wait in the triggerer, which takes no worker. By default Airflow's setting
        ``[operators] default_deferrable``, or True with ``start_from_trigger`` or ``end_from_trigger``. A worker polls
        once before.
    :param poke_interval: time between two polls: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: time after which the task fails: seconds, a ``timedelta`` or an ISO 8601 duration. By default
        Airflow's setting ``[sensors] default_timeout``, which is 7 days.
    :param exponential_backoff: wait longer from poll to poll, deferred or not.
    :param max_wait: the longest time between two polls with ``exponential_backoff``: seconds, a ``timedelta`` or an
        ISO 8601 duration. None means no limit.
    :param max_consecutive_errors: how many transient errors in a row are tolerated (no response, 429, 5xx). Other
        errors fail the task at once, without a retry. In reschedule mode each poll counts anew.
    :param soft_fail: skip the task instead of failing it.
    :param start_from_trigger: start in the triggerer, without a worker. This needs Airflow 3.3, a task that is not
        mapped, and templates without XComs, connections and variables. Otherwise the task starts on a worker and logs
        why.
    :param end_from_trigger: succeed in the triggerer, without a worker. This needs ``do_xcom_push=False`` and a task
        without outlets, because only a worker stores XComs and asset events correctly. Otherwise the task ends on a
        worker and logs why. Failures, skips and time-outs always end on a worker.
    :param silent_fail: on a worker, go on polling after errors that the task's retries could help against.
    :param never_fail: as ``soft_fail``.
    :param kwargs: the parameters of Airflow's ``BaseSensorOperator``, such as ``task_id``, ``mode`` and ``retries``.
    """

    def __init__(
        self,
        *,
        deferrable: bool | None = None,
        poke_interval: read.Duration = 60,
        timeout: read.Duration | None = None,
        exponential_backoff: bool = False,
        max_wait: read.Duration | None = None,
        max_consecutive_errors: int = 5,
        soft_fail: bool = False,
        silent_fail: bool = False,
        never_fail: bool = False,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        # Before Airflow's own constructor, which knows fewer forms of a duration and takes the text "False" for true.
        try:
            deferrable = read.optional(read.flag)("deferrable", deferrable)
            start_from_trigger = read.flag("start_from_trigger", start_from_trigger)
            end_from_trigger = read.flag("end_from_trigger", end_from_trigger)
            max_consecutive_errors = read.integer(0)("max_consecutive_errors", max_consecutive_errors)
            settings: dict[str, Any] = {
                "poke_interval": read.seconds("poke_interval", poke_interval),
                "timeout": read.optional(read.seconds)("timeout", timeout),
                "exponential_backoff": read.flag("exponential_backoff", exponential_backoff),
                "max_wait": read.optional(read.seconds)("max_wait", max_wait),
                "soft_fail": read.flag("soft_fail", soft_fail),
                "silent_fail": read.flag("silent_fail", silent_fail),
                "never_fail": read.flag("never_fail", never_fail),
            }
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{error} (task {kwargs.get('task_id')!r})") from error.__cause__
        super().__init__(**{name: value for name, value in settings.items() if value is not None}, **kwargs)
        if deferrable is None:
            deferrable = default_deferrable() or start_from_trigger or end_from_trigger
        self.deferrable = deferrable
        self.end_from_trigger = end_from_trigger
        self.max_consecutive_errors = max_consecutive_errors
        self._start_from_trigger_requested = start_from_trigger
        self._reason_not_startable: str | None = None
        self._trigger: PollingTrigger | None = None
        self._where = ""
        self._poke_hook: ObjectStoreHook | None = None
        self._errors, self._problem = 0, ""
        self._started: float | None = None

    @abstractmethod
    def build_trigger(self, **common: Any) -> PollingTrigger:
        """
        Return the trigger that polls. Its fields have the names of the template fields.

        :param common: the fields that all triggers have, such as ``poke_interval``.
        """

    def __post_init__(self) -> None:
        """Check the arguments; let the scheduler start this task in the triggerer, if requested and possible."""
        super().__post_init__()
        if not self._start_from_trigger_requested:
            return
        from airflow_provider_objectstore.sensors.start_from_trigger import reason_not_startable

        trigger = self._build_trigger()
        self._reason_not_startable = reason_not_startable(self, trigger, deferrable=self.deferrable)
        if self._reason_not_startable is None:
            from airflow.triggers.base import StartTriggerArgs

            classpath, arguments = trigger.serialize()
            self.start_from_trigger = True
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=classpath,
                trigger_kwargs=arguments,
                next_method="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """
        Poll once.

        :param context: the context that the task runs in.
        :return: False, or the result.
        :raises AirflowFailException: for an error that a retry of the task cannot help against.
        :raises AirflowSkipException: for another error, with ``soft_fail`` or ``never_fail``.
        """
        from airflow.sdk import PokeReturnValue

        from airflow_provider_objectstore.triggers.polling import MAX_SUMMARY

        try:
            if self._trigger is None:
                self.read_arguments()
                self._trigger = self._build_trigger()
            hook = self._poke_hook or self._trigger.hook()
            with hook.client(ends=self._ends()) as client:
                if self._poke_hook is None:
                    self._poke_hook, self._where = hook, hook.where
                    if self._started != NO_TIME_LEFT:
                        self.log.info("%s%s%s", self._trigger.plan(), self._until(), self._place)
                result = client.run(self._trigger.poke())
        except AirflowNotFoundException as error:
            self._problem = str(error)
            raise self._failure(error, non_retryable=False) from error.__cause__
        except ObjectStoreError as error:
            self._errors, self._problem = self._errors + 1, str(error)
            if is_transient(error) and self._errors <= self.max_consecutive_errors:
                self.log.warning(
                    "%s. Error %d of at most %d in a row", error, self._errors, self.max_consecutive_errors
                )
                return False
            raise self._failure(error, non_retryable=not is_transient(error)) from error.__cause__
        self._errors, self._problem = 0, ""
        if result is None:
            self.log.info("Not yet: %s", self._trigger.missing())
            return False
        self.log.info("Found: %s%s", read.shortened(result, MAX_SUMMARY), self._place)
        return PokeReturnValue(is_done=True, xcom_value=result)

    def execute(self, context: Context) -> Any:
        """
        Poll; wait if there is no result yet, in the triggerer if the task is deferrable.

        :param context: the context that the task runs in.
        :return: the result.
        """
        if self._start_from_trigger_requested:
            reason = self._reason_not_startable or "it is mapped, or does not run through the scheduler"
            self.log.info("Started on a worker despite start_from_trigger: %s", reason)
        if not self.deferrable:
            try:
                return super().execute(context)
            except (AirflowSensorTimeout, AirflowSkipException) as error:
                if "Sensor has timed out" not in str(error):
                    raise
                raise type(error)(f"{error} Still missing: {self._missing()}") from None
        found = self._first_poke(context)
        if found:
            return found.xcom_value
        assert self._trigger is not None
        return self.defer(
            trigger=self._trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout)
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Go on after the triggerer. After a time-out, poll a last time, and say what is still missing.

        :param next_method: the method that Airflow calls.
        :param next_kwargs: its arguments.
        :param context: the context that the task runs in.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (AirflowSensorTimeout, AirflowSkipException) as error:
            if isinstance(error.__cause__, AirflowSkipException):  # which says why; Airflow's does not
                raise error.__cause__ from None
            if not any(isinstance(each, AirflowSensorTimeout) for each in (error, error.__cause__)):
                raise
            self._started = NO_TIME_LEFT  # one request
            found = self._first_poke(context)
            if found:
                self.log.info("The time-out of %g s was over already", self.timeout)
                return found.xcom_value
            raise type(error)(f"not found within {self.timeout:g} s: {self._missing()}") from None

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """
        Return the result of the trigger, or raise its error.

        :param context: the context that the task runs in.
        :param event: the payload of the trigger's event.
        """
        from airflow_provider_objectstore.triggers.polling import MAX_SUMMARY, PollFailedError, validate_event

        try:
            result = validate_event(event)
        except PollFailedError as error:
            raise self._failure(error, non_retryable=error.non_retryable) from error.__cause__
        if self.end_from_trigger:
            reason = "it has outlets" if self.outlets else "it pushes an XCom, unless do_xcom_push=False"
            self.log.info("Ended on a worker despite end_from_trigger: %s", reason)
        self.log.info("Found: %s", read.shortened(result, MAX_SUMMARY))
        return result

    @property
    def _place(self) -> str:
        """Where the objects are, for the log; nothing as long as no connection was found."""
        return f" [{self._where}]" if self._where else ""

    def _missing(self) -> str:
        """Return what was not found, and why the last poll could not tell."""
        assert self._trigger is not None
        problem = f". The last poll failed, so it may be there: {self._problem}" if self._problem else ""
        return f"{self._trigger.missing()}{self._place}{problem}"

    def _ends(self) -> float:
        """Return until when a poll on a worker may try again: until the time-out, as far as this process knows."""
        self._started = time.monotonic() if self._started is None else self._started
        return self._started + float(self.timeout)

    def _until(self) -> str:
        """Return when the time-out is, for the log; in reschedule mode Airflow alone knows when the first poll was."""
        if self.reschedule and not self.deferrable:
            return ""
        end = datetime.now(UTC) + timedelta(seconds=min(float(self.timeout), 1e9))
        return f", until {end:%Y-%m-%d %H:%M:%S} UTC"

    def _build_trigger(self) -> PollingTrigger:
        return self.build_trigger(
            poke_interval=self.poke_interval,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
            max_consecutive_errors=self.max_consecutive_errors,
            end_from_trigger=self._ends_in_triggerer,
            timeout=float(self.timeout),
        )

    @property
    def _ends_in_triggerer(self) -> bool:
        return self.end_from_trigger and not (self.outlets or self.do_xcom_push)

    def _first_poke(self, context: Context) -> PokeReturnValue | None:
        try:
            found = self.poke(context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipping: {error}") from error
            raise
        return found or None  # type: ignore[return-value]

    def _failure(self, error: AirflowException, *, non_retryable: bool) -> Exception:
        # With soft_fail or never_fail, Airflow treats other exceptions differently in poke() and in a resumed task.
        if self.soft_fail or self.never_fail:
            return AirflowSkipException(f"Skipping: {error}")
        return without_retries(error) if non_retryable else error
