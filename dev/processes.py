"""
Programs that end together, and at the latest with this process.

They run in their own session under a guard, which is this module run as a program. The guard kills every process of
the session when its standard input closes (this process stopped, or was killed) or when one of the programs ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil


class AirflowError(RuntimeError):
    """Airflow did not start, or rejected a request."""


class Processes:
    """
    Starts the programs.

    :param programs: command line by name.
    :param environment: all of their environment variables.
    :param logs: folder for each program's ``<name>.log``.
    """

    def __init__(self, programs: Mapping[str, Sequence[str]], environment: Mapping[str, str], logs: Path) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, __file__, json.dumps(programs), str(logs)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process
        )

    @property
    def session(self) -> int:
        """The id of the session that all processes belong to."""
        return self._guard.pid

    def running(self) -> bool:
        """Return whether all programs run."""
        return self._guard.poll() is None

    def stop(self) -> None:
        """Kill the programs and all processes that they started."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()


def guard(programs: Mapping[str, Sequence[str]], logs: Path) -> None:
    """Run the programs until one ends or standard input closes."""
    started = []
    for name, command in programs.items():
        with (logs / f"{name}.log").open("wb") as log:
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    while all(program.poll() is None for program in started):
        if select.select([sys.stdin], [], [], 0.5)[0]:
            break
    while remaining := [pid for pid in psutil.pids() if pid != os.getpid() and _is_in_session(pid)]:
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for program in started:
            program.wait()


def _is_in_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


if __name__ == "__main__":
    guard(json.loads(sys.argv[1]), Path(sys.argv[2]))
