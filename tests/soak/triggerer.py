"""
Waits and watchers in Airflow's own triggerer, again and again: ``python -m tests.soak --triggerer --seconds 240``.

Compares the least that the triggerer's process held in the first minute with the least of the last one.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import boto3

from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from dev.server import Airflow
from tests.soak import memory
from tests.triggers.restartable import until

HERE = Path(__file__).parent
WAITS = 20
WARM_UP_ROUNDS = 2
MINUTE = 60.0
ALLOWED: dict[str, float] = memory.ALLOWED | {"file descriptors": 2, "threads": 1, "tasks": 2}
"""By how much each may be higher in the last minute."""


class Soak(Airflow):
    """An Airflow with waits, watchers and a probe in its triggerer."""

    def __init__(self, folder: Path, connections: dict[str, Any]) -> None:
        super().__init__(folder, HERE / "dags", connections)
        self.samples_file = folder / "samples.jsonl"
        self.environment |= memory.ENVIRONMENT | {
            "PYTHONPATH": str(HERE.parent.parent),
            "SOAK_PROBE": str(self.samples_file),
            "SOAK_WAITS": str(WAITS),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }

    def run(self, dag_id: str, run_id: str) -> None:
        """Start a DAG run."""
        self.call("POST", f"/dags/{dag_id}/dagRuns", json={"dag_run_id": run_id, "logical_date": None})

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a DAG run."""
        state: str = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return state

    def events(self) -> int:
        """How many runs watchers have started."""
        return sum(self.call("GET", f"/dags/{name}/dagRuns", params={"limit": 1})["total_entries"] for name in WATCHED)

    def samples(self) -> list[dict[str, float]]:
        """What the probe has measured."""
        return [json.loads(line) for line in self.samples_file.read_text().splitlines()]


WATCHED = "keys", "objects"


def round_of(airflow: Soak, number: int, s3: Any) -> None:
    """Let waits begin, change what is watched, and let the waits end."""
    hook, run_id = AnypointObjectStoreHook(), f"round-{number}"
    airflow.run("waits", run_id)
    hook.put_key("s", "watched", f"k{number % 5}", number)
    s3.put_object(Bucket="bucket", Key=f"k{number % 5}", Body=str(number).encode())
    time.sleep(3)
    hook.put_many("s", run_id, {f"k{each}": 1 for each in range(WAITS)}).raise_failed()
    until(lambda: airflow.state("waits", run_id) in ("success", "failed"))
    assert airflow.state("waits", run_id) == "success", airflow.component_logs()
    hook.delete_partition("s", run_id)


def soak(seconds: float, folder: Path) -> list[str]:
    """Wait and watch for this long, at least three minutes; print what was held. Return the names of what has grown."""
    seconds = max(seconds, 3 * MINUTE)
    names = [name for name in os.environ if name.startswith("AIRFLOW_CONN_") and name.endswith("_DEFAULT")]
    connections = {name.removeprefix("AIRFLOW_CONN_").lower(): json.loads(os.environ[name]) for name in names}
    AnypointObjectStoreHook().create_store("s")
    s3 = boto3.client("s3", **CivoObjectStoreHook().s3_options("bucket").boto3())
    with Soak(folder, connections) as airflow:
        until(lambda: len(airflow.call("GET", "/dags")["dags"]) == 2 + len(WATCHED))
        airflow.run("probe", "probe")
        number = 0
        while number < WARM_UP_ROUNDS:
            round_of(airflow, number := number + 1, s3)
        began = time.time()
        while time.time() - began < seconds:
            round_of(airflow, number := number + 1, s3)
        events, samples = airflow.events(), [each for each in airflow.samples() if each["at"] >= began]
    assert events >= 2, "the watchers have seen nothing"
    print(f"{number} rounds of {WAITS + 1} waits, {events} runs by watchers, {time.time() - began:.0f} s\n")
    return compare(samples)


def compare(samples: list[dict[str, float]]) -> list[str]:
    """Print the first minute beside the last; return the names of what has grown."""
    first = [each for each in samples if each["at"] <= samples[0]["at"] + MINUTE]
    last = [each for each in samples if each["at"] >= samples[-1]["at"] - MINUTE]
    print("| held by the triggerer | in the first minute | in the last | growth | allowed |\n|---|---|---|---|---|")
    grown = []
    for name, allowed in ALLOWED.items():
        before, after = (min(each[name] for each in some) for some in (first, last))
        grown += [name] * (after - before > allowed)
        print(f"| {name} | {before:.1f} | {after:.1f} | {after - before:+.1f} | {allowed:g} |")
    return grown
