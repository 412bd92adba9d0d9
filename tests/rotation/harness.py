"""Kills rotations at each of their requests, has them run again, and looks whether all is right in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_objectstore.api.rotation_names import Tag, access_key_for, base_of, name_for
from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher

CREDENTIAL = "reports"
STORES = "reports-eu", "reports-us"
OBJECTS = {"a/first": b"written first", "b/second": b"written second"}
PUBLISHER = AnypointKeyPublisher("keys", "s3", "reports")


@dataclass(frozen=True)
class Outcome:
    """
    What came of one rotation that was killed and run again.

    :param position: the request at which it was killed, counted from 1.
    :param request: that request.
    :param when: whether it had been ``sent`` only, or ``answered`` too.
    :param again: the request at which the second run was killed as well; None if it was left alone.
    :param wrong: what was not right in the end; empty if everything was.
    """

    backend: str
    strategy: str
    position: int
    request: str
    when: str
    again: int | None
    wrong: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether everything was right in the end."""
        return not self.wrong


def kill_matrix(
    backend: str,
    strategy: str,
    positions: Callable[[list[str]], Iterable[tuple[int, str]]] | None = None,
    *,
    again: float = 0.25,
    seed: int = 1,
) -> list[Outcome]:
    """
    Kill a rotation at one request, run it again to its end, and do so week after week for one request after the other.

    :param backend: what serves S3: ``moto`` or ``rgw``.
    :param strategy: ``replace``, ``in_place``, or ``auto``, for which the service ignores changes of owners.
    :param positions: given the requests of an undisturbed rotation, where to kill: positions from 1 with ``sent`` or
        ``answered``; :func:`everywhere` without it.
    :param again: the share of second runs that are killed as well, at random.
    :param seed: of what is random.
    """
    random = Random(seed)
    with Scene(backend, strategy) as scene:
        whole = scene.undisturbed()
        outcomes = []
        for position, when in (positions or everywhere)(whole):
            twice = random.randint(1, len(whole)) if random.random() < again else None
            wrong = scene.killed(position, when, twice)
            if wrong is None:
                continue
            outcomes.append(Outcome(backend, strategy, position, whole[position - 1], when, twice, tuple(wrong)))
    return outcomes


def everywhere(requests: list[str]) -> Iterator[tuple[int, str]]:
    """After each answer and, where a request changes something, before its answer too."""
    for position, request in enumerate(requests, 1):
        yield position, "answered"
        if not request.startswith("GET"):
            yield position, "sent"


def every_fifth(requests: list[str]) -> Iterator[tuple[int, str]]:
    """After every fifth answer, and before the answer of every third request that changes something."""
    yield from ((position, "answered") for position in range(1, len(requests) + 1, 5))
    changes = [position for position, request in enumerate(requests, 1) if not request.startswith("GET")]
    yield from ((position, "sent") for position in changes[::3])


class Scene:
    """Two stores with objects that share a credential, and a process that rotates it, as long as the block runs."""

    def __init__(self, backend: str, strategy: str) -> None:
        self._strategy = strategy
        self._week = 0
        self._right = False
        self._emulator = Emulator(
            Settings(creating_seconds=0, owner_change="ignored" if strategy == "auto" else "whole"),
            s3=_s3(backend),
        )

    def __enter__(self) -> Scene:
        self._emulator.start()
        self._patches = ExitStack()
        self._patches.enter_context(mock.patch.dict(os.environ, connections(self._emulator)))
        self._patches.enter_context(short_sleeps())
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.rotation.worker"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._start()
        self._rotate(warm=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.communicate()
        self._patches.close()
        self._emulator.stop()

    def undisturbed(self) -> list[str]:
        """Rotate, and return the requests that this took."""
        before = self._start()
        done = self._rotate()
        wrong = self._wrong(before, done)
        if wrong:
            raise AssertionError(f"without any kill: {'; '.join(wrong)}")
        requests: list[str] = done["requests"]
        return requests

    def killed(self, position: int, when: str, again: int | None) -> list[str] | None:
        """
        Kill a rotation, maybe the next one too, and rotate to the end; return what is wrong then.

        None if it was over before: S3 needs a request more or less each time until it lets a new key in.
        """
        before = self._start()
        first = self._rotate(position=position, when=when)
        if not first["killed"]:
            return self._wrong(before, first) or None
        if again:
            self._rotate(position=again, when="answered")
        return self._wrong(before, self._rotate())

    def _start(self) -> list[S3Options]:
        """Begin a week; return how to get into the stores now. After one that did not end right, everything is new."""
        self._week += 1
        hook = CivoObjectStoreHook()
        if self._right:
            return [hook.s3_options(name) for name in STORES]
        self._emulator.reset()
        AnypointObjectStoreHook().create_store("keys")
        return furnish(hook)

    def _rotate(self, **how: Any) -> dict[str, Any]:
        assert self._worker.stdin is not None
        asked = {"strategy": self._strategy, "week": self._week, "warm": False, **how}
        self._worker.stdin.write(json.dumps(asked) + "\n")
        self._worker.stdin.flush()
        done: dict[str, Any] = json.loads(self._read())
        return done

    def _read(self) -> str:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended; run python -m tests.rotation.worker to see why")
        return line

    def _wrong(self, before: list[S3Options], done: Mapping[str, Any]) -> list[str]:
        if done["error"]:
            wrong = [done["error"].strip().splitlines()[-1]]
        else:
            strategy = "in_place" if self._strategy == "auto" else self._strategy
            wrong = wrong_with(CivoObjectStoreHook(), before, strategy, self._week)
        self._right = not wrong
        return wrong


def wrong_with(
    hook: CivoObjectStoreHook,
    before: list[S3Options],
    strategy: str,
    week: int = 1,
    target: str = f"credential {CREDENTIAL}",
) -> list[str]:
    """Return what is not as it should be after a finished rotation that deletes what it replaced."""
    wrong = []
    credentials = list(hook.list_credentials())
    lineage = [it for it in credentials if base_of(it.name) == base_of(CREDENTIAL)]
    if len(credentials) != 1 or len(lineage) != 1:
        return [f"{len(credentials)} credentials are there, {[it.name for it in lineage]} of the lineage"]
    (new,) = lineage
    tag = tag_of_run(week, target)
    if strategy == "replace" and new.name != name_for(CREDENTIAL, tag):
        wrong.append(f"it is called {new.name}")
    if strategy == "in_place" and (new.name, new.access_key_id) != (CREDENTIAL, access_key_for(new.id, tag)):
        wrong.append(f"it is called {new.name} and has access key {new.access_key_id}")
    if new.suspended:
        wrong.append("it is suspended")
    (use,) = hook.credential_inventory()
    if sorted(use.stores) != sorted(STORES):
        wrong.append(f"it owns {use.stores}")
    held = published()
    if (held.get("access_key_id"), held.get("secret_access_key")) != (new.access_key_id, new.secret_access_key):
        wrong.append(f"access key {held.get('access_key_id')} is published, not {new.access_key_id}")
    for name in STORES:
        wrong += unreadable(hook.s3_options(name))
    for options in before:
        if let_in(options):
            wrong.append(f"the old {options.access_key_id} is let into {options.bucket}")
    return wrong


def published() -> dict[str, Any]:
    """Return what the publisher has written."""
    text = AnypointObjectStoreHook().partition(PUBLISHER.store_id, PUBLISHER.partition).get(PUBLISHER.key, "{}")
    found: dict[str, Any] = json.loads(str(text))
    return found


def furnish(hook: CivoObjectStoreHook, credential: str = CREDENTIAL, stores: Iterable[str] = STORES) -> list[S3Options]:
    """Create a credential and stores that share it, with objects; return how to get into them."""
    owner = hook.create_credential(credential)
    made = [hook.create_object_store(name, access_key_id=owner.access_key_id) for name in stores]
    found = []
    for store in made:
        while not hook.get_object_store(store.id).ready:
            time.sleep(0.02)
        options = hook.s3_options_of(owner, store)
        s3 = s3_client(options)
        for key, body in OBJECTS.items():
            s3.put_object(Bucket=store.name, Key=key, Body=body)
        found.append(options)
    return found


def unreadable(options: S3Options) -> list[str]:
    """Return what of the old objects cannot be listed and read."""
    s3 = s3_client(options)
    try:
        listed = [it["Key"] for it in s3.list_objects_v2(Bucket=options.bucket).get("Contents", [])]
        if listed != list(OBJECTS):
            return [f"{options.bucket} lists {listed}"]
        bodies = {key: s3.get_object(Bucket=options.bucket, Key=key)["Body"].read() for key in OBJECTS}
        return [] if bodies == OBJECTS else [f"{options.bucket} holds {bodies}"]
    except ClientError as error:
        return [f"{options.bucket}: {error}"]


def let_in(options: S3Options, bucket: str | None = None) -> bool:
    """Whether keys are let into their bucket."""
    try:
        s3_client(options).list_objects_v2(Bucket=bucket or options.bucket)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
        return False
    return True


def s3_client(options: S3Options) -> Any:
    """Return a client that asks once."""
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client("s3", **{**options, "config": options["config"].merge(once)})


def rotation_task(strategy: str, **arguments: Any) -> CivoRotateCredentialOperator:
    """Return the task of this file's rotations."""
    arguments = {"task_id": "rotate", "publishers": [PUBLISHER], "settle_timeout": 5, **arguments}
    return CivoRotateCredentialOperator(strategy=strategy, **arguments)


def run_of(week: int = 1) -> Any:
    """Return what a task is given in that week's run."""
    return {"dag_run": SimpleNamespace(run_after=_due(week), dag_id="rotation", run_id=f"run-{week}")}


def tag_of_run(week: int = 1, target: str = f"credential {CREDENTIAL}") -> Tag:
    """Return the tag of that week's run."""
    return Tag.of(_due(week), "rotation", f"run-{week}", target)


@contextmanager
def short_sleeps(longest: float = 0.03) -> Iterator[None]:
    """Sleep at most so long, so that waits look again sooner: nothing here is slow."""
    sleep = time.sleep
    with mock.patch("time.sleep", lambda seconds: sleep(min(seconds, longest))):
        yield


def connections(emulator: Emulator) -> dict[str, str]:
    """Return the variables with which the default connections lead there, as fast as can be."""
    found = emulator.connections()
    for connection in found.values():
        connection["extra"]["requests_per_second"] = 100_000
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in found.items()}


def _due(week: int) -> datetime:
    return datetime(2020, 1, 6, 4, tzinfo=UTC) + timedelta(weeks=week)


def _s3(backend: str) -> Any:
    if backend == "moto":
        return MotoS3()
    from tests.rgw.backend import RgwS3

    return RgwS3()
