"""
Runs programs in forks of one process that has imported Airflow: an import takes seconds of processor time, a fork none.

``python -m tests.forks SOCKET CODE`` runs the code and serves. Each program has a process, an environment and a
``__main__`` of its own.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Done:
    """A program that has ended; ``printed`` is what it wrote to standard output and standard error."""

    returncode: int
    printed: str


class Forks:
    """
    Runs programs as long as the ``with`` block lasts.

    :param prepare: code that runs once, to import what the programs use. It may start no thread and open no database.
    :param environment: all environment variables.
    """

    def __init__(self, prepare: str, environment: Mapping[str, str] | None = None) -> None:
        self._prepare = prepare
        self.environment = dict(os.environ if environment is None else environment)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="forks-")
        self._socket = f"{self._folder.name}/socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", self._socket, self._prepare],
            cwd=Path(__file__).parents[1],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert self._process.stdout is not None
        if b"ready\n" not in iter(self._process.stdout.readline, b""):  # imports may print
            self.__exit__()
            raise RuntimeError(f"failed: {self._prepare}")
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # the programs that still run too
        self._process.communicate()
        self._folder.cleanup()

    def run(
        self, code: str, *arguments: object, environment: Mapping[str, str] | None = None, timeout: int = 240
    ) -> Done:
        """
        Run a program.

        :param code: as of ``python -c``; with a first argument ``-m``, the name of a module.
        :param environment: all environment variables; those of :class:`Forks` without it. What modules read from those
            when they were imported stays.
        :param timeout: seconds after which it is killed.
        """
        order = {
            "code": code,
            "arguments": [str(argument) for argument in arguments],
            "environment": dict(environment if environment is not None else self.environment),
            "timeout": timeout,
        }
        with tempfile.NamedTemporaryFile(dir=self._folder.name) as output, socket.socket(socket.AF_UNIX) as line:
            line.connect(self._socket)
            line.sendall(json.dumps({**order, "output": output.name}).encode() + b"\n")
            code_read = line.makefile().readline()
            return Done(int(code_read), Path(output.name).read_text(errors="replace"))


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        order = json.loads(self.rfile.readline())
        child = os.fork()
        if not child:
            _run(order)
        _, status = os.waitpid(child, 0)
        self.wfile.write(f"{os.waitstatus_to_exitcode(status)}\n".encode())


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = 1000
    parent = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self.parent:  # the tests were killed
            os.killpg(0, signal.SIGKILL)


def _run(order: Mapping[str, Any]) -> None:
    """Be the program, to the end of this process."""
    signal.alarm(order["timeout"])
    output = os.open(order["output"], os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.environ.clear()
    os.environ.update(order["environment"])
    returncode = 1
    try:
        if order["arguments"][:1] == ["-m"]:
            sys.argv = [order["code"], *order["arguments"][1:]]
            runpy.run_module(order["code"], run_name="__main__", alter_sys=True)
        else:
            sys.argv = ["-c", *order["arguments"]]
            main = type(sys)("__main__")
            sys.modules["__main__"] = main
            exec(compile(order["code"], "<string>", "exec"), main.__dict__)
        returncode = 0
    except SystemExit as end:
        returncode = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(returncode)


def main(path: str, prepare: str) -> None:
    """Serve until this process is killed."""
    exec(prepare, {})
    with _Server(path, _Handler) as server:
        print("ready", flush=True)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
