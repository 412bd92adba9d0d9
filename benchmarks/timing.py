"""Time several pieces of work in alternation, and print tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from typing import NamedTuple


class Candidate(NamedTuple):
    """
    One of several pieces of work to compare.

    :param items: how many items the work handles.
    :param work: what is timed.
    :param setup: context manager around the work, not timed: prepares it, and checks its result afterwards.
    """

    items: int
    work: Callable[[], object]
    setup: Callable[[], AbstractContextManager[object]] = nullcontext


class Cost(NamedTuple):
    """Seconds per item, and processor time of this process per item."""

    seconds: float
    cpu: float


def measure(candidate: Candidate) -> Cost:
    """Run a candidate once."""
    with candidate.setup():
        started, cpu_started = time.perf_counter(), time.process_time()
        candidate.work()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        return Cost(seconds / candidate.items, cpu / candidate.items)


def measure_in_turns(rounds: int, candidates: dict[str, Candidate]) -> dict[str, Cost]:
    """Run all candidates one after the other, ``rounds`` times. Return the medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            costs[name].append(measure(candidate))
    return {name: Cost(*map(median, zip(*measured, strict=True))) for name, measured in costs.items()}


def table(title: str, head: Iterable[str], *rows: Iterable[object]) -> None:
    """Print a Markdown table."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(list(head)))
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg()[:2])
    print(f"**{title}** (load of the machine in the last minutes: {load})\n", *lines, "", sep="\n", flush=True)
