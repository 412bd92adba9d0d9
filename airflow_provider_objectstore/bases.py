"""What operators and sensors share: the connection they use, and how they wait."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    BaseSensorOperator,
    conf,
)

from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import PokeReturnValue

    from airflow_provider_objectstore.triggers.poll import PollTrigger


def default_deferrable() -> bool:
    """Return Airflow's setting ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def one_of(name: str, value: str, *allowed: str) -> None:
    """
    Refuse an argument that is not one of a few words.

    :raises InvalidArgumentError: naming them.
    """
    if value not in allowed:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


class AnypointOperator(BaseOperator):
    """
    Base of what works with Anypoint Object Store v2.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's.
    """

    template_fields: Sequence[str] = ("anypoint_conn_id", "region")
    ui_color = "#cfe8f5"

    def __init__(
        self,
        *,
        anypoint_conn_id: str = AnypointObjectStoreHook.default_conn_name,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    @property
    def hook(self) -> AnypointObjectStoreHook:
        """The hook with this task's connection."""
        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)


class CivoOperator(BaseOperator):
    """
    Base of what works with Civo object stores.

    :param civo_conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's.
    """

    template_fields: Sequence[str] = ("civo_conn_id", "region")
    ui_color = "#d9f0dd"

    def __init__(
        self,
        *,
        civo_conn_id: str = CivoObjectStoreHook.default_conn_name,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.civo_conn_id = civo_conn_id
        self.region = region

    @property
    def hook(self) -> CivoObjectStoreHook:
        """The hook with this task's connection."""
        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)


class WaitSensor(BaseSensorOperator):
    """
    Base of the sensors. Poking and deferred, they ask the same through the same trigger object.

    :param deferrable: wait in the triggerer, which takes no worker; by default what Airflow's setting
        ``[operators] default_deferrable`` says. The first look is taken before.
    :param max_consecutive_errors: how many passing errors in a row are borne (no answer, 429, 5xx). Errors that
        will not pass fail the task at once, whatever its retries. In reschedule mode every look counts anew.
    """

    def __init__(self, *, deferrable: bool | None = None, max_consecutive_errors: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.max_consecutive_errors = max_consecutive_errors
        self._wait: PollTrigger | None = None
        self._errors = 0

    @abstractmethod
    def new_wait(self, **common: Any) -> PollTrigger:
        """Return what to wait for."""

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once."""
        from airflow.sdk import PokeReturnValue

        from airflow_provider_objectstore.triggers.poll import passing

        if self._wait is None:
            self._wait = self.new_wait(
                poke_interval=self.poke_interval, max_consecutive_errors=self.max_consecutive_errors
            )
        try:
            with self._wait.hook().client() as client:
                answer = client.run(self._wait.check())
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
        self.log.info("Found: %s", answer)
        return answer

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

    def _failure(self, error: ObjectStoreError, *, final: bool) -> Exception:
        # Airflow treats an exception out of poke() and out of a resumed task differently where the user asked
        # for a skip; these forms it treats alike.
        if final:
            return AirflowFailException(str(error))
        if self.soft_fail or self.never_fail:
            return AirflowSkipException(f"Skipping: {error}")
        return error
