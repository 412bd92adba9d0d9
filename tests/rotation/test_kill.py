"""
A rotation that is killed at any of its requests, before or after the response, is finished by the next run.

At every 32nd request, of half of the scenarios on moto and of one on Ceph's gateway. ``KILL=all`` (``make kill``)
kills at all requests of all scenarios.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.rotation.conftest import RGW
from tests.rotation.kill_matrix import (
    SCENARIOS,
    KillMatrix,
    Scenario,
    every_request,
    kill_everywhere,
    some_requests,
)

pytestmark = pytest.mark.slow

EVERYWHERE = os.environ.get("KILL") == "all"
SHARE = "overlap", "auto that keeps owners", "replace with a grace period", "in_place"
SCENARIOS_ON_MOTO = [one for one in SCENARIOS if EVERYWHERE or str(one) in SHARE]
SCENARIOS_ON_CEPH = [one for one in SCENARIOS if one.policies and (EVERYWHERE or str(one) == "overlap")]
Matrices = dict[tuple[str, Scenario], Future[KillMatrix]]


@pytest.fixture(scope="module")
def matrices(request: pytest.FixtureRequest) -> Iterator[Matrices]:
    """The selected matrices, two at a time: each is a sequence of processes that mostly wait for responses."""
    selected = [item.callspec.params for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        yield {
            (backend, scenario): processes.submit(
                kill_everywhere, backend, scenario, every_request if EVERYWHERE else some_requests
            )
            for backend, scenario in ((params["backend"], params["scenario"]) for params in selected)
        }
        processes.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    ("backend", "scenario"),
    [
        *(pytest.param("moto", scenario, id=f"{scenario}-moto") for scenario in SCENARIOS_ON_MOTO),
        *(pytest.param("rgw", one, id=f"{one}-rgw", marks=RGW) for one in SCENARIOS_ON_CEPH),
    ],
)
def test_killed(backend: str, scenario: Scenario, matrices: Matrices) -> None:
    matrix = matrices[backend, scenario].result()
    right = sum(outcome.right for outcome in matrix.outcomes)
    print(f"{scenario} on {backend}: {right} of {len(matrix.outcomes)} end right; {len(matrix.requests)} requests")
    assert [outcome for outcome in matrix.outcomes if not outcome.right] == []
    # So many requests, each of them killed at: none is left out because a rotation ended early.
    assert len(matrix.outcomes) >= (len(matrix.steps) if EVERYWHERE else 2)
    # Where objects never change their owner, a rotation polls for a second: how often depends on the machine.
    if backend == "moto" and scenario.owner_change != "bucket":
        # On a busy machine a new credential may be looked for twice, until S3 has created it.
        assert matrix.ended_before <= 2 * matrix.repeated_looks, matrix.requests
