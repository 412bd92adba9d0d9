"""For how long a call is tried: from its first failing request on, not from when it began to wait for its turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_objectstore.api import anypoint
from airflow_provider_objectstore.api.call import Pause, Response
from airflow_provider_objectstore.exceptions import ObjectStoreError, ServerError
from airflow_provider_objectstore.transport.connection import Request
from airflow_provider_objectstore.transport.execution import execute
from airflow_provider_objectstore.transport.rate_limit import RateLimiter
from airflow_provider_objectstore.transport.retry import RetryPolicy
from airflow_provider_objectstore.transport.state import CallTime, SharedState
from airflow_provider_objectstore.transport.steps import GetToken
from airflow_provider_objectstore.transport.tokens import obtain_token
from tests.transport.drivers import anypoint_connection

QUEUE, DEADLINE = 32, 20
TOKEN = Response(200, {}, b'{"access_token": "t", "token_type": "bearer", "expires_in": 3600}')
STORE, BUSY = Response(200, {}, b'{"storeId": "s"}'), Response(503, {}, b"{}")


class Clock:
    """A clock that moves only when a flow pauses."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Queued:
    """A call at one request a second, behind many others each time it has to wait for its turn."""

    def __init__(self, clock: Clock, answers: list[Response]) -> None:
        self.clock, self.answers = clock, iter(answers)
        policy = RetryPolicy(deadline=DEADLINE, initial_wait=0.1)
        self.state = SharedState(anypoint_connection("http://127.0.0.1:1", timeout=5, retry=policy))
        self.state.rate_limiter = RateLimiter(1, clock)
        self.sent: list[Request] = []
        self.token: Callable[[GetToken], Any] = self.fetch
        self._wait_behind_others()

    def send(self, ends: float = float("inf")) -> Any:
        return self._run(execute(anypoint.get_store("s"), self.state, ends))

    def fetch(self, step: GetToken) -> Any:
        return self._run(obtain_token(self.state, step, self.state.token_fetches))

    def _run(self, flow: Any) -> Any:
        try:
            step = next(flow)
            while True:
                try:
                    result = self._perform(step)
                except ObjectStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            return end.value

    def _wait_behind_others(self) -> None:
        for _ in range(QUEUE):
            self.state.rate_limiter.reserve()

    def _perform(self, step: Any) -> Any:
        match step:
            case Request():
                self.sent.append(replace(step, ends=step.ends - self.clock.now))
                return next(self.answers)
            case Pause():
                self.clock.now += step.seconds
            case GetToken():
                token = self.token(step)
                self._wait_behind_others()
                return token
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.mark.parametrize("answers", [[TOKEN, BUSY, STORE], [BUSY, TOKEN, STORE]], ids=["request", "token"])
def test_the_wait_for_a_turn_costs_none_of_it(answers: list[Response], clock: Clock) -> None:
    queued = Queued(clock, answers)
    assert queued.send().store_id == "s"
    assert len(queued.sent) == len(answers)
    assert queued.sent[0].ends == DEADLINE, "the first request has all of it"


def test_it_begins_with_the_request_for_a_token_that_several_calls_wait_for(clock: Clock) -> None:
    queued = Queued(clock, [BUSY, TOKEN, STORE])

    def share_error(step: GetToken) -> None:
        queued.token = queued.fetch
        with pytest.raises(ServerError):
            queued.fetch(GetToken(CallTime(anypoint.get_store("t"), queued.state, float("inf"))))
        queued._run(obtain_token(queued.state, step, 0))

    queued.token = share_error
    assert queued.send().store_id == "s"


def test_a_caller_bounds_it(clock: Clock) -> None:
    queued = Queued(clock, [TOKEN, BUSY])
    with pytest.raises(ServerError, match="503"):
        queued.send(ends=clock.now + 2 * QUEUE)
    assert len(queued.sent) == 2
