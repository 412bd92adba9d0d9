"""
A process without threads that forks a child for each rotation and kills it: ``python -m tests.rotation.kill_worker``

Each line of its input orders one rotation, each line of its output reports the result.
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

from airflow.providers.common.compat.sdk import TaskDeferred

from tests.rotation.harness import CREDENTIAL, resume, rotation_task, run_context, short_sleeps

_IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def main() -> None:
    """Fork until the input ends."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # where Airflow logs
    for line in sys.stdin:
        order = json.loads(line)
        if order.pop("warm_up"):  # once here, so that no child has to import anything
            rotate(report=io.StringIO(), **order)
            gc.collect()
            gc.freeze()
        output.write(json.dumps(fork(**order)) + "\n")


def fork(**order: Any) -> dict[str, Any]:
    """Run one rotation in a child, see :func:`rotate`."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as report:
            rotate(report=report, **order)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        lines = [json.loads(line) for line in report]
    _, status = os.waitpid(child, 0)
    return {
        "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        "requests": [line["request"] for line in lines if "request" in line],
        "result": next((line["result"] for line in lines if "result" in line), None),
        "error": next((line["error"] for line in lines if "error" in line), None),
    }


def rotate(
    report: io.TextIOBase, position: int | None = None, when: str = "", *, deferred: bool, week: int, **arguments: Any
) -> None:
    """
    Run one rotation.

    :param report: where each request and the result are written, one a line.
    :param position: kill this process at that request, counted from 1; None for not at all.
    :param when: ``sent`` to kill it before the response, ``answered`` after it.
    :param deferred: whether it has a grace period, after which a new task is resumed, as in another process.
    :param arguments: more of the operator's arguments.
    """
    send, receive = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse
    request, count = "", 0

    def send_noted(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        nonlocal request
        request = f"{method} {_IDS.sub('{id}', url.partition('?')[0])}"
        send(connection, method, url, *args, **kwargs)

    def receive_counted(connection: Any) -> Any:
        nonlocal count
        count += 1
        report.write(json.dumps({"request": request}) + "\n")
        if count == position and when == "sent":
            os.kill(os.getpid(), signal.SIGKILL)
        response = receive(connection)
        if count == position:
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    with ExitStack() as patches:
        # All requests go through these two, ours and boto3's.
        patches.enter_context(mock.patch.object(http.client.HTTPConnection, "putrequest", send_noted))
        patches.enter_context(mock.patch.object(http.client.HTTPConnection, "getresponse", receive_counted))
        patches.enter_context(short_sleeps())
        try:
            result = execute(deferred, week, **arguments)
            report.write(json.dumps({"result": result}) + "\n")
        except Exception:
            report.write(json.dumps({"error": traceback.format_exc()}) + "\n")


def execute(deferred: bool, week: int, **arguments: Any) -> Any:
    """Execute the task, and a new one from where it deferred."""
    arguments |= {"credential": CREDENTIAL, "grace_period": 60 if deferred else None}
    try:
        return rotation_task(**arguments).execute(run_context(week))
    except TaskDeferred as wait:
        return resume(rotation_task(**arguments), wait, week)


if __name__ == "__main__":
    main()
