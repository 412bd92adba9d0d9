"""
Tests on versions of Airflow, Python and the dependencies: ``make test-matrix ARGS="[--smoke] [--only WORD ...]"``.

Prints a Markdown row for each combination. The pinned environments run all tests, the others those marked ``smoke``. A
Python that cannot be had gets a row as well.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.pythons import find_python

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "matrix"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PINNED = {"3.1": "airflow-3.1", "3.2": "airflow-3.2", "3.3": "dev"}
NEWEST_PYTHON = {"3.1": "3.13"}
"""By version of Airflow, where it is not the newest of all."""
FAILED, NONE = "**failed**", "-"
INSTALL_SECONDS, SMOKE_SECONDS, ALL_SECONDS = 900, 900, 5400


class CombinationError(Exception):
    """Why a combination has failed, in a few words."""


@dataclass(frozen=True)
class Combination:
    """
    What to install and to run.

    :param name: what is special about it.
    :param python: version of Python.
    :param options: what ``uv pip install`` gets beside the package.
    :param pinned: version of Airflow whose pinned environment runs all tests; empty for the smoke tests.
    """

    name: str
    python: str
    options: tuple[str, ...] = ()
    pinned: str = ""


def combinations(smoke: bool) -> Iterator[Combination]:
    """
    Yield all combinations.

    :param smoke: whether the pinned environments, too, run the smoke tests only.
    """
    for airflow, constraints in PINNED.items():
        for python in PYTHONS[: PYTHONS.index(NEWEST_PYTHON.get(airflow, PYTHONS[-1])) + 1]:
            if python == PYTHONS[0] and not smoke:
                yield Combination(f"{airflow} pinned, all tests", python, pinned=airflow)
            else:
                yield Combination(f"{airflow} pinned", python, ("-c", f"constraints/{constraints}.txt"))
    yield Combination("oldest Airflow", PYTHONS[0], (f"apache-airflow=={oldest_airflow()}",))
    yield Combination("oldest dependencies", PYTHONS[0], ("--resolution", "lowest-direct"))
    for python in PYTHONS:
        yield Combination("newest", python)
    yield Combination("newest pre-release", PYTHONS[-1], ("--prerelease", "allow"))


def oldest_airflow() -> str:
    """Return the oldest version of Airflow that the package allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = (each for each in project["dependencies"] if each.startswith("apache-airflow>="))
    return str(bound).partition(">=")[2]


def result(uv: str, combination: Combination) -> tuple[str, str, str]:
    """Run a combination. Return the versions of Airflow and Python, and what came out."""
    if combination.pinned:
        folder = ROOT / (".venv" if combination.pinned == "3.3" else f".venv-airflow-{combination.pinned}")
    else:
        folder = CACHE / re.sub(r"\W+", "-", f"{combination.name}-{combination.python}")
    try:
        if combination.pinned:
            summary = run(["make", "test", f"AIRFLOW={combination.pinned}", "RGW=skip"], os.environ, ALL_SECONDS)
        else:
            found = find_python(uv, combination.python, CACHE)
            if not found:
                return NONE, combination.python, "no such Python here"
            install(uv, found, folder, combination.options)
            command = [str(folder / "bin/python"), "-m", "pytest", "-m", "smoke", *smoke_files()]
            summary = run(command, environment(folder), SMOKE_SECONDS)
    except CombinationError as error:
        summary = f"{FAILED}: {error}"
    return *versions(folder / "bin/python"), summary


def install(uv: str, python: str, folder: Path, options: Sequence[str]) -> None:
    """Create an environment with the package and its test dependencies."""
    for command in (
        [uv, "venv", "--clear", "--python", python, str(folder)],
        [uv, "pip", "install", "--python", str(folder / "bin/python"), "-e", ".[test]", *options],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode:
            raise CombinationError(f"does not install: {' '.join(done.stderr.split())[-300:]}")


def smoke_files() -> list[str]:
    """Return the files with smoke tests: others may need what an environment lacks."""
    return sorted(str(path) for path in (ROOT / "tests").rglob("test_*.py") if "mark.smoke" in path.read_text())


def environment(folder: Path) -> dict[str, str]:
    """Return the variables for an environment's tests, with an Airflow home of its own."""
    return {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
    }


def run(command: Sequence[str], variables: Mapping[str, str], seconds: float) -> str:
    """Run tests; return the numbers of pytest's closing line."""
    log = CACHE / "last.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(variables), stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise CombinationError(f"not done after {seconds:.0f} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    text = log.read_text(errors="replace")
    # pytest's closing line, without what was not asked for.
    closing = re.findall(r"^=*\s*((?:\d+ \w+, )*\d+ \w+) in [\d.]+s", text, re.M)
    numbers = [each for each in "".join(closing[-1:]).split(", ") if re.search("passed|failed|error|skipped", each)]
    if code:
        reasons = re.findall(r"^(?:FAILED|ERROR):? (.+)", text, re.M) or [text.strip()[-200:]]
        raise CombinationError(" ".join(", ".join([*numbers, *reasons[:5]]).split()))
    return ", ".join(numbers)


def versions(python: Path) -> tuple[str, str]:
    """Return the versions of Airflow and Python in an environment."""
    code = "import importlib.metadata as m, platform; print(m.version('apache-airflow'), platform.python_version())"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True) if python.exists() else None
    if done is None or done.returncode:
        return NONE, NONE
    airflow, version = done.stdout.split()
    return airflow, version


def main() -> int:
    """Run the combinations; return how many failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="smoke tests everywhere")
    parser.add_argument("--only", nargs="*", default=[], help="words of which a combination's name must hold one")
    parser.add_argument("--uv", default="uv", help="path of uv")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    print("| combination | Airflow | Python | result | time |\n|---|---|---|---|---|", flush=True)
    failed = 0
    for combination in combinations(arguments.smoke):
        name = f"{combination.name}, {combination.python}"
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        begun = time.monotonic()
        airflow, python, summary = result(arguments.uv, combination)
        failed += summary.startswith(FAILED)
        took = time.monotonic() - begun
        print(f"| {combination.name} | {airflow} | {python} | {summary} | {took:.0f} s |", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
