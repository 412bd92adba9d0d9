"""
Rotate a credential again and again while four consumers work, and count what a rotation sends.

Two consumers look the published credential up before each operation. Two hold an S3 client: they look up again right
before the grace period of a rotation ends, as a task that starts then would, and never earlier.
"""

from __future__ import annotations

import gc
import http.client
import io
import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, Literal
from unittest import mock
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from benchmarks import consumer
from benchmarks.consumer import SHARED, Report
from benchmarks.timing import table
from tests.rotation.harness import (
    CREDENTIAL,
    PUBLISHER,
    STORES,
    create_stores,
    resume,
    rotation_task,
    run_context,
    s3_client,
)

CONSUMERS = {"looks up 1": False, "looks up 2": False, "holds 1": True, "holds 2": True}
"""By name: whether it holds a client."""
GRACE_SECONDS = 3.0
MAX_ROTATIONS = 20
S3_NAMES = {"moto": "moto", "rgw": "Ceph over https"}
RENEWAL_SECONDS = 0.2
"""How long before the end of a grace period the holders look up again."""


@dataclass(frozen=True)
class Kind:
    """A kind of rotation, and how many operations of consumers it is measured with, at least."""

    name: str
    strategy: str
    owner_change: Literal["whole", "ignored"] = "whole"
    operations: int = 1000


KINDS = (
    Kind("`overlap`", "overlap", operations=5000),
    Kind("`auto`, the owner kept by policy", "auto", "ignored", operations=5000),
    Kind("`replace`", "replace"),
    Kind("`in_place`", "in_place"),
)


def consumers(s3: str) -> None:
    """Rotate again and again while four consumers work; count what they are refused."""
    rows, refused = [], []
    with services(s3) as (emulator, s3_options):
        for kind in KINDS:
            prepare(emulator, kind, STORES)
            run = Run(kind, s3_options)
            rows.append((kind.name, S3_NAMES[s3], *run.measure(emulator)))
            refused += [f"- {kind.name}: {count} times {what}" for what, count in run.reasons().most_common(4)]
    table(
        "A credential with two stores is rotated while four consumers work",
        (
            "strategy",
            "S3 by",
            "rotations",
            "operations",
            "failed, looking up each time",
            "failed, holding a client",
            "longest outage when looking up",
            "`gap_seconds`",
            "requests of a rotation: control plane (listings), S3, look-ups",
        ),
        *rows,
    )
    print("The operations that failed most often:", *refused or ["- none failed"], "", sep="\n", flush=True)


def requests(s3: str) -> None:
    """Count the requests of a rotation with a grace period, for one store and for three; on moto only."""
    if s3 != "moto":
        return
    rows = []
    with services(s3, requests_per_second=100_000) as (emulator, _):
        for kind in KINDS:
            for stores in (STORES[:1], (*STORES, "reports-ap")):
                prepare(emulator, kind, stores)
                rotate(1, kind, grace=0.1)
                with RequestCounter(emulator) as counter:
                    rotate(2, kind, grace=0.1)
                rows.append((kind.name, len(stores), *counter.row()))
    table(
        "Requests of a rotation with a grace period and one publisher; S3 by moto",
        ("strategy", "stores", "control plane", "of these listings", "S3", "publisher look-ups"),
        *rows,
    )


@contextmanager
def services(s3: str, requests_per_second: int = 10) -> Iterator[tuple[Emulator, dict[str, Any]]]:
    """
    Run the services with the default connections. Yield the emulator, and what S3 clients need besides the keys.

    :param requests_per_second: the rate limit for Civo, by default that of a connection without this field.
    """
    backend: Any = MotoS3()
    if s3 == "rgw":
        from tests.rgw.backend import RgwS3

        backend = RgwS3(tls=True)
    with Emulator(Settings(), s3=backend) as emulator, ExitStack() as patches:
        found = emulator.connections()
        found["anypoint_default"]["extra"]["requests_per_second"] = 100_000  # consumers must not wait
        found["civo_default"]["extra"]["requests_per_second"] = requests_per_second
        options = {}
        if s3 == "rgw":
            options = {"verify": backend.ca_file}
            found["civo_default"]["extra"] |= {"s3_endpoint": backend.tls_url, **options}
        variables = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in found.items()}
        patches.enter_context(mock.patch.dict(os.environ, variables))
        yield emulator, options


def prepare(emulator: Emulator, kind: Kind, stores: tuple[str, ...]) -> None:
    """Create stores that share a published credential, with one object to read."""
    emulator.reset()
    emulator.settings.owner_change = kind.owner_change
    AnypointObjectStoreHook().create_store(PUBLISHER.store_id)
    found = create_stores(CivoObjectStoreHook(), stores=stores)
    for options in found:
        s3_client(options).put_object(Bucket=options.bucket, Key=SHARED, Body=SHARED.encode())
    PUBLISHER.publish(replace(found[0], bucket=None))


def rotate(week: int, kind: Kind, grace: float, renew: Callable[[], object] = lambda: None) -> Any:
    """
    Run that week's task, wait for its grace period as the triggerer does, and resume it.

    :param grace: the grace period in seconds. ``in_place`` has none: it is waited for afterwards.
    :param renew: is called right before the end of the grace period.
    :return: the task's result.
    """

    def task() -> Any:
        return rotation_task(kind.strategy, credential=CREDENTIAL, grace_period=grace)

    quietly = redirect_stdout(io.StringIO())  # where tasks log
    try:
        with quietly:
            result = task().execute(run_context(week))
    except TaskDeferred as deferred:
        until: datetime = deferred.trigger.moment
        time.sleep(max(0, _seconds_to(until) - RENEWAL_SECONDS))
        renew()
        time.sleep(max(0, _seconds_to(until)))
        with quietly:
            return resume(task(), deferred, week)
    time.sleep(grace)
    renew()
    return result


def _seconds_to(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()


class RequestCounter:
    """Counts the requests that this thread sends while the block runs."""

    def __init__(self, emulator: Emulator) -> None:
        self._api_port = urlsplit(emulator.url).port
        self._thread = threading.get_ident()
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> RequestCounter:
        send = http.client.HTTPConnection.putrequest

        def counted(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            if threading.get_ident() == self._thread:
                self._counts.update(self._names(connection.port, method, url.partition("?")[0]))
            send(connection, method, url, *args, **kwargs)

        # All requests go through it, the hooks' and boto3's.
        self._patch = mock.patch.object(http.client.HTTPConnection, "putrequest", counted)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def row(self) -> tuple[int, ...]:
        """Return the numbers for a table."""
        return tuple(self._counts[name] for name in ("control plane", "listings", "S3", "look-ups"))

    def _names(self, port: int, method: str, path: str) -> list[str]:
        if port != self._api_port:
            return ["S3"]
        if path.startswith("/v2/objectstore"):
            listing = method == "GET" and path in ("/v2/objectstores", "/v2/objectstore/credentials")
            return ["control plane", *(["listings"] if listing else [])]
        return ["look-ups"] if method == "GET" and "/keys/" in path else []


class Run:
    """Rotations of one kind, with the consumers."""

    def __init__(self, kind: Kind, s3_options: dict[str, Any]) -> None:
        self._kind = kind
        self._s3_options = s3_options
        self._pipes: dict[str, Connection] = {}
        self._began: list[float] = []
        self._reports: dict[str, Report] = {}

    def measure(self, emulator: Emulator) -> tuple[object, ...]:
        """Rotate until the consumers have done enough; return the numbers for the table."""
        gaps: list[float] = []
        requests = []
        with self._consumers():
            while len(gaps) < 3 or (self._operations() < self._kind.operations and len(gaps) < MAX_ROTATIONS):
                self._began.append(time.monotonic())
                with RequestCounter(emulator) as counter:
                    result = rotate(len(gaps) + 1, self._kind, GRACE_SECONDS, lambda: self._order("renew"))
                gaps.append(result["gap_seconds"])
                requests.append(counter.row())
            self._order("end")
        control_plane, listings, to_s3, look_ups = (f"{median(column):g}" for column in zip(*requests, strict=True))
        return (
            len(gaps),
            f"{self._operations():,}",
            self._failed(holds=False),
            self._failed(holds=True),
            f"{self._longest_outage():.2f} s",
            f"{median(gaps):.2f}",
            f"{control_plane} ({listings}), {to_s3}, {look_ups}",
        )

    def _operations(self) -> int:
        return sum(report.operations for report in self._reports.values())

    def _failed(self, *, holds: bool) -> str:
        reports = [report for name, report in self._reports.items() if CONSUMERS[name] is holds]
        failed = sum(len(report.failures) for report in reports)
        return f"{failed:,} of {sum(report.operations for report in reports):,}"

    def reasons(self) -> Counter[str]:
        """Return how often each operation failed for which reason."""
        return Counter(failure.what for report in self._reports.values() for failure in report.failures)

    def _longest_outage(self) -> float:
        """Return the seconds from the first to the last failure of one consumer that looks up, in one rotation."""
        longest = 0.0
        for name, report in self._reports.items():
            for begin, end in zip(self._began, [*self._began[1:], float("inf")], strict=True):
                failures = [one for one in report.failures if begin <= one.started < end]
                if failures and not CONSUMERS[name]:
                    longest = max(longest, failures[-1].ended - failures[0].started)
        return longest

    @contextmanager
    def _consumers(self) -> Iterator[None]:
        gc.freeze()  # as in the consumers: the emulator, which is in this process, must not pause
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([consumer.__name__])  # Airflow is imported once
        variables = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
        with ExitStack() as stack:
            for name, holds in CONSUMERS.items():
                self._pipes[name], theirs = context.Pipe()
                process = context.Process(
                    target=consumer.consume, args=(theirs, name, holds, variables, self._s3_options), daemon=True
                )
                process.start()
                theirs.close()
                stack.callback(process.join, 10)
                stack.callback(self._pipes[name].close)
            self._order("begin")
            yield

    def _order(self, order: str) -> None:
        """Tell all consumers something, and wait until they have done it."""
        for pipe in self._pipes.values():
            pipe.send(order)
        for name, pipe in self._pipes.items():
            if not pipe.poll(60):
                raise SystemExit(f"the consumer that {name} does not respond")
            self._reports[name] = pipe.recv()
