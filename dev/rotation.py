"""What the consumers saw while the demo replaced their credential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from rich.table import Table

from dev.runs import Run

ROTATION = "example_rotation"
CONSUMER = "example_rotation_consumer"
EACH, HELD = "look_up_each_time", "hold_connection"

# By access key: "first" and "last", when a read began, and "reads", how many there were.
ReadLog = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class ObservedRotation:
    """
    A rotation and the reads of its consumers, each of which also wrote.

    :param strategy: the strategy that it took.
    :param begin: when its task began, as a time stamp.
    :param end: when its task ended.
    :param new: the new credential's access key.
    :param reads: log of reads by task. A task with a failed read has none, because it failed.
    """

    strategy: str
    begin: float
    end: float
    new: str
    reads: Mapping[str, ReadLog]

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Self | None:
        """Read what the last rotation of these runs and its consumers did; None without these, or if a run failed."""
        done = {run.dag_id: run for run in runs if run.state == "success"}
        if not {ROTATION, CONSUMER} <= set(done):
            return None
        result = done[ROTATION].result("rotate")
        return cls(
            result["strategy"],
            *done[ROTATION].times("rotate"),
            result["credential"]["access_key_id"],
            {task: done[CONSUMER].result(task) for task in (EACH, HELD)},
        )

    def summary(self) -> str:
        """Return the result in one line."""
        reads = sum(int(entry["reads"]) for log in self.reads.values() for entry in log.values())
        seconds = self.end - self.begin
        return f"{CONSUMER}: {reads} reads, 0 failed, rotated meanwhile with {self.strategy} in {seconds:.1f} s"

    def table(self) -> Table:
        """Return a table of the reads, in seconds from the rotation's begin."""
        columns = "task", "credential", "reads", "first at (s)", "last at (s)"
        table = Table(*columns, title="Reads during the rotation that begins at 0 s", title_justify="left")
        for task, log in self.reads.items():
            for key, entry in log.items():
                first, last = (f"{entry[name] - self.begin:.1f}" for name in ("first", "last"))
                table.add_row(task, "new" if key == self.new else "old", str(int(entry["reads"])), first, last)
        return table

    def problems(self) -> list[str]:
        """Return why this does not show that nobody is refused."""
        found = [] if self.strategy == "overlap" else [f"the strategy was {self.strategy} instead of overlap"]
        each, held = self.reads[EACH], self.reads[HELD]
        found += [
            f"{task} did not read before the rotation"
            for task, log in self.reads.items()
            if min((entry["first"] for key, entry in log.items() if key != self.new), default=self.end) >= self.begin
        ]
        if self.new not in each or not self.begin < each[self.new]["first"] < self.end:
            found.append(f"{EACH} did not read with the new credential during the rotation")
        elif each[self.new]["last"] <= self.end:
            found.append(f"{EACH} did not read after the rotation")
        elif max(entry["last"] for entry in held.values()) <= each[self.new]["first"]:
            found.append(f"{HELD} did not read with the old credential after the new one was published")
        if self.new in held:
            found.append(f"{HELD} read with the new credential")
        return found
