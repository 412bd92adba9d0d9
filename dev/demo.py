"""Run the example DAGs on a real Airflow, against the emulator: ``make demo``. ``make up`` runs a few and stays up."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from rich.console import Console

from airflow_provider_objectstore.emulator import Emulator, S3Backend, Settings
from dev.processes import AirflowError
from dev.report import Progress, content_tables, task_table
from dev.rotation import ObservedRotation
from dev.runs import DONE, Run, Task
from dev.server import Airflow, free_port

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".cache" / "demo"

# Chains of DAGs. The chains run in parallel, the DAGs of a chain one after the other. The checkpoint's second run
# continues where the first one stopped. example_waiting writes the key that the watcher of example_waiting_event polls
# for since Airflow started. The second rotation takes place while its consumers read and write.
PLAN = [
    ["example_rotation", "example_rotation_consumer", "example_rotation"],
    ["example_checkpoint", "example_checkpoint", "example_usage"],
    ["example_first", "example_purge", "example_backup"],
    ["example_task_state"] if metadata.version("apache-airflow") >= "3.3" else [],
    ["example_confirmation", "example_provisioning", "example_waiting", "example_waiting_event"],
    ["example_new_objects", "example_new_objects_event"],
]
# What `make up` runs, so that the page *Object stores* has something to show.
FILLING = [["example_first"], ["example_rotation"], ["example_checkpoint", "example_usage"]]
# How Airflow starts these, by DAG and number of the run. The demo starts the others.
STARTED_BY_AIRFLOW = {
    ("example_waiting_event", 1): "asset_triggered",
    ("example_new_objects_event", 1): "asset_triggered",
    ("example_rotation", 1): "scheduled",
    ("example_purge", 1): "scheduled",
}
CONF = {("example_rotation", 2): {"days": 0}}
# The next DAG of the chain starts as soon as all tasks of these run.
BESIDE_NEXT = {"example_rotation_consumer"}
POOLS = {"object_store_v2": 2}
# For tasks only: in the triggerer, the backend would block the event loop.
STATE_STORE = {
    "WORKERS__STATE_STORE_BACKEND": "airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend",
    "COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH": "osv2://anypoint_default@airflow-state/tasks",
}
S3_BACKENDS = {"moto": "airflow_provider_objectstore.emulator:MotoS3", "rgw": "tests.rgw.backend:RgwS3"}


def main() -> int:
    """Run the demo. Return the exit code: 0 if every task of every run succeeded."""
    options = parse_arguments()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda received, _: sys.exit(128 + received))
    console = Console(width=None if sys.stdout.isatty() else 110)
    progress = Progress(console)
    progress.log(f"Starting the emulator (S3 by {options.s3}) and Airflow")
    try:
        with (
            emulator(options.s3) as services,
            Airflow(HOME, options.dags, services.connections(), POOLS, 8080, task_configuration=STATE_STORE) as airflow,
        ):
            progress.log(f"Airflow is on {airflow.url} (no login), the services are on {services.url}")
            list_connections(airflow, services)
            if options.up:
                return stay_up(progress, services, airflow, options.timeout)
            with progress:
                runs, tasks = run_plan(airflow, options.plan, progress, options.timeout)
            return report(console, airflow, runs, tasks)
    except AirflowError as error:
        console.print(str(error), style="red", markup=False)
        return 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument(
        "plan",
        nargs="*",
        type=parse_chain,
        default=PLAN,
        help="DAGs instead of the usual ones, one after the other as in DAG,DAG; all chains in parallel",
    )
    parser.add_argument("--s3", choices=S3_BACKENDS, default="moto", help="the S3 backend")
    parser.add_argument("--dags", type=Path, default=ROOT / "example_dags", help="folder of the DAG files")
    parser.add_argument("--timeout", type=float, default=120, help="seconds in which something must happen")
    parser.add_argument("--up", action="store_true", help="run a few DAGs, stay up until Ctrl-C")
    return parser.parse_args()


def parse_chain(text: str) -> list[str]:
    """Return DAGs, separated by commas, as a chain of the plan."""
    return text.split(",")


def emulator(s3: str) -> Emulator:
    """Return an emulator of both services, on the usual ports if these are free."""
    settings = Settings(creating_seconds=3)  # so that waiting for a bucket is worth showing
    return Emulator(settings, port=free_port(8089), s3_port=free_port(8090), s3=s3_backend(s3))


def s3_backend(name: str) -> S3Backend:
    """Return an S3 backend by name, ``moto`` or ``rgw``."""
    module, _, kind = S3_BACKENDS[name].partition(":")
    backend: S3Backend = getattr(importlib.import_module(module), kind)()
    return backend


def run_plan(
    airflow: Airflow, plan: list[list[str]], progress: Progress, timeout: float
) -> tuple[list[Run], list[Task]]:
    """Run all chains in parallel, each up to its first failure. A run ends if no run has moved on for ``timeout``."""
    tasks: dict[Run, list[Task]] = {}  # of every run that has started
    chains = [iter(planned_runs(airflow, chain)) for chain in plan]
    running = {run: chain for chain in chains if (run := start_next(chain))}
    states: list[tuple[object, ...]] = []
    moved = time.monotonic()  # a slow machine is no fault: what counts is whether anything happens
    while running:
        time.sleep(0.4)
        airflow.check()
        for run, chain in list(running.items()):
            tasks[run] = run.refresh()
            elapsed, still = (time.monotonic() - since for since in (run.started, max(moved, run.started)))
            if run.state in DONE or still > timeout:
                more = "" if run.state in DONE else f'; ARGS="--timeout {5 * timeout:.0f}" would wait longer'
                progress.log(f"{run.dag_id}, run {run.number}: {run.state} after {elapsed:.1f} s{more}")
                del running[run]
                goes_on = run.state == "success"
            elif goes_on := is_beside_next(run, tasks[run]):
                running[run] = iter(())  # only its end is awaited
            if goes_on and (next_run := start_next(chain)):
                running[next_run] = chain
        found = [(task.dag_id, task.run, task.name, task.state) for of_run in tasks.values() for task in of_run]
        if found != states:
            states, moved = found, time.monotonic()
        progress.show([task for run in running for task in tasks.get(run, ())])
    return list(tasks), [task for of_run in tasks.values() for task in of_run]


def planned_runs(airflow: Airflow, chain: list[str]) -> list[Run]:
    """Return the runs of a chain."""
    numbered = [(dag_id, chain[: place + 1].count(dag_id)) for place, dag_id in enumerate(chain)]
    return [Run(airflow, *run, STARTED_BY_AIRFLOW.get(run), CONF.get(run)) for run in numbered]


def is_beside_next(run: Run, tasks: list[Task]) -> bool:
    """Return whether the next run of the chain is to start although this one has not ended."""
    return run.dag_id in BESIDE_NEXT and bool(tasks) and all(task.state == "running" for task in tasks)


def start_next(chain: Iterator[Run]) -> Run | None:
    """Start the next run of a chain, if there is one."""
    run = next(chain, None)
    if run:
        run.start()
    return run


def report(console: Console, airflow: Airflow, runs: list[Run], tasks: list[Task]) -> int:
    """Print the tables, and the end of the log of each failed task. Return the exit code."""
    console.print()
    console.print(task_table(tasks))
    # The hooks read the connections from here. Airflow would warn that the region is too short for a secret.
    os.environ.update(airflow.environment, AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")
    for table in content_tables():
        console.print()
        console.print(table)
    rotation = ObservedRotation.of(runs)
    problems = rotation.problems() if rotation else []
    if rotation:
        console.print()
        console.print(rotation.table())
        console.print(rotation.summary(), highlight=False)
    for problem in problems:
        console.print(problem, style="red")
    failed = [run for run in runs if run.state != "success"]
    for run in failed:
        console.print(f"\n{run.dag_id}, run {run.number}: {run.state}", style="red")
        for name, log in run.failures():
            console.print(f"--- {name}\n{log}", markup=False, highlight=False, soft_wrap=True)
    return 1 if failed or problems or any(task.state != "success" for task in tasks) else 0


def list_connections(airflow: Airflow, services: Emulator) -> None:
    """Put the connections into Airflow's database, too: its UI cannot list those of the environment."""
    for conn_id, connection in services.connections().items():
        stored = {**connection, "connection_id": conn_id, "extra": json.dumps(connection["extra"])}
        airflow.call("POST", "/connections", json=stored)


def stay_up(progress: Progress, services: Emulator, airflow: Airflow, timeout: float) -> int:
    """Fill the stores by some of the DAGs, and keep everything up until Ctrl-C."""
    for conn_id, connection in services.connections().items():
        progress.log(f"connection {conn_id}: {json.dumps(connection)}")
    progress.log(f"S3 is on {services.s3_url}. Ctrl-C stops everything and deletes its state.")
    with progress:
        run_plan(airflow, FILLING, progress, timeout)
    progress.log(f"What the DAGs have left behind: {airflow.url}/plugin/object-stores")
    while True:
        airflow.check()
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
