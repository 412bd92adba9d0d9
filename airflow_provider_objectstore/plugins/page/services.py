"""How the page reaches the services: by the hooks, in a hurry, one request at a time for each connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from airflow_provider_objectstore.api.call import Call, Page, Pause
from airflow_provider_objectstore.api.paging import Paging
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook
from airflow_provider_objectstore.transport.client import Client
from airflow_provider_objectstore.transport.connection import ResolvedConnection
from airflow_provider_objectstore.transport.retry import RetryPolicy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_objectstore.api.civo.models import ObjectStore

T = TypeVar("T")
Item = TypeVar("Item")

TIMEOUT = 4.0
"""Seconds that the page waits for one answer of a service, at most."""
BUDGET = 8.0
"""Seconds that a card's requests may take together."""
MAX_PAUSE = 8.0
"""Seconds that a request may wait for its turn by the connection's pace."""
PATIENCE = 15.0
"""Seconds that a request waits for its turn, while others use the same connection."""
KEPT_ERRORS = 5.0
"""Seconds for which an error is kept, at most."""
KEPT_RESULTS = 256
"""How many results are kept, of all connections."""
KEPT_ROWS = 20_000
"""How many rows they may have together. A row of more than :data:`ROW_LENGTH` characters counts as several."""
ROW_LENGTH = 500


class BusyError(Exception):
    """Other requests of the page use the connection, or all threads. No service has said so."""


class _HurriedHook(ObjectStoreHook):
    """A hook for somebody who waits: it gives up after seconds, and tries once more at most."""

    lineage_directions: ClassVar[Mapping[str, Literal["input", "output"]]] = {}  # who looks at a value is no task

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """
        Return the hook of a connection that was looked up.

        :param connection: the connection.
        :raises ConfigurationError: naming everything that is missing or wrong in it.
        """
        hook = cls(str(connection.conn_id))
        hook._adopt(connection)
        return hook

    def resolve(self) -> ResolvedConnection:
        """Return the connection as it is known: another look-up could find another one, which nobody may read."""
        return self._cached_connection or super().resolve()

    @property
    def state(self) -> Hashable:
        """What differs when somebody edits the connection: what was read before is not shown then."""
        return self._connection.digest, *sorted(self.labels.items())

    @property
    def paused(self) -> float:
        """Seconds for which requests of this hook have waited for their turn."""
        client: _HurriedClient = self._client  # type: ignore[assignment]
        return client.paused

    def _parse_connection(self, connection: Connection, extra: Mapping[str, Any]) -> ResolvedConnection:
        resolved = super()._parse_connection(connection, extra)  # type: ignore[safe-super]
        timeout, owner = min((resolved.timeout, resolved.timeout_owner), (TIMEOUT, "this page"))
        retry = RetryPolicy(attempts=2, deadline=timeout, initial_wait=0.2, max_wait=0.5, max_retry_after=1)
        return replace(resolved, timeout=timeout, timeout_owner=owner, retry=retry)

    def _items(self, call: Call[Page[Item]]) -> Iterator[Item]:
        return within_budget(super()._items(call), str(call), Budget(self))

    def _new_client(self, connection: ResolvedConnection, ends: float = float("inf")) -> Client:
        from airflow.providers.common.compat.sdk import mask_secret

        return _HurriedClient(connection, mask_secret, self.resolve, ends)


class _HurriedClient(Client):
    """A client for somebody who waits: it refuses to wait long for its turn."""

    paused = 0.0

    def _send(self, call: Call[T]) -> T:
        # Before a turn is reserved: the next one would be later still.
        self._refuse_long_wait(self._state.rate_limiter.queue_seconds)
        return super()._send(call)

    def _perform(self, step: Any, state: Any) -> Any:
        if isinstance(step, Pause):
            self._refuse_long_wait(step.seconds)
            self.paused += step.seconds
        return super()._perform(step, state)

    def _refuse_long_wait(self, seconds: float) -> None:
        if seconds > MAX_PAUSE:
            raise ObjectStoreError(
                f"the next request may start in {seconds:.0f} s only, which is too long to wait for here: the "
                f"connection allows {self._state.connection.requests_per_second:g} requests a second "
                "(requests_per_second), or the service throttles. That is not a failure of the service"
            )


class PageAnypointHook(_HurriedHook, AnypointObjectStoreHook):
    """The hook for Object Store v2, as the page uses it."""


class PageCivoHook(_HurriedHook, CivoObjectStoreHook):
    """
    The hook for Civo, as the page uses it.

    It lives for seconds: a listing of all object stores that one view has read is there for the next one, too.
    """

    all_stores: tuple[ObjectStore, ...] | None = None

    def list_object_stores(self) -> Iterator[ObjectStore]:
        """List the region's object stores, with further requests only if not all are known."""
        return super().list_object_stores() if self.all_stores is None else iter(self.all_stores)


def read_page(hook: ObjectStoreHook, call: Call[Page[Item]], token: str | None) -> Page[Item]:
    """
    Read one page of a listing.

    :param hook: the hook.
    :param call: the call for the first page.
    :param token: the page's token; None for the first.
    """
    paging = Paging(call.for_page(token) if token else call)
    while True:
        assert paging.call is not None
        page = hook.send(paging.call)
        if paging.accepts(page):
            return page


class Budget:
    """
    The time for a card's requests, from now on.

    :param hook: the hook that sends them.
    """

    def __init__(self, hook: _HurriedHook) -> None:
        self._hook, self._paused = hook, hook.paused
        self._ends = time.monotonic() + BUDGET

    @property
    def is_spent(self) -> bool:
        """Whether no further request is sent."""
        return time.monotonic() > self._ends

    @property
    def reason(self) -> str:
        """What has taken the time."""
        if self._hook.paused - self._paused < BUDGET / 2:
            return "the service is slow"
        pace = self._hook.last_connection.requests_per_second
        return f"the pace is slow: {pace:g} requests a second by the connection (requests_per_second), or the service"


def within_budget(items: Iterable[Item], what: str, budget: Budget) -> Iterator[Item]:
    """
    Yield items as long as the time for a card lasts.

    :param items: what is requested bit by bit.
    :param what: what it is, for the error.
    :param budget: the time.
    :raises ObjectStoreError: if it takes longer.
    """
    for item in items:
        yield item
        if budget.is_spent:
            raise ObjectStoreError(
                f"{what}: all pages take longer than {BUDGET:.0f} s ({budget.reason}), so they are not shown here"
            )


class Threads:
    """
    Runs blocking functions in so many threads at most, none of which are those that Airflow's own requests share.

    It belongs to one event loop.

    :param number: how many.
    """

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)

    async def run(self, function: Callable[[], T]) -> T:
        """
        Return a function's result.

        :param function: the function.
        :raises BusyError: if no thread gets free.
        """
        from anyio import CapacityLimiter, to_thread

        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError("Airflow's API server is busy with other requests of this page") from None
        try:
            return await to_thread.run_sync(function, limiter=CapacityLimiter(1))
        finally:
            self._free.release()


@dataclass
class _Turn:
    """One connection's turn: who holds the lock may send requests."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    """How many hold it or wait for it."""


class Turns:
    """
    Runs blocking functions in threads: one at a time for each connection, so that a slow service takes one thread.

    Results are kept for some time, errors for seconds: those who wait for the same thing cause one request. It
    belongs to one event loop.

    :param threads: how many threads it uses at most.
    """

    def __init__(self, threads: int = 64) -> None:
        self._threads = Threads(threads)
        self._turns: dict[str, _Turn] = {}
        self._results: dict[Hashable, tuple[float, int, Any]] = {}

    async def run(self, connection_id: str, key: Hashable, keep: float, function: Callable[[], T]) -> T:
        """
        Return a function's result, or an equal one that is fresh enough.

        :param connection_id: the connection that it uses.
        :param key: what its result depends on, beside the connection.
        :param keep: seconds for which the result is kept; 0 for a result that is never used twice.
        :param function: the function.
        :raises BusyError: if its turn does not come.
        :raises ObjectStoreError: if the function does.
        """
        turn = self._turns.setdefault(connection_id, _Turn())
        turn.users += 1
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    await turn.lock.acquire()
            except TimeoutError:
                raise BusyError(f"Connection {connection_id} is busy with earlier requests of this page") from None
            try:
                return await self._run((connection_id, key), keep, function)
            finally:
                turn.lock.release()
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[connection_id]

    async def _run(self, key: Hashable, keep: float, function: Callable[[], T]) -> T:
        until, _, result = self._results.get(key, (0.0, 0, None))
        if until <= time.monotonic():
            result, rows = await self._threads.run(partial(_outcome, function))
            self._keep(key, keep, result, rows)
        if isinstance(result, ObjectStoreError):
            raise copy(result)
        return result  # type: ignore[no-any-return]

    def _keep(self, key: Hashable, seconds: float, result: Any, rows: int) -> None:
        now = time.monotonic()
        self._results = {other: kept for other, kept in self._results.items() if kept[0] > now}
        if isinstance(result, ObjectStoreError):
            seconds = min(seconds, KEPT_ERRORS)
        if seconds:
            self._results[key] = now + seconds, rows, result
        together = sum(rows for _, rows, _ in self._results.values())
        while len(self._results) > KEPT_RESULTS or together > KEPT_ROWS:
            together -= self._results.pop(next(iter(self._results)))[1]


def _rows(result: Any) -> int:
    """Return how many rows a result has, at their usual length."""
    if not isinstance(result, Mapping):
        return 0
    lists = (value for value in result.values() if isinstance(value, list | tuple))
    rest = sum(len(value) for value in result.values() if isinstance(value, str))
    return rest // ROW_LENGTH + sum(1 + len(repr(row)) // ROW_LENGTH for rows in lists for row in rows)


def _outcome(function: Callable[[], Any]) -> tuple[Any, int]:
    """Return what a function returns, or the error that it raises, and how many rows that has."""
    try:
        result = function()
    except ObjectStoreError as error:
        return copy(error), 0  # without the traceback and the causes, whose frames may hold secrets
    return result, _rows(result)
