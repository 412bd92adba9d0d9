"""How the sensors wait."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
    BaseSensorOperator,
)

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.bases import CheckedArguments, default_deferrable
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import PokeReturnValue

    from airflow_provider_objectstore.triggers.poll import PollTrigger


class WaitSensor(CheckedArguments, BaseSensorOperator):
    """
    Base of the sensors. Poking and deferred, they ask the same through the same trigger object.

    :param deferrable: wait in the triggerer, which takes no worker; by default what Airflow's setting
        ``[operators] default_deferrable`` says, or True where the next two ask for it. The first look is taken
        before.
    :param start_from_trigger: start in the triggerer at once, without a worker. This needs Airflow 3.3, a task that
        is not mapped, and fields whose templates use no XCom, connection or variable; where it cannot be, the task
        starts on a worker and logs why.
    :param end_from_trigger: succeed in the triggerer, without a worker. This needs ``do_xcom_push=False`` and a task
        without outlets, because only a worker leaves XComs and emits events of assets as they should be; otherwise it
        ends on a worker and logs why. Failures, skips and time-outs always do.
    :param max_consecutive_errors: how many passing errors in a row are borne (no answer, 429, 5xx). Errors that
        will not pass fail the task at once, whatever its retries. In reschedule mode every look counts anew.
    :param poke_interval: time between two looks: seconds, a ``timedelta`` or an ISO 8601 duration.
    :param timeout: time after which the wait fails, likewise; by default what Airflow's setting
        ``[sensors] default_timeout`` says.
    :param exponential_backoff: wait longer from look to look, deferred as well as poking.
    :param max_wait: the longest time between two looks with ``exponential_backoff``, as ``poke_interval``.
    """

    def __init__(
        self,
        *,
        deferrable: bool | None = None,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        max_consecutive_errors: int = 5,
        poke_interval: read.Duration = 60,
        timeout: read.Duration | None = None,
        exponential_backoff: bool = False,
        max_wait: read.Duration | None = None,
        soft_fail: bool = False,
        silent_fail: bool = False,
        never_fail: bool = False,
        **kwargs: Any,
    ) -> None:
        # Before Airflow's own constructor, which knows fewer forms of a duration and takes the text "False" for true.
        try:
            deferrable = read.optional(read.flag)("deferrable", deferrable)
            starts = read.flag("start_from_trigger", start_from_trigger)
            ends = read.flag("end_from_trigger", end_from_trigger)
            errors = read.whole(0)("max_consecutive_errors", max_consecutive_errors)
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
            raise InvalidArgumentError(f"{error} (task {kwargs.get('task_id')!r})") from error
        given = {name: value for name, value in settings.items() if value is not None}
        super().__init__(**given, **kwargs)
        self.deferrable = default_deferrable() or starts or ends if deferrable is None else deferrable
        self.end_from_trigger = ends
        self.max_consecutive_errors = errors
        self._start_wanted = starts
        self._obstacle: str | None = None
        self._wait: PollTrigger | None = None
        self._errors = 0

    @abstractmethod
    def new_wait(self, **common: Any) -> PollTrigger:
        """Return what to wait for. Its arguments are named like the template fields."""

    def offer_start_from_trigger(self) -> None:
        """Let the scheduler start this task in the triggerer, if asked for and possible; constructors end with it."""
        if not self._start_wanted:
            return
        from airflow_provider_objectstore.sensors.starting import obstacle

        self._obstacle = obstacle(self)
        if self._obstacle is None:
            from airflow.triggers.base import StartTriggerArgs

            classpath, arguments = self._new_wait().serialize()
            self.start_from_trigger = True
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=classpath,
                trigger_kwargs=arguments,
                next_method="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once."""
        from airflow.sdk import PokeReturnValue

        from airflow_provider_objectstore.triggers.poll import passing

        try:
            if self._wait is None:
                self.read_arguments()
                self._wait = self._new_wait()
            with self._wait.hook().client() as client:
                answer = client.run(self._wait.look())
        except AirflowNotFoundException as error:
            raise self._failure(error, final=False) from error
        except ObjectStoreError as error:
            self._errors += 1
            if passing(error) and self._errors <= self.max_consecutive_errors:
                self.log.warning(
                    "%s. Error %d of at most %d in a row", error, self._errors, self.max_consecutive_errors
                )
                return False
            raise self._failure(error, final=not passing(error)) from error
        self._errors = 0
        if answer is None:
            self.log.info("Not yet")
            return False
        return PokeReturnValue(is_done=True, xcom_value=answer)

    def execute(self, context: Context) -> Any:
        """Look, and wait if there is nothing yet."""
        if self._start_wanted:
            why = self._obstacle or "it is mapped, or does not run through the scheduler"
            self.log.info("Started on a worker in spite of start_from_trigger: %s", why)
        if not self.deferrable:
            return super().execute(context)
        found = self._first_look(context)
        if found:
            return found.xcom_value
        assert self._wait is not None
        return self.defer(trigger=self._wait, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Take what the trigger brings."""
        from airflow_provider_objectstore.triggers.poll import PollFailedError, answer_of

        try:
            answer = answer_of(event)
        except PollFailedError as error:
            raise self._failure(error, final=error.final) from error
        if self.end_from_trigger:
            why = "it has outlets" if self.outlets else "it leaves an XCom, which do_xcom_push=False makes it not do"
            self.log.info("Ended on a worker in spite of end_from_trigger: %s", why)
        self.log.info("Found: %s", answer)
        return answer

    def _new_wait(self) -> PollTrigger:
        return self.new_wait(
            poke_interval=self.poke_interval,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
            max_consecutive_errors=self.max_consecutive_errors,
            end_from_trigger=self._ends_in_triggerer,
        )

    @property
    def _ends_in_triggerer(self) -> bool:
        return self.end_from_trigger and not (self.outlets or self.do_xcom_push)

    def _first_look(self, context: Context) -> PokeReturnValue | None:
        try:
            found = self.poke(context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail or (self.soft_fail and isinstance(error, AirflowFailException)):
                raise AirflowSkipException(f"Skipping: {error}") from error
            raise
        return found or None  # type: ignore[return-value]

    def _failure(self, error: AirflowException, *, final: bool) -> Exception:
        # Airflow treats an exception out of poke() and out of a resumed task differently where the user asked
        # for a skip; these forms it treats alike.
        if final:
            return AirflowFailException(str(error))
        if self.soft_fail or self.never_fail:
            return AirflowSkipException(f"Skipping: {error}")
        return error
