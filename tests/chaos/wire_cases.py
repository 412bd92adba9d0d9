"""Runs the clients of both services against a server that misbehaves, and says what they did wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_objectstore.api import anypoint, civo
from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.exceptions import (
    ApiError,
    AuthenticationError,
    ObjectStoreError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
    is_transient,
)
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.chaos.misbehaviours import MISBEHAVIOURS
from tests.chaos.wire import SECRETS, Mode, WireServer

TIMEOUT = 1.0
"""The connection's, in seconds."""
RETRY = RetryPolicy(deadline=1.5, initial_wait=0.01, max_wait=0.02)
MARGIN = 20.0
"""Seconds that a call may take longer than it should: other work runs beside it."""


class _QuickAnypointHook(AnypointObjectStoreHook):
    def _parse_connection(self, *arguments: Any) -> Any:
        return replace(super()._parse_connection(*arguments), retry=RETRY)


class _QuickCivoHook(CivoObjectStoreHook):
    def _parse_connection(self, *arguments: Any) -> Any:
        return replace(super()._parse_connection(*arguments), retry=RETRY)


@dataclass(frozen=True)
class Operation:
    """
    An operation and its right result.

    :param call: the call for an object of this name.
    :param result: what of the result tells whether it is right.
    :param right: that for an object of this name.
    :param alters: whether it must not be done twice.
    """

    call: Callable[[str], Call[Any]]
    result: Callable[[Any], Any]
    right: Callable[[str], Any]
    alters: bool = False


OPERATIONS: dict[str, dict[str, Operation]] = {
    "anypoint": {
        "get_key": Operation(
            lambda name: anypoint.get_key("s", "p", name), lambda entry: entry.value, lambda name: f"value of {name}"
        ),
        "alter_number": Operation(
            lambda name: anypoint.alter_number("s", "p", name, {"operation": "add", "value": 1}),
            lambda body: body,
            lambda name: {"altered": name},
            alters=True,
        ),
        "key_exists": Operation(
            lambda name: anypoint.key_exists("s", "p", name), lambda found: found, lambda name: True
        ),
    },
    "civo": {
        "get_object_store": Operation(civo.get_object_store, lambda store: store.name, lambda name: f"name-of-{name}"),
        "create_credential": Operation(
            civo.create_credential, lambda made: made.id, lambda name: f"id-of-{name}", alters=True
        ),
    },
}


@dataclass(frozen=True)
class Case:
    """
    A misbehaviour, and the client that meets it.

    :param misbehaviour: its name.
    :param service: ``anypoint``, ``civo``, or ``token`` for Object Store v2 with a misbehaving token endpoint.
    :param driver: ``sync`` or ``async``.
    :param mode: whether the server misbehaves ``once`` for each operation, or ``always``.
    """

    misbehaviour: str
    service: str
    driver: str
    mode: Mode

    def __str__(self) -> str:
        return f"{self.misbehaviour}, {self.mode}: {self.service}, {self.driver}"


@dataclass
class Outcome:
    """
    What became of one operation.

    :param kind: ``result``, ``outcome unknown``, ``error`` (the service refused it) or ``no response``.
    :param seconds: how long it took.
    :param problems: what was wrong.
    """

    case: Case
    operation: str
    kind: str = "result"
    seconds: float = 0.0
    text: str = ""
    problems: list[str] = field(default_factory=list)


class Sender:
    """Sends calls with a hook: blocking, or with its async client."""

    def __init__(self, hook: Any, driver: str, stack: ExitStack) -> None:
        self._runner = stack.enter_context(asyncio.Runner()) if driver == "async" else None
        self._hook = hook
        if self._runner:
            opened = hook.async_client()
            self._client = self._runner.run(opened.__aenter__())
            stack.callback(lambda: self._run(opened.__aexit__(None, None, None)))

    def _run(self, coroutine: Any) -> Any:
        assert self._runner
        return self._runner.run(coroutine)

    def __call__(self, call: Call[Any]) -> Any:
        return self._run(self._client.send(call)) if self._runner else self._hook.send(call)

    def forget_token(self) -> None:
        (self._client if self._runner else self._hook._client)._state.token = None

    def pause(self, server: WireServer) -> None:
        """Give the server time to send all that it sends and to close its connections, and the event loop to see it."""
        server.settle()
        self._run(asyncio.sleep(0.02)) if self._runner else time.sleep(0.02)


def run_case(case: Case, number: int, elsewhere: int) -> list[Outcome]:
    """
    Run one case: each operation while the server misbehaves, and again while it does not.

    :param number: the case's number, for its connection.
    :param elsewhere: the port of another host.
    """
    service = "anypoint" if case.service == "token" else case.service
    server = WireServer(MISBEHAVIOURS[case.misbehaviour], at_token=case.service == "token", elsewhere=elsewhere)
    outcomes = []
    with ExitStack() as stack:
        stack.callback(server.stop)
        with connected(service, server, number) as hook:
            send = Sender(hook, case.driver, stack)
            if case.service != "token":
                _send_good(send, server, service, "first")
            for operation in OPERATIONS[service]:
                if case.service == "token":
                    send.forget_token()
                outcome = _try(case, operation, server, send)
                server.mode = "good"
                send.pause(server)
                outcome.problems += _send_good(send, server, service, f"later-{operation}")
                outcomes.append(outcome)
    if server.cookies:
        outcomes[0].problems.append(f"sent cookies: {server.cookies}")
    return outcomes


@contextmanager
def connected(service: str, server: WireServer, number: int, host: str = "") -> Iterator[Any]:
    """
    Yield a hook of a connection to a server.

    :param number: makes the connection's id.
    :param host: another address than the server's.
    """
    password = SECRETS["client secret" if service == "anypoint" else "API key"]
    own = {"organization_id": "o", "environment_id": "e"} if service == "anypoint" else {"region": "LON1"}
    extra = {"requests_per_second": 100_000, "timeout": TIMEOUT, "verify": False, **own}
    connection = {"conn_type": service, "host": host or server.url, "login": "id", "password": password, "extra": extra}
    variable = f"AIRFLOW_CONN_WIRE_{number}"
    os.environ[variable] = json.dumps(connection)  # the module's end removes it: see conftest
    yield (_QuickAnypointHook if service == "anypoint" else _QuickCivoHook)(f"wire_{number}")


def _try(case: Case, name: str, server: WireServer, send: Sender) -> Outcome:
    operation = OPERATIONS["anypoint" if case.service == "token" else case.service][name]
    subject = f"wire-{name}".replace("_", "-")
    outcome = Outcome(case, name)
    call = operation.call(subject)
    server.received.pop(("POST", "token"), None)
    server.mode = case.mode
    started = time.monotonic()
    error: BaseException | None = None
    try:
        result = operation.result(send(call))
        outcome.text = repr(result)[:100]
        if result != operation.right(subject) and not (server.misbehaviour.misleads and operation.alters):
            outcome.problems.append(f"a wrong result: {outcome.text}")
    except BaseException as caught:
        error = caught
        outcome.kind, outcome.text = _kind(caught), f"{type(caught).__name__}: {caught}"
    outcome.seconds = time.monotonic() - started
    outcome.problems += _problems_of_error(error, subject, "token" if case.service == "token" else subject)
    outcome.problems += _problems_of_requests(error, call, subject, server)
    if operation.alters:
        outcome.problems += _problems_of_alteration(error, subject, server)
    elif call.method == "GET":
        outcome.problems += _problems_of_reading(case, error)
    if outcome.seconds > longest_of(outcome) + MARGIN:
        outcome.problems.append(f"took {outcome.seconds:.1f} s")
    return outcome


def longest_of(outcome: Outcome) -> float:
    """How long a call may take: until its deadline, and for an attempt that begins just before."""
    more = (
        outcome.operation == "create_credential" or outcome.case.service == "token"
    )  # a look-up, or a token's own time
    return (RETRY.deadline + TIMEOUT) * (2 if more else 1)


def _kind(error: BaseException) -> str:
    kinds = {OutcomeUnknownError: "outcome unknown", TransportError: "no response", ApiError: "error"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), type(error).__name__)


def _problems_of_error(error: BaseException | None, *subjects: str) -> Iterator[str]:
    if error is None:
        return
    if not isinstance(error, ObjectStoreError):
        yield f"an error that is not the package's: {type(error).__name__}: {error}"
    if not any(subject in str(error) for subject in subjects):
        yield f"an error that does not name {subjects[0]}: {error}"
    if not str(error).isprintable() or len(str(error)) > 5000:
        yield f"an error that does not print well: {str(error)[:200]!r}"
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    for what, secret in SECRETS.items():
        if secret in shown:
            yield f"the {what} in an error: {shown[:300]}"


def _problems_of_requests(error: BaseException | None, call: Call[Any], name: str, server: WireServer) -> Iterator[str]:
    received = server.received[call.method, name]
    if received > RETRY.attempts:
        yield f"{received} requests"
    if (tokens := server.received["POST", "token"]) > RETRY.attempts:
        yield f"{tokens} requests for a token"
    unsent = isinstance(error, (TransportError, ApiError)) and not error.request_sent
    if unsent and received:
        yield f"an error that says that nothing was sent: {error}"


def _problems_of_alteration(error: BaseException | None, name: str, server: WireServer) -> Iterator[str]:
    applied, refused = server.applied[name], isinstance(error, ApiError) and not isinstance(error, ServerError)
    if applied > 1:
        yield f"done {applied} times"
    if applied and error is not None and not refused and not isinstance(error, OutcomeUnknownError):
        yield f"done, and reported as {type(error).__name__}"
    read_request = server.misbehaviour.takes == "all" and not server.misbehaviour.early
    if error is None and not applied and read_request:
        yield "reported as done, and it was not"


def _problems_of_reading(case: Case, error: BaseException | None) -> Iterator[str]:
    misbehaviour = MISBEHAVIOURS[case.misbehaviour]
    if _was_busy(error) and not misbehaviour.waits:
        return
    if case.mode == "once":
        if error is not None and is_transient(error) and not misbehaviour.waits:
            yield f"a read was not tried again: {error}"
    elif case.service != "token" and misbehaviour.ends != "any" and (misbehaviour.ends == "result") != (error is None):
        yield f"ended in {error!r:.300}"
    refused = case.service == "token" or case.misbehaviour.startswith(("401", "an error"))
    if isinstance(error, AuthenticationError) and not refused:
        yield f"blamed the credentials: {error}"


def _was_busy(error: BaseException | None) -> bool:
    """Tell whether a call had no time: a busy machine may take longer for a good response than these time-outs."""
    return error is not None and "timed out" in str(error)


def _send_good(send: Sender, server: WireServer, service: str, name: str) -> list[str]:
    """Send each operation while the server does not misbehave."""
    return [
        problem
        for operation in OPERATIONS[service].values()
        for problem in _problems_of_good(operation, send, server, name)
    ]


def _problems_of_good(operation: Operation, send: Sender, server: WireServer, name: str) -> Iterator[str]:
    for attempt in range(5):
        unique = f"{name}-{attempt}".replace("_", "-")
        try:
            result = operation.result(send(operation.call(unique)))
        except BaseException as error:
            if _was_busy(error) and attempt < 4:
                continue
            yield f"the next good call: {type(error).__name__}: {error}"
        else:
            if result != operation.right(unique):
                yield f"the next good call got {result!r:.100}"
        if operation.alters and server.applied[unique] > 1:
            yield f"the next good call was done {server.applied[unique]} times"
        return


class SecretsInLogs(logging.Handler):
    """Keeps the log lines that show a secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self.unretrieved: list[str] = []
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter().format(record)
        self.seen += record.name.startswith("airflow_provider_objectstore")
        if any(secret in text for secret in SECRETS.values()):
            self.found.append(f"{record.name}: {text}"[:500])
        if record.name == "asyncio" and record.levelno >= logging.ERROR:
            self.unretrieved.append(text[:1000])
