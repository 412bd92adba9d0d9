"""
Waits, events, bulk work, files and failures, again and again: ``python -m tests.soak --seconds 600``.

Counts what the process holds after the first part and at the end, and exits with 1 if something has grown. It runs
without pytest, which keeps what is logged and printed. With ``--triggerer``, the same for Airflow's own triggerer.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_provider_objectstore.hooks import connection_fields
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.transport.client import MAX_STATES
from airflow_provider_objectstore.transport.retry import RetryPolicy
from airflow_provider_objectstore.triggers import change_trigger
from tests.fs.buckets import create
from tests.soak import memory
from tests.soak.measures import measure
from tests.soak.rounds import Rounds

WARM_UP_ROUNDS = MAX_STATES // 4 + 1
"""Fills what is bounded: each round makes four connections."""
MORE = 2
"""By how much a count may be higher at the end: what the last round has left to the garbage collector."""


@contextmanager
def connected() -> Iterator[None]:
    """Both services in a process of their own, as the default connections, and two connections that fail."""
    command = [sys.executable, "-m", "airflow_provider_objectstore.emulator", "--port", "0", "--s3-port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        socket.create_server(("127.0.0.1", 0), backlog=1000) as silent,
    ):
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if found := re.match(r"export (AIRFLOW_CONN_\w+)=(.*)", line):
                    connection = json.loads(shlex.split(found[2])[0])
                    connection["extra"]["requests_per_second"] = 100_000
                    os.environ[found[1]] = json.dumps(connection)
                    if "ANYPOINT" in found[1]:
                        refused = {**connection, "host": "http://127.0.0.1:1"}
                        os.environ["AIRFLOW_CONN_ANYPOINT_REFUSED"] = json.dumps(refused)
                        never = {**connection, "host": f"http://127.0.0.1:{silent.getsockname()[1]}"}
                        never["extra"] = {**connection["extra"], "timeout": 0.2}
                        os.environ["AIRFLOW_CONN_ANYPOINT_SILENT"] = json.dumps(never)
                if "AIRFLOW_CONN_CIVO" in line:
                    break
            yield
        finally:
            server.terminate()


def soak(seconds: float, seed: int, folder: Path) -> list[str]:
    """Work for this long, at least; print what is held. Return the names of what has grown."""
    rounds = Rounds(seed, folder)
    began = time.monotonic()
    while rounds.number < WARM_UP_ROUNDS or time.monotonic() - began < seconds / 10:
        rounds.run()
    first, warm = measure(), rounds.number
    while rounds.number < warm + 2 or time.monotonic() - began < seconds:
        rounds.run()
    last = measure()
    took = time.monotonic() - began
    print(f"{rounds.number} rounds in {took:.0f} s, {warm} of them before the first count; seed {seed}\n")
    print("| held | after the first part | at the end | growth | allowed |\n|---|---|---|---|---|")
    grown = []
    for name, value in last.items():
        more, allowed = value - first.get(name, 0), memory.ALLOWED.get(name, MORE)
        grown += [name] * (more > allowed)
        print(f"| {name} | {first.get(name, 0):g} | {value:g} | {more:+g} | {allowed} |")
    return grown


def main() -> int:
    """Run with the arguments of the command line; return the exit code."""
    if memory.ENVIRONMENT.items() - os.environ.items():
        os.execve(sys.executable, sys.orig_argv, os.environ | memory.ENVIRONMENT)
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--triggerer", action="store_true", help="in the triggerer of an Airflow")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    quick = partial(RetryPolicy, attempts=2, deadline=0.01, initial_wait=0.001)
    connection_fields.RetryPolicy = quick  # type: ignore[assignment, misc]
    change_trigger.EVENT_DISTANCE = 0
    with TemporaryDirectory() as folder, connected():
        create(CivoObjectStoreHook(), "bucket")
        if options.triggerer:
            from tests.soak import triggerer

            grown = triggerer.soak(options.seconds, Path(folder))
        else:
            grown = soak(options.seconds, options.seed, Path(folder))
    if grown:
        print("\nHas grown:", ", ".join(grown))
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
