"""Kill rotations at each of their requests, run them again, and check the end state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, Literal
from unittest import mock

from airflow_provider_objectstore.emulator import Emulator, MotoS3, Settings
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.s3 import S3Options
from tests.rotation.harness import (
    PUBLISHER,
    STORES,
    connection_variables,
    create_stores,
    find_problems,
    find_problems_under_kept_owner,
    published_keys,
    short_sleeps,
)

LOOK = "GET /v2/objectstore/credentials/{id}"


@dataclass(frozen=True)
class Scenario:
    """
    A kind of rotation that is killed.

    :param strategy: the operator's argument.
    :param deferred: whether there is a grace period, after which the task is resumed as in another process.
    :param owner_change: the emulator's setting.
    :param policies: whether S3 supports bucket policies; only moto can do without.
    """

    strategy: str
    deferred: bool = False
    owner_change: Literal["whole", "bucket", "ignored"] = "whole"
    policies: bool = True

    def __str__(self) -> str:
        owner = {"whole": "", "bucket": " that transfers no objects", "ignored": " that keeps owners"}
        return (
            self.strategy
            + owner[self.owner_change]
            + ("" if self.policies else " and has no policies")
            + (" with a grace period" if self.deferred else "")
        )

    @property
    def settle_timeout(self) -> float:
        """The operator's argument: short where it passes in each rotation, because objects never change their owner."""
        return 1 if self.owner_change == "bucket" else 60

    @property
    def keeps_owner(self) -> bool:
        """Whether the stores keep their owner, and consumers' credentials rotate under it."""
        return self.owner_change != "whole" and self.policies


SCENARIOS = (
    Scenario("overlap"),
    Scenario("overlap", deferred=True),
    Scenario("auto", owner_change="ignored"),
    Scenario("auto", owner_change="bucket"),
    Scenario("replace"),
    Scenario("replace", deferred=True),
    Scenario("in_place"),
    Scenario("auto", owner_change="ignored", policies=False),
)


@dataclass(frozen=True)
class Outcome:
    """
    The outcome of one rotation that was killed and run again.

    :param position: the request at which it was killed, counted from 1.
    :param request: that request.
    :param when: ``sent`` if it was killed before the response, ``answered`` if after it.
    :param second_kill: the request at which the second run was killed as well; None if it was not killed.
    :param problems: what was wrong in the end; empty if everything was right.
    """

    position: int
    request: str
    when: str
    second_kill: int | None
    problems: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether everything was right in the end."""
        return not self.problems


@dataclass(frozen=True)
class KillMatrix:
    """
    The outcomes of one scenario.

    :param requests: those of an undisturbed rotation.
    :param outcomes: one for each rotation that was killed.
    :param ended_before: how many rotations were not killed, as they had ended before: the number of requests varies,
        because S3 accepts a new key at once or only some requests later.
    """

    requests: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    ended_before: int

    @property
    def repeated_looks(self) -> int:
        """How often a new credential was looked for again, because S3 had not created it yet."""
        looks = (list(same) for request, same in groupby(self.requests) if request == LOOK)
        return sum(len(same) - 1 for same in looks)

    @property
    def steps(self) -> list[str]:
        """The requests without those that are repeated while S3 lags."""
        return [request for request, _ in groupby(self.requests)]


def kill_everywhere(
    backend: str,
    scenario: Scenario,
    positions: Callable[[list[str]], Iterable[tuple[int, str]]] | None = None,
    *,
    second_kills: float = 0.25,
    seed: int = 1,
) -> KillMatrix:
    """
    Kill a rotation at one request, run it again to its end, and do so week after week for one request after the other.

    :param backend: what serves S3: ``moto`` or ``rgw``.
    :param positions: given the requests of an undisturbed rotation, where to kill: positions from 1 with ``sent`` or
        ``answered``; :func:`every_request` without it.
    :param second_kills: the share of second runs that are killed as well, at random.
    :param seed: of what is random.
    """
    random = Random(seed)
    with Scene(backend, scenario) as scene:
        requests = scene.run_undisturbed()
        outcomes = []
        ended_before = 0
        for position, when in (positions or every_request)(requests):
            second = random.randint(1, len(requests)) if random.random() < second_kills else None
            problems = scene.run_killed(position, when, second)
            if problems is None:
                ended_before += 1
            else:
                outcomes.append(Outcome(position, requests[position - 1], when, second, tuple(problems)))
    return KillMatrix(tuple(requests), tuple(outcomes), ended_before)


def every_request(requests: list[str]) -> Iterator[tuple[int, str]]:
    """Yield each response and, where a request changes something, also the time before its response."""
    for position, request in enumerate(requests, 1):
        yield position, "answered"
        if not request.startswith("GET"):
            yield position, "sent"


def some_requests(requests: list[str]) -> Iterator[tuple[int, str]]:
    """Yield every 32nd response, and the time before the response of every 16th request that changes something."""
    yield from ((position, "answered") for position in range(1, len(requests) + 1, 32))
    changes = [position for position, request in enumerate(requests, 1) if not request.startswith("GET")]
    yield from ((position, "sent") for position in changes[::16])


class Scene:
    """Two stores with objects that share a credential, and a process that rotates it, while the block runs."""

    def __init__(self, backend: str, scenario: Scenario) -> None:
        self._scenario = scenario
        self._week = 0
        self._last_was_right = False
        self._emulator = Emulator(
            Settings(creating_seconds=0, owner_change=scenario.owner_change),
            s3=_s3(backend, scenario),
        )

    def __enter__(self) -> Scene:
        self._emulator.start()
        self._patches = ExitStack()
        self._patches.enter_context(mock.patch.dict(os.environ, connection_variables(self._emulator)))
        self._patches.enter_context(short_sleeps())
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.rotation.kill_worker"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._start_week()
        self._rotate(warm_up=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.communicate()
        self._patches.close()
        self._emulator.stop()

    def run_undisturbed(self) -> list[str]:
        """Rotate, and return the requests of this rotation."""
        before = self._start_week()
        result = self._rotate()
        problems = self._find_problems(before, result)
        if problems:
            raise AssertionError(f"without any kill: {'; '.join(problems)}")
        requests: list[str] = result["requests"]
        return requests

    def run_killed(self, position: int, when: str, second: int | None) -> list[str] | None:
        """
        Kill a rotation, maybe the next one too, and rotate to the end; return what is wrong then.

        :return: None if the rotation ended right before it could be killed.
        """
        before = self._start_week()
        first = self._rotate(position=position, when=when)
        if not first["killed"]:
            return self._find_problems(before, first) or None
        if second:
            self._rotate(position=second, when="answered")
        return self._find_problems(before, self._rotate())

    def _start_week(self) -> list[S3Options]:
        """Return the stores' S3 options. After a week that did not end right, everything is created anew."""
        self._week += 1
        hook = CivoObjectStoreHook()
        if self._last_was_right:
            published = published_keys()
            keys = {name: published[name] for name in ("access_key_id", "secret_access_key")}
            return [replace(hook.s3_options(name), **keys) for name in STORES]
        self._emulator.reset()
        anypoint = AnypointObjectStoreHook()
        anypoint.create_store(PUBLISHER.store_id)
        # Without it, the publisher would ask for more in the first week than in others.
        anypoint.put_key(PUBLISHER.store_id, PUBLISHER.partition, PUBLISHER.key, "{}")
        self._owner, *_ = options = create_stores(hook)
        return options

    def _rotate(self, *, warm_up: bool = False, **kill: Any) -> dict[str, Any]:
        assert self._worker.stdin is not None
        order = {
            "strategy": self._scenario.strategy,
            "deferred": self._scenario.deferred,
            "settle_timeout": self._scenario.settle_timeout,
            "week": self._week,
            "warm_up": warm_up,
            **kill,
        }
        self._worker.stdin.write(json.dumps(order) + "\n")
        self._worker.stdin.flush()
        result: dict[str, Any] = json.loads(self._read_line())
        return result

    def _read_line(self) -> str:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended; run python -m tests.rotation.kill_worker to see why")
        return line

    def _find_problems(self, before: list[S3Options], result: Mapping[str, Any]) -> list[str]:
        if result["error"]:
            problems = [result["error"].strip().splitlines()[-1]]
        elif self._scenario.keeps_owner:
            consumers = [] if before[0].access_key_id == self._owner.access_key_id else before
            problems = find_problems_under_kept_owner(CivoObjectStoreHook(), self._owner, consumers, self._week)
        else:
            strategy = "in_place" if self._scenario.strategy == "auto" else self._scenario.strategy
            problems = find_problems(CivoObjectStoreHook(), before, strategy, self._week)
        self._last_was_right = not problems
        return problems


def _s3(backend: str, scenario: Scenario) -> Any:
    if backend == "moto":
        return MotoS3(policies=scenario.policies)
    from tests.rgw.backend import RgwS3

    return RgwS3()
