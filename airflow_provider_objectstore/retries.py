"""Retries of tasks that help. Needs Airflow 3.3; before, the operators fail without a retry by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

from airflow_provider_objectstore.exceptions import ApiError, is_permanent, is_transient

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_LONGEST_WAIT = 3600


class ObjectStoreRetryPolicy(RetryPolicy):
    """
    Decides about the retries of a task by this package's errors; other errors are tried as often as the task says.

    What cannot pass fails at once: wrong arguments, a wrong connection, a missing right, a failed resource. After a 429
    or 503 the next try comes when the service's ``Retry-After`` says, at most an hour later, if that is longer than the
    task's own delay with its exponential backoff. All operators of this package have it; give it to tasks that use the
    hooks.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide after a failure.

        :param exception: the error.
        :param try_number: number of the failed try, from 1.
        :param max_tries: tries that the task has.
        :param context: the task's context.
        """
        if is_permanent(exception):
            return RetryDecision.fail(f"{type(exception).__name__}: another try cannot help")
        if is_transient(exception):
            delay = self._delay(exception, try_number, context)
            return RetryDecision.retry(delay, f"{type(exception).__name__} may pass")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return what the policy is made of: nothing."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """
        Return the policy.

        :param data: what :meth:`serialize` has returned.
        """
        return cls()

    @staticmethod
    def _delay(exception: BaseException, try_number: int, context: Context | None) -> timedelta | None:
        from airflow_provider_objectstore.transport.retry import RetryPolicy as Pace

        header = exception.retry_after if isinstance(exception, ApiError) else None
        seconds = Pace(max_retry_after=_LONGEST_WAIT).retry_after_seconds(header)
        return timedelta(seconds=seconds) if seconds and seconds > _own_delay(context, try_number) else None


def _own_delay(context: Context | None, try_number: int) -> float:
    """Return the least seconds that Airflow would wait by the task's own settings."""
    task = (context or {}).get("task")
    seconds: float = getattr(task, "retry_delay", timedelta()).total_seconds()
    longest: timedelta = getattr(task, "max_retry_delay", None) or timedelta(days=1)
    factor = float(getattr(task, "retry_exponential_backoff", 0) or 1)
    try:
        return min(seconds * factor ** (try_number - 1), max(longest.total_seconds(), seconds))
    except OverflowError:
        return longest.total_seconds()
