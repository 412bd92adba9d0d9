"""How the pace follows a service that refuses, in simulated time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from airflow_provider_objectstore.transport.pacing import Pacer


@dataclass
class Simulation:
    """
    Workers that send requests through a pacer to a service that allows so many a second.

    :param allowed: requests a second.
    :param burst: how many at once, after a rest.
    """

    limit: float
    allowed: float
    burst: float
    retry_after: float | None = None
    latency: float = 0.02
    workers: int = 64
    now: float = 0.0
    sent: list[float] = field(default_factory=list)

    def run(self, requests: int) -> tuple[float, float]:
        """Return the share of the allowed rate that was reached, and the share of requests that were refused."""
        pacer = Pacer(self.limit, lambda: self.now)
        chance, order = random.Random(1), count()
        events: list[tuple[float, int, str, Any]] = [(0.0, next(order), "start", None) for _ in range(self.workers)]
        tokens, filled, done, refused, last = self.burst, 0.0, 0, 0, 0.0

        def later(seconds: float, what: str, about: Any) -> None:
            heapq.heappush(events, (self.now + seconds, next(order), what, about))

        while events:
            self.now, _, what, about = heapq.heappop(events)
            if what == "start":
                if about is None and requests == 0:
                    continue
                requests -= about is None
                cuts, pause = pacer.cuts, pacer.reserve()
                later(pause, "send", (about or 0, cuts))
            elif what == "send":
                tries, cuts = about
                if cuts != pacer.cuts:
                    later(0, "start", tries)
                    continue
                self.sent.append(self.now)
                tokens, filled = min(self.burst, tokens + (self.now - filled) * self.allowed), self.now
                accepted = tokens >= 1
                tokens -= accepted
                later(self.latency, "answer", (tries, cuts, accepted))
            else:
                tries, cuts, accepted = about
                if accepted:
                    pacer.taken()
                    done, last = done + 1, self.now
                    later(0, "start", None)
                else:
                    refused += 1
                    pacer.refused(cuts, self.retry_after)
                    later(self.retry_after or chance.random() * 0.5 * 2 ** min(tries, 5), "start", tries + 1)
        return done / last / self.allowed, refused / (done + refused)


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("limit", [110, 150, 200])
def test_it_finds_what_the_service_allows(limit: float, retry_after: float | None) -> None:
    reached, refused = Simulation(limit, allowed=100, burst=100, retry_after=retry_after).run(3000)
    assert reached > 0.97
    assert refused < 0.01


@pytest.mark.parametrize(("retry_after", "share"), [(1, 1.0), (5, 0.75), (10, 0.62), (60, 0.28)])
def test_what_long_pauses_cost(retry_after: float, share: float) -> None:
    reached, refused = Simulation(200, allowed=100, burst=100, retry_after=retry_after).run(30_000)
    assert reached == pytest.approx(share, abs=0.02), "docs/bulk.md says so"
    assert refused < 0.001


@pytest.mark.parametrize("limit", [110, 150, 200, 1000])
def test_a_service_that_saves_nothing_up(limit: float) -> None:
    reached, refused = Simulation(limit, allowed=100, burst=5).run(3000)
    assert reached > 0.95
    assert refused < 0.02


def test_a_service_that_refuses_nothing_gets_the_limit_and_no_more() -> None:
    simulation = Simulation(limit=50, allowed=1000, burst=1000)
    simulation.run(500)
    gaps = [after - before for before, after in zip(simulation.sent, simulation.sent[1:], strict=False)]
    assert min(gaps) == pytest.approx(1 / 50)
    assert max(gaps) == pytest.approx(1 / 50)


def test_a_refusal_halves_the_pace_and_it_comes_back() -> None:
    now = 0.0
    pacer = Pacer(100, lambda: now)
    pacer.refused(pacer.cuts)
    pacer.refused(0)  # was under way with the other
    assert (pacer.cuts, pacer.refusals) == (1, 2)
    waits = [pacer.reserve() for _ in range(3)]
    assert waits == pytest.approx([0.05, 0.07, 0.09])
    now = 100.0
    pacer.reserve()
    assert pacer.reserve() == pytest.approx(1 / 100)


def test_a_service_that_wants_to_be_left_alone_is() -> None:
    pacer = Pacer(100, lambda: 0.0)
    pacer.refused(pacer.cuts, 7)
    assert pacer.reserve() == 7


def test_it_never_stops_for_good() -> None:
    now = 0.0
    pacer = Pacer(100, lambda: now)
    for _ in range(50):
        now += pacer.reserve()
        pacer.refused(pacer.cuts)
    pacer.reserve()
    assert pacer.reserve() - pacer.reserve() < 3
