"""Connections to the emulator, and one interface to the sync and the async client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_objectstore.api import civo
from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.call import Call, Flow, Page
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.transport import AsyncClient, Client, ResolvedConnection
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.transport.stub import Answer, serving

T = TypeVar("T")
QUICK = RetryPolicy(attempts=4, initial_wait=0.01, max_wait=0.02)
ONCE = RetryPolicy(attempts=1, deadline=1e-6)


def anypoint_connection(url: str, **changes: Any) -> ResolvedConnection:
    """The emulator's Object Store v2, without a rate limit and with quick retries."""
    return replace(
        ResolvedConnection(
            base_urls=anypoint_access.base_urls(url, url, "emulator-org", "emulator-env", url),
            token_call=anypoint_access.connected_app_token("emulator-client", "emulator-secret"),
            secrets=("emulator-secret",),
            requests_per_second=100_000,
            retry=QUICK,
        ),
        **changes,
    )


def civo_connection(url: str, **changes: Any) -> ResolvedConnection:
    """The emulator's Civo, likewise."""
    return replace(
        ResolvedConnection(
            base_urls=civo.base_urls(url),
            parameters=civo.parameters("LON1"),
            bearer="emulator-key",
            secrets=("emulator-key",),
            requests_per_second=100_000,
            retry=QUICK,
        ),
        **changes,
    )


class Driver:
    """A client of either kind with one interface, so that each test runs sync and async."""

    def __init__(self, connection: ResolvedConnection) -> None:
        self.connection = connection

    def send(self, call: Call[T]) -> T:
        raise NotImplementedError

    def run(self, flow: Flow[T]) -> T:
        raise NotImplementedError

    def items(self, call: Call[Page[T]]) -> list[T]:
        raise NotImplementedError

    def send_all(self, calls: Sequence[Call[T]]) -> list[T | BaseException]:
        """Send all at once; errors are returned as results."""
        raise NotImplementedError


class SyncDriver(Driver):
    def __init__(self, connection: ResolvedConnection, stack: ExitStack) -> None:
        super().__init__(connection)
        self.client = Client(connection)
        self.send = self.client.send  # type: ignore[method-assign]
        self.run = self.client.run  # type: ignore[method-assign]

    def items(self, call: Call[Page[T]]) -> list[T]:
        return [item for page in self.client.pages(call) for item in page.items]

    def send_all(self, calls: Sequence[Call[T]]) -> list[T | BaseException]:
        with ThreadPoolExecutor(32) as threads:
            futures = [threads.submit(self.client.send, call) for call in calls]
            return [future.exception() or future.result() for future in futures]


class AsyncDriver(Driver):
    def __init__(self, connection: ResolvedConnection, stack: ExitStack) -> None:
        super().__init__(connection)
        self.runner = stack.enter_context(asyncio.Runner())
        self.client = self.runner.run(AsyncClient(connection).__aenter__())
        stack.callback(lambda: self.runner.run(self.client.__aexit__(None, None, None)))

    def send(self, call: Call[T]) -> T:
        return self.runner.run(self.client.send(call))

    def run(self, flow: Flow[T]) -> T:
        return self.runner.run(self.client.run(flow))

    def items(self, call: Call[Page[T]]) -> list[T]:
        async def collect() -> list[T]:
            return [item async for page in self.client.pages(call) for item in page.items]

        return self.runner.run(collect())

    def send_all(self, calls: Sequence[Call[T]]) -> list[T | BaseException]:
        async def gather() -> list[T | BaseException]:
            return await asyncio.gather(*map(self.client.send, calls), return_exceptions=True)

        return self.runner.run(gather())


Connect = Callable[[ResolvedConnection], Driver]


def count(emulator: Emulator, operation: str) -> int:
    """How many requests of an operation the emulator has received, answered or not."""
    return sum(emulator.requests()["by_operation"].get(operation, {}).values())


def get_quota_from(connect: Connect, answer: Answer, **changes: Any) -> Any:
    """Send one request for a quota to a server that sends this response."""
    with serving(lambda request: answer) as url:
        return connect(civo_connection(url, **{"retry": ONCE, **changes})).send(civo.get_quota())
