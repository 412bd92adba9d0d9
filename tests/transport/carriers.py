"""Targets of the emulator, and the two colours behind one face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_objectstore.api import anypoint_access, civo
from airflow_provider_objectstore.api.call import Call, Flow, Page
from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.transport import AsyncClient, Client, Target
from airflow_provider_objectstore.transport.policy import RetryPolicy

T = TypeVar("T")
QUICK = RetryPolicy(attempts=4, first_wait=0.01, longest_wait=0.02)


def osv2(url: str, **changes: Any) -> Target:
    """The emulator's Object Store v2, without pacing and with quick retries."""
    return replace(
        Target(
            roots=anypoint_access.roots(url, url, "emulator-org", "emulator-env"),
            token_call=anypoint_access.connected_app_token("emulator-client", "emulator-secret"),
            secrets=("emulator-secret",),
            requests_per_second=100_000,
            retry=QUICK,
        ),
        **changes,
    )


def civo_in_london(url: str, **changes: Any) -> Target:
    """The emulator's Civo, likewise."""
    return replace(
        Target(
            roots=civo.roots(url),
            parameters=civo.parameters("LON1"),
            bearer="emulator-key",
            secrets=("emulator-key",),
            requests_per_second=100_000,
            retry=QUICK,
        ),
        **changes,
    )


class Carrier:
    """One of the two colours, driven alike: a test says what is carried, not how."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def send(self, call: Call[T]) -> T:
        raise NotImplementedError

    def run(self, flow: Flow[T]) -> T:
        raise NotImplementedError

    def items(self, call: Call[Page[T]]) -> list[T]:
        raise NotImplementedError

    def together(self, calls: Sequence[Call[T]]) -> list[T | BaseException]:
        """Send all at once; errors come back as results."""
        raise NotImplementedError


class Blocking(Carrier):
    def __init__(self, target: Target, stack: ExitStack) -> None:
        super().__init__(target)
        self.client = Client(target)
        self.send = self.client.send  # type: ignore[method-assign]
        self.run = self.client.run  # type: ignore[method-assign]

    def items(self, call: Call[Page[T]]) -> list[T]:
        return [item for page in self.client.pages(call) for item in page.items]

    def together(self, calls: Sequence[Call[T]]) -> list[T | BaseException]:
        with ThreadPoolExecutor(32) as threads:
            futures = [threads.submit(self.client.send, call) for call in calls]
            return [future.exception() or future.result() for future in futures]


class Async(Carrier):
    def __init__(self, target: Target, stack: ExitStack) -> None:
        super().__init__(target)
        self.runner = stack.enter_context(asyncio.Runner())
        self.client = self.runner.run(AsyncClient(target).__aenter__())
        stack.callback(lambda: self.runner.run(self.client.__aexit__(None, None, None)))

    def send(self, call: Call[T]) -> T:
        return self.runner.run(self.client.send(call))

    def run(self, flow: Flow[T]) -> T:
        return self.runner.run(self.client.run(flow))

    def items(self, call: Call[Page[T]]) -> list[T]:
        async def collect() -> list[T]:
            return [item async for page in self.client.pages(call) for item in page.items]

        return self.runner.run(collect())

    def together(self, calls: Sequence[Call[T]]) -> list[T | BaseException]:
        async def gather() -> list[T | BaseException]:
            return await asyncio.gather(*map(self.client.send, calls), return_exceptions=True)

        return self.runner.run(gather())


Connect = Callable[[Target], Carrier]


def count(emulator: Emulator, operation: str) -> int:
    """How many requests the emulator has seen of an operation, answered or not."""
    return sum(emulator.requests()["by_operation"].get(operation, {}).values())
