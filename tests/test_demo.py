"""What the demo runs, and what it requires of a rotation beside its consumers."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dev.demo import PLAN, run_plan
from dev.report import Progress
from dev.rotation import EACH, HELD, ObservedRotation, ReadLog
from dev.runs import Task

EACH_LOG: ReadLog = {"old": {"first": 1, "last": 14, "reads": 9}, "new": {"first": 15, "last": 31, "reads": 9}}
HELD_LOG: ReadLog = {"old": {"first": 2, "last": 20, "reads": 9}}
GOOD = ObservedRotation("overlap", 10, 30, "new", {EACH: EACH_LOG, HELD: HELD_LOG})


def test_it_runs_every_example() -> None:
    folder = Path(__file__).parents[1] / "example_dags"
    examples = {dag_id for path in folder.glob("*.py") for dag_id in re.findall(r'dag_id="(\w+)"', path.read_text())}
    assert len(examples) > 10
    # The last one before Airflow 3.3; tests run the others, for which there is no time, or nobody to ask.
    left_out = {"example_moving", "example_approval", "example_task_state"}
    assert examples - {dag_id for chain in PLAN for dag_id in chain} <= left_out


def test_reads_before_during_and_after() -> None:
    assert GOOD.problems() == []
    assert "27 reads, 0 failed, rotated meanwhile with overlap in 20.0 s" in GOOD.summary()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"strategy": "replace"}, "the strategy was replace instead of overlap"),
        ({"begin": 1.5}, "hold_connection did not read before the rotation"),
        ({"begin": 1, "reads": {EACH: EACH_LOG, HELD: {"old": {**HELD_LOG["old"], "first": 0}}}}, f"{EACH} did not"),
        ({"new": "newer"}, "did not read with the new credential during the rotation"),
        ({"end": 15}, "did not read with the new credential during the rotation"),
        ({"end": 31}, "look_up_each_time did not read after the rotation"),
        (
            {"reads": {EACH: EACH_LOG, HELD: {"old": {**HELD_LOG["old"], "last": 15}}}},
            "after the new one was published",
        ),
        ({"reads": {EACH: EACH_LOG, HELD: {**EACH_LOG}}}, "hold_connection read with the new credential"),
        ({"reads": {EACH: {"new": EACH_LOG["new"]}, HELD: HELD_LOG}}, f"{EACH} did not read before the rotation"),
    ],
)
def test_a_rotation_that_proves_nothing(changes: dict[str, object], problem: str) -> None:
    (found,) = replace(GOOD, **changes).problems()  # type: ignore[arg-type]
    assert problem in found


def test_a_slow_machine_is_told_how_to_wait(capsys: pytest.CaptureFixture[str]) -> None:
    class Slow:
        dag_id, number, state, started = "slow", 1, "running", 0.0

        def refresh(self) -> list[Any]:
            return []

    slow: Any = Slow()
    airflow: Any = SimpleNamespace(check=lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dev.demo.planned_runs", lambda _, chain: [slow])
        patch.setattr("dev.demo.start_next", lambda runs: next(runs, None))
        runs, _ = run_plan(airflow, [["slow"]], Progress(Console(width=120)), 1)
    assert runs == [slow]
    assert "slow, run 1: running after" in (shown := capsys.readouterr().out)
    assert 'ARGS="--timeout 5" would wait longer' in shown


def test_a_slow_machine_has_time_as_long_as_something_happens() -> None:
    class Moving:
        dag_id, number, state, started = "moving", 1, "running", 0.0
        rounds = 0

        def refresh(self) -> list[Task]:
            self.rounds += 1
            self.state = "success" if self.rounds == 9 else "running"
            return [Task("moving", 1, "task", f"state {self.rounds}", None, False)]

    moving: Any = Moving()
    airflow: Any = SimpleNamespace(check=lambda: None)
    clock = itertools.count(0, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dev.demo.planned_runs", lambda _, chain: [moving])
        patch.setattr("dev.demo.start_next", lambda runs: next(runs, None))
        patch.setattr("dev.demo.time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
        run_plan(airflow, [["moving"]], Progress(Console(width=120)), 120)
    assert moving.state == "success"
    assert next(clock) > 240
