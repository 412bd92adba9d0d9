"""A consumer of the published credential, which reads and writes without a pause, in a process of its own."""

from __future__ import annotations

import gc
import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.rotation.harness import STORES, published_keys, s3_client

SHARED = "shared/"
"""Prefix of the objects that all consumers read, and add to at every tenth turn; the first has it as its key."""


@dataclass
class Failure:
    """A failed operation of a consumer."""

    started: float
    ended: float
    what: str


@dataclass
class Report:
    """What a consumer has done."""

    operations: int = 0
    failures: list[Failure] = field(default_factory=list)


def consume(pipe: Connection, name: str, holds: bool, variables: dict[str, str], s3_options: dict[str, Any]) -> None:
    """Work as a consumer until told to end."""
    logging.disable(logging.WARNING)
    gc.freeze()  # S3 clients leave much garbage: Airflow's modules would be searched for more again and again
    os.environ.update(variables)
    Consumer(pipe, name, holds, s3_options).run()


class Consumer:
    """
    Lists, reads an object that was there, and writes, reads and deletes one of its own, in each store.

    :param pipe: where orders arrive, and reports go.
    :param name: its name, of which it makes the keys of its objects.
    :param holds: whether it looks up only when it is told to.
    :param s3_options: what an S3 client needs besides what is published.
    """

    def __init__(self, pipe: Connection, name: str, holds: bool, s3_options: dict[str, Any]) -> None:
        self._pipe = pipe
        self._key = f"own/{name}"
        self._holds = holds
        self._s3_options = s3_options
        self._report = Report()
        self._client: Any = None
        self._ended = False
        self._shared = {bucket: [SHARED] for bucket in STORES}

    def run(self) -> None:
        """Work in turns."""
        self._look_up()
        self._obey(self._pipe.recv())
        turn = 0
        while not self._ended:
            for bucket in STORES:
                self._work(bucket, turn)
            turn += 1

    def _work(self, bucket: str, turn: int) -> None:
        body = f"{self._key} {turn}".encode()
        own = {"Bucket": bucket, "Key": self._key}
        self._do("list", lambda s3: self._list(s3, bucket))
        self._do("read", lambda s3: _read(s3, SHARED.encode(), Bucket=bucket, Key=random.choice(self._shared[bucket])))
        if self._do("write", lambda s3: s3.put_object(Body=body, **own)):
            self._do("read its own", lambda s3: _read(s3, body, **own))
            self._do("delete its own", lambda s3: s3.delete_object(**own))
        if turn % 10 == 0:
            shared = {"Bucket": bucket, "Key": f"{SHARED}{self._key}/{turn}"}
            self._do("write for all", lambda s3: s3.put_object(Body=SHARED.encode(), **shared))

    def _do(self, what: str, operation: Callable[[Any], object]) -> bool:
        """Try an operation; return whether it succeeded."""
        if not self._ended and self._pipe.poll():
            self._obey(self._pipe.recv())
        if self._ended:
            return False
        if not self._holds:
            self._look_up()
        self._report.operations += 1
        started = time.monotonic()
        try:
            operation(self._client)
        except Exception as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code")
            self._report.failures.append(
                Failure(started, time.monotonic(), f"{what}: {code or f'{type(error).__name__} {error}'}")
            )
            return False
        return True

    def _obey(self, order: str) -> None:
        if order == "renew" and self._holds:
            self._look_up()
        self._ended = order == "end"
        self._pipe.send(self._report)

    def _look_up(self) -> None:
        if self._client:
            self._client.close()
        self._client = s3_client(S3Options(**{**published_keys(), **self._s3_options}))

    def _list(self, s3: Any, bucket: str) -> None:
        listing = s3.list_objects_v2(Bucket=bucket, Prefix=SHARED)
        self._shared[bucket] = [entry["Key"] for entry in listing["Contents"]]


def _read(s3: Any, expected: bytes, **which: str) -> None:
    body = s3.get_object(**which)["Body"].read()
    if body != expected:
        raise ValueError(f"it holds {body!r}")
