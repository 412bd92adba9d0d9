"""Runs a case under faults, checks what holds for every call, and counts."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.emulator.settings import CIVO_KEY, CLIENT_SECRET
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks import connection_fields
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.chaos.services import STALL_SECONDS, ChaosEmulator

TIMEOUT = 0.4
"""The connection's timeout in seconds: shorter than a stall, and long for a request on a busy machine."""
CALL_SECONDS = 6 * TIMEOUT
"""
The longest call: its deadline of four timeouts, and its last attempt, which has a whole timeout for each of its two
requests (the second one with a new token). An attempt that began before the deadline is let end.
"""
MARGIN_SECONDS = 4.0
"""For the machine, which others use at the same time."""
ALL = os.environ.get("CHAOS") == "all"
SEED = int(os.environ.get("SEED") or 1)
FEW_ATTEMPTS = {"attempts": 2}
"""For ``quick_retries`` where many requests run or a wait goes on after an error: so that some calls fail for good."""
SECONDS = 210
"""How long all cases together take with CHAOS=all, roughly."""
INVARIANTS = (
    "created once",
    "altered once or unknown",
    "done as asked",
    "read right",
    "wait ends right",
    "export whole",
    "import whole",
    "error in form",
    "error names object",
    "in time",
    "no secret shows",
)
assert STALL_SECONDS > TIMEOUT


@dataclass
class Figures:
    """What is counted over all cases."""

    calls: int = 0
    succeeded: int = 0
    seconds: float = 0
    slowest: tuple[float, str] = (0, "")
    errors: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    seeds: set[int] = field(default_factory=set)

    def lines(self, injected: Counter[str]) -> Iterator[str]:
        """Yield the table."""
        seeds = f"{min(self.seeds)} to {max(self.seeds)}" if self.seeds else "none"
        yield f"seeds {seeds}: {self.calls} calls in {self.seconds:.0f} s, {self.succeeded} succeeded"
        yield f"slowest call: {self.slowest[0]:.1f} s, {self.slowest[1]}"
        yield f"faults: {injected.total()}"
        yield from (f"  {count:6} {name}" for name, count in sorted(injected.items()))
        yield f"errors: {self.errors.total()}"
        yield from (f"  {count:6} {name}" for name, count in self.errors.most_common())
        yield "invariants: checked, broken"
        for name in INVARIANTS:
            yield f"  {self.held[name] + self.broken[name]:6} {self.broken[name]:6} {name}"


@dataclass(frozen=True)
class Outcome:
    """What a call came to: a result or an error."""

    result: Any = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    def __str__(self) -> str:
        if self.ok:
            return f"result {str(self.result)[:300]}"
        return f"{type(self.error).__name__}: {str(self.error)[:600]}"


class Run:
    """
    One case with one seed.

    :param form: ``sync`` or ``async``, for the calls of hooks.
    """

    def __init__(self, emulator: ChaosEmulator, figures: Figures, case: str, seed: int, form: str) -> None:
        self.emulator = emulator
        self.form = form
        self.seed = seed
        self.problems: list[str] = []
        self._figures = figures
        self._name = case
        self._calls = 0
        self._secrets = {CLIENT_SECRET, CIVO_KEY}

    def call(
        self, act: Callable[[], Any], *names: str, allowed: tuple[type[BaseException], ...] = (), seconds: float = 0
    ) -> Outcome:
        """
        Call under faults; check the error's form, the time, and that no secret shows.

        :param names: what an error must name.
        :param allowed: further classes of errors that are promised.
        :param seconds: how long the call may take beside its requests.
        """
        self._calls += 1
        self._collect_secrets()
        mix = self.emulator.mix
        mix.begin(f"{self.seed}/{self._name}/{self.form}/{self._calls}")
        started = time.monotonic()
        with logged() as records:
            try:
                outcome = Outcome(act())
            except Exception as error:
                outcome = Outcome(error=error)
        taken = time.monotonic() - started
        requests, faults = mix.requests, mix.log
        mix.begin(None)
        mix.log = faults
        self.emulator.wait_until_quiet()
        self._count(outcome, taken)
        self._check_error(outcome, names, allowed)
        limit = seconds + max(requests, 1) * CALL_SECONDS + MARGIN_SECONDS
        self.check(
            "in time", taken <= limit, f"took {taken:.1f} s with {requests} different requests, limit {limit:.1f}"
        )
        self._check_secrets(outcome, records)
        return outcome

    def check(self, invariant: str, held: bool, text: object = "") -> None:
        """Count whether an invariant held, and keep what broke it."""
        assert invariant in INVARIANTS, invariant
        (self._figures.held if held else self._figures.broken)[invariant] += 1
        if not held:
            faults = "\n    ".join(self.emulator.mix.log[-40:])
            self.problems.append(
                f"{invariant}: {text}\n  SEED={self.seed}, {self._name} ({self.form}), call {self._calls}\n    {faults}"
            )

    def method(self, hook: ObjectStoreHook, api: Any, name: str, *arguments: Any, **named: Any) -> Any:
        """Call a hook's method or, in the async form, send the same call with the hook's async client."""
        if self.form == "sync":
            result = getattr(hook, name)(*arguments, **named)
            return list(result) if isinstance(result, Iterator) else result
        return asyncio.run(_send(hook, getattr(api, name)(*arguments, **named)))

    def _count(self, outcome: Outcome, taken: float) -> None:
        figures = self._figures
        figures.calls += 1
        figures.succeeded += outcome.ok
        figures.seconds += taken
        figures.seeds.add(self.seed)
        figures.slowest = max(figures.slowest, (taken, self._name))
        if not outcome.ok:
            figures.errors[type(outcome.error).__name__] += 1

    def _check_error(self, outcome: Outcome, names: tuple[str, ...], allowed: tuple[type[BaseException], ...]) -> None:
        if outcome.ok:
            return
        in_form = isinstance(outcome.error, (ObjectStoreError, *allowed))
        # No argument here is invalid: no fault may be taken for one that is.
        self.check("error in form", in_form and not isinstance(outcome.error, InvalidArgumentError), outcome)
        self.check_names(outcome.error, *names)

    def check_names(self, error: BaseException | None, *names: str) -> None:
        """
        Check that an error names its objects; an error about a token says nothing about them.

        :param names: the names, each with alternatives after ``|``.
        """
        text = str(error)
        missing = [name for name in names if not any(each in text for each in name.split("|"))]
        self.check(
            "error names object",
            not missing or "could not get a token" in text,
            f"{missing} not in {Outcome(error=error)}",
        )

    def _check_secrets(self, outcome: Outcome, records: list[str]) -> None:
        self._collect_secrets()
        shown = records
        if outcome.error is not None:
            trace = "".join(traceback.format_exception(outcome.error))
            shown = [*records, trace, repr(outcome.error), repr(vars(outcome.error))]
        found = [text[:400] for text in shown if any(secret in text for secret in self._secrets)]
        self.check("no secret shows", not found, found)

    def _collect_secrets(self) -> None:
        app = self.emulator.app
        self._secrets |= app.tokens
        self._secrets |= {credential.secret_access_key_id for credential in app.civo.credentials.values()}


async def _send(hook: ObjectStoreHook, call: Any) -> Any:
    async with hook.async_client() as client:
        if not isinstance(call, Call):
            return await client.run(call)
        if call.page_parameter is None:
            return await client.send(call)
        return [item async for page in client.pages(call) for item in page.items]


class _Keep(logging.Handler):
    def __init__(self, records: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._records = records
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("airflow_provider_objectstore.emulator"):
            self._records.append(self.format(record))


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect what is logged, of this package at the most talkative level."""
    records: list[str] = []
    handler = _Keep(records)
    package, root = logging.getLogger("airflow_provider_objectstore"), logging.getLogger()
    level = package.level
    package.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield records
    finally:
        root.removeHandler(handler)
        package.setLevel(level)


@contextmanager
def quick_retries(**settings: Any) -> Iterator[None]:
    """Let retries wait for hardly any time. Their number and their deadline stay as they are."""
    quick = partial(RetryPolicy, **{"initial_wait": 0.005, "max_wait": 0.03, "max_retry_after": 0.05, **settings})
    with (
        mock.patch.object(connection_fields, "RetryPolicy", quick),
        mock.patch("botocore.retryhandler.delay_exponential", lambda *arguments, **named: 0.01),
    ):
        yield
