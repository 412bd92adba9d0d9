"""
A process without threads that forks one child per rotation and has it killed: ``python -m tests.rotation.worker``

Each line of its input asks for one run, each line of its output says what came of it.
"""

from __future__ import annotations

import gc
import http.client
import io
import json
import os
import re
import signal
import sys
import traceback
from contextlib import ExitStack
from typing import Any
from unittest import mock

from tests.rotation.harness import CREDENTIAL, rotation_task, run_of, short_sleeps

_IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def main() -> None:
    """Fork until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # where Airflow logs
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.pop("warm"):  # once here, so that no child has to import anything
            rotate(report=io.StringIO(), **asked)
            gc.collect()
            gc.freeze()
        answers.write(json.dumps(forked(**asked)) + "\n")


def forked(**asked: Any) -> dict[str, Any]:
    """Run one rotation in a child, see :func:`rotate`."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as report:
            rotate(report=report, **asked)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        told = [json.loads(line) for line in report]
    _, status = os.waitpid(child, 0)
    return {
        "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        "requests": [it["request"] for it in told if "request" in it],
        "result": next((it["result"] for it in told if "result" in it), None),
        "error": next((it["error"] for it in told if "error" in it), None),
    }


def rotate(strategy: str, week: int, report: io.TextIOBase, position: int | None = None, when: str = "") -> None:
    """
    Run one rotation.

    :param report: told, line by line, each request and what came of it all.
    :param position: end this process at that request, counted from 1; None for not at all.
    :param when: whether the request has been ``sent`` only by then, or ``answered`` too.
    """
    put, answer = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse
    request, made = "", 0

    def noted(connection: Any, method: str, url: str, *arguments: Any, **more: Any) -> None:
        nonlocal request
        request = f"{method} {_IDS.sub('{id}', url.partition('?')[0])}"
        put(connection, method, url, *arguments, **more)

    def counted(connection: Any) -> Any:
        nonlocal made
        made += 1
        report.write(json.dumps({"request": request}) + "\n")
        if made == position and when == "sent":
            os.kill(os.getpid(), signal.SIGKILL)
        answered = answer(connection)
        if made == position:
            os.kill(os.getpid(), signal.SIGKILL)
        return answered

    with ExitStack() as patches:
        # What all requests come through, ours and boto3's.
        patches.enter_context(mock.patch.object(http.client.HTTPConnection, "putrequest", noted))
        patches.enter_context(mock.patch.object(http.client.HTTPConnection, "getresponse", counted))
        patches.enter_context(short_sleeps())
        try:
            result = rotation_task(strategy, credential=CREDENTIAL).execute(run_of(week))
            report.write(json.dumps({"result": result}) + "\n")
        except Exception:
            report.write(json.dumps({"error": traceback.format_exc()}) + "\n")


if __name__ == "__main__":
    main()
