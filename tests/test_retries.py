"""What Airflow does after a task's error: fail at once, or try again, and when."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from email.utils import formatdate
from time import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_objectstore.compat.tasks import without_retries
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    ObjectStoreError,
    OutcomeUnknownError,
    OwnerChangeUnsupportedError,
    PermissionDeniedError,
    RateLimitedError,
    ResourceFailedError,
    ServerError,
    StoreNotFoundError,
    TransportError,
    UnreadableValueError,
    is_permanent,
    is_transient,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.operators.anypoint_keys import AnypointGetKeyOperator
from airflow_provider_objectstore.triggers.polling import PollFailedError
from tests.features import RETRY_POLICIES

PERMANENT = [
    ApiError("x", status=400),
    AuthenticationError("x", status=401),
    ConfigurationError("x"),
    InvalidArgumentError("x"),
    OwnerChangeUnsupportedError("x"),
    PermissionDeniedError("x", status=403),
    PollFailedError("x", non_retryable=True),
    ResourceFailedError("x"),
    TransportError("x", permanent=True),
    UnreadableValueError("x"),
]
TRANSIENT = [RateLimitedError("x"), ServerError("x"), TransportError("x")]
NOBODY_KNOWS = [
    ConflictError("x"),
    NotFoundError("x"),
    ObjectStoreError("x"),
    OutcomeUnknownError("x"),
    PollFailedError("x"),
    StoreNotFoundError("x"),
    ValueError("x"),
]


def named(errors: list[Exception]) -> Any:
    return pytest.mark.parametrize("error", errors, ids=lambda error: type(error).__name__)


@named([*PERMANENT, *TRANSIENT, *NOBODY_KNOWS])
def test_one_answer(error: Exception) -> None:
    assert (is_permanent(error), is_transient(error)) == (error in PERMANENT, error in TRANSIENT)


@pytest.mark.skipif(not RETRY_POLICIES, reason="Airflow 3.3")
class TestThePolicy:
    @pytest.fixture
    def policy(self) -> Any:
        from airflow_provider_objectstore.retries import ObjectStoreRetryPolicy

        return ObjectStoreRetryPolicy.deserialize(ObjectStoreRetryPolicy().serialize())

    @pytest.mark.parametrize(
        ("errors", "action"), [(PERMANENT, "fail"), (TRANSIENT, "retry"), (NOBODY_KNOWS, "default")]
    )
    def test_action(self, policy: Any, errors: list[Exception], action: str) -> None:
        assert {policy.evaluate(error, 1, 3).action.value for error in errors} == {action}

    @pytest.mark.parametrize(
        ("header", "own", "delay"),
        [
            (None, 5, None),
            ("30", 5, 30),
            ("30", 300, None),
            ("0", 0, None),
            ("999999999", 5, 3600),
            ("nonsense", 5, None),
        ],
    )
    def test_a_throttled_task_waits(self, policy: Any, header: str | None, own: int, delay: int | None) -> None:
        context = {"task": SimpleNamespace(retry_delay=timedelta(seconds=own))}
        found = policy.evaluate(RateLimitedError("x", retry_after=header), 1, 3, context).retry_delay
        assert found == (None if delay is None else timedelta(seconds=delay))

    @pytest.mark.parametrize(
        ("try_number", "longest", "delay"), [(1, None, 120), (2, None, None), (9, 100, 120), (9999, None, None)]
    )
    def test_a_backoff_that_is_longer_counts(
        self, policy: Any, try_number: int, longest: int | None, delay: int | None
    ) -> None:
        most = longest and timedelta(seconds=longest)
        own = {"retry_delay": timedelta(minutes=1), "retry_exponential_backoff": 3.0, "max_retry_delay": most}
        error, context = RateLimitedError("x", retry_after="120"), {"task": SimpleNamespace(**own)}
        found = policy.evaluate(error, try_number, 100, context).retry_delay
        assert found == (delay and timedelta(seconds=delay))

    def test_a_date(self, policy: Any) -> None:
        error = ServerError("x", retry_after=formatdate(time() + 600, usegmt=True))
        assert timedelta(seconds=500) < policy.evaluate(error, 1, 3).retry_delay <= timedelta(seconds=600)

    def test_operators_have_it_unless_the_user_gives_another(self) -> None:
        from airflow.providers.common.compat.sdk import ExceptionRetryPolicy

        from airflow_provider_objectstore.retries import ObjectStoreRetryPolicy

        names: Any = {"store_id": "s", "partition": "p", "key": "k"}
        mine = ExceptionRetryPolicy([])
        with DAG("d", schedule=None) as dag:
            assert isinstance(AnypointGetKeyOperator(task_id="a", **names).retry_policy, ObjectStoreRetryPolicy)
            assert AnypointGetKeyOperator(task_id="b", retry_policy=mine, **names).retry_policy is mine
            AnypointGetKeyOperator.partial(task_id="c", store_id="s", partition="p").expand(key=["k"])
        with DAG("e", schedule=None, default_args={"retry_policy": mine}):
            assert AnypointGetKeyOperator(task_id="d", **names).retry_policy is mine
        task = dag.get_task("c").unmap({"key": "k"})
        assert isinstance(task.retry_policy, ObjectStoreRetryPolicy)


@named([error for error in PERMANENT if isinstance(error, ObjectStoreError)])
def test_an_error_without_retries_is_the_same_error(error: ObjectStoreError) -> None:
    final = without_retries(error)
    assert isinstance(final, AirflowFailException)
    assert isinstance(final, type(error))
    assert type(final).__name__ == type(error).__name__
    for found in (final, copy.copy(final), pickle.loads(pickle.dumps(final)), final.prefixed("")):
        assert (str(found), vars(found)) == (str(error), vars(error))


@pytest.mark.smoke
class TestATask:
    """As the task runner does, by ``_handle_current_task_failed`` or the error's class."""

    def ends(self, task: Any) -> str:
        from airflow.sdk.execution_time import task_runner

        with pytest.raises(ObjectStoreError) as caught:
            task.execute({})
        if isinstance(caught.value, AirflowFailException):
            return "failed"
        if not RETRY_POLICIES:
            return "up_for_retry"
        server = SimpleNamespace(max_tries=3, should_retry=True)
        ti: Any = SimpleNamespace(
            task=task, try_number=1, _ti_context_from_server=server, stats_tags={}, _failure_metrics_emitted=False
        )
        ti.rendered_map_index = None
        log = SimpleNamespace(info=lambda *words, **details: None)
        _, state = task_runner._handle_current_task_failed(ti, caught.value, log, {})  # type: ignore[arg-type]
        return str(state.value)

    @pytest.mark.parametrize(
        ("status", "state"), [(403, "failed"), (400, "failed"), (404, "up_for_retry"), (409, "up_for_retry")]
    )
    def test_of_an_operator(self, emulator: Emulator, status: int, state: str) -> None:
        AnypointObjectStoreHook().create_store("s")
        emulator.faults([{"operation": "anypoint.get_key", "kind": "status", "status": status}])
        task = AnypointGetKeyOperator(task_id="t", store_id="s", partition="p", key="k", retries=3)
        assert self.ends(task) == state

    def test_with_an_argument_that_comes_out_empty(self, emulator: Emulator) -> None:
        task = AnypointGetKeyOperator(task_id="t", store_id="s", partition="p", key="{{ k }}", retries=3)
        task.key = ""
        assert self.ends(task) == "failed"
