"""Many calls at once: streamed, bounded, stoppable; what fails is reported and stops nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_objectstore.api.call import Call, Flow, Reply
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ObjectStoreError
from airflow_provider_objectstore.hooks.triggerer import refuse_in_triggerer
from airflow_provider_objectstore.transport import AsyncClient, Target

if TYPE_CHECKING:
    from airflow_provider_objectstore.transport.target import Request

T = TypeVar("T")
K = TypeVar("K")

CONCURRENCY = 32
LAST_WORD = 4.0
"""Seconds for which requests that are under way may finish after a stop: Airflow kills 5 s after its SIGTERM."""


@dataclass
class BulkResult(Generic[T]):
    """
    What became of many calls.

    :param succeeded: results by key.
    :param failed: errors by key; a key that does not exist is a ``NotFoundError``.
    """

    succeeded: dict[str, T] = field(default_factory=dict)
    failed: dict[str, ObjectStoreError] = field(default_factory=dict)

    def raise_failed(self) -> None:
        """
        Raise if anything failed.

        :raises ObjectStoreError: with the count and the first failures.
        """
        if self.failed:
            samples = "; ".join(str(error) for error in list(self.failed.values())[:3])
            raise ObjectStoreError(
                f"{len(self.failed)} of {len(self.failed) + len(self.succeeded)} calls failed: {samples}"
            )


class Bulk:
    """
    Carries streams of calls on an event loop of its own, while the caller's thread waits.

    :param target: the resolved connection.
    :param renew: resolves the connection anew, for when its credentials are refused: it may have been rotated.
    :param concurrency: at most this many calls at a time.
    :param requests_per_second: pace instead of the connection's.
    :param report: called about every ``interval`` seconds while a stream runs.
    """

    def __init__(
        self,
        target: Target,
        *,
        renew: Callable[[], Target] | None = None,
        concurrency: int = CONCURRENCY,
        requests_per_second: float | None = None,
        report: Callable[[], None] | None = None,
        interval: float = 30,
    ) -> None:
        if type(concurrency) is not int or concurrency < 1:
            raise InvalidArgumentError(f"the requests at a time must be a whole number from 1 on, not {concurrency!r}")
        if requests_per_second is not None and not requests_per_second > 0:
            raise InvalidArgumentError(f"requests_per_second must be above 0, not {requests_per_second!r}")
        self._pace = requests_per_second
        self._target = self._paced(target)
        self._renew = renew
        self._concurrency = concurrency
        self._report = report
        self._interval = interval
        self.stopped = False
        self.retries = 0
        self.throttled = 0

    def _paced(self, target: Target) -> Target:
        return target if self._pace is None else replace(target, requests_per_second=self._pace)

    async def renewed(self) -> Target:
        """Return the connection as it is now."""
        return self._paced(await asyncio.to_thread(self._renew)) if self._renew else self._target

    def stop(self) -> None:
        """Send no further request; those under way may finish. From any thread or signal handler: it locks nothing."""
        self.stopped = True

    def run(
        self,
        calls: Callable[[AsyncClient], AsyncIterator[tuple[K, Call[T] | Flow[T]]]],
        succeeded: Callable[[K, T], None],
        failed: Callable[[K, ObjectStoreError], None],
    ) -> None:
        """
        Carry a stream of calls to its end, or until it is told to stop.

        :param calls: gives the calls, or flows of calls, each with what identifies it; it is asked only as fast as they
            are carried.
        :param succeeded: takes each result, on the loop's thread.
        :param failed: takes each error, likewise.
        :raises ObjectStoreError: out of ``calls``, once what is under way has finished.
        """
        refuse_in_triggerer(own_threads=True)
        # A thread, because the caller may itself be on an event loop.
        with ThreadPoolExecutor(1, thread_name_prefix="objectstore-bulk") as thread:
            try:
                self._wait(thread.submit(asyncio.run, self._carry(calls, succeeded, failed)))
            except BaseException:
                self.stop()
                raise

    def _wait(self, running: Future[None]) -> None:
        while True:
            try:
                return running.result(self._interval)
            except NotYet:
                if running.done():
                    raise
                if self._report:
                    self._report()

    async def _carry(self, calls: Any, succeeded: Any, failed: Any) -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue(self._concurrency)
        end = object()
        broken: list[ObjectStoreError] = []

        async def fill() -> None:
            try:
                async for item in calls(client):
                    await queue.put(item)
            except ObjectStoreError as error:
                broken.append(error)
            await queue.put(end)

        async def work() -> None:
            while not self.stopped:
                item = await queue.get()
                if item is end:
                    queue.put_nowait(end)  # for the next
                    return
                about, call = item
                try:
                    result = await (client.send(call) if isinstance(call, Call) else client.run(call))
                except ObjectStoreError as error:
                    failed(about, error)
                else:
                    succeeded(about, result)

        async with _StoppableClient(self._target, self) as client:
            try:
                await self._until_done(client, [fill(), *(work() for _ in range(self._concurrency))])
            finally:
                retries, throttled = client.figures
                self.retries += retries
                self.throttled += throttled
        if broken:
            raise broken[0]

    async def _until_done(self, client: _StoppableClient, coroutines: list[Coroutine[Any, Any, None]]) -> None:
        pending = {asyncio.create_task(coroutine) for coroutine in coroutines}
        patience = LAST_WORD
        try:
            while pending and patience > 0:
                done, pending = await asyncio.wait(pending, timeout=0.2)
                for task in done:
                    if not task.cancelled():
                        task.result()
                if self.stopped:
                    patience -= 0.2
                    for task in pending - client.under_way:
                        task.cancel()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)


class _StoppableClient(AsyncClient):
    """Sends nothing once told to stop, and knows which tasks wait for an answer rather than for their turn."""

    def __init__(self, target: Target, bulk: Bulk) -> None:
        super().__init__(target, mask=_mask, renew=bulk.renewed)
        self._bulk = bulk
        self.under_way: set[asyncio.Task[Any] | None] = set()

    async def _exchange(self, request: Request, state: Any) -> Reply:
        if self._bulk.stopped:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        self.under_way.add(task)
        try:
            return await super()._exchange(request, state)
        finally:
            self.under_way.discard(task)


def carry_all(
    target: Target,
    calls: Mapping[str, Call[T]],
    concurrency: int = CONCURRENCY,
    renew: Callable[[], Target] | None = None,
) -> BulkResult[T]:
    """
    Carry many calls and wait for all.

    :param target: the resolved connection.
    :param calls: calls by key.
    :param concurrency: at most this many at a time.
    :param renew: resolves the connection anew, for when its credentials are refused.
    """
    result: BulkResult[T] = BulkResult()

    async def each(_: AsyncClient) -> AsyncIterator[tuple[str, Call[T]]]:
        for item in calls.items():
            yield item

    bulk = Bulk(target, renew=renew, concurrency=min(concurrency, len(calls) or 1))
    bulk.run(each, result.succeeded.__setitem__, result.failed.__setitem__)
    return result


async def _mask(secret: str) -> Any:
    from airflow.providers.common.compat.sdk import mask_secret

    await asyncio.to_thread(mask_secret, secret)
