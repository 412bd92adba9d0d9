"""Send many calls at once: streamed, bounded, stoppable. A call that fails is reported and stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Response
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.transport import AsyncClient, ResolvedConnection

if TYPE_CHECKING:
    from airflow_provider_objectstore.transport.connection import Request

T = TypeVar("T")
K = TypeVar("K")

Work: TypeAlias = Call[T] | Flow[T] | Callable[[AsyncClient], Awaitable[T]]
"""A call, a flow, or a function that gets the run's client, for work that needs another client as well."""

CONCURRENCY = 32
DRAIN_TIMEOUT = 4.0
"""Seconds for which requests under way may finish after a stop: Airflow kills a task 5 s after its SIGTERM."""
POLL_SECONDS = 0.2
"""Seconds between two checks for a stop."""


@dataclass
class BulkResult(Generic[T]):
    """
    The results of many calls.

    :param succeeded: results by key.
    :param failed: errors by key; a key that does not exist is a ``NotFoundError``.
    """

    succeeded: dict[str, T] = field(default_factory=dict)
    failed: dict[str, ObjectStoreError] = field(default_factory=dict)

    def raise_failed(self) -> None:
        """
        Raise the collected errors as one.

        :raises ObjectStoreError: if any call failed, with the count and the first three errors.
        """
        if self.failed:
            samples = "; ".join(str(error) for error in list(self.failed.values())[:3])
            raise ObjectStoreError(
                f"{len(self.failed)} of {len(self.failed) + len(self.succeeded)} calls failed: {samples}"
            )


class BulkRunner:
    """
    Sends streams of calls on an event loop of its own, in a thread, while the caller waits.

    :param connection: the resolved connection.
    :param mask: awaited with every secret that becomes known, such as a token.
    :param refresh_connection: resolves the connection again after its credentials were rejected, as after a rotation.
    :param check_caller: called before each run, in the caller's thread; raises where blocking is not allowed.
    :param concurrency: most calls at a time.
    :param requests_per_second: pace instead of the connection's.
    :param report: called in the caller's thread about every ``interval`` seconds while calls are sent.
    :param interval: seconds between two reports.
    :raises InvalidArgumentError: if ``concurrency`` or ``requests_per_second`` is out of range.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        *,
        mask: Callable[[str], Awaitable[None]] | None = None,
        refresh_connection: Callable[[], ResolvedConnection] | None = None,
        check_caller: Callable[[], None] | None = None,
        concurrency: int = CONCURRENCY,
        requests_per_second: float | None = None,
        report: Callable[[], None] | None = None,
        interval: float = 30,
    ) -> None:
        if type(concurrency) is not int or concurrency < 1:
            raise InvalidArgumentError(f"the requests at a time must be an integer ≥ 1, not {concurrency!r}")
        if requests_per_second is not None and not requests_per_second > 0:
            raise InvalidArgumentError(f"requests_per_second must be above 0, not {requests_per_second!r}")
        self._requests_per_second = requests_per_second
        self._connection = self._paced(connection)
        self._mask = mask
        self._refresh_connection = refresh_connection
        self._check_caller = check_caller
        self.concurrency = concurrency
        self._report = report
        self._interval = interval
        self.stopped = False
        """Whether :meth:`stop` was called."""
        self.retries = 0
        """How often calls were tried again."""
        self.throttled = 0
        """How many requests the service answered with 429."""

    def stop(self) -> None:
        """
        Send no further request; those under way may finish.

        Can be called from any thread and from a signal handler: it takes no lock.
        """
        self.stopped = True

    def send_all(self, calls: Mapping[str, Call[T]]) -> BulkResult[T]:
        """
        Send all calls and wait for them.

        :param calls: calls by key.
        :return: results and errors by key.
        """
        result: BulkResult[T] = BulkResult()

        async def stream(_: AsyncClient) -> AsyncIterator[tuple[str, Call[T]]]:
            for item in calls.items():
                yield item

        self.run(stream, result.succeeded.__setitem__, result.failed.__setitem__)
        return result

    def run(
        self,
        calls: Callable[..., AsyncIterator[tuple[K, Work[T]]]],
        on_success: Callable[[K, T], None],
        on_error: Callable[[K, ObjectStoreError], None],
        *,
        beside: BulkRunner | None = None,
    ) -> None:
        """
        Send a stream of calls to its end, or until it is stopped.

        :param calls: yields calls, flows or functions, each with a key that identifies it. It is read only as fast as
            calls are sent. It may use the client to list what it yields.
        :param on_success: called with the key and the result of each call, in the loop's thread.
        :param on_error: called with the key and the error of each call, in the loop's thread.
        :param beside: another runner, whose client ``calls`` gets as well; for work between two services.
        :raises ObjectStoreError: an error raised by ``calls``, once the calls under way have finished.
        """
        if self._check_caller:
            self._check_caller()
        # A thread, because the caller may itself be on an event loop.
        with ThreadPoolExecutor(1, thread_name_prefix="objectstore-bulk") as thread:
            try:
                self._wait(thread.submit(asyncio.run, self._run(calls, on_success, on_error, beside)))
            except BaseException:
                self.stop()
                raise

    def _wait(self, running: Future[None]) -> None:
        while True:
            try:
                return running.result(self._interval)
            except FutureTimeoutError:
                if running.done():
                    raise
                if self._report:
                    self._report()

    async def _run(self, calls: Any, on_success: Any, on_error: Any, beside: BulkRunner | None) -> None:
        async with self._client() as client, beside._client() if beside else nullcontext() as other:
            stream = calls(client, other) if beside else calls(client)
            await _BulkRun(self, client, on_success, on_error).send(stream)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[_StoppableClient]:
        client = _StoppableClient(self, self._connection, self._mask, self._refresh)
        async with client:
            try:
                yield client
            finally:
                self.retries += client.retries
                self.throttled += client.throttled

    async def _refresh(self) -> ResolvedConnection:
        if self._refresh_connection is None:
            return self._connection
        return self._paced(await asyncio.to_thread(self._refresh_connection))

    def _paced(self, connection: ResolvedConnection) -> ResolvedConnection:
        if self._requests_per_second is None:
            return connection
        return replace(connection, requests_per_second=self._requests_per_second)


class _StoppableClient(AsyncClient):
    """Sends nothing after a stop, and knows which tasks wait for a response rather than for their turn."""

    def __init__(self, runner: BulkRunner, connection: ResolvedConnection, mask: Any, refresh: Any) -> None:
        super().__init__(connection, mask=mask, refresh_connection=refresh)
        self._runner = runner
        self.requesting: set[asyncio.Task[Any] | None] = set()
        """Tasks with a request under way."""

    async def _send_request(self, request: Request, state: Any) -> Response:
        if self._runner.stopped:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        self.requesting.add(task)
        try:
            return await super()._send_request(request, state)
        finally:
            self.requesting.discard(task)


class _BulkRun(Generic[K, T]):
    """One run of a :class:`BulkRunner`: a task fills a queue with calls, others send them."""

    _END = object()

    def __init__(
        self,
        runner: BulkRunner,
        client: _StoppableClient,
        on_success: Callable[[K, T], None],
        on_error: Callable[[K, ObjectStoreError], None],
    ) -> None:
        self._runner = runner
        self._client = client
        self._on_success = on_success
        self._on_error = on_error
        self._queue: asyncio.Queue[Any] = asyncio.Queue(runner.concurrency)
        self._stream_error: ObjectStoreError | None = None

    async def send(self, calls: AsyncIterator[tuple[K, Work[T]]]) -> None:
        """Send all calls, or until the runner is stopped; then raise the error of the stream, if any."""
        workers = [self._work() for _ in range(self._runner.concurrency)]
        await self._wait({asyncio.create_task(coroutine) for coroutine in (self._fill_queue(calls), *workers)})
        if self._stream_error is not None:
            raise self._stream_error

    async def _fill_queue(self, calls: AsyncIterator[tuple[K, Work[T]]]) -> None:
        try:
            async for item in calls:
                await self._queue.put(item)
        except ObjectStoreError as error:
            self._stream_error = error
        await self._queue.put(self._END)

    async def _work(self) -> None:
        while not self._runner.stopped:
            item = await self._queue.get()
            if item is self._END:
                self._queue.put_nowait(item)  # for the next worker
                return
            await self._send_one(*item)

    async def _send_one(self, key: K, work: Work[T]) -> None:
        try:
            result = await self._start(work)
        except ObjectStoreError as error:
            self._on_error(key, error)
        else:
            self._on_success(key, result)

    def _start(self, work: Work[T]) -> Awaitable[T]:
        if isinstance(work, Call):
            return self._client.send(work)
        return self._client.run(work) if isinstance(work, Generator) else work(self._client)

    async def _wait(self, pending: set[asyncio.Task[None]]) -> None:
        """Wait for all tasks; after a stop only for requests under way, and not longer than the drain timeout."""
        time_left = DRAIN_TIMEOUT
        try:
            while pending and time_left > 0:
                done, pending = await asyncio.wait(pending, timeout=POLL_SECONDS)
                for task in done:
                    if not task.cancelled():
                        task.result()
                if self._runner.stopped:
                    time_left -= POLL_SECONDS
                    for task in pending - self._client.requesting:
                        task.cancel()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
