"""
A rotation that is killed at any of its requests, sent or answered, is finished by the next run.

On moto at all of them, on Ceph's gateway at every fifth; ``KILL=all`` (``make kill``) at all on both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.rotation.harness import Outcome, every_fifth, everywhere, kill_matrix

BACKENDS = [
    "moto",
    pytest.param(
        "rgw", marks=[pytest.mark.rgw, pytest.mark.skipif(os.environ.get("RGW") == "skip", reason="RGW=skip")]
    ),
]
Matrices = dict[tuple[str, str], Future[list[Outcome]]]


@pytest.fixture(scope="module")
def matrices(request: pytest.FixtureRequest) -> Iterator[Matrices]:
    """What is asked for, two at a time: each is one process after the other that waits for its answers."""
    asked = [item.callspec.params for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        yield {
            (backend, strategy): processes.submit(
                kill_matrix, backend, strategy, everywhere if _everywhere(backend) else every_fifth
            )
            for backend, strategy in ((it["backend"], it["strategy"]) for it in asked)
        }
        processes.shutdown(cancel_futures=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("strategy", ["replace", "in_place", "auto"])
def test_killed(backend: str, strategy: str, matrices: Matrices) -> None:
    outcomes = matrices[backend, strategy].result()
    print(f"{strategy} on {backend}: {sum(it.right for it in outcomes)} of {len(outcomes)} end right")
    assert [it for it in outcomes if not it.right] == []
    # So many requests, each of them killed at: none is left out because a rotation ended early.
    assert len(outcomes) > (40 if _everywhere(backend) else 8)


def _everywhere(backend: str) -> bool:
    return backend == "moto" or os.environ.get("KILL") == "all"
