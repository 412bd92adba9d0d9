"""What is compared, run in turns, and the tables that come of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from typing import NamedTuple


class Lap(NamedTuple):
    """
    One of several things to compare.

    :param each: how many items it works on.
    :param around: prepares it, and looks afterwards whether it was done.
    """

    each: int
    work: Callable[[], object]
    around: Callable[[], AbstractContextManager[object]] = nullcontext


class Cost(NamedTuple):
    """Seconds of one item, and processor time of this process among them."""

    seconds: float
    cpu: float


def cost(lap: Lap) -> Cost:
    """Run it once."""
    with lap.around():
        begun, used = time.perf_counter(), time.process_time()
        lap.work()
        return Cost((time.perf_counter() - begun) / lap.each, (time.process_time() - used) / lap.each)


def in_turns(rounds: int, laps: dict[str, Lap]) -> dict[str, Cost]:
    """Run all of them so often; return the medians."""
    found: dict[str, list[Cost]] = {name: [] for name in laps}
    for _ in range(rounds):
        for name, lap in laps.items():
            found[name].append(cost(lap))
    return {name: Cost(*map(median, zip(*costs, strict=True))) for name, costs in found.items()}


def table(title: str, head: Iterable[str], *rows: Iterable[object]) -> None:
    """Print as Markdown."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(list(head)))
    load = ", ".join(f"{it:.1f}" for it in os.getloadavg()[:2])
    print(f"**{title}** (load of the machine in the last minutes: {load})\n", *lines, "", sep="\n", flush=True)
