"""The one polling loop. Private: sensors and operators wait through it, nobody else should."""

from __future__ import annotations

import inspect
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from random import randrange
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_objectstore.api.call import Flow, Pause
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    InvalidArgumentError,
    ObjectStoreError,
    RateLimitedError,
    ServerError,
    StoreNotFoundError,
    TransportError,
)
from airflow_provider_objectstore.hooks.base import ObjectStoreHook

if TYPE_CHECKING:
    from jinja2 import Environment


class PollTrigger(BaseTrigger):
    """
    Asks until there is an answer, and fires once: with the answer, or with why there will be none.

    A subclass says what to ask (:meth:`check`) and through which hook; its sensor asks the same blocking. Parameters
    are named like the sensor's template fields: Airflow renders them here where the task starts in the triggerer.

    :param poke_interval: seconds between two looks.
    :param exponential_backoff: wait longer from look to look, as Airflow's sensors do.
    :param max_wait: with it, the most seconds between two looks.
    :param max_consecutive_errors: how many passing errors in a row are borne.
    :param end_from_trigger: end the task here when there is an answer; whatever else happens is for a worker.
    """

    parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        poke_interval: float = 60,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        max_consecutive_errors: int = 5,
        end_from_trigger: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poke_interval = poke_interval
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.max_consecutive_errors = max_consecutive_errors
        self.end_from_trigger = end_from_trigger
        self._missing_store_told = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kinds = cls.__mro__[: cls.__mro__.index(PollTrigger) + 1]
        every = (p for kind in kinds for p in inspect.signature(kind).parameters.values())
        cls.parameters = tuple(dict.fromkeys(p.name for p in every if p.kind is p.KEYWORD_ONLY))

    @abstractmethod
    def hook(self) -> ObjectStoreHook:
        """Return the hook to ask through."""

    @abstractmethod
    def check(self) -> Flow[Any | None]:
        """Look once: yield calls; return the answer as plain JSON values, or None if there is none yet."""

    def look(self) -> Flow[Any | None]:
        """Look once. A store that is missing is no error: it may come, as what would be in it. This is said once."""
        try:
            return (yield from self.check())
        except StoreNotFoundError as error:
            if not self._missing_store_told:
                self._missing_store_told = True
                self.log.warning(
                    "%s. The store itself is missing: waiting goes on until it is there and holds what is waited for",
                    error,
                )
            return None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to start this trigger elsewhere: names and numbers, never a secret."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            name: getattr(self, name) for name in self.parameters
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll; yield exactly one event."""
        try:
            async with self.hook().async_client() as client:
                answer = await client.run(self.poll())
        except ObjectStoreError as error:
            yield _event(status="failed", message=str(error), final=not passing(error))
        except AirflowNotFoundException as error:
            yield _event(status="failed", message=str(error), final=False)
        except Exception as error:
            self.log.exception("This wait ended in a way that was not foreseen")
            said = f"the wait ended with {type(error).__name__}, which the triggerer's log explains"
            yield _event(status="failed", message=said, final=False)
        else:
            # Airflow stores an XCom that comes with this event as JSON within JSON: so it comes without.
            yield TaskSuccessEvent() if self.end_from_trigger else _event(status="success", answer=answer)

    def get_template_env(self, dag: Any = None) -> Environment:
        """Return the environment for templates: what a run does not have is an error, as it is on a worker."""
        from jinja2 import StrictUndefined

        environment: Environment = super().get_template_env(dag)
        environment.undefined = StrictUndefined
        return environment

    def poll(self, timeout: float = float("inf")) -> Flow[Any | None]:
        """
        Look until there is an answer; a worker waits through this as well.

        :param timeout: seconds after which None is returned.
        """
        looked = time.monotonic()
        deadline = looked + timeout
        errors = 0
        number, planned, told = 0, self.poke_interval, 1.0
        while True:
            try:
                answer = yield from self.look()
            except ObjectStoreError as error:
                errors += 1
                if not passing(error) or errors > self.max_consecutive_errors:
                    raise
                self.log.warning("%s. Error %d of at most %d in a row", error, errors, self.max_consecutive_errors)
            else:
                errors = 0
                if answer is not None:
                    return answer
            now = time.monotonic()
            if now >= deadline:
                return None
            if now - looked > 1.5 * max(planned, told):
                told = now - looked
                self.log.info(
                    "Looks are %.0f s apart instead of %.0f: all that use this connection in one process share its "
                    "requests a second",
                    told,
                    planned,
                )
            number += 1
            looked, planned = now, self._interval(number)
            yield Pause(planned)

    def _interval(self, number: int) -> float:
        """Return the seconds after a look, counted from 1."""
        if not self.exponential_backoff:
            return self.poke_interval
        # As Airflow's sensors do: doubled from half of it on, at least 1 s, and as much again at random.
        least = max(int(self.poke_interval * 2.0 ** min(number - 2, 30)), 1)
        interval = float(least + randrange(least))
        return interval if not self.max_wait else min(interval, self.max_wait)


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]


def passing(error: ObjectStoreError) -> bool:
    """Whether an error may go away by itself, so that a wait bears it."""
    if isinstance(error, (ConfigurationError, InvalidArgumentError)):
        return False
    if isinstance(error, TransportError):
        return not error.permanent
    return isinstance(error, (RateLimitedError, ServerError))


class PollFailedError(ObjectStoreError):
    """A wait has ended without its answer; ``final`` if trying again cannot help."""

    def __init__(self, message: str = "", *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def answer_of(event: Mapping[str, Any] | None) -> Any:
    """
    Return the answer that an event brings.

    :raises PollFailedError: if the wait has failed.
    :raises AirflowException: if this is no event of ours.
    """
    match event:
        case {"status": "success", "answer": answer}:
            return answer
        case {"status": "failed", "message": str(message), "final": bool(final)}:
            raise PollFailedError(message, final=final)
    raise AirflowException(f"The trigger brought no event that can be understood: {event!r}")
