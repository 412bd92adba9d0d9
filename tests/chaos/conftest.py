from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_objectstore.emulator import MotoS3, Settings
from airflow_provider_objectstore.triggers import change_trigger
from tests.chaos.cases import CASES, Case
from tests.chaos.run import ALL, SECONDS, SEED, TIMEOUT, Figures, Run, quick_retries
from tests.chaos.services import ChaosEmulator

FIGURES = Figures()
INJECTED: list[str] = []


@pytest.fixture(autouse=True, scope="module")
def connections_of_wire() -> Iterator[None]:
    """Remove them after a module: while other threads read the environment, none may disappear."""
    yield
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_WIRE_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def behind_faults() -> Iterator[ChaosEmulator]:
    """Both services with S3, behind a fault mix."""
    with ChaosEmulator(Settings(creating_seconds=0.02, quota_gb=1_000_000), s3=MotoS3()) as emulator:
        yield emulator
        INJECTED.extend(emulator.mix.injected.elements())


@pytest.fixture
def chaos(behind_faults: ChaosEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChaosEmulator]:
    """The services as the default connections, with quick retries."""
    for conn_id, connection in behind_faults.connections().items():
        extra = {**connection["extra"], "requests_per_second": 100_000, "timeout": TIMEOUT}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**connection, "extra": extra}))
    monkeypatch.setattr(change_trigger, "EVENT_DISTANCE", 0)
    with quick_retries():
        yield behind_faults


@pytest.fixture
def run_case(chaos: ChaosEmulator) -> Callable[[Case, str], None]:
    """Runs a case with one seed or, with CHAOS=all, with seeds for as long as its share of the time lasts."""

    def run(case: Case, form: str) -> None:
        ends = time.monotonic() + SECONDS * case.weight / sum(each.weight * len(each.forms) for each in CASES.values())
        seed = SEED
        while True:
            run = Run(chaos, FIGURES, case.name, seed, form)
            chaos.mix.begin(None)
            chaos.mix.intensity = case.intensity
            chaos.reset()
            case.act(run)
            if run.problems:
                pytest.fail("\n".join(run.problems), pytrace=False)
            seed += 1
            if not ALL or time.monotonic() > ends:
                break

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    from collections import Counter

    if FIGURES.calls:
        terminalreporter.section("chaos")
        for line in FIGURES.lines(Counter(INJECTED)):
            terminalreporter.line(line)
