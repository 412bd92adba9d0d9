"""Many calls at once, bounded; what fails is reported and stops nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_objectstore.api.call import Call
from airflow_provider_objectstore.exceptions import ObjectStoreError

if TYPE_CHECKING:
    from airflow_provider_objectstore.transport import Target

T = TypeVar("T")

CONCURRENCY = 32


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


def carry_all(target: Target, calls: Mapping[str, Call[T]], concurrency: int = CONCURRENCY) -> BulkResult[T]:
    """
    Carry many calls on an event loop of their own and wait for all.

    :param target: the resolved connection.
    :param calls: calls by key.
    :param concurrency: at most this many at a time.
    """
    result: BulkResult[T] = BulkResult()

    async def main() -> None:
        from airflow_provider_objectstore.transport import AsyncClient

        waiting = iter(calls.items())
        async with AsyncClient(target, mask=_mask) as client:

            async def work() -> None:
                for key, call in waiting:
                    try:
                        result.succeeded[key] = await client.send(call)
                    except ObjectStoreError as error:
                        result.failed[key] = error

            async with asyncio.TaskGroup() as workers:
                for _ in range(min(concurrency, len(calls))):
                    workers.create_task(work())

    # A thread, because the caller may itself be on an event loop.
    with ThreadPoolExecutor(1, thread_name_prefix="objectstore-bulk") as thread:
        thread.submit(asyncio.run, main()).result()
    return result


async def _mask(secret: str) -> Any:
    from airflow.providers.common.compat.sdk import mask_secret

    await asyncio.to_thread(mask_secret, secret)
