"""How the rate follows a service that throttles, in simulated time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from airflow_provider_objectstore.transport.rate_limit import RateLimiter


@dataclass
class Simulation:
    """
    Workers that send requests through a rate limiter to a service that allows so many a second.

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
        """Return the share of the allowed rate that was reached, and the share of requests that were throttled."""
        rate_limiter = RateLimiter(self.limit, lambda: self.now)
        chance, order = random.Random(1), count()
        events: list[tuple[float, int, str, Any]] = [(0.0, next(order), "start", None) for _ in range(self.workers)]
        tokens, filled_at, accepted, throttled, last = self.burst, 0.0, 0, 0, 0.0

        def later(seconds: float, event: str, details: Any) -> None:
            heapq.heappush(events, (self.now + seconds, next(order), event, details))

        while events:
            self.now, _, event, details = heapq.heappop(events)
            if event == "start":
                if details is None and requests == 0:
                    continue
                requests -= details is None
                throttle_epoch, pause = rate_limiter.throttle_epoch, rate_limiter.reserve()
                later(pause, "send", (details or 0, throttle_epoch))
            elif event == "send":
                tries, throttle_epoch = details
                if throttle_epoch != rate_limiter.throttle_epoch:
                    later(0, "start", tries)
                    continue
                self.sent.append(self.now)
                tokens, filled_at = min(self.burst, tokens + (self.now - filled_at) * self.allowed), self.now
                is_accepted = tokens >= 1
                tokens -= is_accepted
                later(self.latency, "response", (tries, throttle_epoch, is_accepted))
            else:
                tries, throttle_epoch, is_accepted = details
                if is_accepted:
                    rate_limiter.on_success()
                    accepted, last = accepted + 1, self.now
                    later(0, "start", None)
                else:
                    throttled += 1
                    rate_limiter.on_throttled(throttle_epoch, self.retry_after)
                    later(self.retry_after or chance.random() * 0.5 * 2 ** min(tries, 5), "start", tries + 1)
        return accepted / last / self.allowed, throttled / (accepted + throttled)


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("limit", [110, 150, 200])
def test_it_finds_what_the_service_allows(limit: float, retry_after: float | None) -> None:
    reached, throttled = Simulation(limit, allowed=100, burst=100, retry_after=retry_after).run(3000)
    assert reached > 0.97
    assert throttled < 0.01


@pytest.mark.parametrize(("retry_after", "share"), [(1, 1.0), (5, 0.75), (10, 0.62), (60, 0.28)])
def test_what_long_pauses_cost(retry_after: float, share: float) -> None:
    reached, throttled = Simulation(200, allowed=100, burst=100, retry_after=retry_after).run(30_000)
    assert reached == pytest.approx(share, abs=0.02), "docs/bulk.md says so"
    assert throttled < 0.001


@pytest.mark.parametrize("limit", [110, 150, 200, 1000])
def test_a_service_that_saves_nothing_up(limit: float) -> None:
    reached, throttled = Simulation(limit, allowed=100, burst=5).run(3000)
    assert reached > 0.95
    assert throttled < 0.02


def test_a_service_that_refuses_nothing_gets_the_limit_and_no_more() -> None:
    simulation = Simulation(limit=50, allowed=1000, burst=1000)
    simulation.run(500)
    gaps = [after - before for before, after in zip(simulation.sent, simulation.sent[1:], strict=False)]
    assert min(gaps) == pytest.approx(1 / 50)
    assert max(gaps) == pytest.approx(1 / 50)


def test_a_refusal_halves_the_pace_and_it_comes_back() -> None:
    now = 0.0
    rate_limiter = RateLimiter(100, lambda: now)
    rate_limiter.on_throttled(rate_limiter.throttle_epoch)
    rate_limiter.on_throttled(0)  # was under way at the same time
    assert (rate_limiter.throttle_epoch, rate_limiter.throttled) == (1, 2)
    waits = [rate_limiter.reserve() for _ in range(3)]
    assert waits == pytest.approx([0.05, 0.07, 0.09])
    now = 100.0
    rate_limiter.reserve()
    assert rate_limiter.reserve() == pytest.approx(1 / 100)


def test_a_service_that_wants_to_be_left_alone_is() -> None:
    rate_limiter = RateLimiter(100, lambda: 0.0)
    rate_limiter.on_throttled(rate_limiter.throttle_epoch, 7)
    assert rate_limiter.reserve() == 7


def test_it_never_stops_for_good() -> None:
    now = 0.0
    rate_limiter = RateLimiter(100, lambda: now)
    for _ in range(50):
        now += rate_limiter.reserve()
        rate_limiter.on_throttled(rate_limiter.throttle_epoch)
    rate_limiter.reserve()
    assert rate_limiter.reserve() - rate_limiter.reserve() < 3


def test_starts_are_evenly_spaced() -> None:
    rate_limiter = RateLimiter(10)
    waits = [rate_limiter.reserve() for _ in range(5)]
    assert waits[0] == 0
    assert waits == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.05)
