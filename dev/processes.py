"""
Programs that end together, and with us.

They run in a session of their own under a guard, this module as a program. The guard ends every process of that
session when its standard input closes (we stopped, or were killed) or when one of the programs ends by itself.
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


class Processes:
    """
    :param programs: command line by name.
    :param environment: all their environment variables.
    :param logs: folder for a ``<name>.log`` each.
    """

    def __init__(self, programs: Mapping[str, Sequence[str]], environment: Mapping[str, str], logs: Path) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, __file__, json.dumps(programs), str(logs)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )

    def running(self) -> bool:
        """Whether all of them still are."""
        return self._guard.poll() is None

    def stop(self) -> None:
        """End them, with all that they started."""
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
    while others := [pid for pid in psutil.pids() if pid != os.getpid() and _in_our_session(pid)]:
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for program in started:
            program.wait()


def _in_our_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


if __name__ == "__main__":
    guard(json.loads(sys.argv[1]), Path(sys.argv[2]))
