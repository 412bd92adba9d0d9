"""Runs tasks as Airflow does: on a worker and, where they defer, through the triggerer and back."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, TaskDeferred
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.triggers.base import TaskSuccessEvent

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.hooks import connection_fields
from airflow_provider_objectstore.transport.retry import RetryPolicy
from airflow_provider_objectstore.triggers.polling import PollingTrigger

ATTEMPTS = 2
ENDED = {"ended": "in the triggerer"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is tried twice, with hardly any wait in between."""
    quick = partial(RetryPolicy, attempts=ATTEMPTS, initial_wait=0.001)
    monkeypatch.setattr(connection_fields, "RetryPolicy", quick)


def revived(trigger: PollingTrigger) -> PollingTrigger:
    """The trigger as another process starts it, from what the database stores."""
    return started(*trigger.serialize())


def started(classpath: str, arguments: dict[str, Any]) -> PollingTrigger:
    """The trigger that the triggerer creates from what the database stores."""
    stored = json.loads(json.dumps(arguments))
    assert stored == json.loads(json.dumps(stored))
    module, _, name = classpath.rpartition(".")
    again: PollingTrigger = getattr(import_module(module), name)(**stored)
    return again


async def events(trigger: PollingTrigger) -> list[dict[str, Any]]:
    """All events of a trigger, as the database stores them; one that ends the task as :data:`ENDED`."""
    found = [ENDED if isinstance(event, TaskSuccessEvent) else event.payload async for event in trigger.run()]
    assert [json.loads(json.dumps(payload)) for payload in found] == found
    return found


def fire(trigger: PollingTrigger, timeout: float = 20) -> dict[str, Any]:
    """Run a trigger in a loop of its own until its one event."""
    (event,) = asyncio.run(asyncio.wait_for(events(revived(trigger)), timeout))
    return event


def run(task: BaseOperator) -> Any:
    """Run a task to its end, deferred or not, started in the triggerer or not; return its XCom."""
    context: Any = {}
    resumed = deepcopy(task)  # another worker builds it anew: what the first has read is gone
    if task.start_from_trigger:
        start = task.start_trigger_args
        assert start is not None
        assert start.timeout is not None
        trigger = started(start.trigger_cls, start.trigger_kwargs or {})
        return _resumed(resumed, trigger, start.next_method, start.timeout)
    try:
        return task.execute(context)
    except TaskDeferred as deferred:
        return _deferred(resumed, deferred)


def _deferred(task: BaseOperator, deferred: TaskDeferred) -> Any:
    assert isinstance(deferred.trigger, PollingTrigger)
    assert isinstance(deferred.timeout, timedelta)
    resumed = deepcopy(task)
    try:
        return _resumed(task, deferred.trigger, deferred.method_name, deferred.timeout)
    except TaskDeferred as again:
        return _deferred(resumed, again)


def _resumed(task: BaseOperator, trigger: PollingTrigger, method: str, timeout: timedelta) -> Any:
    context: Any = {}
    try:
        event = fire(trigger, timeout.total_seconds())
    except TimeoutError:
        return task.resume_execution(TRIGGER_FAIL_REPR, {"error": TriggerFailureReason.TRIGGER_TIMEOUT}, context)
    if event == ENDED:
        return ENDED
    return task.resume_execution(method, {"event": event}, context)


@contextmanager
def once(condition: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """While the block runs, wait for the condition in a thread, then act."""
    problems: list[BaseException] = []
    over = threading.Event()

    def watch() -> None:
        try:
            while not condition():
                if over.wait(0.005):
                    raise AssertionError("the block was over before the condition held")
            act()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if problems:
        raise problems[0]


def answers(emulator: Emulator, operation: str) -> dict[str, int]:
    """How often an operation was requested, by status."""
    by_status: dict[str, int] = emulator.requests()["by_operation"].get(operation, {})
    return by_status
