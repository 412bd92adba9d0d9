"""The example DAGs on a real Airflow, against the emulator: ``make demo``, and ``make up`` to look around."""

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
from dev.report import Progress, contents, task_table
from dev.runs import DONE, Run, Task
from dev.server import Airflow, AirflowError, free_port

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".cache" / "demo"

# The lines run at a time, what stands in a line one after the other. The checkpoint's second run goes on where the
# first one stopped; the last but one writes the key that the last one's watcher has looked for since Airflow is up.
PLAN = [
    ["example_checkpoint", "example_checkpoint"],
    ["example_rotation", "example_rotation_pool"],
    ["example_purge", "example_backup"],
    ["example_task_state"] if metadata.version("apache-airflow") >= "3.3" else [],
    ["example_confirmation", "example_provisioning", "example_waiting", "example_waiting_event"],
]
# The demo starts the others.
BY_ITSELF = {
    "example_waiting_event": "asset_triggered",
    "example_rotation": "scheduled",
    "example_purge": "scheduled",
}
POOLS = {"s3_consumers": 4, "object_store_v2": 2}
# Of the tasks only: in the triggerer, the backend would block the event loop.
STATE = {
    "WORKERS__STATE_STORE_BACKEND": "airflow.providers.common.io.state_store.backend.StateStoreObjectStorageBackend",
    "COMMON_IO__STATE_STORE_OBJECTSTORAGE_PATH": "osv2://anypoint_default@airflow-state/tasks",
}
S3 = {"moto": "airflow_provider_objectstore.emulator:MotoS3", "rgw": "tests.rgw.backend:RgwS3"}


def main() -> int:
    """Return the exit code: 0 if every task of every run succeeded."""
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    console = Console(width=None if sys.stdout.isatty() else 110)
    progress = Progress(console)
    progress.say(f"Starting the emulator (S3 by {options.s3}) and Airflow")
    try:
        with (
            emulator(options.s3) as services,
            Airflow(HOME, options.dags, services.connections(), POOLS, 8080, task_configuration=STATE) as airflow,
        ):
            progress.say(f"Airflow is on {airflow.url} (no login), the services are on {services.url}")
            if options.up:
                return stay(progress, services, airflow)
            with progress:
                runs, tasks = play(airflow, options.plan, progress, options.timeout)
            return report(console, airflow, runs, tasks)
    except AirflowError as error:
        console.print(str(error), style="red", markup=False)
        return 1


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument(
        "plan", nargs="*", type=planned, default=PLAN, help="DAG, or DAG:runs, instead of the usual; all at a time"
    )
    parser.add_argument("--s3", choices=S3, default="moto", help="what holds the buckets")
    parser.add_argument("--dags", type=Path, default=ROOT / "example_dags", help="folder of the DAG files")
    parser.add_argument("--timeout", type=float, default=120, help="seconds that a run may take")
    parser.add_argument("--up", action="store_true", help="run nothing, stay up until Ctrl-C")
    return parser.parse_args()


def planned(text: str) -> list[str]:
    """``dag`` or ``dag:runs``, as a line of the plan."""
    dag_id, _, runs = text.partition(":")
    return [dag_id] * int(runs or 1)


def emulator(s3: str) -> Emulator:
    """Both services, on their usual ports where these are free."""
    settings = Settings(creating_seconds=3)  # so that waiting for a bucket is worth showing
    return Emulator(settings, port=free_port(8089), s3_port=free_port(8090), s3=s3_backend(s3))


def s3_backend(name: str) -> S3Backend:
    """What holds the buckets: moto or rgw."""
    module, _, kind = S3[name].partition(":")
    backend: S3Backend = getattr(importlib.import_module(module), kind)()
    return backend


def play(airflow: Airflow, plan: list[list[str]], progress: Progress, seconds: float) -> tuple[list[Run], list[Task]]:
    """Run everything that is planned, each line up to its first failure."""
    tasks: dict[Run, list[Task]] = {}  # of every run that was started
    lines = [
        iter([Run(airflow, dag, line[: at + 1].count(dag), BY_ITSELF.get(dag)) for at, dag in enumerate(line)])
        for line in plan
    ]
    running = {run: line for line in lines if (run := begin(line))}
    while running:
        time.sleep(0.4)
        airflow.check()
        for run, line in list(running.items()):
            tasks[run] = run.look()
            taken = time.monotonic() - run.started
            if run.state in DONE or taken > seconds:
                progress.say(f"{run.dag_id}, run {run.number}: {run.state} after {taken:.1f} s")
                del running[run]
                if run.state == "success" and (following := begin(line)):
                    running[following] = line
        progress.tasks([task for run in running for task in tasks.get(run, ())])
    return list(tasks), [task for found in tasks.values() for task in found]


def begin(line: Iterator[Run]) -> Run | None:
    """Start the next run of a line, if there is one."""
    run = next(line, None)
    if run:
        run.start()
    return run


def report(console: Console, airflow: Airflow, runs: list[Run], tasks: list[Task]) -> int:
    """Print the tables and, of what failed, the ends of the logs."""
    console.print()
    console.print(task_table(tasks))
    # The hooks find the connections here; Airflow would also warn that the region is too short for a secret.
    os.environ.update(airflow.environment, AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")
    for table in contents():
        console.print()
        console.print(table)
    failed = [run for run in runs if run.state != "success"]
    for run in failed:
        console.print(f"\n{run.dag_id}, run {run.number}: {run.state}", style="red")
        for name, log in run.failures():
            console.print(f"--- {name}\n{log}", markup=False, highlight=False, soft_wrap=True)
    return 1 if failed or any(task.state != "success" for task in tasks) else 0


def stay(progress: Progress, services: Emulator, airflow: Airflow) -> int:
    """Keep everything up until Ctrl-C."""
    for conn_id, connection in services.connections().items():
        progress.say(f"connection {conn_id}: {json.dumps(connection)}")
    progress.say(f"S3 is on {services.s3_url}. Ctrl-C stops everything and forgets it.")
    while True:
        airflow.check()
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
